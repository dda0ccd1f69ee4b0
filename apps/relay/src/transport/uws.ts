// The fast adapter, on uWebSockets.js. Fan-out is app.publish alone: the engine copies a message once and writes once
// per socket and loop turn. Loading the engine is uws-binary.ts's work; which adapter runs is select.ts's.

import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket, WebSocket } from 'uWebSockets.js'
import { closeTable } from '@pychat/protocol'
import { addressText, decideUpgrade, notFound, refusalHeaders, statusLine } from './handshake.ts'
import { listenError, probePlace, readTlsFiles } from './listen.ts'
import type {
  CreateTransport,
  Socket,
  SocketHandler,
  Transport,
  TransportEvents,
  TransportOptions,
  UpgradeDecision,
  UpgradeRequest,
} from './transport.ts'
import type { UwsModule } from './uws-binary.ts'

type UserData = { socket: UwsSocket }
type Raw = WebSocket<UserData>

/** By default the engine shares its port with any other process of this user. */
const exclusivePort = 1
const sendDropped = 2

/** A message longer than allowed by up to this factor is answered with 1009; a longer one is cut off without a word. */
const payloadMargin = 2

class UwsSocket implements Socket {
  readonly address: string
  raw: Raw | null = null
  handler: SocketHandler | null = null
  /** What `closed` will be told, 0 as long as the socket is open. */
  closeCode = 0

  constructor(address: string) {
    this.address = address
  }

  sendText(text: string): void {
    if (this.raw !== null && this.raw.send(text, false, false) === sendDropped) cutOff(this)
  }

  sendBinary(bytes: Uint8Array): void {
    if (this.raw !== null && this.raw.send(bytes, true, false) === sendDropped) cutOff(this)
  }

  subscribe(topic: string): void {
    this.raw?.subscribe(topic)
  }

  unsubscribe(topic: string): void {
    this.raw?.unsubscribe(topic)
  }

  end(code: number, reason: string): void {
    const raw = this.raw
    if (raw === null) return
    this.raw = null
    this.closeCode = code
    raw.end(code, reason)
  }

  bufferedBytes(): number {
    return this.raw === null ? 0 : this.raw.getBufferedAmount()
  }
}

/** The engine has skipped a message for it, so nothing more may follow. Called inside the engine's own loops. */
function cutOff(socket: UwsSocket): void {
  if (socket.closeCode !== 0) return
  socket.closeCode = closeTable.slowReader.code
  setImmediate(dropSlowReader, socket, socket.raw)
  socket.raw = null
}

function dropSlowReader(socket: UwsSocket, raw: Raw | null): void {
  if (socket.handler !== null) raw?.close()
}

/** The engine's reasons for closing with 1006, as the codes of RFC 6455 section 7.4.1. */
const closeCodeByReason: Record<string, number> = {
  'Received too big message': 1009,
  'Received invalid UTF-8': 1007,
}

/**
 * The engine counts any traffic as life, pings `margin` seconds before the timeout, and knows only multiples of 4 s.
 * @returns the longest idle timeout, in seconds, whose ping comes within the interval; at least the engine's least, 8
 */
function idleTimeoutSeconds(pingIntervalMs: number): number {
  let best = 8
  for (let idle = 8; idle <= 240; idle += 4) {
    let margin = 4
    while (idle - margin >= margin * 2 && margin < 16) margin *= 2
    if ((idle - margin) * 1000 <= pingIntervalMs) best = idle
  }
  return best
}

/** Keeps a byte order mark: a message is handed on as it came. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** @param uws the engine, loaded by uws-binary.ts */
export function createUwsTransport(uws: UwsModule): CreateTransport {
  return (options, events) => new UwsTransport(uws, options, events)
}

class UwsTransport implements Transport {
  readonly kind = 'uws'
  readonly #uws: UwsModule
  readonly #options: TransportOptions
  readonly #events: TransportEvents
  #app: TemplatedApp | null = null
  #listener: us_listen_socket | null = null

  constructor(uws: UwsModule, options: TransportOptions, events: TransportEvents) {
    this.#uws = uws
    this.#options = options
    this.#events = events
  }

