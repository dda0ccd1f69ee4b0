// One member of one room over a real WebSocket, as docs/protocol.md wants a client to be, without keys: it joins, keeps its
// place in the log, asks for what it missed, and comes back with the same session when its connection is lost. What it
// is given it checks: every frame of every sender once, in order, unchanged.
import {
  type ClientControl,
  closeRule,
  decodeRelayControl,
  encodeBase64url,
  encodeControl,
  encodeHex,
  limits,
  protocolVersion,
  type RelayControl,
} from '@pychat/protocol'
import { setTimeout } from 'k6/timers'
import { WebSocket } from 'k6/websockets'
import { encodeSaid, newSession, noise, said, sessionText } from './frames.ts'
import { deliveryMs, joinMs, now, rejoinMs, tally } from './metrics.ts'
import { Outbox } from './outbox.ts'

const backoffFirstMs = 500
const backoffMaxMs = 4000
const unansweredMs = 10_000
const profileBytes = 292
/** For what was said last to get there. */
const lingerMs = 200

export type RoomView = {
  id: string
  members: number
  bytes: number
  /** Whoever sends a message that does not come back. */
  urls: readonly string[]
}

export class Member {
  readonly index: number
  /** Last counter it was given of each member. */
  readonly given: Float64Array
  inRoom = false
  /** Came in at least once. */
  hasJoined = false
  readonly #room: RoomView
  readonly #session: Uint8Array
  readonly #identity: { session: string; secret: string; tag: string; profile: string }
  readonly #outbox: Outbox
  #socket: WebSocket | null = null
  /** Which of its connections counts: what an older one says is too late. */
  #generation = 0
  #nextUrl: number
  #failures = 0
  #openedAt = 0
  #lostAt = -1
  #quietSince = 0
  #request = 0
  #epoch = ''
  #epochHigh = 0
  #epochLow = 0
  #seq = 0
  #asking = false
  #answer: { left: number; more: boolean } | null = null
  #stopped = false

  /** @param url number of the URL it goes to first */
  constructor(room: RoomView, index: number, url: number) {
    this.#room = room
    this.index = index
    this.#nextUrl = url
    this.given = new Float64Array(room.members)
    this.#session = newSession(index)
    this.#identity = {
      session: sessionText(this.#session),
      secret: encodeHex(noise(16)),
      tag: encodeHex(noise(16)),
      profile: encodeBase64url(noise(profileBytes)),
    }
    this.#outbox = new Outbox((frame) => this.#send(frame.buffer as ArrayBuffer))
  }

  /** Last counter it gave a message. */
  get said(): number {
    return this.#outbox.last
  }

  connect(): void {
    this.#generation += 1
    const generation = this.#generation
    const url = this.#room.urls[this.#nextUrl % this.#room.urls.length] as string
    this.#openedAt = now()
    const socket = new WebSocket(url)
    this.#socket = socket
    socket.binaryType = 'arraybuffer' as typeof socket.binaryType
    let opened = false
    const current = () => generation === this.#generation
    socket.onopen = () => {
      opened = true
      if (current()) this.#say({ t: 'hello', version: protocolVersion, software: 'k6/1' })
      else socket.close()
    }
    socket.onmessage = (event) => {
      if (!current()) return
      const { data } = event as unknown as { data: string | ArrayBuffer }
      if (typeof data === 'string') this.#hear(data)
      else this.#deliver(new DataView(data))
    }
    // k6 says "close" behind every "error", also of a connection that never opened.
    socket.onerror = () => {}
    socket.onclose = ((event: { code?: number }) => {
      if (!current()) return
      if (!opened) tally.connectFailures += 1
      if (closeRule(event.code ?? 1006) === 'stop') tally.faults += 1
      this.#lost()
      this.#again()
    }) as () => void
  }

