// The rooms of a cluster: state and order in Redis (lua/*.lua decide), fan-out by one sharded channel per room.
// This file keeps what is local: which sessions are on this node, which channels it hears, what its clients were told.
// A channel's message is one byte for its kind, then exactly the bytes that clients get (kinds below).
import {
  type Epoch,
  encodeControl,
  encodeHex,
  type Member,
  type RelayControl,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import { type Connections, storeAway } from '../redis/connections.ts'
import { nodeRoomsKey, type RoomKeys, roomKeys } from '../redis/keys.ts'
import type { Lease } from '../redis/lease.ts'
import { createLogReader } from '../redis/log-reader.ts'
import {
  type JoinAnswer,
  type Joiner,
  joinsPerCallMax,
  nodeOf,
  type Owner,
  ownerOf,
  type RosterEntry,
  type RosterPage,
  type Scripts,
} from '../redis/scripts.ts'
import { GraceTimes } from './grace.ts'
import type {
  JoinRequest,
  JoinResult,
  LogPage,
  Membership,
  Position,
  PublishResult,
  RoomMember,
  RoomStats,
  Rooms,
  RoomsEvents,
} from './rooms.ts'

export type RedisRoomsOptions = {
  connections: Connections
  scripts: Scripts
  lease: Lease
  keyPrefix: string
  roomMembersMax: number
  now(): number
  random(bytes: number): Uint8Array
  /** 0..1 */
  jitter(): number
  keepMs: number
  /** How long a channel is heard after the last local member left. */
  lingerMs: number
  /** How long a member without a connection keeps its place. */
  graceMs: number
  /** How old a message of the log may be. */
  logAgeMs: number
  /** So long after a room fell silent its members are told where its log ends. */
  beaconMs: number
}

/** First byte of a channel's message. */
const kinds = {
  /** A delivery for members. */
  delivery: 1,
  /** A control message for members. */
  control: 2,
  /** A list of {session, owner, was} for nodes: joins took place, each session's former owner being `was`, or "". */
  joined: 3,
} as const

type PendingJoin = { owner: Owner; marked: boolean; replaced: boolean }

/** A join that goes to the store with the others of its room and loop turn. */
type AskingJoin = Joiner & { answered(answer: JoinAnswer): void; failed(error: unknown): void }

type LocalRoom = {
  id: RoomId
  keys: RoomKeys
  members: Map<SessionId, LocalMember>
  joining: Set<PendingJoin>
  asking: AskingJoin[]
  /** Registered and subscribed, or on the way there. */
  ready: Promise<void> | null
  /** Whom local clients were told of, with the start of the profile. */
  known: Map<SessionId, string>
  /** While above 0, what comes from the channel waits in `held`. */
  holds: number
  held: Buffer[]
  /** Where the log ended when members were told last, as "<epoch> <seq>". */
  toldPosition: string
  /** When that is looked at again, and how long after it for the next time. */
  beaconAt: number
  beaconStepMs: number
}

type LocalMember = {
  generation: number
  owner: Owner
  /** It gets nothing of the log from before this place. */
  start: number
}

type PendingLeave = {
  room: RoomId
  session: SessionId
  owner: Owner
  why: 'left' | 'lost'
  /** Not before this time. */
  due: number
}

const leavesPerRoundMax = 512
/** Rooms whose members and position are read again at once, after the store or a subscription was away. */
const resyncsAtOnceMax = 16
/** A room that stays silent is looked at ever more seldom, down to this. */
const beaconStepMaxMs = 64_000
/** What was said before the position was read may still be on its way here by the other connection. */
const positionDelayMs = 250

/** As long as V8 copies instead of keeping the whole profile alive. */
function profileMark(profile: string): string {
  return profile.slice(0, 12)
}

export function createRedisRooms(options: RedisRoomsOptions, events: RoomsEvents): Rooms {
  const { connections, scripts, lease, keyPrefix, now, keepMs } = options
  const { commands, subscriptions } = connections
  const rooms = new Map<RoomId, LocalRoom>()
  /** Rooms without local members, and when to stop hearing them. */
  const idle = new Map<RoomId, number>()
  /** Leaves that the store has not confirmed yet. */
  const leaving = new Map<string, PendingLeave>()
  /** Rooms whose channel was not heard for a while, until local clients know what happened meanwhile. */
  const stale = new Set<LocalRoom>()
  let resyncs = 0
  const graced = new GraceTimes(options.graceMs, now)
  const oldestAt = () => now() - options.logAgeMs
  const logReader = createLogReader(scripts, oldestAt)
  let entering: { rooms: RoomId[]; done: Promise<unknown> } | null = null
  let lastGeneration = 0
  let stopped = false

  function localRoom(id: RoomId): LocalRoom {
    let room = rooms.get(id)
    if (room === undefined) {
      room = {
        id,
        keys: roomKeys(keyPrefix, id),
        members: new Map(),
        joining: new Set(),
        asking: [],
        ready: null,
        known: new Map(),
        holds: 0,
        held: [],
        toldPosition: '',
        beaconAt: now() + options.beaconMs * (0.5 + options.jitter() / 2),
        beaconStepMs: options.beaconMs,
      }
      rooms.set(id, room)
    }
    idle.delete(id)
    return room
  }

  function letIdle(room: LocalRoom): void {
    if (room.members.size > 0 || room.joining.size > 0) return
    room.known.clear()
    idle.set(room.id, now() + options.lingerMs * (0.5 + options.jitter()))
  }

  function closeIdleRooms(): void {
    if (idle.size === 0 || leaving.size > 0) return
    const time = now()
    for (const [id, due] of idle) {
      if (due > time) continue
      const room = rooms.get(id)
      idle.delete(id)
      rooms.delete(id)
      if (room === undefined) continue
      subscriptions.unsubscribe(room.keys.channel)
      connections.cork()
      // Left behind when this fails: a room too many to look through, nothing worse.
      commands.srem(nodeRoomsKey(keyPrefix, lease.node), id).catch(() => {})
    }
  }

  /** Enters this node as one with members in a room: one command for all rooms that are entered at once. */
  function enter(id: RoomId): Promise<unknown> {
    if (entering !== null) {
      entering.rooms.push(id)
      return entering.done
    }
    const rooms = [id]
    // Behind the joins that begin in this turn too.
    const done = Promise.resolve().then(() => {
      entering = null
      connections.cork()
      return commands.sadd(nodeRoomsKey(keyPrefix, lease.node), ...rooms)
    })
    entering = { rooms, done }
    return done
  }

  /** The node is entered as one with members here before it has any, or its death would leave them behind. */
  function ready(room: LocalRoom): Promise<void> {
    if (room.ready !== null) return room.ready
    connections.cork()
    const entered = Promise.all([
      enter(room.id),
      subscriptions.subscribe(room.keys.channel, {
        message: (message) => receive(room, message),
        resumed: () => resyncLater(room),
      }),
    ]).then(() => {})
    room.ready = entered
    entered.catch(() => {
      if (room.ready === entered) room.ready = null
    })
    return entered
  }

  function receive(room: LocalRoom, message: Buffer): void {
    if (message[0] === kinds.joined) joinedSomewhere(room, message)
    else if (room.holds > 0) room.held.push(Buffer.from(message))
    else deliver(room, message)
  }

  function deliver(room: LocalRoom, message: Buffer): void {
    if (message[0] === kinds.delivery) {
      // While a room speaks, a lost frame shows by the next one: what matters is the silence afterwards.
      room.beaconStepMs = options.beaconMs
      room.beaconAt = now() + options.beaconMs
      events.deliver(room.id, message.subarray(1), true)
    } else if (message[0] === kinds.control) {
      const text = message.subarray(1)
      remember(room, JSON.parse(text.toString('latin1')) as RelayControl)
      events.deliver(room.id, text, false)
    }
  }

  function remember(room: LocalRoom, message: RelayControl): void {
    if (message.t === 'arrived') room.known.set(message.member.session, profileMark(message.member.profile))
    else if (message.t === 'departed') room.known.delete(message.session)
  }

  function tell(room: LocalRoom, message: RelayControl): void {
    remember(room, message)
    events.deliver(room.id, Buffer.from(encodeControl(message)), false)
  }

  function joinedSomewhere(room: LocalRoom, message: Buffer): void {
    const joins = JSON.parse(message.toString('latin1', 1)) as {
      session: SessionId
      owner: Owner
      was: Owner
    }[]
    for (const { session, owner, was } of joins) tookPlace(room, session, owner, was)
  }

  function tookPlace(room: LocalRoom, session: SessionId, owner: Owner, was: Owner): void {
    let former: PendingJoin | null = null
    for (const join of room.joining) {
      if (join.owner === was) former = join
      if (join.owner !== owner || join.marked) continue
      // The joiner's picture of the room is of this moment: what follows waits until the joiner can hear it.
      join.marked = true
      room.holds += 1
    }
    if (was === '' || nodeOf(was) !== lease.node) return
    if (former !== null) former.replaced = true
    else replace(room, session, was)
  }

  function replace(room: LocalRoom, session: SessionId, was: Owner): void {
    if (room.members.get(session)?.owner === was) room.members.delete(session)
    letIdle(room)
    events.replaced({ room: room.id, session, generation: Number(was.slice(was.indexOf('/') + 1)) })
  }

  function release(room: LocalRoom): void {
    room.holds -= 1
    if (room.holds > 0) return
    for (const message of room.held.splice(0)) deliver(room, message)
  }

  async function roster(room: LocalRoom): Promise<Map<SessionId, RosterEntry>> {
    const entries = new Map<SessionId, RosterEntry>()
    let after: string | null = '0'
    while (after !== null) {
      const page: RosterPage = await scripts.roomRoster(room.keys, after)
      for (const entry of page.entries) entries.set(entry.session, entry)
      after = page.next
    }
    return entries
  }

  /** The channel was not heard for a while: tells local clients who came and went meanwhile. */
  function resyncLater(room: LocalRoom): void {
    stale.add(room)
    resyncStale()
  }

  function resyncStale(): void {
    for (const room of stale) {
      if (resyncs >= resyncsAtOnceMax) return
      stale.delete(room)
      resyncs += 1
      void resync(room).then((done) => {
        resyncs -= 1
        if (!done) stale.add(room)
        else if (stale.size > 0) resyncStale()
      })
    }
  }

  /** Reads members and position anew, tells local clients what they missed. @returns false to try again later */
  async function resync(room: LocalRoom): Promise<boolean> {
    if (room.members.size === 0) return true
    const before = new Map(room.members)
    room.holds += 1
    try {
      const entries = await roster(room)
      for (const [session, member] of before) {
        if (room.members.get(session) !== member) continue
        const owner = entries.get(session)?.owner
        // The store has forgotten the member: it came back without its data.
        if (owner === undefined) {
          lease.lose().catch(() => {})
          return true
        }
        if (owner !== member.owner) replace(room, session, member.owner)
      }
      for (const session of [...room.known.keys()]) {
        if (!entries.has(session)) tell(room, { t: 'departed', room: room.id, session, why: 'lost' })
      }
      for (const [session, entry] of entries) {
        if (room.known.get(session) === profileMark(entry.profile)) continue
        tell(room, { t: 'arrived', room: room.id, member: memberOf(entry) })
      }
      room.toldPosition = ''
      await tellPosition(room)
      return true
    } catch {
      return false
    } finally {
      release(room)
    }
  }

  /** Also settles the room's epoch after a failover. @throws StoreError */
  async function tellPosition(room: LocalRoom): Promise<void> {
    const position = await scripts.roomPosition(room.keys)
    if (position === null) return
    const place = `${position.epoch} ${position.seq}`
    if (place === room.toldPosition) return
    room.toldPosition = place
    setTimeout(() => {
      if (room.members.size > 0 && !stopped) tell(room, { t: 'position', room: room.id, ...position })
    }, positionDelayMs)
  }

  function tellPositions(): void {
    if (!connections.available || stopped) return
    const time = now()
    connections.cork()
    for (const room of rooms.values()) {
      if (room.members.size === 0 || room.beaconAt > time) continue
      room.beaconStepMs = Math.min(2 * room.beaconStepMs, beaconStepMaxMs)
      room.beaconAt = time + room.beaconStepMs * (0.9 + options.jitter() / 10)
      tellPosition(room).catch(() => {})
    }
  }

  function memberOf({ session, tag, profile, counter, since }: RosterEntry): Member {
    return { session, tag, profile, counter, since }
  }

  /** One call of the store for all who ask for the room in this moment. */
  function askTogether(room: LocalRoom, joiner: Joiner): Promise<JoinAnswer> {
    return new Promise((answered, failed) => {
      room.asking.push({ ...joiner, answered, failed })
      if (room.asking.length === 1) queueMicrotask(() => askAll(room))
    })
  }

  function askAll(room: LocalRoom): void {
    connections.cork()
    while (room.asking.length > 0) {
      const asking = room.asking.splice(0, joinsPerCallMax)
      const state = {
        now: now(),
        epoch: encodeHex(options.random(8)) as Epoch,
        membersMax: options.roomMembersMax,
        oldestAt: oldestAt(),
      }
      scripts.roomJoin(room.keys, room.id, asking, state).then(
        (answers) => {
          for (const [i, answer] of answers.entries()) asking[i]?.answered(answer)
        },
        (error: unknown) => {
          for (const { failed } of asking) failed(error)
        },
      )
    }
  }

  async function ask(room: LocalRoom, request: JoinRequest, owner: Owner): Promise<JoinAnswer> {
    const attempt = () => askTogether(room, { request, owner })
    const answer = await attempt()
    if (answer.answer !== 'taken') return answer
    const holder = nodeOf(answer.owner)
    if (holder === lease.node || !(await lease.buried(holder))) return answer
    // Its node is long dead and nobody has taken its members out yet.
    await scripts.roomReap(room.keys, room.id, holder, now(), keepMs)
    return attempt()
  }

  async function join(request: JoinRequest): Promise<JoinResult> {
    if (stopped || !connections.available || !lease.held) return { ok: false, code: 'unavailable' }
    const room = localRoom(request.room)
    const { session } = request
    const { node } = lease
    lastGeneration += 1
    const generation = lastGeneration
    const owner = ownerOf(node, generation)
    const pending: PendingJoin = { owner, marked: false, replaced: false }
    room.joining.add(pending)
    let asked = false
    try {
      await ready(room)
      if (lease.node !== node) return { ok: false, code: 'unavailable' }
      asked = true
      const answer = await ask(room, request, owner)
      asked = false
      if (answer.answer === 'taken') return { ok: false, code: 'name-taken' }
      if (answer.answer === 'session') return { ok: false, code: 'session-taken' }
      if (answer.answer === 'full') return { ok: false, code: 'room-full' }
      if (lease.node !== node || stopped) {
        asked = true
        return { ok: false, code: 'unavailable' }
      }
      const membership = { room: request.room, session, generation }
      if (pending.replaced) setImmediate(() => events.replaced(membership))
      else room.members.set(session, { generation, owner, start: answer.start })
      const { epoch, seq, counter, count, roster, page } = answer
      const members = roster.entries.map(memberOf)
      for (const member of members) room.known.set(member.session, profileMark(member.profile))
      return { ok: true, membership, epoch, seq, counter, count, members, next: roster.next, page }
    } catch {
      return { ok: false, code: 'unavailable' }
    } finally {
      // It may have taken place all the same. Like a lost connection: its client will ask again, as another owner.
      if (asked) {
        leaveLater({ room: request.room, session, owner, why: 'lost', due: now() + options.graceMs })
      }
      room.joining.delete(pending)
      // Only then has the joiner's side run on and can hear what was held back.
      if (pending.marked) setImmediate(() => release(room))
      letIdle(room)
    }
  }

  function leaveLater(leave: PendingLeave): void {
    leaving.set(`${leave.room} ${leave.session} ${leave.owner}`, leave)
  }

  async function leaveNow(leave: PendingLeave): Promise<boolean> {
    const { room, session, owner, why } = leave
    const key = `${room} ${session} ${owner}`
    try {
      connections.cork()
      await scripts.roomLeave(roomKeys(keyPrefix, room), room, session, owner, why, now(), keepMs)
      leaving.delete(key)
      return true
    } catch {
      leaving.set(key, leave)
      return false
    }
  }

  function leaveAgain(): void {
    let left = leavesPerRoundMax
    const time = now()
    for (const leave of leaving.values()) {
      if (left === 0) return
      if (leave.due > time) continue
      left -= 1
      void leaveNow(leave)
    }
  }

  function forget(membership: Membership): Owner | null {
    const room = rooms.get(membership.room)
    const member = room?.members.get(membership.session)
    if (room === undefined || member === undefined || member.generation !== membership.generation) return null
    room.members.delete(membership.session)
    letIdle(room)
    return member.owner
  }

  async function leaveForGood(membership: Membership, why: 'left' | 'lost'): Promise<void> {
    const owner = forget(membership)
    if (owner === null) return
    await leaveNow({ room: membership.room, session: membership.session, owner, why, due: 0 })
  }

  async function readLog(membership: Membership, epoch: Epoch, seq: number): Promise<LogPage | null> {
    const room = rooms.get(membership.room)
    const member = room?.members.get(membership.session)
    if (room === undefined || member === undefined || member.generation !== membership.generation) return null
    const { start } = member
    const read = (after: Position) => logReader.read(room.keys, after).catch(away)
    let answer = await read({ epoch, seq: Math.max(seq, start) })
    const known = answer.answer !== 'unknown'
    if (answer.answer === 'unknown') {
      answer = await read({ epoch: answer.epoch, seq: Math.max(answer.seq, start) })
    }
    // Forgotten, or renamed between two questions: the member's next join or question sees it.
    if (answer.answer !== 'page') return away(new Error(`the log is ${answer.answer}`))
    const { deliveries, missed, more } = answer
    return { epoch: answer.epoch, seq: answer.seq, missed: known ? missed : null, deliveries, more }
  }

  function away(error: unknown): never {
    throw storeAway(error)
  }

  connections.listeners.push({
    availability(available) {
      if (!available) return events.availability(false)
      // A lease that is lost has to be known before anybody is told that all is well.
      void lease.beat().then(() => {
        if (!connections.available || stopped) return
        events.availability(true)
        resyncStale()
      })
    },
    tick() {
      if (!connections.available) return
      leaveAgain()
      closeIdleRooms()
      resyncStale()
    },
  })
  lease.listeners.push({
    lost() {
      leaving.clear()
      stale.clear()
      graced.clear()
      for (const room of rooms.values()) {
        room.members.clear()
        room.ready = null
        letIdle(room)
      }
      events.leaseLost()
    },
    taken() {},
  })

  return {
    kind: 'redis',
    get node() {
      return lease.node
    },
    async start() {
      await connections.open()
      try {
        await lease.start()
      } catch (error) {
        connections.close()
        away(error)
      }
    },
    join,
    async leave(membership, why) {
      if (why === 'lost' && options.graceMs > 0) graced.begin(membership)
      else await leaveForGood(membership, why)
    },
    publish(membership, counter, frame): PublishResult | Promise<PublishResult> {
      const room = rooms.get(membership.room)
      const member = room?.members.get(membership.session)
      if (room === undefined || member === undefined || member.generation !== membership.generation) {
        return { status: 'not-member' }
      }
      if (!connections.available || !lease.held) return { status: 'unavailable' }
      connections.cork()
      // Copied: a repeated command is written after this call.
      return scripts
        .roomPublish(room.keys, membership.session, member.owner, counter, now(), Buffer.from(frame))
        .catch((): PublishResult => ({ status: 'unavailable' }))
    },
    log: readLog,
    async members(id, after) {
      const page = await scripts.roomRoster(roomKeys(keyPrefix, id), after).catch(away)
      const members = page.entries.map(memberOf)
      const room = rooms.get(id)
      if (room !== undefined && room.members.size > 0) {
        for (const member of members) room.known.set(member.session, profileMark(member.profile))
      }
      return { members, next: page.next }
    },
    async member(id, session) {
      const entry = await scripts.roomMember(roomKeys(keyPrefix, id), session).catch(away)
      return entry === null ? null : memberOf(entry)
    },
    local() {
      const counts = new Map<RoomId, number>()
      for (const room of rooms.values()) if (room.members.size > 0) counts.set(room.id, room.members.size)
      return counts
    },
    async stats(ids) {
      connections.cork()
      const list = await Promise.all(
        ids.map(async (id): Promise<RoomStats | null> => {
          const keys = roomKeys(keyPrefix, id)
          const [fields, users] = await Promise.all([
            commands.hmget(keys.room, 'seq', 'bytes', 'created', 'active'),
            commands.hlen(keys.members),
          ])
          const [messages, bytes, createdAt, lastActiveAt] = fields.map(Number)
          if (fields[0] === null || messages === undefined) return null
          return {
            room: id,
            users,
            messages,
            bytes: bytes ?? 0,
            createdAt: createdAt ?? 0,
            lastActiveAt: lastActiveAt ?? 0,
          }
        }),
      ).catch(away)
      return list.filter((each) => each !== null)
    },
    async roomMembers(id) {
      const list: RoomMember[] = []
      let after: string | null = '0'
      while (after !== null) {
        const page: RosterPage = await scripts.roomRoster(roomKeys(keyPrefix, id), after).catch(away)
        for (const { session, owner, since, counter } of page.entries) {
          list.push({ session, node: nodeOf(owner), joinedAt: since, counter })
        }
        after = page.next
      }
      return list.length === 0 ? null : list
    },
    tick() {
      for (const membership of graced.end()) void leaveForGood(membership, 'lost')
      tellPositions()
    },
    async stop() {
      if (stopped) return
      stopped = true
      // Joins on their way end as leaves; a command that is never answered ends by its own timeout.
      while ([...rooms.values()].some((room) => room.joining.size > 0)) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      const last = [...leaving.values()].filter(({ due }) => due <= now())
      let staying = leaving.size - last.length
      for (const room of rooms.values()) {
        if (options.graceMs > 0) staying += room.members.size
        else {
          for (const [session, { owner }] of room.members) {
            last.push({ room: room.id, session, owner, why: 'lost', due: 0 })
          }
        }
        room.members.clear()
      }
      const left = await Promise.all(last.map(leaveNow))
      await lease.stop(staying === 0 && !left.includes(false)).catch(() => {})
      connections.close()
      rooms.clear()
    },
  }
}
