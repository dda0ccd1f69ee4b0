// One connection at a time to the relay, for ever: hello, liveness, and when and where to connect again. It knows close
// codes and control messages' syntax; rooms, rosters and messages are the client's (docs/protocol.md, "Connections").
import {
  type ClientControl,
  closeRule,
  closeSentence,
  decodeRelayControl,
  encodeControl,
  errorTable,
  limits,
  protocolVersion,
  type RelayControl,
  type RelayControlOf,
} from '@pychat/protocol'
import type { ClientEvents } from './events.ts'
import type { ClientPorts, ClientSocket } from './ports.ts'

const backoffFirstMs = 500
/** The longest pause while it may be a failover or an update, which take seconds, and afterwards. */
const backoffBriskMaxMs = 4000
const backoffMaxMs = 30_000
/** Failures in a row until the relay is taken to be away for longer: about half a minute. */
const briskFailures = 16
/** A connection that lasted so long proves that things are well: the next loss starts with short pauses. */
const stableAfterMs = 10_000
/** From opening the socket to being in the room. */
const settleTimeoutMs = 15_000
/** Unreadable messages in a row after which a connection is given up. */
const garbageMax = 32

/** Full jitter: evenly spread over 0 and the doubling bound. @param failures in a row, from 0  @param jitter 0..1 */
export function backoffMs(failures: number, jitter: number): number {
  const maxMs = failures < briskFailures ? backoffBriskMaxMs : backoffMaxMs
  return Math.floor(jitter * Math.min(maxMs, backoffFirstMs * 2 ** Math.min(failures, briskFailures)))
}

export type ConnectionEvents = {
  welcomed(welcome: RelayControlOf<'welcome'>): void
  control(message: RelayControl): void
  binary(bytes: Uint8Array): void
  /** The connection is gone; another one follows by itself. */
  lost(): void
  state(event: ClientEvents['state']): void
  /** No other connection will follow. */
  refused(sentence: string): void
}

export type Connection = {
  start(): void
  send(message: ClientControl): void
  sendFrame(frame: Uint8Array): void
  /** The client is where it wants to be: the connection counts as good. Once per connection is enough. */
  settled(): void
  /** Gives this connection up and connects again. */
  restart(detail: string): void
  /** Closes for good. No event follows. */
  stop(): void
}

type Attempt = {
  socket: ClientSocket | null
  welcomed: boolean
  settled: boolean
  garbage: number
  pingIntervalMs: number
}

/**
 * @param options.urls tried in turn: what worked is tried again first, what failed or sent this client away is followed
 * by the next
 */
