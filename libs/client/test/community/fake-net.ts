// A relay and its clients' rooms in memory, as small as can be, with real keys and real charters: several people's
// communities talk over it without a socket. The clock stands until a test moves it; what is said arrives in `settle`.
import {
  createSession,
  fingerprint,
  type MemberKey,
  normalizeName,
  publicKeyText,
  type Session,
  verifier,
} from '@pychat/crypto'
import {
  type Charter,
  type CharterPair,
  type Epoch,
  errorTable,
  isAdmitted,
  isBanned,
  isMuted,
  type MemberId,
  outranks,
  type RoomId,
  rank,
  readCharter,
  type SessionId,
  succeeds,
} from '@pychat/protocol'
import { ChatRefusal } from '../../src/chat-refusal.ts'
import { type ClientEvents, createEmitter } from '../../src/events.ts'
import type { Client, EndCode, Room, RoomEvents, RoomOptions, User } from '../../src/index.ts'
import { createTrust } from '../../src/trust.ts'
import { seededRandom } from '../world.ts'

const epoch = '00000000000000aa' as Epoch

type Entry = {
  seq: number
  session: SessionId
  user: User
  kind: number
  body: Uint8Array
  at: number
  id: number
}
type Hall = {
  log: Entry[]
  members: Map<SessionId, FakeRoom>
  charter: Charter | null
  starts: Map<SessionId, number>
}

export class FakeNet {
  now = 1_700_000_000_000
  readonly halls = new Map<RoomId, Hall>()
  /** What a lying relay hides from its nodes: rules are told, not kept to. */
  enforces = true
  /** Rooms of more members are large: nobody is told who comes and goes, and a roster is what was heard. */
  quietAbove = 256
  #timers: { at: number; fn: () => void }[] = []
  #queue: (() => void)[] = []

  setTimer = (ms: number, fn: () => void) => {
    const timer = { at: this.now + ms, fn }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }
  later(work: () => void): void {
    this.#queue.push(work)
  }
  /** Everything that is on its way arrives, and what follows from it. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 20; ) {
      const work = this.#queue.shift()
      if (work) {
        work()
        idle = 0
      } else idle += 1
      await Promise.resolve()
    }
  }
  /** One thing that is on its way arrives. */
  settle1(): void {
    this.#queue.shift()?.()
  }
  /** Lets the clock run; what happens on the way is settled. */
  async pass(ms: number): Promise<void> {
    await this.settle()
    const end = this.now + ms
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.now = Math.max(this.now, next.at)
      next.fn()
      await this.settle()
    }
    this.now = end
  }
  hall(id: RoomId): Hall {
    const hall = this.halls.get(id) ?? { log: [], members: new Map(), charter: null, starts: new Map() }
    this.halls.set(id, hall)
    return hall
  }
  /** The store is emptied: charters and logs are gone, and every connection with them. */
  flush(): void {
    const rooms = [...this.halls.values()].flatMap(({ members }) => [...members.values()])
    this.halls.clear()
    for (const client of new Set(rooms.map((room) => room.client))) client.cut()
  }
}

export class FakeClient implements Client {
  readonly net: FakeNet
  readonly emitter = createEmitter<ClientEvents>()
  readonly entered: FakeRoom[] = []
  readonly random: (bytes: number) => Uint8Array
  readonly on = this.emitter.on
  state: Client['state'] = 'connecting'
  online = false
  #stopped = false

