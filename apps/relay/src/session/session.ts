// One connection as a state machine: hello, then joins, leaves and sealed frames, each bounded (docs/protocol.md,
// "Control" and "Data frames"). It stands on the Socket and Rooms ports; who else is connected is the registry's matter.
// Between asking for a room and `joined`, what the room says is held back, so `joined` comes first and misses nothing.
import { createHash } from 'node:crypto'
import {
  type ClientControl,
  type ClientControlOf,
  type CloseName,
  checkFrame,
  closeTable,
  decodeClientControl,
  decodeHex,
  deliveryOffsets,
  type ErrorCode,
  encodeControl,
  encodeHex,
  errorTable,
  frameOffsets,
  limits,
  type MemberId,
  ProtocolError,
  protocolVersion,
  provenMember,
  type RelayControl,
  type RoomId,
  readUint64,
  type SessionId,
} from '@pychat/protocol'
import type { BanMatcher } from '../bans/ban-matcher.ts'
import { type EmergencyWatch, emergencyRetryMs } from '../emergency/emergency.ts'
import type { Tracing } from '../ops/tracing.ts'
import type { ActResult, JoinResult, LogPage, Membership, PublishResult, Rooms } from '../rooms/rooms.ts'
import type { Socket, SocketHandler } from '../transport/transport.ts'
import { verifier } from '../verifier.ts'
import type { AddressLimits } from './address-limits.ts'
import { type Act, Budget, type Rates } from './budget.ts'
import { bump, type Figures, type LimitName, type PutOut } from './figures.ts'
import type { Latency } from './latency.ts'
import type { RoomShares, Share } from './shares.ts'

export type SessionSettings = {
  rates: Rates
  /** Replicas that hold a message before it is acknowledged; 0: its delivery is the acknowledgement. */
  ackReplicas: number
  /** Name and version that `welcome` tells. */
  software: string
}

/** What a session asks of its surroundings; one object for all sessions. */
export type SessionContext = {
  rooms: Rooms
  settings: SessionSettings
  addressLimits: AddressLimits
  roomShares: RoomShares
  bans: BanMatcher
  emergency: Pick<EmergencyWatch, 'measures' | 'admits'>
  figures: Figures
  latency: Latency
  tracing: Pick<Tracing, 'run'>
  /** Milliseconds on a monotonic clock. */
  now(): number
  available(): boolean
  /** Resolves when it is this join's turn. */
  joinTurn(room: RoomId): Promise<void>
  /** The session greeted, or ended before it did. */
  greeted(session: Session): void
  /** From now on the room's messages have to reach `hold`, until `joinSettled`. */
  joinPending(session: Session, room: RoomId): void
  joinSettled(session: Session, room: RoomId): void
  /** The session holds a membership; `released` undoes it. */
  held(session: Session, membership: Membership): void
  released(session: Session, membership: Membership): void
  ended(session: Session): void
  /** Our own fault; the connection is closed by the caller. */
  fault(error: unknown): void
}

type Joined = {
  room: RoomId
  session: SessionId
  /** Whose key it proved; null while the join waits for its turn, too. */
  member: MemberId | null
  /** Null while the join is under way. */
  membership: Membership | null
  /** What all members on this node may send to the room; held together with the membership. */
  share: Share | null
  pending: PendingJoin | null
  /** Frames whose sender was told nothing yet, in their order: so are the answers. Null until the store takes its time. */
  unanswered: Unanswered[] | null
}

type Unanswered = { membership: Membership; counter: number; result: PublishResult | null }

type PendingJoin = {
  held: { bytes: Uint8Array; isBinary: boolean }[]
  heldBytes: number
  overflowed: boolean
  /** The client asked to leave again meanwhile. */
  cancelled: boolean
  /** Highest generation of this session known to be replaced meanwhile. */
  replacedGeneration: number
}

const none: readonly Joined[] = []
const heldBytesMax = 262_144
const pendingRequestsMax = 8
/** With the largest answer to a join behind them, they are still no more than may wait for a slow reader. */
const joinBufferedBytesMax = 393_216
const unavailableRetryMs = 1000
const unknownRoom = '0'.repeat(32) as RoomId