export function createConnection(
  options: { urls: readonly [string, ...string[]]; software: string },
  ports: ClientPorts,
  events: ConnectionEvents,
): Connection {
  let current: Attempt | null = null
  let stopped = false
  let failures = 0
  let turn = 0
  let heardAt = 0
  const timers = new Map<'liveness' | 'settle' | 'stable' | 'goaway' | 'retry', () => void>()
  /** When the relay told us to come back, milliseconds since 1970. */
  let comeBackAt: number | null = null

  const cancel = (name: Parameters<typeof timers.get>[0]) => {
    timers.get(name)?.()
    timers.delete(name)
  }
  const after = (name: Parameters<typeof timers.get>[0], ms: number, fn: () => void) => {
    cancel(name)
    timers.set(
      name,
      ports.setTimer(ms, () => {
        timers.delete(name)
        fn()
      }),
    )
  }
  const cancelAll = () => {
    for (const name of [...timers.keys()]) cancel(name)
  }

  function open() {
    const attempt: Attempt = {
      socket: null,
      welcomed: false,
      settled: false,
      garbage: 0,
      pingIntervalMs: limits.pingIntervalMs,
    }
    current = attempt
    comeBackAt = null
    const mine = () => current === attempt && !stopped
    events.state({ state: 'connecting', detail: 'Connecting to the relay.' })
    if (!mine()) return
    after('settle', settleTimeoutMs, () => lose(attempt, 'The relay did not answer in time.'))
    const url = options.urls[turn % options.urls.length] ?? options.urls[0]
    attempt.socket = ports.openSocket(url, {
      open() {
        if (!mine()) return
        heard(attempt)
        send({ t: 'hello', version: protocolVersion, software: options.software })
      },
      text(text) {
        if (!mine()) return
        heard(attempt)
        const message = decoded(text)
        if (message === null) garbage(attempt)
        else receive(attempt, message)
      },
      binary(bytes) {
        if (!mine()) return
        heard(attempt)
        if (attempt.welcomed) events.binary(bytes)
        else garbage(attempt)
      },
      ping() {
        if (mine()) heard(attempt)
      },
      closed(code, reason) {
        if (mine()) closed(attempt, code, reason)
      },
    })
    // A host may have reported the end, or the client may have stopped, before `openSocket` returned.
    if (!mine()) attempt.socket.close()
  }

  function heard(attempt: Attempt) {
    heardAt = ports.now()
    if (!timers.has('liveness')) watch(attempt)
  }
  /** One timer per connection, not per message: it looks how long it has been silent, and sleeps the rest. */
  function watch(attempt: Attempt) {
    const allowedMs = 2 * attempt.pingIntervalMs
    const leftMs = Math.max(0, heardAt + allowedMs - ports.now())
    after('liveness', Math.min(leftMs, allowedMs), () => {
      if (ports.now() - heardAt >= allowedMs) lose(attempt, 'The relay went silent.')
      else watch(attempt)
    })
  }

  function garbage(attempt: Attempt) {
    attempt.garbage += 1
    if (attempt.garbage >= garbageMax) lose(attempt, 'The relay sends what this client cannot read.')
  }

  function receive(attempt: Attempt, message: RelayControl) {
    attempt.garbage = 0
    if (message.t === 'welcome') {
      if (attempt.welcomed) return
      if (message.version !== protocolVersion) {
        refuse(errorTable['unsupported-version'].sentence)
        return
      }
      attempt.welcomed = true
      attempt.pingIntervalMs = Math.min(Math.max(message.pingIntervalMs, 1000), 10 * limits.pingIntervalMs)
      watch(attempt)
      events.welcomed(message)
    } else if (message.t === 'goaway') {
      const afterMs = Math.min(message.afterMs, backoffMaxMs)
      comeBackAt = ports.now() + afterMs
      after('goaway', afterMs, () => {
        comeBackAt = ports.now()
        lose(attempt, 'The relay node is going away; moving to another.')
      })
    } else if (!attempt.welcomed && message.t === 'refused') {
      if (errorTable[message.code].retry === 'never') refuse(errorTable[message.code].sentence)
      else lose(attempt, errorTable[message.code].sentence)
    } else if (attempt.welcomed) events.control(message)
  }

  function closed(attempt: Attempt, code: number, reason: string) {
    const sentence = closeSentence(code)
    if (closeRule(code) === 'stop') refuse(sentence ?? 'The relay closed the connection for good.')
    else lose(attempt, sentence ?? lostSentence(code, reason))
  }

  function lose(attempt: Attempt, detail: string) {
    if (current !== attempt || stopped) return
    current = null
    cancelAll()
    const wanted = comeBackAt
    const waitMs = wanted === null ? backoffMs(failures, ports.jitter()) : Math.max(0, wanted - ports.now())
    if (wanted === null) failures += 1
    if (wanted !== null || !attempt.settled) turn += 1
    attempt.socket?.close()
    after('retry', waitMs, open)
    events.lost()
    if (!stopped) events.state({ state: 'offline', detail, retryInMs: waitMs })
  }

  function refuse(sentence: string) {
    stop()
    events.refused(sentence)
  }

  function send(message: ClientControl) {
    current?.socket?.sendText(encodeControl(message))
  }

  function stop() {
    stopped = true
    cancelAll()
    const socket = current?.socket
    current = null
    socket?.close(1000)
  }

  return {
    start: open,
    send,
    sendFrame: (frame) => current?.socket?.sendBinary(frame),
    settled() {
      if (current) current.settled = true
      cancel('settle')
      after('stable', stableAfterMs, () => {
        failures = 0
      })
    },
    restart(detail) {
      if (current) lose(current, detail)
    },
    stop,
  }
}

function decoded(text: string): RelayControl | null {
  try {
    return decodeRelayControl(text)
  } catch {
    return null
  }
}

function lostSentence(code: number, reason: string): string {
  return code === 1006 && reason !== '' ? reason : 'The connection to the relay was lost.'
}