  constructor(net: FakeNet, seed: string) {
    this.net = net
    this.random = seededRandom(seed)
  }
  start(): void {
    this.connect()
  }
  connect(): void {
    this.online = true
    this.state = 'online'
    this.emitter.emit('state', { state: 'online', detail: '' })
    for (const room of this.entered) room.want()
  }
  /** The connection is lost; the relay keeps the members, as in its grace time. */
  cut(): void {
    this.online = false
    this.state = 'offline'
    for (const room of this.entered) room.inside = false
    this.emitter.emit('state', { state: 'offline', detail: '' })
  }
  /** As `cut`, and the relay has waited long enough. */
  lose(): void {
    this.cut()
    for (const room of this.entered) room.depart('lost')
  }
  enter(options: RoomOptions): Room {
    if (this.#stopped) throw new ChatRefusal('stopped', '')
    if (this.rooms().some((room) => room.keys.id === options.room.id)) {
      throw new ChatRefusal('already-joined', errorTable['already-joined'].sentence)
    }
    const room = new FakeRoom(this, options)
    this.entered.push(room)
    if (this.online) room.want()
    return room
  }
  rooms(): FakeRoom[] {
    return this.entered.filter((room) => !room.ended)
  }
  async stop(): Promise<void> {
    if (this.#stopped) return
    await Promise.all(this.rooms().map((room) => room.leave()))
    this.#stopped = true
    this.emitter.emit('stopped', { reason: 'quit', sentence: '' })
  }
}

type Waiting = { id: number; kind: number; body: Uint8Array; sentAt: number }

export class FakeRoom implements Room {
  readonly client: FakeClient
  readonly ownSession: Session
  readonly emitter = createEmitter<RoomEvents>()
  readonly on = this.emitter.on
  readonly options: RoomOptions
  readonly trust: ReturnType<typeof createTrust>
  inside = false
  ended = false
  name: string
  awayText: string | null
  #waiting: Waiting[] = []
  #lastId = 0
  #seq: number | null = null
  #since = 0
  #everReady = false
  #known = new Map<SessionId, User>()
  #present = new Set<SessionId>()

  constructor(client: FakeClient, options: RoomOptions) {
    this.client = client
    this.options = options
    this.name = options.username
    this.awayText = options.away ?? null
    this.ownSession = createSession(client.random, options.member as MemberKey)
    this.trust = createTrust(
      { room: options.room.id, root: options.root, trusted: options.trusted },
      {
        charter: (event) => this.#emit('charter', event),
        refused: (event) => this.#emit('charter-refused', event),
      },
      () => client.net.now,
    )
  }
  get keys() {
    return this.options.room
  }
  get session() {
    return this.ownSession.id
  }
  get hall() {
    return this.client.net.hall(this.keys.id)
  }
  get quiet(): boolean {
    return this.hall.members.size > this.client.net.quietAbove
  }
  get count() {
    return this.hall.members.size
  }
  get id(): MemberId {
    return this.ownSession.memberId
  }
  #emit<E extends keyof RoomEvents>(event: E, value: RoomEvents[E]) {
    if (!this.ended) this.emitter.emit(event, value)
  }
  self(): User {
    const { publicKey, memberId, boxPublicKey, id } = this.ownSession
    return {
      name: this.name,
      fingerprint: fingerprint(publicKey),
      self: true,
      session: id,
      publicKey: publicKeyText(publicKey),
      memberId,
      boxKey: boxPublicKey,
      away: this.awayText,
      since: this.#since,
    }
  }

  // Joining.

  want(): void {
    this.client.net.later(() => {
      if (this.client.online && !this.ended && !this.inside) this.#join()
    })
  }
  #join(): void {
    const { hall, session } = this
    const isBack = hall.members.has(session)
    const refusal = isBack ? null : this.#refusal()
    if (refusal !== null) {
      this.end(refusal, errorTable[refusal].sentence)
      return
    }
    if (!isBack) this.#since = this.client.net.now
    hall.members.set(session, this)
    this.inside = true
    this.#seq ??= hall.log.length
    const has = hall.charter === null ? 'none' : this.trust.hear(hall.charter.pair, true)
    const rules = this.trust.charter()?.rules
    if (!this.#everReady && rules && (rules.history || isAdmitted(rules, this.id))) this.#seq = 0
    const now = new Map(
      [...hall.members.values()].filter((m) => m !== this).map((m) => [m.session, m.self()]),
    )
    for (const [other, user] of now) if (!this.quiet) this.#see(other, user, !this.#everReady)
    for (const other of [...this.#present]) if (!now.has(other)) this.#gone(other, 'lost')
    if (!isBack) for (const other of hall.members.values()) if (other !== this) other.hearArrival(this)
    const first = !this.#everReady
    this.#everReady = true
    this.#emit('ready', {
      room: this.keys.shortId,
      user: this.name,
      users: this.users(),
      count: this.count,
      quiet: this.quiet,
      alone: hall.members.size === 1,
      first,
      charter: has,
    })
    this.read()
    this.#flushOut()
  }
  #refusal(): 'banned' | 'room-locked' | 'room-full' | 'name-taken' | null {
    const { charter, members } = this.hall
    for (const other of members.values())
      if (normalizeName(other.name) === normalizeName(this.name)) return 'name-taken'
    if (charter === null || !this.client.net.enforces) return null
    if (isBanned(charter.rules, this.id, this.client.net.now)) return 'banned'
    const isAbove = rank(charter, publicKeyText(this.ownSession.publicKey)) !== 'member'
    if (charter.rules.lock && !isAbove && !isAdmitted(charter.rules, this.id)) return 'room-locked'
    const { limit } = charter.rules
    return limit > 0 && members.size >= limit && !isAbove ? 'room-full' : null
  }
  hearArrival(who: FakeRoom): void {
    this.client.net.later(() => {
      if (this.quiet) return
      if (this.inside && this.hall.members.has(who.session)) this.#see(who.session, who.self(), false)
    })
  }
  hearDeparture(session: SessionId, why: 'left' | 'lost' | 'kicked' | 'banned'): void {
    this.client.net.later(() => {
      if (this.inside) this.#gone(session, why)
    })
  }
  #see(session: SessionId, user: User, quietly: boolean): void {
    this.#known.set(session, { ...user, self: false })
    if (this.#present.has(session)) return
    this.#present.add(session)
    const { name, memberId } = user
    if (!quietly) this.#emit('joined', { user: name, fingerprint: user.fingerprint, session, memberId })
  }
  #gone(session: SessionId, why: 'left' | 'lost' | 'kicked' | 'banned'): void {
    const user = this.#known.get(session)
    if (!this.#present.delete(session) || !user) return
    const { name, memberId } = user
    this.#emit('left', { user: name, fingerprint: user.fingerprint, session, memberId, why })
  }
  depart(why: 'left' | 'lost' | 'kicked' | 'banned'): void {
    if (!this.hall.members.delete(this.session)) return
    for (const other of this.hall.members.values()) other.hearDeparture(this.session, why)
  }