export class Session implements SocketHandler {
  readonly socket: Socket
  readonly openedAt: number
  state: 'greeting' | 'open' | 'closed' = 'greeting'
  readonly #context: SessionContext
  /** Made with the first frame or second request: most connections join and then are idle, and there are many. */
  #budget: Budget | null = null
  /** Requests so far, up to two. */
  #asked: 0 | 1 | 2 = 0
  /** What all connections of its address may send; null when the address is exempt, or before the first message. */
  #addressShare: Share | null = null
  #badMessages = 0
  #pendingRequests = 0
  #joined: readonly Joined[] = none
  /** The end of the joins under way. */
  #entering: Promise<void> | null = null
  /** Rooms this connection was put out of or left: names the room in late nacks. */
  #former: readonly Joined[] = none

  constructor(socket: Socket, context: SessionContext) {
    this.socket = socket
    this.openedAt = Math.floor(context.now())
    this.#context = context
  }

  binary(frame: Uint8Array): void {
    if (this.state === 'closed') return
    const { figures } = this.#context
    figures.messagesIn += 1
    figures.bytesIn += frame.length
    if (this.state === 'greeting') {
      this.#refuseGreeting('hello-first')
      return
    }
    try {
      checkFrame(frame)
    } catch (error) {
      this.#bad(error)
      return
    }
    const counter = readUint64(frame, frameOffsets.counter)
    const entry = find(this.#joined, frame)
    const membership = entry?.membership ?? null
    if (entry === null || membership === null) {
      const known = entry ?? find(this.#former, frame)
      const session = encodeHex(frame.subarray(frameOffsets.session, frameOffsets.counter)) as SessionId
      if (this.#strike()) this.#nack(known?.room ?? unknownRoom, session, counter, 'not-member')
      return
    }
    const now = this.#context.now()
    const budget = this.#spend()
    let limit: LimitName = 'connection-frames'
    let waitMs = budget.frames.take(1, now)
    if (waitMs === 0) {
      waitMs = budget.bytes.take(frame.length, now)
      if (waitMs > 0) {
        budget.frames.refund(1)
        limit = 'connection-bytes'
      }
    }
    if (waitMs > 0) {
      bump(figures.limited, limit)
      if (this.#strike()) this.#nack(entry.room, entry.session, counter, 'too-fast', { retryMs: waitMs })
      return
    }
    waitMs = this.#takeShares(entry, frame.length, now)
    if (waitMs > 0) {
      // Others use it up with this connection, which is not closed for that.
      this.#nack(entry.room, entry.session, counter, 'too-fast', { retryMs: waitMs })
      return
    }
    this.#context.latency.came(frame, now)
    const result = this.#context.rooms.publish(membership, counter, frame)
    if (!(result instanceof Promise) && !entry.unanswered?.length) {
      this.#published(entry, membership, counter, result)
      return
    }
    this.#answerLater(entry, { membership, counter, result: null }, result)
  }

  text(text: string): void {
    if (this.state === 'closed') return
    let message: ClientControl
    try {
      message = decodeClientControl(text)
    } catch (error) {
      if (this.state === 'greeting' && error instanceof ProtocolError) {
        this.#refuseGreeting(error.code)
        return
      }
      this.#bad(error)
      return
    }
    if (this.state === 'greeting') {
      if (message.t !== 'hello') {
        this.#refuseGreeting('hello-first')
        return
      }
      if (message.version !== protocolVersion) {
        this.#refuseGreeting('unsupported-version')
        return
      }
      this.#greet()
      return
    }
    if (message.t === 'hello') {
      this.#bad(new ProtocolError('bad-message', 'second hello'))
      return
    }
    // The second one pays for the first, too.
    const price = this.#asked === 1 ? 2 : 1
    const waitMs = this.#asked === 0 ? 0 : this.#spend().controls.take(price, this.#context.now())
    this.#asked = this.#asked === 0 ? 1 : 2
    if (waitMs > 0) {
      bump(this.#context.figures.limited, 'connection-requests')
      if (this.#strike()) this.#refuse(message.id, 'too-fast', waitMs)
      return
    }
    switch (message.t) {
      case 'join':
        this.#run(this.#join(message))
        return
      case 'leave':
        this.#leave(message)
        return
      case 'members':
        this.#run(this.#members(message))
        return
      case 'member':
        this.#run(this.#member(message))
        return
      case 'log':
        this.#run(this.#log(message))
        return
      case 'profile': {
        const { tag, profile } = message
        this.#run(this.#act(message, 'profiled', (rooms, hold) => rooms.profile(hold, tag, profile)))
        return
      }
      case 'charter': {
        const { charter, rules } = message
        this.#run(this.#act(message, 'chartered', (rooms, hold) => rooms.charter(hold, { charter, rules })))
        return
      }
      case 'kick':
        this.#run(this.#act(message, 'kicked', (rooms, hold) => rooms.kick(hold, message.session)))
        return
      case 'ping':
        this.#send({ t: 'pong', id: message.id })
    }
  }

  closed(code: number): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    // The one close that the transport decides by itself.
    if (code === closeTable.slowReader.code) bump(this.#context.figures.closed, 'slowReader')
    for (const entry of this.#joined) {
      if (entry.pending !== null) this.#context.joinSettled(this, entry.room)
      if (entry.membership !== null) this.#release(entry.membership, 'lost')
      this.#endShare(entry)
    }
    this.#joined = none
    this.#former = none
    this.#context.ended(this)
  }

  /** Closes the connection for a reason of the close table. */
  end(name: CloseName): void {
    if (this.state === 'closed') return
    const { code, sentence } = closeTable[name]
    bump(this.#context.figures.closed, name)
    this.socket.end(code, sentence)
    // Nothing that still comes counts, and the rooms need not wait for the peer's half of the closing handshake.
    this.closed(code)
  }

  /** Sends prepared control text to a client that has greeted. */
  tell(text: string): void {
    if (this.state === 'open') this.socket.sendText(text)
  }

  /** Publishes that have no answer yet. */
  publishesInFlight(): number {
    let count = 0
    for (const entry of this.#joined) count += entry.unanswered?.length ?? 0
    return count
  }

  /** Keeps what a room says while this connection's join is under way. @param message copied */
  hold(room: RoomId, message: Uint8Array, isBinary: boolean): void {
    const pending = this.#joined.find((entry) => entry.room === room)?.pending
    if (!pending || pending.overflowed) return
    pending.heldBytes += message.length
    if (pending.heldBytes > heldBytesMax) {
      pending.overflowed = true
      pending.held = []
      return
    }
    pending.held.push({ bytes: message.slice(), isBinary })
  }

  /** A newer connection holds the session. Closes this one if it still has that membership, or is about to get it. */
  replaced(membership: Membership): void {
    for (const entry of this.#joined) {
      if (entry.room !== membership.room || entry.session !== membership.session) continue
      if (entry.pending !== null) {
        entry.pending.replacedGeneration = Math.max(entry.pending.replacedGeneration, membership.generation)
      } else if (entry.membership !== null && entry.membership.generation <= membership.generation) {
        this.end('replaced')
      }
    }
  }

  /** The room has put this membership out. */
  expelled(membership: Membership, why: 'kicked' | 'banned'): void {
    const entry = this.#joined.find(
      (each) => each.room === membership.room && each.membership?.generation === membership.generation,
    )
    if (entry === undefined) return
    this.#drop(entry)
    this.#context.released(this, membership)
    this.#send({ t: 'expelled', room: entry.room, why })
  }

  /**
   * Ends what an operator's bans mean of this connection: all of it, or memberships.
   * @param carryOut false only counts  @returns 1 for the connection, or how many memberships
   */
  meet(bans: BanMatcher, carryOut: boolean): number {
    if (!this.open()) return 0
    if (bans.address(this.socket.address)) {
      if (carryOut) this.end('addressBanned')
      return 1
    }
    return this.#putOut(({ room, member }) => bans.member(room, member), carryOut)
  }

  /** As an operator's kick. @param session null for whichever  @param carryOut false only counts  @returns how many left */
  remove(room: RoomId, session: SessionId | null, carryOut: boolean): number {
    const isMeant = (entry: Joined) =>
      entry.room === room && (session === null || entry.session === session) ? 'removed' : null
    return this.#putOut(isMeant, carryOut)
  }

  isIn(room: RoomId): boolean {
    return this.#joined.some((entry) => entry.room === room && entry.membership !== null)
  }

  /** Joins under way look at the bans by themselves. */
  #putOut(whyOf: (entry: Joined) => PutOut | null, carryOut: boolean): number {
    let met = 0
    for (const entry of this.#joined) {
      const { membership } = entry
      const why = whyOf(entry)
      if (why === null || membership === null) continue
      met += 1
      if (!carryOut) continue
      this.#drop(entry)
      this.#release(membership, 'left')
      bump(this.#context.figures.expelled, why)
      this.#send({ t: 'expelled', room: entry.room, why })
    }
    return met
  }

  #refuseBanned(id: number, entry: Joined): boolean {
    const code = this.#context.bans.member(entry.room, entry.member)
    if (code === null) return false
    bump(this.#context.figures.banRefusals, code === 'room-banned' ? 'room' : 'key')
    this.#drop(entry)
    this.#refuseJoin(id, code)
    return true
  }

  #greet(): void {
    // Its address may have been banned since the handshake was taken.
    if (this.#context.bans.address(this.socket.address)) {
      this.end('addressBanned')
      return
    }
    this.state = 'open'
    this.#context.greeted(this)
    this.#send({
      t: 'welcome',
      version: protocolVersion,
      software: this.#context.settings.software,
      pingIntervalMs: limits.pingIntervalMs,
      frameBytesMax: limits.frameBytesMax,
      ackReplicas: this.#context.settings.ackReplicas,
    })
    if (!this.#context.available()) this.#send({ t: 'relay', state: 'degraded' })
  }

  async #join(message: ClientControlOf<'join'>): Promise<void> {
    const { id, room, session } = message
    for (const entry of this.#joined) {
      if (entry.room === room) return this.#refuseJoin(id, 'already-joined')
      // A frame names its session, not its room: two rooms cannot share one.
      if (entry.session === session) return this.#refuseJoin(id, 'session-taken')
    }
    if (this.#joined.length >= limits.roomsPerConnectionMax) return this.#refuseJoin(id, 'too-many-rooms')
    const waitMs = this.#context.addressLimits.join(this.socket.address, room, this.#context.now())
    if (waitMs !== null) return this.#refuseJoin(id, 'too-fast', waitMs)
    const pending: PendingJoin = {
      held: [],
      heldBytes: 0,
      overflowed: false,
      cancelled: false,
      replacedGeneration: 0,
    }
    const entry: Joined = {
      room,
      session,
      member: null,
      membership: null,
      share: null,
      pending,
      unanswered: null,
    }
    // Not spread: that would leave room for sixteen more in every idle connection's list.
    this.#joined = this.#joined.concat(entry)
    // One after the other: an answer may be large, and the next one waits until it is read.
    const entered = this.#enter(message, entry, pending, this.#entering)
    const entering = entered
      .catch(() => {})
      .then(() => {
        if (this.#entering === entering) this.#entering = null
      })
    this.#entering = entering
    return entered
  }

  async #enter(
    message: ClientControlOf<'join'>,
    entry: Joined,
    pending: PendingJoin,
    before: Promise<void> | null,
  ): Promise<void> {
    const { rooms, figures } = this.#context
    const { id, room, session } = message
    let result: JoinResult
    try {
      if (before !== null) await before
      await this.#context.joinTurn(room)
      if (!this.open()) return
      const member = memberOf(message)
      if (member === undefined) {
        this.#drop(entry)
        return this.#refuseJoin(id, 'key-needed')
      }
      entry.member = member
      if (this.#refuseBanned(id, entry)) return
      if (this.socket.bufferedBytes() > joinBufferedBytesMax) {
        this.#drop(entry)
        return this.#refuseJoin(id, 'too-fast', unavailableRetryMs)
      }
      if (!this.#context.emergency.measures().newRooms && !(await this.#admitted(room, session))) {
        if (!this.open()) return
        this.#drop(entry)
        return this.#refuseJoin(id, 'emergency', emergencyRetryMs)
      }
      if (!this.open()) return
      this.#context.joinPending(this, room)
      const proof = createHash('sha256').update(decodeHex(message.secret)).digest('hex')
      const { tag, profile, counter = 0, after = null } = message
      const asked = { room, session, proof, tag, profile, counter, after, member }
      result = await this.#context.tracing.run('join', { resumes: after !== null }, () => rooms.join(asked))
    } catch (error) {
      this.#drop(entry)
      if (this.open()) this.#context.joinSettled(this, room)
      throw error
    }
    if (!this.open()) {
      // It vanished meanwhile: `closed` has forgotten the entry, the membership is ours to give back.
      if (result.ok) this.#context.rooms.leave(result.membership, 'lost').catch(this.#context.fault)
      return
    }
    this.#context.joinSettled(this, room)
    entry.pending = null
    if (!result.ok) {
      this.#drop(entry)
      return this.#refuseJoin(id, result.code, result.code === 'unavailable' ? unavailableRetryMs : undefined)
    }
    const { membership, epoch, seq } = result
    if (this.#refuseBanned(id, entry)) {
      this.#context.rooms.leave(membership, 'left').catch(this.#context.fault)
      return
    }
    if (pending.overflowed || pending.cancelled) {
      this.#drop(entry)
      const why = pending.cancelled ? 'left' : 'lost'
      this.#context.rooms.leave(membership, why).catch(this.#context.fault)
      if (pending.cancelled) return this.#refuseJoin(id, 'not-member')
      return this.#refuseJoin(id, 'unavailable', unavailableRetryMs)
    }
    figures.joins += 1
    entry.membership = membership
    // The same id, but one string for the whole room.
    entry.room = membership.room
    entry.share = this.#context.roomShares.enter(room)
    if (this.#former.length > 0) this.#former = this.#former.filter((each) => each.session !== session)
    this.#context.held(this, membership)
    if (pending.replacedGeneration >= membership.generation) this.end('replaced')
    if (!this.open()) return
    this.#send({
      t: 'joined',
      id,
      room,
      epoch,
      seq,
      counter: result.counter,
      count: result.count,
      members: result.members,
      ...(result.next === null ? {} : { next: result.next }),
      ...(result.charter === null ? {} : { charter: result.charter }),
      ...(result.quiet ? { quiet: true } : {}),
    })
    if (result.page !== null) {
      // Many rooms at once may be more than a socket holds: this page is asked for again then.
      if (this.#reads()) this.#sendPage(id, room, result.page)
      else this.#refuse(id, 'too-fast', unavailableRetryMs)
    }
    for (const { bytes, isBinary } of pending.held) {
      if (!isBinary)
        this.socket.sendText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())
      else if (!standsBefore(bytes, epoch, seq)) this.socket.sendBinary(bytes)
    }
    this.socket.subscribe(room)
  }

  /** In an emergency. A store that is away lets nobody in either. */
  async #admitted(room: RoomId, session: SessionId): Promise<boolean> {
    try {
      return await this.#context.emergency.admits(room, session)
    } catch {
      return false
    }
  }

  #leave(message: ClientControlOf<'leave'>): void {
    const entry = this.#joined.find((each) => each.room === message.room)
    if (entry === undefined) {
      this.#refuse(message.id, 'not-member')
      return
    }
    if (entry.pending !== null) entry.pending.cancelled = true
    if (entry.membership !== null) {
      const { membership } = entry
      this.#drop(entry)
      this.#release(membership, 'left')
    }
    this.#send({ t: 'left', id: message.id, room: message.room })
  }

  #members({ id, room, after }: ClientControlOf<'members'>): Promise<void> {
    return this.#read(id, room, async () => {
      const { members, next } = await this.#context.rooms.members(room, after)
      this.#send({ t: 'members', id, room, members, ...(next === null ? {} : { next }) })
    })
  }

