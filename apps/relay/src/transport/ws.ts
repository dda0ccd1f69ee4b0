// The adapter that runs anywhere, on the ws package. ws does handshakes and receives; sending is done here: each message
// is framed once (RFC 6455 section 5.2), queued per topic, and written once per socket at the end of the loop turn.
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { closeTable } from '@pychat/protocol'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import { createGate, handshakesPerTurn } from './gate.ts'
import { decideUpgrade, notFound, plainAddress, refusalHeaders, statusLine } from './handshake.ts'
import { listenError, readTlsFiles } from './listen.ts'
import type {
  CreateTransport,
  Socket,
  SocketHandler,
  Transport,
  TransportEvents,
  TransportOptions,
  UpgradeDecision,
} from './transport.ts'

const httpLimits = {
  maxHeaderSize: 4096,
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
}

/** How long a peer may take to answer a closing handshake. */
const closeTimeoutMs = 5_000

/** Pings go out in this many portions per interval, so that thousands of sockets do not make one long turn. */
const pingSlices = 16
const silentIntervalsMax = 2

/** A turn that publishes more than this is written in several portions. */
const batchBytesMax = 262_144

const pingFrame = Buffer.from([0x89, 0])

/** One whole unmasked frame in one buffer. */
function encodeFrame(payload: Uint8Array, isBinary: boolean): Buffer {
  const length = payload.length
  const headBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headBytes + length)
  frame[0] = isBinary ? 0x82 : 0x81
  if (headBytes === 2) {
    frame[1] = length
  } else if (headBytes === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.set(payload, headBytes)
  return frame
}

type Queued = { order: number; frame: Buffer }

class Topic {
  readonly name: string
  readonly members = new Set<WsSocket>()
  /** Published in this turn and not written yet, in order. */
  queue: Queued[] = []

  constructor(name: string) {
    this.name = name
  }
}

class WsSocket implements Socket {
  readonly address: string
  readonly transport: WsTransport
  readonly engine: WebSocket
  readonly stream: Duplex
  readonly topics = new Set<Topic>()
  handler: SocketHandler | null = null
  /** What `closed` will be told, 0 as long as the socket is open. */
  closeCode = 0
  /** Ping intervals since the peer was last heard. */
  silentIntervals = 0
  pingSlice = 0

  constructor(transport: WsTransport, engine: WebSocket, stream: Duplex, address: string) {
    this.transport = transport
    this.engine = engine
    this.stream = stream
    this.address = address
  }

  sendText(text: string): void {
    this.transport.send(this, Buffer.from(text), false)
  }

  sendBinary(bytes: Uint8Array): void {
    this.transport.send(this, bytes, true)
  }

  subscribe(topic: string): void {
    this.transport.subscribe(this, topic)
  }

  unsubscribe(topic: string): void {
    this.transport.unsubscribe(this, topic)
  }

  end(code: number, reason: string): void {
    this.transport.end(this, code, reason)
  }

  bufferedBytes(): number {
    return this.closeCode === 0 ? this.stream.writableLength : 0
  }
}

/** So that one function per event serves all connections. */
const socketOf = Symbol('socket')
type Engine = WebSocket & { [socketOf]: WsSocket }

function onMessage(this: WebSocket, data: unknown, isBinary: boolean): void {
  const socket = (this as Engine)[socketOf]
  socket.transport.received(socket, data as Buffer, isBinary)
}

function onHeard(this: WebSocket): void {
  ;(this as Engine)[socketOf].silentIntervals = 0
}

function onClose(this: WebSocket, code: number): void {
  const socket = (this as Engine)[socketOf]
  socket.transport.disconnected(socket, code)
}

/** ws closes by itself after an error; its `close` event then only says 1006. */
function onError(this: WebSocket, error: Error & { code?: string }): void {
  const socket = (this as Engine)[socketOf]
  socket.transport.gone(socket, closeCodeOfError(error.code))
}

