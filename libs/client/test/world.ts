// A world for the engine without time, chance or network: a clock that is moved by hand, sockets that a test scripts,
// and members of the room with real keys.
import { createHash } from 'node:crypto'
import {
  createSealer,
  createSession,
  deriveRoom,
  frameKinds,
  type MemberKey,
  memberKey,
  nameTag,
  nextChain,
  type RoomKeys,
  type Sealer,
  type Session,
  sealProfile,
  type View,
} from '@pychat/crypto'
import {
  type ClientControl,
  type ClientControlOf,
  decodeClientControl,
  decodeFrameHeader,
  type Epoch,
  encodeBase64url,
  encodeControl,
  encodeDelivery,
  type Member,
  type RelayControl,
  type RelayControlOf,
  type RoomId,
} from '@pychat/protocol'
import {
  type Client,
  type ClientEvents,
  type ClientPorts,
  createClient,
  type Room,
  type RoomEvents,
  type RoomOptions,
  type SocketHandlers,
} from '../src/index.ts'

let derived: Promise<RoomKeys> | null = null
/** One room for all tests of a file: Argon2id is slow on purpose. */
export function testRoom(): Promise<RoomKeys> {
  derived ??= deriveRoom('MyFriends', 'secret123')
  return derived
}

/** Repeatable bytes. */
export function seededRandom(seed: string): (bytes: number) => Uint8Array {
  let turn = 0
  return (bytes) => {
    let out = Buffer.alloc(0)
    while (out.length < bytes) {
      turn += 1
      out = Buffer.concat([out, createHash('sha256').update(`${seed} ${turn}`).digest()])
    }
    return new Uint8Array(out.subarray(0, bytes))
  }
}

export type FakeSocket = {
  url: string
  handlers: SocketHandlers
  sent: ClientControl[]
  frames: Uint8Array[]
  /** Both, in the order in which they were sent. */
  wire: (ClientControl | Uint8Array)[]
  closedWith: number | undefined | null
}

export const epochA = '00000000000000aa' as Epoch
export const epochB = '00000000000000bb' as Epoch

type Recorded<Events> = { [E in keyof Events]: { type: E } & Events[E] }[keyof Events]

const roomEvents = [
  'ready',
  'joined',
  'left',
  'renamed',
  'away',
  'count',
  'message',
  'body',
  'gap',
  'rewound',
  'unrepaired',
  'fork',
  'unreadable',
  'keychange',
  'failed',
  'charter',
  'charter-refused',
  'expelled',
  'ended',
] as const satisfies (keyof RoomEvents)[]

/** A room with all that it ever told. */
export class Entered {
  readonly room: Room
  readonly events: Recorded<RoomEvents>[] = []

  constructor(room: Room) {
    this.room = room
    for (const type of roomEvents)
      room.on(type, (event) => void this.events.push({ type, ...event } as never))
  }
  of<E extends keyof RoomEvents>(type: E): RoomEvents[E][] {
    return this.events.filter((event) => event.type === type) as never
  }
  texts(): string[] {
    return this.of('message').map(({ from, text }) => `${from}: ${text}`)
  }
}

export type WorldOptions = Partial<Omit<RoomOptions, 'room' | 'username'>> &
  Pick<ClientPorts, 'createOpener'> & { urls?: [string, ...string[]] }

/** One client, in one room from the start; what it and that room tell is in `events`. */
export class World {
  now = 1_700_000_000_000
  jitter = 0.5
  readonly sockets: FakeSocket[] = []
  readonly events: (Recorded<ClientEvents> | Recorded<RoomEvents>)[] = []
  readonly client: Client
  readonly room: Room
  readonly keys: RoomKeys
  #timers: { at: number; fn: () => void }[] = []

