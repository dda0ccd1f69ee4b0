// One view: its texts and its people, over one room and, while it moves, over two. It numbers texts for the host,
// keeps those that cannot go out yet, and tells what happens in the words of `CommunityEvents`. Which room, and when
// texts may go out, is decided by those who open it: channels, private conversations, moves.
import { frameKinds } from '@pychat/crypto'
import { decodeNotice, type Epoch, encodeNotice, type MemberId } from '@pychat/protocol'
import { pendingMax } from '../outbox.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import type { Origin, RoomEvents, User } from '../room-events.ts'
import { createAttendance, isIn, type Why } from './attendance.ts'
import { createOrder, type Order } from './order.ts'
import type { CommunityEvents, KeyStanding, Person, View } from './types.ts'

export const movingSentence = 'The room is moving; this goes out when it has arrived.'

export type Emit = <E extends keyof CommunityEvents>(event: E, value: CommunityEvents[E]) => void

export type ConversationPorts = Pick<ClientPorts, 'now' | 'setTimer'> & {
  emit: Emit
  /** Ids of texts are counted over all views. */
  nextId(): number
  person(user: User): Person
  meet(someone: { name: string; publicKey: Origin['publicKey']; memberId: MemberId }): KeyStanding
  /** Whether somebody is not to be seen at all. */
  isHidden(id: MemberId): boolean
  /** Whether a message of that room is to be shown. */
  mayShow(origin: Origin, room: Room): boolean
  /** Why this person may not write here, one sentence; null when they may. */
  hindrance(): string | null
  /** Others are on their way to another room, also when this client has not heard of it yet. */
  isMoving(): boolean
  /** More about a departure: by whom and why, as far as somebody with the right to it has said. */
  whyLeft(id: MemberId, why: Why): { by?: string; reason?: string }
}

type Item = {
  id: number
  text: string
  sentAt: number
  at: { room: Room; roomId: number } | null
  failed: boolean
}

export type Conversation = {
  readonly view: View
  /** Where texts go; null while there is none yet. */
  readonly room: Room | null
  /** @returns its id */
  send(text: string): number
  retry(id: number): void
  /** Accepted and not acknowledged, oldest first. */
  pending(): { view: View; id: number; text: string; sentAt: number }[]
  /** Texts that a room has, and has not acknowledged. */
  handed(): number
  people(): Person[]
  /** Shows people and messages; before, all is kept back but what concerns own texts. Safe to repeat. */
  show(): void
  /** Texts wait from now on, also what was handed to a room and the relay does not have. @param sentence what for; null: they go out */
  wait(sentence: string | null): void
  /** All texts that were not handed to a room fail; they may be tried again. */
  failWaiting(reason: string): void
  /** The first room, or another one in place of the old, which is not listened to any more. */
  attach(room: Room): void
  /** Keeps what is said in a room that `move` may go over to; nothing of it is shown before. */
  expect(room: Room): void
  /**
   * Goes over to another room, which has been entered: what the relay may have of the old one's is acknowledged there
   * first, all else goes out in the new one, and the old one is listened to until `forget`. Ends `wait`.
   * @param carried who may still be heard there
   */
  move(to: Room, carried: (origin: Origin) => boolean): void
  /** That old room is not listened to any more. Safe to repeat, and for another one. */
  forget(old: Room): void
  /** Takes somebody out of sight. */
  drop(id: MemberId, why: Why): void
  rename(view: View): void
  /** No more events; what waits fails. */
  end(reason: string): void
}