  #member({ id, room, session }: ClientControlOf<'member'>): Promise<void> {
    return this.#read(id, room, async () => {
      const member = await this.#context.rooms.member(room, session)
      if (member === null) this.#refuse(id, 'not-member')
      else this.#send({ t: 'member', id, room, member })
    })
  }

  #log({ id, room, ...after }: ClientControlOf<'log'>): Promise<void> {
    return this.#read(id, room, async (membership) => {
      if (!this.#reads()) return this.#refuse(id, 'too-fast', unavailableRetryMs)
      const page = await this.#context.rooms.log(membership, after.epoch, after.seq)
      if (page === null) return this.#refuse(id, 'not-member')
      this.#sendPage(id, room, page)
    })
  }

  /** Carries out what changes a room for all its members. */
  async #act<Code extends ErrorCode>(
    { t, id, room }: ClientControlOf<Act | 'kick'>,
    done: 'profiled' | 'chartered' | 'kicked',
    carryOut: (rooms: Rooms, membership: Membership) => Promise<ActResult<Code>>,
  ): Promise<void> {
    const now = this.#context.now()
    const waitMs = t === 'kick' ? 0 : this.#spend().act(t, now)
    if (waitMs > 0) return this.#refuse(id, 'too-fast', waitMs)
    await this.#read(id, room, async (membership) => {
      const result = await carryOut(this.#context.rooms, membership)
      if (t === 'charter') bump(this.#context.figures.charters, result.ok ? 'taken' : result.code)
      if (result.ok) this.#send({ t: done, id, room })
      else this.#refuse(id, result.code, result.code === 'unavailable' ? unavailableRetryMs : undefined)
    })
  }

  /** A page waits for the one before to be read: whoever asks without reading is not a slow reader yet. */
  #reads(): boolean {
    return this.socket.bufferedBytes() <= limits.logPageBytesMax
  }

  #sendPage(id: number, room: RoomId, { epoch, seq, missed, deliveries, more }: LogPage): void {
    const count = deliveries.length
    this.#send({ t: 'log', id, room, epoch, seq, count, ...(missed === null ? {} : { missed }), more })
    for (const delivery of deliveries) this.socket.sendBinary(delivery)
    this.#context.figures.logPages += 1
    this.#context.figures.logDeliveries += count
  }

  /** Runs a request that reads from a room this connection is in, a bounded number at once. */
  async #read(id: number, room: RoomId, answer: (membership: Membership) => Promise<void>): Promise<void> {
    const membership = this.#joined.find((entry) => entry.room === room)?.membership ?? null
    if (membership === null) return this.#refuse(id, 'not-member')
    if (this.#pendingRequests >= pendingRequestsMax) return this.#refuse(id, 'too-fast', unavailableRetryMs)
    this.#pendingRequests += 1
    try {
      await answer(membership)
    } catch (error) {
      if (!isStoreFault(error)) throw error
      this.#refuse(id, 'unavailable', unavailableRetryMs)
    } finally {
      this.#pendingRequests -= 1
    }
  }

  #published(entry: Joined, membership: Membership, counter: number, result: PublishResult): void {
    const { room, session } = entry
    switch (result.status) {
      case 'taken':
        if (this.#context.settings.ackReplicas === 0) return
        this.#send({ t: 'ack', room, session, counter, seq: result.seq })
        return
      case 'duplicate':
        this.#send({ t: 'ack', room, session, counter, seq: result.seq })
        return
      case 'gap':
        if (this.#strike()) this.#nack(room, session, counter, 'gap', { last: result.last })
        return
      case 'muted':
        if (this.#strike()) this.#nack(room, session, counter, 'muted')
        return
      case 'unavailable':
        this.#nack(room, session, counter, 'unavailable', { retryMs: unavailableRetryMs })
        return
      case 'not-member':
        if (this.#joined.includes(entry) && entry.membership === membership) {
          this.#drop(entry)
          this.#release(membership, 'lost')
        }
        this.#nack(room, session, counter, 'not-member')
    }
  }

  #answerLater(entry: Joined, frame: Unanswered, result: PublishResult | Promise<PublishResult>): void {
    entry.unanswered ??= []
    entry.unanswered.push(frame)
    const answered = (settled: PublishResult) => {
      frame.result = settled
      this.#answer(entry)
    }
    if (result instanceof Promise) result.then(answered).catch((error: unknown) => this.#ourFault(error))
    else answered(result)
  }

  /** Tells what is known of the room's oldest frames, up to the first one of which nothing is. */
  #answer(entry: Joined): void {
    const { unanswered } = entry
    if (unanswered === null) return
    for (;;) {
      const frame = unanswered[0]
      if (frame === undefined || frame.result === null) return
      unanswered.shift()
      if (this.open()) this.#published(entry, frame.membership, frame.counter, frame.result)
    }
  }

  /** Forgets a membership on this side. */
  #drop(entry: Joined): void {
    this.#joined = this.#joined.filter((each) => each !== entry)
    this.#endShare(entry)
    if (!this.open()) return
    if (entry.membership !== null) {
      this.socket.unsubscribe(entry.room)
      this.#former = [...this.#former.slice(1 - limits.roomsPerConnectionMax), entry]
    }
  }

  /** Takes a frame from what the address and the room have together. @returns 0, else milliseconds to wait */
  #takeShares(entry: Joined, bytes: number, now: number): number {
    const { limited } = this.#context.figures
    const ofAddress = this.#addressShare === null ? 0 : this.#addressShare.take(bytes, now)
    if (ofAddress !== 0) {
      bump(limited, ofAddress > 0 ? 'address-frames' : 'address-bytes')
      return Math.abs(ofAddress)
    }
    const ofRoom = entry.share === null ? 0 : entry.share.take(bytes, now)
    if (ofRoom === 0) return 0
    bump(limited, ofRoom > 0 ? 'room-frames' : 'room-bytes')
    this.#addressShare?.refund(bytes)
    return Math.abs(ofRoom)
  }

  #endShare(entry: Joined): void {
    if (entry.share === null) return
    entry.share = null
    this.#context.roomShares.leave(entry.room)
  }

  #release(membership: Membership, why: 'left' | 'lost'): void {
    this.#context.released(this, membership)
    this.#context.rooms.leave(membership, why).catch(this.#context.fault)
  }

  /** False once the connection is gone; a call, because it changes during awaits. */
  open(): boolean {
    return this.state !== 'closed'
  }

  #send(message: RelayControl): void {
    if (this.open()) this.socket.sendText(encodeControl(message))
  }

  #refuseJoin(id: number, code: ErrorCode, retryMs?: number): void {
    const { joinsRefused, limited } = this.#context.figures
    bump(joinsRefused, code)
    if (code === 'room-full') bump(limited, 'room-members')
    if (code === 'emergency') bump(limited, 'emergency')
    if (code === 'too-many-rooms') bump(limited, 'connection-rooms')
    this.#refuse(id, code, retryMs)
  }

  #refuse(id: number | undefined, code: ErrorCode, retryMs?: number): void {
    bump(this.#context.figures.refused, code)
    this.#send({
      t: 'refused',
      ...(id === undefined ? {} : { id }),
      code,
      message: errorTable[code].sentence,
      ...(retryMs === undefined ? {} : { retryMs }),
    })
  }

  #nack(
    room: RoomId,
    session: SessionId,
    counter: number,
    code: ErrorCode,
    more: { last?: number; retryMs?: number } = {},
  ): void {
    bump(this.#context.figures.refused, code)
    this.#send({ t: 'nack', room, session, counter, code, ...more })
  }

  #spend(): Budget {
    if (this.#budget === null) {
      this.#budget = new Budget(this.#context.settings.rates)
      this.#addressShare = this.#context.addressLimits.share(this.socket.address)
    }
    return this.#budget
  }

  /** Counts a message that was out of bounds. @returns false when it was one too many: the connection is closing */
  #strike(): boolean {
    const now = this.#context.now()
    if (this.#spend().strikes.take(1, now) === 0) return true
    this.end('tooFast')
    return false
  }

  #refuseGreeting(code: ErrorCode): void {
    this.#refuse(undefined, code)
    this.end(code === 'unsupported-version' ? 'unsupportedVersion' : 'badMessage')
  }

  #bad(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error
    this.#badMessages += 1
    this.#refuse(undefined, error.code)
    if (this.#badMessages < limits.badMessagesMax) return
    this.end('badMessage')
  }

  #ourFault(error: unknown): void {
    this.#context.fault(error)
    this.end('internal')
  }

  #run(work: Promise<void>): void {
    work.catch((error: unknown) => this.#ourFault(error))
  }
}