  constructor(keys: RoomKeys, username = 'Alice', more: WorldOptions = {}) {
    this.keys = keys
    const { createOpener, urls = ['ws://test'], ...options } = more
    const ports: ClientPorts = {
      openSocket: (url, handlers) => {
        const socket: FakeSocket = { url, handlers, sent: [], frames: [], wire: [], closedWith: null }
        this.sockets.push(socket)
        return {
          sendText: (text) => {
            const message = decodeClientControl(text)
            socket.sent.push(message)
            socket.wire.push(message)
          },
          sendBinary: (bytes) => {
            socket.frames.push(bytes)
            socket.wire.push(bytes)
          },
          close: (code) => {
            socket.closedWith ??= code
          },
        }
      },
      random: seededRandom(username),
      now: () => this.now,
      setTimer: (ms, fn) => {
        const timer = { at: this.now + ms, fn }
        this.#timers.push(timer)
        return () => {
          this.#timers = this.#timers.filter((other) => other !== timer)
        }
      },
      jitter: () => this.jitter,
      ...(createOpener ? { createOpener } : {}),
    }
    this.client = createClient({ urls, software: 'test/1' }, ports)
    for (const type of ['state', 'unreadable', 'stopped'] as const) {
      this.client.on(type, (event) => void this.events.push({ type, ...event } as never))
    }
    this.room = this.client.enter({ room: keys, root: keys.id, username, trusted: null, ...options })
    for (const type of roomEvents) {
      this.room.on(type, (event) => void this.events.push({ type, ...event } as never))
    }
  }

  /** One room more on the same connection. */
  enterAlso(keys: RoomKeys, options: Partial<RoomOptions> = {}): Entered {
    const given = { room: keys, root: this.keys.id, username: 'Alice', trusted: null, ...options }
    return new Entered(this.client.enter(given))
  }