export function createConversation(firstView: View, ports: ConversationPorts): Conversation {
  const { emit } = ports
  let view = firstView
  let room: Room | null = null
  let older: { room: Room; carried: (origin: Origin) => boolean } | null = null
  let order: Order | null = null
  /** Rooms that may be gone over to, with what was said there. */
  const expected = new Map<Room, (() => void)[]>()
  let waiting: string | null = null
  /** The old room has not acknowledged all yet, or the new one is not entered. */
  let flushing = false
  let saidInRoom = false
  let shown = false
  let everReady = false
  let ended = false
  let handing: Item | null = null
  const items = new Map<number, Item>()
  const attendance = createAttendance(ports.person, ports.isHidden)

  const find = (of: Room, roomId: number | undefined) =>
    [...items.values()].find(({ at }) => at?.room === of && at.roomId === roomId)
  const queued = () => [...items.values()].filter((item) => item.at === null && !item.failed)
  const users = () => room?.users() ?? []
  const isMoving = () => older !== null || expected.size > 0 || ports.isMoving()

  function hand(item: Item) {
    if (room === null) return
    handing = item
    const roomId = room.send(item.text)
    handing = null
    if (!item.failed) item.at = { room, roomId }
    saidInRoom = true
  }
  function fail(item: Item, reason: string, retry: boolean) {
    item.failed = true
    item.at = null
    if (!retry) items.delete(item.id)
    const failures = [...items.values()].filter(({ failed }) => failed)
    if (failures.length > pendingMax && failures[0] !== undefined) items.delete(failures[0].id)
    emit('failed', { view, id: item.id, text: item.text, reason, retry })
  }
  function isOpen(): boolean {
    return room !== null && !room.ended && waiting === null && !flushing
  }
  function take(item: Item) {
    if (ended) return fail(item, 'This conversation has ended.', false)
    if (queued().length >= pendingMax) {
      return fail(item, `Already ${pendingMax} messages wait to be sent; wait until some are.`, true)
    }
    items.set(item.id, item)
    const hindrance = ports.hindrance()
    if (hindrance !== null) return fail(item, hindrance, true)
    item.failed = false
    const isNext = isOpen() && queued().length === 1
    emit('pending', {
      view,
      id: item.id,
      text: item.text,
      waiting: isNext ? null : (waiting ?? (flushing ? movingSentence : null)),
    })
    drain()
  }
  function drain() {
    for (const item of queued()) {
      if (!isOpen()) return
      hand(item)
    }
  }

  /** What the relay does not have of that room's goes out later, or elsewhere. */
  function takeBack(from: Room) {
    for (const roomId of from.withdraw()) {
      const item = find(from, roomId)
      if (item !== undefined) item.at = null
    }
  }
  /** Own texts of the old room come first; then the others are told how far to read there, and the rest goes out. */
  function flush() {
    if (!flushing || older === null || room === null || !room.inside) return
    const { room: from } = older
    if (!from.ended && [...items.values()].some(({ at }) => at?.room === from)) return
    const place = from.position()
    if (saidInRoom && place !== null) {
      const notice = { t: 'after', epoch: place.epoch as Epoch, seq: place.seq } as const
      room.sendBody(frameKinds.notice, encodeNotice(notice))
    }
    saidInRoom = false
    flushing = false
    drain()
  }

  function listen(to: Room) {
    const isHere = () => !ended && (to === room || to === older?.room)
    const on = <E extends keyof RoomEvents>(event: E, listener: (value: RoomEvents[E]) => void) =>
      to.on(event, (value) => {
        if (isHere()) listener(value)
        else if (event === 'message' || event === 'body') expected.get(to)?.push(() => listener(value))
        else if (event === 'ended') expected.delete(to)
      })
    on('ready', (event) => {
      if (to === older?.room || waiting !== null) takeBack(to)
      flush()
      if (to !== room) return
      attendance.load(event.users, isMoving())
      ready()
      drain()
    })
    on('joined', ({ session }) => {
      const user = to.find(session)
      if (to !== room || user === null) return
      const person = attendance.come(user)
      if (person !== null && shown) {
        meet(user)
        emit('joined', { view, person })
      }
    })
    on('left', (who) => {
      // Who leaves then has gone to the other room.
      if (isMoving() && to === room && older === null) return
      const other = to === room ? older?.room : room
      const person = attendance.go(who, other !== undefined && other !== null && isIn(other, who))
      if (person !== null && shown) left(person, who.why)
    })
    on('renamed', ({ from, to: name, session, self }) => {
      const user = to.find(session)
      if (user !== null) attendance.change(user, from)
      if (to === room && shown && (self || user !== null)) emit('renamed', { view, from, to: name })
    })
    on('away', ({ session }) => {
      const user = to.find(session)
      if (to === room && shown && user !== null) emit('away', { view, person: ports.person(user) })
    })
    on('count', ({ count, quiet }) => {
      if (to === room && shown) emit('count', { view, count, quiet })
    })
    on('message', (event) => {
      inOrder(to, event, () => message(to, event))
      order?.look()
    })
    on('body', (event) => {
      const notice = event.kind === frameKinds.notice ? decodeNotice(event.body) : null
      if (notice?.t === 'after' && to === room && older !== null && !event.own) {
        order?.mark(event.memberId, { epoch: notice.epoch, seq: notice.seq })
      }
      order?.look()
    })
    on('gap', ({ missed }) => shown && emit('gap', { view, missed }))
    on('rewound', ({ lost }) => shown && emit('rewound', { view, lost }))
    on('unrepaired', ({ count }) => emit('unrepaired', { view, count }))
    on('fork', ({ from }) => emit('fork', { view, from }))
    on('unreadable', ({ from }) => emit('unreadable', { view, ...(from === undefined ? {} : { from }) }))
    on('failed', (event) => {
      if (event.kind !== frameKinds.text) return
      const item = handing ?? find(to, event.id)
      if (item !== undefined) fail(item, event.reason, event.retry)
      flush()
    })
    on('ended', () => {
      for (const item of [...items.values()]) {
        if (item.at?.room === to)
          fail(item, 'It may not have arrived: the room ended before the relay took it.', false)
      }
      flush()
    })
  }

  /** What a sender said in the old room is shown before what it says in the new one. */
  function inOrder(from: Room, event: Origin, show: () => void) {
    if (from === room && order !== null && !event.own) order.pass(event.memberId, show)
    else if (from !== older?.room || event.own || older.carried(event)) show()
  }

  function message(from: Room, event: RoomEvents['message']) {
    if (ended) return
    const item = event.own ? find(from, event.id) : undefined
    if (item !== undefined) items.delete(item.id)
    if (event.own || ports.mayShow(event, from)) {
      const { from: name, memberId, fingerprint, text, at, sentAt, seq, own, publicKey } = event
      const key = own ? 'known' : ports.meet({ name, publicKey, memberId })
      const id = item === undefined ? {} : { id: item.id }
      show()
      emit('message', { view, from: name, memberId, fingerprint, text, at, sentAt, seq, own, key, ...id })
    }
    flush()
  }

  function meet(user: User) {
    if (!user.self) ports.meet(user)
  }
  function left(person: Person, why: Why) {
    emit('left', { view, person, why, ...ports.whyLeft(person.memberId as MemberId, why) })
  }
  function ready() {
    if (!shown || room === null || !room.inside) return
    const first = !everReady
    everReady = true
    for (const user of room.users()) meet(user)
    const people = attendance.people(users(), isMoving())
    const self = people.find((person) => person.self)
    emit('ready', {
      view,
      room: room.keys.shortId,
      user: self?.name ?? '',
      users: people,
      count: Math.max(room.count, people.length),
      quiet: room.quiet,
      alone: room.count <= 1,
      first,
    })
  }
  function show() {
    if (shown || ended) return
    shown = true
    ready()
  }
  function forget() {
    if (older === null) return
    const { room: from } = older
    older = null
    order?.end()
    order = null
    for (const item of [...items.values()]) {
      if (item.at?.room === from) fail(item, 'It may not have arrived: the room has moved meanwhile.', true)
    }
    flushing = false
    drain()
    for (const person of attendance.settle(users())) if (shown) left(person, 'lost')
  }

  return {
    get view() {
      return view
    },
    get room() {
      return room
    },
    send(text) {
      const id = ports.nextId()
      take({ id, text, sentAt: ports.now(), at: null, failed: false })
      return id
    },
    retry(id) {
      const item = items.get(id)
      if (item?.failed) take(item)
    },
    pending: () =>
      [...items.values()]
        .filter((item) => !item.failed)
        .map(({ id, text, sentAt }) => ({ view, id, text, sentAt })),
    handed: () => [...items.values()].filter(({ at }) => at !== null).length,
    people: () => attendance.people(users(), isMoving()),
    show,
    wait(sentence) {
      if (sentence === waiting) return
      waiting = sentence
      if (sentence !== null) {
        if (room !== null) takeBack(room)
        for (const { id, text } of queued()) emit('pending', { view, id, text, waiting: sentence })
      }
      drain()
    },
    failWaiting(reason) {
      for (const item of queued()) fail(item, reason, true)
    },
    attach(next) {
      room = next
      saidInRoom = false
      listen(next)
      if (next.inside) {
        attendance.load(next.users(), false)
        ready()
      }
      drain()
    },
    expect(to) {
      if (expected.has(to) || to === room) return
      expected.set(to, [])
      listen(to)
    },
    move(to, carried) {
      forget()
      const from = room
      room = to
      waiting = null
      const early = expected.get(to)
      if (early === undefined) listen(to)
      expected.clear()
      if (from !== null && !from.ended) {
        older = { room: from, carried }
        takeBack(from)
        order = createOrder(() => (from.ended ? null : from.position()), ports)
        flushing = true
      }
      if (to.inside) {
        attendance.load(to.users(), older !== null)
        ready()
      }
      for (const hear of early ?? []) hear()
      flush()
      drain()
    },
    forget(old) {
      if (older?.room === old) forget()
    },
    drop(id, why) {
      for (const person of attendance.drop(id)) if (shown) left(person, why)
    },
    rename(next) {
      view = next
    },
    end(reason) {
      if (ended) return
      for (const item of queued()) fail(item, reason, false)
      ended = true
      older = null
      order?.end()
    },
  }
}