/** @returns whose key a join proves, null when it names none, undefined when the proof is not by the one it names */
function memberOf({ room, session, secret, key }: ClientControlOf<'join'>): MemberId | null | undefined {
  // Always: who came before the room had a charter has its rank from the moment it has one.
  if (key === undefined) return null
  return provenMember({ room, session, secret, key }, verifier) ?? undefined
}

const hexDigits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

/** Reads the ids of the entries as they are: a second form of each would cost every idle connection its bytes. */
function find(entries: readonly Joined[], frame: Uint8Array): Joined | null {
  for (const entry of entries) {
    if (isSession(entry.session, frame)) return entry
  }
  return null
}

/** Whether a frame carries this session's id, 16 bytes behind the hex digits. */
function isSession(session: SessionId, frame: Uint8Array): boolean {
  for (let i = 0; i < 16; i += 1) {
    const byte = frame[frameOffsets.session + i] ?? 0
    if (session.charCodeAt(2 * i) !== hexDigits[byte >> 4]) return false
    if (session.charCodeAt(2 * i + 1) !== hexDigits[byte & 15]) return false
  }
  return true
}

/** Whether a delivery is part of what `joined` already counted. */
function standsBefore(delivery: Uint8Array, epoch: string, seq: number): boolean {
  return (
    encodeHex(delivery.subarray(deliveryOffsets.epoch, deliveryOffsets.seq)) === epoch &&
    readUint64(delivery, deliveryOffsets.seq) <= seq
  )
}

function isStoreFault(error: unknown): boolean {
  return error instanceof Error && error.name === 'StoreError'
}
