// A relay as docs/protocol.md describes it, as small as can be, over a `World`: one room with a log of several epochs
// that can lose its tail, its beginning, everything, or a delivery on its way, and with people who come and go. The
// engine is tested against it.
import {
  type ClientControlOf,
  decodeFrameHeader,
  type Epoch,
  type Member,
  type SessionId,
} from '@pychat/protocol'
import type { Person, World } from './world.ts'

type Entry = { epoch: Epoch; seq: number; frame: Uint8Array; session: SessionId; counter: number }
type Ended = { epoch: Epoch; was: number; next: { epoch: Epoch; seq: number } }

const pageFrames = 4

export class ModelRelay {
  readonly world: World
  /** In the room now. */
  readonly present: Set<Person>
  /** In the room now or before. */
  readonly known = new Map<SessionId, Member>()
  log: Entry[] = []
  epoch: Epoch
  top = 0
  /** Epochs that ended in an orderly way: where one goes on is known. */
  ended: Ended[] = []
  counters = new Map<SessionId, number>()
  /** The next so many deliveries do not reach the client. */
  deaf = 0
  /** Answers that say "later". */
  busy = 0
  /** The client may not write. */
  muted = false
  #joined = false
  readonly #ackReplicas: number
  #served = 0
  #opened = 0
  #epochs = 0

  constructor(world: World, people: readonly Person[], ackReplicas: number) {
    this.world = world
    this.present = new Set(people)
    for (const { member } of people) this.known.set(member.session, member)
    this.#ackReplicas = ackReplicas
    world.ackReplicas = ackReplicas
    this.epoch = this.#newEpoch()
  }

  /** The client is in the room, and its connection stands. */
  get inRoom(): boolean {
    const { sockets } = this.world
    return this.#joined && sockets.length === this.#opened && sockets.at(-1)?.closedWith === null
  }

