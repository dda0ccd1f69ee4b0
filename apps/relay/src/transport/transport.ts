// The port between sockets and sessions. An adapter (uws.ts, ws.ts) accepts WebSockets, keeps topics and fans out;
// it knows nothing of rooms, frames or control messages. Both adapters pass test/transport/contract.ts.

/** One WebSocket. Every method is safe on a closed socket: it then does nothing. */
export interface Socket {
  /** Address of the peer as text, a trusted proxy's word already applied; never logged whole. */
  readonly address: string
  /** Sends one message. Keeps its order with what was published to this socket's topics before. */
  sendText(text: string): void
  sendBinary(bytes: Uint8Array): void
  subscribe(topic: string): void
  unsubscribe(topic: string): void
  /** Starts the closing handshake. @param reason at most 123 bytes of UTF-8 */
  end(code: number, reason: string): void
  /** Bytes waiting in this process for the peer to read. */
  bufferedBytes(): number
}

/** What a connection does with its socket's events. Calls never overlap and end with exactly one `closed`. */
export interface SocketHandler {
  /** @param bytes valid only during the call: copy what is kept */
  binary(bytes: Uint8Array): void
  text(text: string): void
  /** @param code WebSocket close code, 1006 when the peer vanished, `slowReaderCode` when it was cut off for reading too slowly */
  closed(code: number): void
}

export type UpgradeRequest = {
  /** Address of the directly connected peer. */
  peer: string
  /** X-Forwarded-For as it came, or an empty string. */
  forwardedFor: string
  /** Origin as it came, or an empty string: browsers send one, terminal clients do not. */
  origin: string
  path: string
}

/** Either the address to use for this peer, or an HTTP refusal. */
export type UpgradeDecision =
  | { accept: true; address: string }
  | {
      accept: false
      status: 403 | 404 | 429 | 503
      message: string
      retryAfterSeconds?: number
      /** The close code that the refusal stands for, told in a header: a client acts as if it had been closed with it. */
      closeCode?: number
    }

export type TransportEvents = {
  /** Decides before the handshake. Never throws. */
  upgrade(request: UpgradeRequest): UpgradeDecision
  open(socket: Socket): SocketHandler
  /** A handler threw: our fault. The adapter has closed that one connection with `internal`. */
  fault(error: unknown): void
}

export type TransportOptions = {
  host: string
  /** 0 picks a free port. */
  port: number
  tls: { certFile: string; keyFile: string } | null
  /** A longer message closes the connection with 1009. */
  messageBytesMax: number
  /** More than this waiting for one peer closes it as a slow reader; nothing is ever skipped for it. */
  backpressureBytesMax: number
  pingIntervalMs: number
  /** What GET / answers to a browser or curl. */
  greeting: string
}

export interface Transport {
  readonly kind: 'uws' | 'ws'
  /** @returns the port that it listens on  @throws Error with `code` EADDRINUSE or EACCES, or naming the TLS file */
  listen(): Promise<number>
  /**
   * Sends to every socket subscribed to the topic. Messages published within one turn of the event loop reach each
   * socket in one write, in order.
   * @param message copied before the call returns
   * @returns how many sockets are subscribed
   */
  publish(topic: string, message: Uint8Array, isBinary: boolean): number
  /** Stops accepting; open connections stay. */
  stopListening(): void
  /** Drops what is still open and frees the port. */
  close(): Promise<void>
}

export type CreateTransport = (options: TransportOptions, events: TransportEvents) => Transport