  async listen(): Promise<number> {
    const app = this.#createApp()
    // Also where any port will do: the engine sets SO_REUSEADDR only on a port that it is told.
    const port = await probePlace(this.#options)
    const listener = await listenAlone(app, this.#options.host, port)
    if (listener === false) {
      app.close()
      throw listenError(this.#options, Object.assign(new Error('refused'), { code: 'EADDRINUSE' }))
    }
    this.#app = app
    this.#listener = listener
    return port
  }

  publish(topic: string, message: Uint8Array, isBinary: boolean): number {
    if (this.#app === null) return 0
    const members = this.#app.numSubscribers(topic)
    if (members > 0) this.#app.publish(topic, message, isBinary, false)
    return members
  }

  stopListening(): void {
    if (this.#listener === null) return
    this.#uws.us_listen_socket_close(this.#listener)
    this.#listener = null
  }

  async close(): Promise<void> {
    this.stopListening()
    this.#app?.close()
    this.#app = null
    // The engine frees closed sockets at the end of the loop turn.
    await new Promise((resolve) => setImmediate(resolve))
  }

  #createApp(): TemplatedApp {
    const { tls, greeting, messageBytesMax } = this.#options
    if (tls !== null) readTlsFiles(tls)
    const app =
      tls === null
        ? this.#uws.App()
        : this.#uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile })
    const events = this.#events

    const guard = (socket: UwsSocket, error: unknown): void => {
      events.fault(error)
      socket.end(closeTable.internal.code, closeTable.internal.sentence)
    }
    const tellClosed = (socket: UwsSocket): void => {
      const handler = socket.handler
      if (handler === null) return
      socket.handler = null
      try {
        handler.closed(socket.closeCode)
      } catch (error) {
        events.fault(error)
      }
    }

    app.ws<UserData>('/*', {
      compression: this.#uws.DISABLED,
      maxPayloadLength: messageBytesMax * payloadMargin,
      maxBackpressure: this.#options.backpressureBytesMax,
      // A number in the engine's types, a truth value in its documentation; it takes both.
      closeOnBackpressureLimit: 1,
      idleTimeout: idleTimeoutSeconds(this.#options.pingIntervalMs),
      sendPingsAutomatically: true,
      // Within this call: an upgrade in a later turn is written in a dozen pieces, and corking it there now and then
      // closes the connection (uWebSockets issue 1929).
      upgrade: (response, request, context) => {
        const decision = decideUpgrade(events, upgradeRequest(response, request))
        if (!decision.accept) return refuse(response, decision)
        const key = request.getHeader('sec-websocket-key')
        const protocol = request.getHeader('sec-websocket-protocol')
        const extensions = request.getHeader('sec-websocket-extensions')
        const socket = new UwsSocket(decision.address)
        response.upgrade<UserData>({ socket }, key, protocol, extensions, context)
      },
      open: (raw) => {
        const { socket } = raw.getUserData()
        socket.raw = raw
        try {
          socket.handler = events.open(socket)
        } catch (error) {
          guard(socket, error)
          return
        }
        // It was ended while it was being opened.
        if (socket.closeCode !== 0) queueMicrotask(() => tellClosed(socket))
      },
      message: (raw, message, isBinary) => {
        const { socket } = raw.getUserData()
        if (socket.raw === null || socket.handler === null) return
        if (message.byteLength > messageBytesMax) return socket.end(1009, 'The message is too long.')
        try {
          if (isBinary) socket.handler.binary(new Uint8Array(message))
          else socket.handler.text(utf8.decode(message))
        } catch (error) {
          guard(socket, error)
        }
      },
      dropped: (raw) => cutOff(raw.getUserData().socket),
      close: (raw, code, reason) => {
        const { socket } = raw.getUserData()
        socket.raw = null
        if (socket.closeCode === 0) {
          socket.closeCode = code === 1006 ? (closeCodeByReason[utf8.decode(reason)] ?? code) : code
        }
        // The engine closes in the middle of a send or an end: the handler may be at work right now.
        queueMicrotask(() => tellClosed(socket))
      },
    })
    app.get('/', (response) => {
      response.writeHeader('Content-Type', 'text/plain; charset=utf-8').end(greeting)
    })
    app.any('/*', (response) => refuse(response, notFound))
    return app
  }
}

function upgradeRequest(response: HttpResponse, request: HttpRequest): UpgradeRequest {
  return {
    peer: addressText(new Uint8Array(response.getRemoteAddress())),
    forwardedFor: forwardedFor(request),
    origin: request.getHeader('origin'),
    path: request.getUrl(),
  }
}

/** All lines of the header in one, as RFC 9110 section 5.3 says; the engine alone would give the first. */
function forwardedFor(request: HttpRequest): string {
  if (request.getHeader('x-forwarded-for') === '') return ''
  const lines: string[] = []
  request.forEach((name, value) => {
    if (name === 'x-forwarded-for') lines.push(value)
  })
  return lines.join(', ')
}

function refuse(response: HttpResponse, refusal: Extract<UpgradeDecision, { accept: false }>): void {
  response.writeStatus(statusLine(refusal))
  for (const [name, value] of refusalHeaders(refusal)) response.writeHeader(name, value)
  response.end(`${refusal.message}\n`, true)
}

type Listen = (
  host: string,
  port: number,
  options: number,
  done: (listener: us_listen_socket | false) => void,
) => TemplatedApp

/** The engine takes a host and options at once; its types do not say so. */
function listenAlone(app: TemplatedApp, host: string, port: number): Promise<us_listen_socket | false> {
  return new Promise((resolve) => {
    ;(app.listen as unknown as Listen).call(app, host, port, exclusivePort, resolve)
  })
}