  #newEpoch(): Epoch {
    this.#epochs += 1
    return this.#epochs.toString(16).padStart(16, '0') as Epoch
  }

  /** Answers all that the client has sent since. */
  work(): void {
    const { world } = this
    if (world.sockets.length > this.#opened) {
      this.#opened = world.sockets.length
      this.#served = 0
      this.#joined = false
      world.welcome()
    }
    for (;;) {
      const sockets = world.sockets.length
      const item = world.socket.closedWith === null ? world.socket.wire[this.#served] : undefined
      if (item === undefined || sockets !== this.#opened) return
      this.#served += 1
      if (item instanceof Uint8Array) this.#publish(item)
      else if (item.t === 'join') this.#join(item)
      else if (item.t === 'member') this.#member(item)
      else if (item.t === 'log') this.#answer(item)
    }
  }

  #join({ id, session, counter = 0, after }: ClientControlOf<'join'>): void {
    this.counters.set(session, Math.max(this.counters.get(session) ?? 0, counter))
    this.#joined = true
    const members = [...this.present].map(({ member }) => member)
    this.world.joined(members, { epoch: this.epoch, seq: this.top, counter: this.counters.get(session) ?? 0 })
    if (after && (after.epoch !== this.epoch || after.seq !== this.top)) this.#tellLog(id, after)
  }

  #isBusy(id: number): boolean {
    if (this.busy === 0) return false
    this.busy -= 1
    this.world.tell({ t: 'refused', id, code: 'unavailable', message: '', retryMs: 100 })
    return true
  }
  #member({ id, session }: { id: number; session: SessionId }): void {
    if (this.#isBusy(id)) return
    const member = this.known.get(session)
    if (member) this.world.tell({ t: 'member', id, room: this.world.keys.id, member })
    else this.world.tell({ t: 'refused', id, code: 'not-member', message: '' })
  }

  #answer({ id, epoch, seq }: { id: number; epoch: Epoch; seq: number }): void {
    if (!this.#isBusy(id)) this.#tellLog(id, { epoch, seq })
  }
  #tellLog(id: number, { epoch, seq }: { epoch: Epoch; seq: number }): void {
    const { keys } = this.world
    // Where the asker stands by our knowledge; steps over ended epochs that have nothing more for it.
    let [at, after, known] = [epoch, seq, true]
    while (at !== this.epoch) {
      const old = this.ended.find((ended) => ended.epoch === at)
      if (!old) {
        known = false
        break
      }
      if (after < old.was) break
      at = old.next.epoch
      after = old.next.seq
    }
    if (!known) {
      at = this.log[0]?.epoch ?? this.epoch
      after = (this.log[0]?.seq ?? this.top + 1) - 1
    }
    const end = at === this.epoch ? this.top : (this.ended.find((old) => old.epoch === at)?.was ?? 0)
    const rest = this.log.filter((entry) => entry.epoch === at && entry.seq > after)
    const from = Math.min((rest[0]?.seq ?? end + 1) - 1, end)
    const page = rest.slice(0, pageFrames)
    const reached = page.at(-1)?.seq ?? from
    this.world.tell({
      t: 'log',
      id,
      room: keys.id,
      epoch: at,
      seq: from,
      count: page.length,
      ...(known ? { missed: Math.max(0, from - after) } : {}),
      more: reached < end || at !== this.epoch,
    })
    for (const entry of page) this.world.deliver(entry.frame, entry.seq, { epoch: entry.epoch })
  }

  /** Takes a frame of anybody, the client included. */
  #publish(frame: Uint8Array): void {
    const { session, counter } = decodeFrameHeader(frame)
    const { keys } = this.world
    const last = this.counters.get(session) ?? 0
    const own = session === this.world.lastJoin().session
    if (own && this.muted) {
      this.world.tell({ t: 'nack', room: keys.id, session, counter, code: 'muted' })
      return
    }
    if (counter > last + 1) {
      if (own) this.world.tell({ t: 'nack', room: keys.id, session, counter, code: 'gap', last })
      return
    }
    if (counter <= last) {
      if (own) this.world.tell({ t: 'ack', room: keys.id, session, counter: last, seq: 0 })
      return
    }
    this.counters.set(session, counter)
    this.top += 1
    this.log.push({ epoch: this.epoch, seq: this.top, frame, session, counter })
    if (this.inRoom && this.deaf === 0) this.world.deliver(frame, this.top, { epoch: this.epoch })
    else this.deaf = Math.max(0, this.deaf - 1)
    if (own && this.#ackReplicas > 0) {
      this.world.tell({ t: 'ack', room: keys.id, session, counter, seq: this.top })
    }
  }

  /** Another member sends everything that the relay does not have of it. */
  hear(frames: readonly Uint8Array[]): void {
    for (const frame of frames) {
      const { session, counter } = decodeFrameHeader(frame)
      if (counter > (this.counters.get(session) ?? 0)) this.#publish(frame)
    }
  }

  come(person: Person): void {
    const { member } = person
    this.present.add(person)
    this.known.set(member.session, member)
    if (this.inRoom) this.world.tell({ t: 'arrived', room: this.world.keys.id, member })
  }
  leave(person: Person): void {
    const { session } = person.member
    this.present.delete(person)
    if (this.inRoom) this.world.tell({ t: 'departed', room: this.world.keys.id, session, why: 'left' })
  }

  beacon(): void {
    const { keys } = this.world
    if (this.inRoom) this.world.tell({ t: 'position', room: keys.id, epoch: this.epoch, seq: this.top })
  }

  /** The operator's bound: the oldest messages go. */
  trim(count: number): void {
    this.log.splice(0, count)
  }

  /** A failover: the newest places are lost, and a new epoch begins. */
  failOver(lost: number, tells: boolean): void {
    const [old, next] = [this.epoch, this.#newEpoch()]
    const losable = this.log.filter(({ epoch }) => epoch === old)
    const gone = lost === 0 ? [] : losable.slice(-lost)
    const was = this.top - gone.length
    const seq = this.top + 1000
    this.log = this.log.filter((entry) => !gone.includes(entry))
    for (const { session, counter } of gone) {
      this.counters.set(session, Math.min(this.counters.get(session) ?? 0, counter - 1))
    }
    this.ended.push({ epoch: old, was, next: { epoch: next, seq } })
    this.epoch = next
    this.top = seq
    const { keys } = this.world
    if (this.inRoom && tells) {
      this.world.tell({ t: 'reset', room: keys.id, epoch: next, seq, was: { epoch: old, seq: was } })
    }
  }

  /** Restarted without a store: nothing is known any more, and every connection is gone. */
  forget(): void {
    this.log = []
    this.ended = []
    this.counters.clear()
    this.known.clear()
    for (const { member } of this.present) this.known.set(member.session, member)
    this.epoch = this.#newEpoch()
    this.top = 0
    this.cut()
  }

  cut(): void {
    this.#joined = false
    if (this.world.socket.closedWith === null) this.world.socket.handlers.closed(1006, '')
  }
}