  // Saying and reading.

  send(text: string): number {
    return this.sendBody(1, new TextEncoder().encode(text))
  }
  sendBody(kind: number, body: Uint8Array): number {
    this.#lastId += 1
    const id = this.#lastId
    const rules = this.trust.charter()?.rules
    const fail = (reason: string) => {
      this.#emit('failed', {
        id,
        kind,
        text: kind === 1 ? new TextDecoder().decode(body) : '',
        reason,
        retry: true,
      })
      return id
    }
    if (this.ended) return fail('ended')
    if (rules && isMuted(rules, this.id) && this.client.net.enforces) return fail(errorTable.muted.sentence)
    this.#waiting.push({ id, kind, body, sentAt: this.client.net.now })
    this.client.net.later(() => this.#flushOut())
    return id
  }
  #flushOut(): void {
    const { net } = this.client
    if (!this.inside || this.ended) return
    for (const { id, kind, body } of this.#waiting.splice(0)) {
      const { log } = this.hall
      log.push({ seq: log.length + 1, session: this.session, user: this.self(), kind, body, at: net.now, id })
      for (const member of this.hall.members.values()) net.later(() => member.read())
    }
  }
  /** Works off what stands in the log, up to where the test holds it. */
  heldAt: number | null = null
  read(): void {
    if (!this.inside || this.ended) return
    const end = this.heldAt ?? Number.POSITIVE_INFINITY
    while (this.#seq !== null && this.#seq < Math.min(this.hall.log.length, end) && !this.ended) {
      const entry = this.hall.log[this.#seq] as Entry
      this.#seq += 1
      const own = entry.session === this.session
      if (!own && !this.#known.has(entry.session))
        this.#known.set(entry.session, { ...entry.user, self: false })
      if (!own && this.quiet) this.#present.add(entry.session)
      const { user, session, seq, kind, body, at, id } = entry
      const origin = {
        from: user.name,
        session,
        publicKey: user.publicKey,
        memberId: user.memberId,
        fingerprint: user.fingerprint,
        epoch: epoch as string,
        seq,
        counter: seq,
        at,
        sentAt: at,
        live: true,
        own,
        ...(own ? { id } : {}),
      }
      if (kind === 1) this.#emit('message', { ...origin, text: new TextDecoder().decode(body) })
      else this.#emit('body', { ...origin, kind, body })
    }
  }
  retry(): boolean {
    return false
  }
  withdraw(): number[] {
    const back = this.#waiting.filter(({ kind }) => kind === 1)
    this.#waiting = this.#waiting.filter(({ kind }) => kind !== 1)
    return back.map(({ id }) => id)
  }
  pending() {
    return this.#waiting.map(({ id, kind, sentAt }) => ({ id, kind, text: '', sentAt }))
  }
  users(): User[] {
    return [this.self(), ...[...this.#present].flatMap((session) => this.#known.get(session) ?? [])]
  }
  find(session: SessionId): User | null {
    return session === this.session ? this.self() : (this.#known.get(session) ?? null)
  }
  async page(after: string | null) {
    if (!this.inside) throw new ChatRefusal('offline', 'offline')
    if (!this.quiet) return { users: this.users(), count: this.count, next: null }
    // Two of them on each page, in the order in which they came.
    const all = [...this.hall.members.values()].map((member) => ({ ...member.self(), self: member === this }))
    const from = Number(after ?? '0')
    const next = from + 2 < all.length ? String(from + 2) : null
    return { users: all.slice(from, from + 2), count: this.count, next }
  }
  position() {
    return this.#seq === null ? null : { epoch, seq: this.#seq }
  }
  async rename(name: string): Promise<void> {
    for (const other of this.hall.members.values()) {
      if (other !== this && normalizeName(other.name) === normalizeName(name))
        throw new ChatRefusal('name-taken', 'taken')
    }
    const from = this.name
    this.name = name
    const { session, id: memberId } = this
    this.#emit('renamed', { from, to: name, session, memberId, self: true })
    for (const other of this.hall.members.values()) {
      if (other === this) continue
      this.client.net.later(() => other.hearRename(from, this.self()))
    }
  }
  hearRename(from: string, user: User): void {
    this.#known.set(user.session, { ...user, self: false })
    this.#emit('renamed', {
      from,
      to: user.name,
      session: user.session,
      memberId: user.memberId,
      self: false,
    })
  }
  async away(text: string | null): Promise<void> {
    this.awayText = text
  }

  // Rules.

  charter(): Charter | null {
    return this.trust.charter()
  }
  async publish(pair: CharterPair): Promise<void> {
    if (!this.inside) throw new ChatRefusal('offline', 'offline')
    const verdict = this.trust.judge(pair)
    if (verdict === 'old') throw new ChatRefusal('charter-old', 'old')
    if (verdict === 'foreign' || verdict === 'invalid') throw new ChatRefusal('charter-invalid', verdict)
    // The way there and back.
    await new Promise<void>((resolve) => this.client.net.later(resolve))
    if (!this.inside) throw new ChatRefusal('offline', 'lost on the way')
    const { hall } = this
    const next = readCharter(pair, verifier, this.keys.id)
    const at = succeeds(hall.charter, next)
    if (at === 'old') throw new ChatRefusal('charter-old', 'old')
    if (at === 'foreign') throw new ChatRefusal('charter-invalid', 'foreign')
    if (at === 'ok') this.#govern(next)
    await new Promise<void>((resolve) => this.client.net.later(resolve))
    if (!this.inside) throw new ChatRefusal('offline', 'lost before the answer')
    this.trust.hear(pair, true)
  }
  #govern(charter: Charter): void {
    const { hall } = this
    const { net } = this.client
    hall.charter = charter
    for (const member of [...hall.members.values()]) {
      net.later(() => {
        if (member.inside) member.trust.hear(charter.pair, false)
      })
      if (net.enforces && isBanned(charter.rules, member.id, net.now)) member.expel('banned')
    }
  }
  async kick(session: SessionId): Promise<void> {
    const { charter, members } = this.hall
    const target = members.get(session)
    if (!target) throw new ChatRefusal('not-member', 'gone')
    const ranks = [this, target].map(
      (room) => charter && rank(charter, publicKeyText(room.ownSession.publicKey)),
    )
    if (!outranks(ranks[0] ?? 'member', ranks[1] ?? 'member')) throw new ChatRefusal('not-allowed', 'rank')
    target.expel('kicked')
  }
  expel(why: 'kicked' | 'banned'): void {
    this.depart(why)
    this.client.net.later(() => {
      this.#emit('expelled', { why })
      this.end(why, why)
    })
  }
  async leave(): Promise<void> {
    this.depart('left')
    this.end('left', '')
  }
  end(code: EndCode, sentence: string): void {
    if (this.ended) return
    this.inside = false
    if (code !== 'left') {
      for (const { id, kind, body } of this.#waiting.splice(0)) {
        this.#emit('failed', {
          id,
          kind,
          text: kind === 1 ? new TextDecoder().decode(body) : '',
          reason: sentence,
          retry: false,
        })
      }
    }
    this.ended = true
    this.emitter.emit('ended', { code, sentence })
  }
}