  /** @param due when it was to be said  @returns false when too many wait */
  say(due: number): boolean {
    if (this.#outbox.full) return false
    if (this.#outbox.isEmpty) this.#quietSince = now()
    const { bytes } = this.#room
    this.#outbox.add(encodeSaid(this.#session, this.index, this.said + 1, bytes, due))
    return true
  }

  /** Loses its connection, as by a bad network, and comes back. */
  cut(): void {
    const socket = this.#socket
    this.#lost()
    socket?.close()
    this.#again()
  }

  /** A frame without any answer for so long means that the relay is gone. */
  watch(): void {
    if (this.inRoom && !this.#outbox.isEmpty && now() - this.#quietSince > unansweredMs) this.cut()
  }

  /** Goes by wish, for good. */
  leave(): void {
    this.#stopped = true
    if (this.inRoom) this.#say({ t: 'leave', id: this.#id(), room: this.#room.id } as ClientControl)
    const socket = this.#socket
    this.#lost()
    setTimeout(() => socket?.close(), lingerMs)
  }

  /** Its connection counts no more, whatever it still says. */
  #lost(): void {
    this.#generation += 1
    this.#socket = null
    this.#outbox.suspend()
    this.#asking = false
    this.#answer = null
    if (this.inRoom) this.#lostAt = now()
    this.inRoom = false
    this.#nextUrl += 1
  }

  #again(): void {
    if (this.#stopped) return
    const boundMs = Math.min(backoffMaxMs, backoffFirstMs * 2 ** Math.min(this.#failures, 16))
    this.#failures += 1
    setTimeout(() => this.#stopped || this.connect(), Math.random() * boundMs)
  }

  /** A connection that just broke takes nothing; what is missing goes out again on the next one. */
  #send(data: string | ArrayBuffer): void {
    try {
      this.#socket?.send(data)
    } catch {
      tally.unsent += 1
    }
  }
  #say(message: ClientControl): void {
    this.#send(encodeControl(message))
  }
  #id(): number {
    this.#request += 1
    return this.#request
  }

  #hear(text: string): void {
    let message: RelayControl
    try {
      message = decodeRelayControl(text)
    } catch {
      tally.faults += 1
      return
    }
    switch (message.t) {
      case 'welcome':
        this.#join()
        return
      case 'joined':
        this.#entered(message.epoch, message.seq, message.counter)
        return
      case 'refused':
        tally.refused += 1
        if (message.id !== this.#request) return
        this.#retry(message.retryMs ?? 1000)
        return
      case 'log':
        if (message.missed !== 0) tally.gaps += 1
        this.#place(
          message.epoch,
          this.#epoch === message.epoch ? Math.max(this.#seq, message.seq) : message.seq,
        )
        this.#answer = { left: message.count, more: message.more }
        this.#answered()
        return
      case 'position':
        if (message.epoch !== this.#epoch || message.seq > this.#seq) this.#ask()
        return
      case 'reset':
        if (message.was.epoch === this.#epoch && message.was.seq <= this.#seq) {
          this.#place(message.epoch, message.seq)
        } else this.#ask()
        return
      case 'ack':
        this.#quietSince = now()
        this.#outbox.acknowledge(message.counter)
        return
      case 'nack':
        this.#quietSince = now()
        this.#outbox.goBack(
          message.code === 'gap' ? (message.last ?? 0) : message.counter - 1,
          message.retryMs ?? 0,
        )
        return
      case 'departed':
        tally.departures += 1
        return
      case 'goaway':
        this.#goAway(message.afterMs)
        return
    }
  }

  #retry(afterMs: number): void {
    const generation = this.#generation
    setTimeout(() => {
      if (generation !== this.#generation) return
      if (this.inRoom) this.#askAgain()
      else this.#join()
    }, afterMs)
  }

  #join(): void {
    const after = this.#epoch === '' ? {} : { after: { epoch: this.#epoch, seq: this.#seq } }
    this.#say({
      t: 'join',
      id: this.#id(),
      room: this.#room.id,
      ...this.#identity,
      counter: this.#outbox.acknowledged,
      ...after,
    } as ClientControl)
  }

  #entered(epoch: string, seq: number, counter: number): void {
    this.inRoom = true
    this.#failures = 0
    if (this.#epoch === '') this.#place(epoch, seq)
    else if (epoch !== this.#epoch || seq !== this.#seq) this.#asking = true
    if (this.hasJoined) {
      tally.reconnects += 1
      if (this.#lostAt >= 0) rejoinMs.add(now() - this.#lostAt)
    } else {
      this.hasJoined = true
      tally.joined += 1
      joinMs.add(now() - this.#openedAt)
    }
    this.#lostAt = -1
    this.#quietSince = now()
    this.#outbox.resume(counter)
  }

  /** Its node is about to close: it waits as long as it is told, and goes elsewhere at once. */
  #goAway(afterMs: number): void {
    const generation = this.#generation
    setTimeout(() => {
      if (generation !== this.#generation || this.#stopped) return
      const socket = this.#socket
      this.#lost()
      socket?.close(1000)
      this.connect()
    }, afterMs)
  }

  #place(epoch: string, seq: number): void {
    this.#epoch = epoch
    this.#epochHigh = Number.parseInt(epoch.slice(0, 8), 16)
    this.#epochLow = Number.parseInt(epoch.slice(8), 16)
    this.#seq = seq
  }

  #ask(): void {
    if (this.#asking || !this.inRoom) return
    this.#asking = true
    this.#askAgain()
  }
  #askAgain(): void {
    if (!this.inRoom) return
    const position = { epoch: this.#epoch, seq: this.#seq }
    this.#say({ t: 'log', id: this.#id(), room: this.#room.id, ...position } as ClientControl)
  }
  #answered(): void {
    if (this.#answer === null || this.#answer.left > 0) return
    const { more } = this.#answer
    this.#answer = null
    this.#asking = false
    if (more) this.#ask()
  }

  #deliver(view: DataView): void {
    if (view.byteLength < limits.frameBytesMin) tally.faults += 1
    else this.#take(view)
    if (this.#answer === null) return
    this.#answer.left -= 1
    this.#answered()
  }

  #take(view: DataView): void {
    const seq = said.seq(view)
    if (
      seq > this.#seq + 1 ||
      said.epochLow(view) !== this.#epochLow ||
      said.epochHigh(view) !== this.#epochHigh
    ) {
      this.#ask()
      return
    }
    // A relay may repeat what lies behind a member's place.
    if (seq <= this.#seq) return
    this.#seq = seq
    const sender = said.member(view)
    const counter = said.counter(view)
    if (sender >= this.given.length || !said.isTrue(view, this.#room.bytes)) {
      tally.corrupt += 1
      return
    }
    const last = this.given[sender] as number
    if (counter === last + 1) {
      this.given[sender] = counter
      tally.delivered += 1
      deliveryMs.add(now() - said.due(view))
    } else if (counter <= last) tally.duplicates += 1
    else {
      // What lies between is missing for good, as the relay's order has passed it.
      tally.disordered += 1
      tally.delivered += 1
      this.given[sender] = counter
      this.missing += counter - last - 1
    }
    if (sender === this.index) {
      this.#quietSince = now()
      this.#outbox.acknowledge(counter)
    }
  }

  /** Messages that were passed over. */
  missing = 0
}
