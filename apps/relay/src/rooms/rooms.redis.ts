// The rooms of a cluster: state and order in Redis (lua/*.lua decide), fan-out by one sharded channel per room.
// This file keeps what is local: which sessions are on this node, which channels it hears, what its clients were told.
// A channel's message is one byte for its kind, then mostly the bytes that clients get (kinds below). Charters, leaves
// and what was missed while a channel was not heard have files of their own.
import {
  type Epoch,
  type ErrorCode,
  encodeControl,
  type Member,
  type MemberId,
  type RelayControl,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import { type Connections, storeAway } from '../redis/connections.ts'
import { roomKeys } from '../redis/keys.ts'
import type { Lease } from '../redis/lease.ts'
import { createLogReader } from '../redis/log-reader.ts'
import { nodeOf, type Owner, ownerOf } from '../redis/owner.ts'
import type { RosterEntry, RosterPage, Scripts } from '../redis/scripts.ts'
import { Beacons } from './beacons.redis.ts'
import { isBannedIn, isMutedIn } from './charter.ts'
import { createCharters } from './charters.redis.ts'
import { GraceTimes } from './grace.ts'
import { Leaves, type PendingLeave } from './leaves.redis.ts'
import { type LocalMember, type LocalRoom, LocalRooms, type PendingJoin } from './local-rooms.redis.ts'
import { createRequests } from './requests.redis.ts'
import { profileMark, Resyncs, readMissed } from './resync.redis.ts'
import {
  type ActResult,
  type JoinRequest,
  type JoinResult,
  type LogPage,
  type Membership,
  type Position,
  type PublishResult,
  type RoomMember,
  type RoomStats,
  type Rooms,
  type RoomsEvents,
  StoreError,
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
  /** A charter's stamp, a space, and the control message for members, whom nodes tell if it stands. */
  charter: 4,
  /** {session, owner} for nodes: a member was kicked. */
  kicked: 5,
} as const

/** Without the pieces that it was put together from. */
function flat(text: MemberId | null): MemberId | null {
  return text === null ? null : (Buffer.from(text, 'latin1').toString('latin1') as MemberId)
}

export function createRedisRooms(options: RedisRoomsOptions, events: RoomsEvents): Rooms {
  const { connections, scripts, lease, keyPrefix, now, keepMs } = options
  const { commands } = connections
  const rooms = new LocalRooms({
    ...options,
    hear: (room) => ({
      message: (message) => receive(room, message),
      resumed: () => resyncs.add(room),
    }),
  })
  const leaves = new Leaves({ scripts, keyPrefix, now, keepMs })
  const resyncs = new Resyncs(resync)
  const charters = createCharters<LocalRoom>({ scripts, now, keepMs, changed: charterChanged })
  const requests = createRequests({ ...options, charters })
  const beacons = new Beacons({ ...options, rooms, tell, read: charters.check })
  const graced = new GraceTimes(options.graceMs, now)
  const logReader = createLogReader(scripts, () => now() - options.logAgeMs)
  let lastGeneration = 0
  let stopped = false

  function receive(room: LocalRoom, message: Buffer): void {
    if (message[0] === kinds.joined) joinedSomewhere(room, message)
    else if (room.holds > 0) room.held.push(Buffer.from(message))
    else deliver(room, message)
  }

  function deliver(room: LocalRoom, message: Buffer): void {
    if (message[0] === kinds.delivery) {
      beacons.spoke(room)
      events.deliver(room.id, message.subarray(1), true)
    } else if (message[0] === kinds.control) {
      const text = message.subarray(1)
      remember(room, JSON.parse(text.toString('latin1')) as RelayControl)
      events.deliver(room.id, text, false)
    } else if (message[0] === kinds.charter) charters.heard(room, message.subarray(1))
    else if (message[0] === kinds.kicked) kickedSomewhere(room, message)
  }

  function remember(room: LocalRoom, message: RelayControl): void {
    if (message.t === 'count') rooms.setQuiet(room, message.quiet)
    else if (message.t === 'departed') room.known.delete(message.session)
    else if (message.t === 'arrived' && !room.quiet) {
      room.known.set(message.member.session, profileMark(message.member.profile))
    }
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
    rooms.letIdle(room)
    events.replaced({ room: room.id, session, generation: Number(was.slice(was.indexOf('/') + 1)) })
  }

  function kickedSomewhere(room: LocalRoom, message: Buffer): void {
    const { session, owner } = JSON.parse(message.toString('latin1', 1)) as {
      session: SessionId
      owner: Owner
    }
    if (room.members.get(session)?.owner === owner) putOut(room, session, 'kicked')
  }

  /** Ends a membership on this node alone. */
  function putOut(room: LocalRoom, session: SessionId, why: 'kicked' | 'banned'): void {
    const member = room.members.get(session)
    if (member === undefined) return
    room.members.delete(session)
    rooms.letIdle(room)
    events.expelled({ room: room.id, session, generation: member.generation }, why)
  }

  /** Brings what the room's charter says to bear on the members of this node. */
  function charterChanged(room: LocalRoom, control: Buffer | null): void {
    const members = [...room.members]
    // Who is put out hears first who signed that, and why.
    if (control !== null && members.length > 0) events.deliver(room.id, control, false)
    for (const [session, member] of members) apply(room, session, member)
  }

  function apply(room: LocalRoom, session: SessionId, member: LocalMember): void {
    member.muted = isMutedIn(room.charter, member.member)
    if (!isBannedIn(room.charter, member.member, now())) return
    putOut(room, session, 'banned')
    void leaves.now({ room: room.id, session, owner: member.owner, why: 'banned', due: 0 })
  }

  function release(room: LocalRoom): void {
    room.holds -= 1
    if (room.holds > 0) return
    for (const message of room.held.splice(0)) deliver(room, message)
  }

  /** Tells local clients what they missed while the channel was not heard. @returns false to try again later */
  async function resync(room: LocalRoom): Promise<boolean> {
    if (room.members.size === 0 && room.charter === null) return true
    room.holds += 1
    try {
      room.toldPosition = ''
      const stamp = await beacons.tellPosition(room)
      const before = new Map(room.members)
      const missed = await readMissed(scripts, room.keys, before, room.quiet ? null : room.known)
      const still = (session: SessionId) => room.members.get(session) === before.get(session)
      if (missed.forgotten.some(still)) {
        lease.lose().catch(() => {})
        return true
      }
      for (const session of missed.replaced.filter(still)) {
        replace(room, session, (before.get(session) as LocalMember).owner)
      }
      for (const session of missed.expelled.filter(still)) putOut(room, session, 'kicked')
      for (const session of missed.departed)
        tell(room, { t: 'departed', room: room.id, session, why: 'lost' })
      for (const entry of missed.arrived) tell(room, { t: 'arrived', room: room.id, member: memberOf(entry) })
      await charters.check(room, stamp)
      return true
    } catch (error) {
      return error instanceof StoreError && !error.retryable
    } finally {
      release(room)
    }
  }

  function memberOf({ session, tag, profile, counter, since }: RosterEntry): Member {
    return { session, tag, profile, counter, since }
  }

  async function join(request: JoinRequest): Promise<JoinResult> {
    if (stopped || !connections.available || !lease.held) return { ok: false, code: 'unavailable' }
    const room = rooms.open(request.room)
    const { session } = request
    const { node } = lease
    lastGeneration += 1
    const generation = lastGeneration
    const owner = ownerOf(node, generation)
    const pending: PendingJoin = { owner, marked: false, replaced: false }
    room.joining.add(pending)
    let asked = false
    try {
      await rooms.ready(room)
      if (lease.node !== node) return { ok: false, code: 'unavailable' }
      asked = true
      const answer = await requests.join(room, request, owner)
      asked = false
      if (answer.answer !== 'ok') return { ok: false, code: answer.answer }
      if (lease.node !== node || stopped) {
        asked = true
        return { ok: false, code: 'unavailable' }
      }
      const membership = { room: room.id, session, generation }
      rooms.setQuiet(room, answer.quiet)
      if (pending.replaced) setImmediate(() => events.replaced(membership))
      else {
        const { start } = answer
        const member = { generation, owner, start, member: flat(request.member), muted: false }
        room.members.set(session, member)
        if (room.charter !== null) {
          member.muted = isMutedIn(room.charter, member.member)
          // It may have changed since the store answered. Not before the joiner's side has run on.
          setImmediate(() => {
            if (room.members.get(session) === member) apply(room, session, member)
          })
        }
      }
      const { epoch, seq, counter, count, roster, page, quiet } = answer
      const members = roster.entries.map(memberOf)
      if (!quiet) for (const each of members) room.known.set(each.session, profileMark(each.profile))
      const charter = room.charter?.charter.pair ?? null
      return {
        ok: true,
        membership,
        epoch,
        seq,
        counter,
        count,
        members,
        next: roster.next,
        page,
        charter,
        quiet,
      }
    } catch {
      return { ok: false, code: 'unavailable' }
    } finally {
      // It may have taken place all the same. Like a lost connection: its client will ask again, as another owner.
      if (asked) {
        leaves.later({ room: request.room, session, owner, why: 'lost', due: now() + options.graceMs })
      }
      room.joining.delete(pending)
      // Only then has the joiner's side run on and can hear what was held back.
      if (pending.marked) setImmediate(() => release(room))
      rooms.letIdle(room)
    }
  }

  /** Carries a member's request out, and answers it also while the store is away. */
  async function act<Code extends ErrorCode>(
    membership: Membership,
    carryOut: (room: LocalRoom, member: LocalMember) => Promise<ActResult<Code>>,
  ): Promise<ActResult<Code>> {
    const found = rooms.find(membership)
    if (found === null) return { ok: false, code: 'not-member' }
    if (stopped || !connections.available || !lease.held) return { ok: false, code: 'unavailable' }
    try {
      return await carryOut(found.room, found.member)
    } catch {
      return { ok: false, code: 'unavailable' }
    }
  }

  async function leaveForGood(membership: Membership, why: 'left' | 'lost'): Promise<void> {
    const found = rooms.find(membership)
    if (found === null) return
    const { room, member } = found
    room.members.delete(membership.session)
    rooms.letIdle(room)
    await leaves.now({ room: room.id, session: membership.session, owner: member.owner, why, due: 0 })
  }

  async function readLog(membership: Membership, epoch: Epoch, seq: number): Promise<LogPage | null> {
    const found = rooms.find(membership)
    if (found === null) return null
    const { room } = found
    const { start } = found.member
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
        resyncs.go()
      })
    },
    tick() {
      if (!connections.available) return
      leaves.again()
      if (leaves.size === 0) rooms.closeIdle()
      resyncs.go()
    },
  })
  lease.listeners.push({
    lost() {
      leaves.clear()
      resyncs.clear()
      graced.clear()
      rooms.forgetMembers()
      events.leaseLost()
    },
    taken() {
      // Should the store have lost everything, it gets back at once what nobody else may state.
      for (const room of rooms.all()) if (room.charter !== null) resyncs.add(room)
    },
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
      if (member.muted) return { status: 'muted' }
      if (!connections.available || !lease.held) return { status: 'unavailable' }
      const { session } = membership
      // Copied: it is written after this call.
      return scripts
        .roomPublish({
          keys: room.keys,
          session,
          owner: member.owner,
          counter,
          now: now(),
          frame: Buffer.from(frame),
        })
        .catch((): PublishResult => ({ status: 'unavailable' }))
    },
    profile: (membership, tag, profile) =>
      act(membership, (room, { owner }) => requests.profile(room, membership.session, owner, tag, profile)),
    charter: (membership, pair) => act(membership, (room) => charters.publish(room, pair)),
    kick: (membership, session) =>
      act(membership, (room, { member }) => requests.kick(room, member, session)),
    log: readLog,
    async members(id, after) {
      const page = await scripts.roomRoster(roomKeys(keyPrefix, id), after).catch(away)
      const members = page.entries.map(memberOf)
      const room = rooms.get(id)
      if (room !== undefined && room.members.size > 0 && !room.quiet) {
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
      for (const room of rooms.all()) if (room.members.size > 0) counts.set(room.id, room.members.size)
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
      beacons.tick()
    },
    async stop() {
      if (stopped) return
      stopped = true
      beacons.stop()
      // Joins on their way end as leaves; a command that is never answered ends by its own timeout.
      while ([...rooms.all()].some((room) => room.joining.size > 0)) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      const last: PendingLeave[] = []
      let staying = 0
      for (const room of rooms.all()) {
        if (options.graceMs > 0) staying += room.members.size
        else {
          for (const [session, { owner }] of room.members) {
            last.push({ room: room.id, session, owner, why: 'lost', due: 0 })
          }
        }
        room.members.clear()
      }
      const left = await leaves.last(last)
      await lease.stop(staying === 0 && left).catch(() => {})
      connections.close()
      rooms.clear()
    },
  }
}
