// A member that speaks the bare wire without opening anything, for runs with thousands: it joins, keeps its place in the
// log, asks for what it missed, and comes back with the same session. Unless a run gives it an identity it has no keys:
// what it sends is noise with the time of sending in it. It can stop reading as a hung program does.
import { randomBytes } from 'node:crypto'
import {
  type ClientControl,
  type ClientControlOf,
  decodeRelayControl,
  deliveryOffsets,
  encodeControl,
  frameOffsets,
  limits,
  type RelayControl,
  type RelayControlOf,
  readUint64,
  writeUint64,
} from '@pychat/protocol'
import WebSocket from 'ws'

const backoffFirstMs = 500
const backoffMaxMs = 4000
const handshakeTimeoutMs = 15_000
const sealedAt = frameOffsets.sealed

/** A node that a member may go to. */
export type RawNode = { readonly url: string; connections: number }

export type RawEvents = {
  /** @param sentAt this process's clock when it was sent, milliseconds; noise alone has it  @param delivery whole */
  delivered?(sentAt: number, delivery: Buffer): void
  /** @param bytes of that message  @param ms since it was asked for */
  joined?(answer: RelayControlOf<'joined'>, bytes: number, ms: number): void
  /** Any other control message. */
  heard?(message: RelayControl): void
  lost?(): void
}

/** Who it is to its room, as a `join` says it. */
export type RawIdentity = Pick<ClientControlOf<'join'>, 'session' | 'secret' | 'tag' | 'profile' | 'key'>

const hex = (bytes: number) => randomBytes(bytes).toString('hex')

/** Nobody: the relay cannot tell. */
const noise = () =>
  ({
    session: hex(16),
    secret: hex(16),
    tag: hex(16),
    profile: randomBytes(292).toString('base64url'),
  }) as RawIdentity

export class RawMember {
  readonly room: string
  /** Messages that its log did not have any more. */
  missed = 0
  /** Gaps of unknown size. */
  unknownGaps = 0
  /** Deliveries behind its place, which a relay may repeat. */
  repeated = 0
  received = 0
  joins = 0
  inRoom = false
  node: RawNode | null = null
  socket: WebSocket | null = null
  readonly #pick: () => RawNode | null
  readonly #events: RawEvents
  readonly #identity: RawIdentity
  #epoch = ''
  #seq = 0
  #counter = 0
  #failures = 0
  #request = 0
  #askedAt = 0
  #asking = false
  /** Deliveries of an answer that are still to come, and whether to ask again behind them. */
  #answer: { left: number; more: boolean } | null = null
  #stopped = false

  constructor(
    room: string,
    pick: () => RawNode | null,
    events: RawEvents = {},
    identity: RawIdentity = noise(),
  ) {
    this.room = room
    this.#pick = pick
    this.#events = events
    this.#identity = identity
  }

  connect(): void {
    const node = this.#pick()
    if (node === null) {
      this.#again()
      return
    }
    this.node = node
    node.connections += 1
    const socket = new WebSocket(node.url, {
      perMessageDeflate: false,
      handshakeTimeout: handshakeTimeoutMs,
      skipUTF8Validation: true,
      maxPayload: limits.relayControlBytesMax,
    })
    this.socket = socket
    socket.on('open', () => this.#say({ t: 'hello', version: 1, software: 'chaos/1' }))
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.#deliver(data)
      else this.#hear(decodeRelayControl(data.toString('latin1')), data.length)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      node.connections -= 1
      this.node = null
      this.#asking = false
      this.#answer = null
      if (this.inRoom) this.#events.lost?.()
      this.inRoom = false
      if (!this.#stopped) this.#again()
    })
  }