  /** Lets the clock run, timers firing in order. */
  pass(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.now = Math.max(this.now, next.at)
      next.fn()
    }
    this.now = end
  }
  timers(): number {
    return this.#timers.length
  }
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1)
    if (!socket) throw new Error('no socket was opened')
    return socket
  }
  tell(message: RelayControl): void {
    this.socket.handlers.text(encodeControl(message))
  }
  of<E extends keyof (ClientEvents & RoomEvents)>(type: E): (ClientEvents & RoomEvents)[E][] {
    return this.events.filter((event) => event.type === type) as never
  }
  texts(): string[] {
    return this.of('message').map(({ from, text }) => `${from}: ${text}`)
  }
  joins(room?: RoomId): ClientControlOf<'join'>[] {
    const all = this.socket.sent.filter((message) => message.t === 'join')
    return all.filter((join) => room === undefined || join.room === room)
  }
  lastJoin(room?: RoomId): ClientControlOf<'join'> {
    const join = this.joins(room).at(-1)
    if (!join) throw new Error('no join was sent')
    return join
  }
  /** What `welcome` says of the copies that make an acknowledgement. */
  ackReplicas = 0
  welcome(pingIntervalMs = 25_000): void {
    const { ackReplicas } = this
    this.socket.handlers.open()
    this.tell({
      t: 'welcome',
      version: 1,
      software: 'test/1',
      pingIntervalMs,
      frameBytesMax: 15_418,
      ackReplicas,
    })
  }
  /** The connection is lost, and the next one is open after the pause. */
  lose(): void {
    const before = this.sockets.length
    this.socket.handlers.closed(1006, '')
    for (let ms = 0; ms < 30_000 && this.sockets.length === before; ms += 50) this.pass(50)
  }
  /** Answers the newest join, or that of the room in `more`. */
  joined(members: Member[], more: Partial<RelayControlOf<'joined'>> = {}): void {
    const { id, room, session, tag, profile } = this.lastJoin(more.room)
    const self: Member = { session, tag, profile, counter: 0, since: 1 }
    const all = [self, ...members]
    this.tell({
      t: 'joined',
      id,
      room,
      epoch: epochA,
      seq: 0,
      counter: 0,
      count: all.length,
      members: all,
      ...more,
    })
  }
  /** Connected and in the room with these members. */
  enter(members: Member[] = [], more: Partial<RelayControlOf<'joined'>> = {}): void {
    if (this.sockets.length === 0) this.client.start()
    this.welcome()
    this.joined(members, more)
  }
  deliver(frame: Uint8Array, seq: number, more: { epoch?: Epoch; at?: number; room?: RoomId } = {}): void {
    this.socket.handlers.binary(
      encodeDelivery({ room: this.keys.id, epoch: epochA, at: this.now, ...more, seq, frame }),
    )
  }
  logRequests(): ClientControlOf<'log'>[] {
    return this.socket.sent.filter((message) => message.t === 'log')
  }
  /** The newest question after a place, by a `log` or a `join`. */
  #lastAsked(): Pick<ClientControlOf<'log'>, 'id' | 'room' | 'epoch' | 'seq'> {
    for (const message of this.socket.sent.toReversed()) {
      if (message.t === 'log') return message
      if (message.t === 'join' && message.after) return { ...message, ...message.after }
    }
    throw new Error('no log was asked for')
  }
  /** Answers that: these frames stand after `seq`. */
  answerLog(frames: readonly Uint8Array[], more: Partial<RelayControlOf<'log'>> = {}): void {
    const { id, room, epoch, seq } = this.#lastAsked()
    const answer = {
      t: 'log',
      id,
      room,
      epoch,
      seq,
      count: frames.length,
      missed: 0,
      more: false,
      ...more,
    } as const
    this.tell(answer)
    for (const [i, frame] of frames.entries())
      this.deliver(frame, answer.seq + 1 + i, { epoch: answer.epoch })
  }
  memberRequests(): ClientControlOf<'member'>[] {
    return this.socket.sent.filter((message) => message.t === 'member')
  }
  /** Answers the newest `member`. */
  answerMember(member: Member): void {
    const id = this.memberRequests().at(-1)?.id ?? 0
    this.tell({ t: 'member', id, room: this.keys.id, member })
  }
  /** Gives own frames back as a relay does, from the n-th of this connection on. */
  echo(firstSeq: number, from = 0): void {
    for (const [i, frame] of this.socket.frames.slice(from).entries()) this.deliver(frame, firstSeq + i)
  }
  sentCounters(): number[] {
    return this.socket.frames.map((frame) => decodeFrameHeader(frame).counter)
  }
}

/** A lasting key, the same for the same seed. */
export function keyOf(seed: string): MemberKey {
  return memberKey(seededRandom(`key ${seed}`)(16))
}

/** Another person, sealing with real keys. */
export class Person {
  readonly session: Session
  readonly member: Member
  readonly #room: RoomKeys
  readonly #sealer: Sealer
  counter = 0
  version = 1

  constructor(room: RoomKeys, name: string, seed = name, key?: MemberKey) {
    this.#room = room
    this.session = createSession(seededRandom(`person ${seed}`), key)
    this.#sealer = createSealer(room, this.session)
    const profile = encodeBase64url(sealProfile(room, this.session, { name }, 1))
    this.member = { session: this.session.id, tag: nameTag(room, name), profile, counter: 0, since: 1 }
  }

  says(text: string, view: View = null, kind: number = frameKinds.text): Uint8Array {
    this.counter += 1
    return this.#sealer.seal(this.counter, kind, new TextEncoder().encode(text), 1_700_000_000_000, view)
  }
  /** As the relay shows this person after a change. */
  shows(name: string, away: string | null = null): Member {
    this.version += 1
    const profile = encodeBase64url(sealProfile(this.#room, this.session, { name, away }, this.version))
    return { ...this.member, tag: nameTag(this.#room, name), profile }
  }
}

/** The chain after these frames of a new log. */
export function chainOf(frames: readonly Uint8Array[]): Uint8Array {
  return frames.reduce((chain, frame) => nextChain(chain, frame), new Uint8Array(8))
}