function closeCodeOfError(code: string | undefined): number {
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return 1009
  if (code === 'WS_ERR_INVALID_UTF8') return 1007
  if (code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS') return 1008
  return code?.startsWith('WS_ERR_') ? 1002 : 1006
}

function ignoreError(): void {}

export const createWsTransport: CreateTransport = (options, events) => new WsTransport(options, events)

class WsTransport implements Transport {
  readonly kind = 'ws'
  readonly #options: TransportOptions
  readonly #events: TransportEvents
  readonly #gate = createGate(handshakesPerTurn)
  readonly #topics = new Map<string, Topic>()
  readonly #sockets: Set<WsSocket>[] = Array.from({ length: pingSlices }, () => new Set<WsSocket>())
  /** Topics with something in their queue. */
  #pending: Topic[] = []
  #pendingBytes = 0
  #published = 0
  #flushing: NodeJS.Immediate | null = null
  #server: Server | null = null
  #engine: WebSocketServer | null = null
  #pinging: NodeJS.Timeout | null = null
  #nextPingSlice = 0
  #nextSocketSlice = 0

  constructor(options: TransportOptions, events: TransportEvents) {
    this.#options = options
    this.#events = events
  }

  async listen(): Promise<number> {
    const { host, port, tls, messageBytesMax, pingIntervalMs } = this.#options
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response)
    const server =
      tls === null
        ? createHttpServer(httpLimits, answer)
        : createHttpsServer(
            { ...httpLimits, ...readTlsFiles(tls), handshakeTimeout: httpLimits.headersTimeout },
            answer,
          )
    const engineOptions: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: messageBytesMax,
      closeTimeout: closeTimeoutMs,
    }
    const engine = new WebSocketServer(engineOptions)
    server.on('upgrade', (request, stream, head) => {
      const upgrade = (): void => this.#upgrade(engine, request, stream, head)
      if (this.#gate.pass()) return upgrade()
      stream.on('error', ignoreError)
      this.#gate.wait(() => {
        if (this.#server === null) stream.destroy()
        else if (!stream.destroyed) upgrade()
      })
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(listenError(this.#options, cause)))
      server.listen({ host, port, exclusive: true }, resolve)
    })
    // From now on: accepting fails for want of file descriptors.
    server.removeAllListeners('error').on('error', this.#events.fault)
    this.#server = server
    this.#engine = engine
    this.#pinging = setInterval(() => this.#pingNextSlice(), pingIntervalMs / pingSlices).unref()
    return (server.address() as AddressInfo).port
  }

  publish(topicName: string, message: Uint8Array, isBinary: boolean): number {
    const topic = this.#topics.get(topicName)
    if (topic === undefined) return 0
    if (topic.queue.length === 0) this.#pending.push(topic)
    topic.queue.push({ order: this.#published++, frame: encodeFrame(message, isBinary) })
    this.#flushing ??= setImmediate(() => this.#flush())
    this.#pendingBytes += message.length
    const members = topic.members.size
    if (this.#pendingBytes > batchBytesMax) this.#flush()
    return members
  }

  stopListening(): void {
    this.#server?.close()
  }

  async close(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    if (this.#pinging !== null) clearInterval(this.#pinging)
    const closed = new Promise<void>((resolve) => {
      if (server.listening) server.close(() => resolve())
      else resolve()
    })
    for (const slice of this.#sockets) for (const socket of [...slice]) this.#drop(socket, 1006)
    server.closeAllConnections()
    this.#engine?.close()
    await closed
  }

  // Called by sockets and by the engine's events.

  send(socket: WsSocket, payload: Uint8Array, isBinary: boolean): void {
    if (socket.closeCode !== 0) return
    this.#flushBefore(socket)
    this.#write(socket, encodeFrame(payload, isBinary))
  }

  subscribe(socket: WsSocket, topicName: string): void {
    if (socket.closeCode !== 0) return
    let topic = this.#topics.get(topicName)
    if (topic === undefined) {
      topic = new Topic(topicName)
      this.#topics.set(topicName, topic)
    }
    // What was published before is not for the newcomer.
    if (topic.queue.length > 0) this.#flush()
    topic.members.add(socket)
    socket.topics.add(topic)
  }

  unsubscribe(socket: WsSocket, topicName: string): void {
    const topic = this.#topics.get(topicName)
    if (topic === undefined || !topic.members.has(socket)) return
    // What was published before still is for the leaver.
    if (topic.queue.length > 0) this.#flush()
    this.#leave(socket, topic)
  }

  end(socket: WsSocket, code: number, reason: string): void {
    if (socket.closeCode !== 0) return
    this.#flushBefore(socket)
    this.gone(socket, code)
    // Does nothing when the flush has just cut it off.
    socket.engine.close(code, reason)
  }

  received(socket: WsSocket, data: Buffer, isBinary: boolean): void {
    socket.silentIntervals = 0
    if (socket.closeCode !== 0 || socket.handler === null) return
    try {
      if (isBinary) socket.handler.binary(data)
      else socket.handler.text(data.toString())
    } catch (error) {
      this.#fault(socket, error)
    }
  }

  /** Takes a socket out of everything, once, and tells its handler afterwards: the handler may be at work right now. */
  gone(socket: WsSocket, code: number): void {
    if (socket.closeCode !== 0) return
    socket.closeCode = code
    for (const topic of socket.topics) this.#leave(socket, topic)
    queueMicrotask(() => this.#tellClosed(socket))
  }

  /** The TCP connection is gone too, which may be long after the end of the session on it. */
  disconnected(socket: WsSocket, code: number): void {
    this.gone(socket, code)
    this.#sockets[socket.pingSlice]?.delete(socket)
  }

  #tellClosed(socket: WsSocket): void {
    const handler = socket.handler
    socket.handler = null
    try {
      handler?.closed(socket.closeCode)
    } catch (error) {
      this.#events.fault(error)
    }
  }

  #fault(socket: WsSocket, error: unknown): void {
    this.#events.fault(error)
    this.end(socket, closeTable.internal.code, closeTable.internal.sentence)
  }

  #leave(socket: WsSocket, topic: Topic): void {
    topic.members.delete(socket)
    socket.topics.delete(topic)
    if (topic.members.size === 0) this.#topics.delete(topic.name)
  }

  #drop(socket: WsSocket, code: number): void {
    this.gone(socket, code)
    socket.engine.terminate()
  }

  // Writing.

  #write(socket: WsSocket, bytes: Buffer): void {
    if (socket.closeCode !== 0) return
    if (socket.stream.writableLength > this.#options.backpressureBytesMax) {
      this.#drop(socket, closeTable.slowReader.code)
      return
    }
    socket.stream.write(bytes)
  }

  #flushBefore(socket: WsSocket): void {
    if (this.#pending.length === 0) return
    for (const topic of socket.topics) {
      if (topic.queue.length === 0) continue
      this.#flush()
      return
    }
  }

  #flush(): void {
    if (this.#flushing !== null) clearImmediate(this.#flushing)
    this.#flushing = null
    const pending = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    /** Members of several topics: what they get depends on which of these have something, and in which order. */
    const mixed = new Set<WsSocket>()
    for (const topic of pending) {
      const bytes = joinFrames(topic.queue)
      for (const socket of topic.members) {
        if (socket.topics.size === 1 || pending.length === 1) this.#write(socket, bytes)
        else mixed.add(socket)
      }
    }
    for (const socket of mixed) {
      const queues: Queued[] = []
      for (const topic of socket.topics) queues.push(...topic.queue)
      this.#write(socket, joinFrames(queues.sort(byOrder)))
    }
    for (const topic of pending) topic.queue = []
  }

  // Time.

  #pingNextSlice(): void {
    this.#nextPingSlice = (this.#nextPingSlice + 1) % pingSlices
    for (const socket of this.#sockets[this.#nextPingSlice] ?? []) {
      if (socket.closeCode !== 0) continue
      if (socket.silentIntervals++ >= silentIntervalsMax) this.#drop(socket, 1006)
      else this.#write(socket, pingFrame)
    }
  }

  // HTTP.

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'GET' && pathOf(request) === '/') {
      response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(this.#options.greeting)
    } else {
      const headers = { ...Object.fromEntries(refusalHeaders(notFound)), Connection: 'close' }
      response.writeHead(notFound.status, headers).end(`${notFound.message}\n`)
    }
  }

  #upgrade(engine: WebSocketServer, request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const decision = decideUpgrade(this.#events, {
      peer: plainAddress(request.socket.remoteAddress ?? ''),
      forwardedFor: String(request.headers['x-forwarded-for'] ?? ''),
      origin: request.headers.origin ?? '',
      path: pathOf(request),
    })
    if (!decision.accept) {
      refuse(stream, decision)
      return
    }
    engine.handleUpgrade(request, stream, head, (websocket) => {
      this.#open(new WsSocket(this, websocket, stream, decision.address))
    })
  }

  #open(socket: WsSocket): void {
    const { engine } = socket
    ;(engine as Engine)[socketOf] = socket
    engine.on('message', onMessage)
    engine.on('ping', onHeard)
    engine.on('pong', onHeard)
    engine.on('close', onClose)
    engine.on('error', onError)
    socket.pingSlice = this.#nextSocketSlice
    this.#nextSocketSlice = (this.#nextSocketSlice + 1) % pingSlices
    this.#sockets[socket.pingSlice]?.add(socket)
    try {
      socket.handler = this.#events.open(socket)
    } catch (error) {
      this.#fault(socket, error)
    }
  }
}

function byOrder(a: Queued, b: Queued): number {
  return a.order - b.order
}

function joinFrames(queue: readonly Queued[]): Buffer {
  const [only] = queue
  return only !== undefined && queue.length === 1
    ? only.frame
    : Buffer.concat(queue.map(({ frame }) => frame))
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

function refuse(stream: Duplex, refusal: Extract<UpgradeDecision, { accept: false }>): void {
  const body = `${refusal.message}\n`
  const headers = [
    ...refusalHeaders(refusal),
    ['Content-Length', String(Buffer.byteLength(body))],
    ['Connection', 'close'],
  ]
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  stream.on('error', ignoreError)
  stream.once('finish', stream.destroy)
  stream.end(`HTTP/1.1 ${statusLine(refusal)}\r\n${head}\r\n${body}`)
}