  /** @param bytes of padded text: 256, 512, 1024, 2048, 4096, 8192 or 15360 */
  send(bytes = 256): void {
    if (!this.inRoom || this.socket?.readyState !== WebSocket.OPEN) return
    this.#counter += 1
    const frame = Buffer.alloc(sealedAt + bytes + 16)
    frame[0] = 1
    frame[1] = 1
    frame.write(this.#identity.session, frameOffsets.session, 'hex')
    writeUint64(frame, frameOffsets.counter, this.#counter)
    frame.writeDoubleBE(performance.now(), sealedAt)
    this.sendFrame(frame)
  }

  /** @param frame sealed for its identity: the next one of that session */
  sendFrame(frame: Uint8Array): void {
    if (this.inRoom && this.socket?.readyState === WebSocket.OPEN) this.socket.send(frame)
  }

  /** Goes by wish: the connection closes once the relay has said so. */
  leave(): void {
    this.#stopped = true
    this.#request += 1
    this.#say({ t: 'leave', id: this.#request, room: this.room })
  }

  /** Stops reading, with the connection open, until `read`. */
  hang(): void {
    this.socket?.pause()
  }
  read(): void {
    this.socket?.resume()
  }
  stop(): void {
    this.#stopped = true
    this.socket?.terminate()
  }

  #again(): void {
    const boundMs = Math.min(backoffMaxMs, backoffFirstMs * 2 ** Math.min(this.#failures, 16))
    this.#failures += 1
    setTimeout(() => {
      if (!this.#stopped) this.connect()
    }, Math.random() * boundMs)
  }

  #say(message: Record<string, unknown>): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(encodeControl(message as ClientControl))
  }

  #hear(message: RelayControl, bytes: number): void {
    if (message.t !== 'joined') this.#events.heard?.(message)
    switch (message.t) {
      case 'welcome':
        this.#join()
        return
      case 'refused':
        if (message.id !== this.#request) return
        setTimeout(() => (this.inRoom ? this.#askAgain() : this.#join()), message.retryMs ?? 1000)
        return
      case 'joined':
        this.inRoom = true
        this.#failures = 0
        this.joins += 1
        this.#counter = Math.max(this.#counter, message.counter)
        if (this.#epoch === '') {
          this.#epoch = message.epoch
          this.#seq = message.seq
        } else if (this.#epoch !== message.epoch || this.#seq !== message.seq) {
          // The join asked already.
          this.#asking = true
        }
        this.#events.joined?.(message, bytes, performance.now() - this.#askedAt)
        return
      case 'left':
        this.inRoom = false
        this.socket?.close(1000)
        return
      case 'log':
        if (message.missed === undefined) this.unknownGaps += 1
        else this.missed += message.missed
        // What came meanwhile stays: the answer repeats it.
        this.#seq = this.#epoch === message.epoch ? Math.max(this.#seq, message.seq) : message.seq
        this.#epoch = message.epoch
        this.#answer = { left: message.count, more: message.more }
        this.#answered()
        return
      case 'position':
        // One from before what came meanwhile says nothing.
        if (message.epoch !== this.#epoch || message.seq > this.#seq) this.#ask()
        return
      case 'goaway':
        setTimeout(() => this.socket?.close(1000), message.afterMs)
        return
      case 'nack':
        if (message.code === 'gap') this.#counter = message.last ?? this.#counter
        return
    }
  }

  #join(): void {
    this.#request += 1
    this.#askedAt = performance.now()
    this.#say({
      t: 'join',
      id: this.#request,
      room: this.room,
      ...this.#identity,
      counter: this.#counter,
      ...(this.#epoch === '' ? {} : { after: { epoch: this.#epoch, seq: this.#seq } }),
    })
  }

  #ask(): void {
    if (this.#asking || !this.inRoom) return
    this.#asking = true
    this.#askAgain()
  }

  #askAgain(): void {
    if (!this.inRoom) return
    this.#request += 1
    this.#say({ t: 'log', id: this.#request, room: this.room, epoch: this.#epoch, seq: this.#seq })
  }

  #answered(): void {
    if (this.#answer === null || this.#answer.left > 0) return
    const { more } = this.#answer
    this.#answer = null
    this.#asking = false
    if (more) this.#ask()
  }

  #deliver(data: Buffer): void {
    this.#take(data)
    if (this.#answer === null) return
    this.#answer.left -= 1
    this.#answered()
  }

  #take(data: Buffer): void {
    const seq = readUint64(data, deliveryOffsets.seq)
    const epoch = data.toString('hex', deliveryOffsets.epoch, deliveryOffsets.seq)
    if (epoch !== this.#epoch || seq > this.#seq + 1) this.#ask()
    else if (seq <= this.#seq) this.repeated += 1
    else {
      this.#seq = seq
      this.received += 1
      this.#events.delivered?.(data.readDoubleBE(deliveryOffsets.frame + sealedAt), data)
    }
  }

  /** Its place in the log. */
  get seq(): number {
    return this.#seq
  }
}
