// The rooms of one embedded node, held in this process alone: a laptop, a LAN party, a first try.
// It behaves as rooms.redis.ts does (test/rooms/contract.ts runs on both), only it is never unavailable.
import {
  type CharterPair,
  decodeHex,
  deliveryHeaderBytes,
  type Epoch,
  encodeControl,
  encodeHex,
  limits,
  type Member,
  type MemberId,
  type NameTag,
  type NodeId,
  ProtocolError,
  type RelayControl,
  type RoomId,
  readCharter,
  type SessionId,
  writeDeliveryHeader,
} from '@pychat/protocol'
import { verifier } from '../verifier.ts'
import { admission, type HeldCharter, isBannedIn, isMutedIn, judge, spared } from './charter.ts'
import { GraceTimes } from './grace.ts'
import { MemoryLog } from './log.memory.ts'
import { type Packed, pack, unpack } from './packed.ts'
import {
  type ActResult,
  type JoinRequest,
  type JoinResult,
  joinPageBytesMax,
  joinPageFramesMax,
  type LogLimits,
  type LogPage,
  type Membership,
  type Position,
  type PublishResult,
  type QuietBounds,
  quietBoundsDefault,
  type RoomMember,
  type RoomStats,
  type Rooms,
  type RoomsEvents,
  youngLogMs,
} from './rooms.ts'

export type MemoryRoomsOptions = {
  roomMembersMax: number
  /** Milliseconds since 1970. */
  now(): number
  /** @returns so many unpredictable bytes */
  random(bytes: number): Uint8Array
  /** How long a member without a connection keeps its place. */
  graceMs: number
  log: LogLimits
  /** How long an empty room and the counters of a session that left are remembered; 10 minutes when left out. */
  keepMs?: number
  /** After so long a silence members are told where their room's log ends; 8 s when left out. */
  beaconMs?: number
  quiet?: QuietBounds
}

type MemoryMember = {
  tag: NameTag
  profile: Packed
  proof: Packed
  counter: number
  since: number
  generation: number
  /** Grows with every new member: cursor of the roster. */
  place: number
  /** It gets nothing of the log from before this place. */
  start: number
  /** Whose key its session proved. */
  member: MemberId | null
  /** By the room's rules. */
  muted: boolean
}

type GoneSession = Pick<
  MemoryMember,
  'tag' | 'profile' | 'proof' | 'counter' | 'since' | 'start' | 'member'
> & {
  until: number
}

type MemoryRoom = {
  id: RoomId
  epoch: Epoch
  /** Both as deliveries carry them; null until the room speaks. */
  header: { id: Uint8Array; epoch: Uint8Array } | null
  seq: number
  log: MemoryLog
  /** `seq` when members were told last. */
  toldSeq: number
  bytes: number
  createdAt: number
  lastActiveAt: number
  /** Who comes and goes does not break a silence. */
  spokeAt: number
  lastPlace: number
  /** In order of place. */
  members: Map<SessionId, MemoryMember>
  names: Map<NameTag, SessionId>
  /** In order of `until`; null until somebody leaves. */
  gone: Map<SessionId, GoneSession> | null
  charter: HeldCharter | null
  /** Nobody is told who comes and goes. */
  quiet: boolean
  /** How many members a quiet room had when its members were told last. */
  toldCount: number
  /** When the empty room is forgotten; 0 while somebody is in it. */
  until: number
}

const keepMsDefault = 600_000
const beaconMsDefault = 8000
/** A crowd that falls silent at once is told by and by: each room costs a write per member. */
const beaconsPerTickMax = 256
/** A log that nobody adds to grows old all the same. */
const trimMs = 8000
/** Forgotten things removed per join: keeps a join short however many left before. */
const trimmedPerJoinMax = 16

export function createMemoryRooms(options: MemoryRoomsOptions, events: RoomsEvents): Rooms {
  const { keepMs = keepMsDefault, beaconMs = beaconMsDefault, quiet = quietBoundsDefault } = options
  const node = encodeHex(options.random(8)) as NodeId
  const rooms = new Map<RoomId, MemoryRoom>()
  /** Empty rooms, in the order in which they will be forgotten. */
  const empty = new Set<RoomId>()
  const graced = new GraceTimes(options.graceMs, options.now)
  let lastGeneration = 0
  let trimAt = options.now() + trimMs

  function forgetEmptyRooms(now: number): void {
    let left = trimmedPerJoinMax
    for (const id of empty) {
      const room = rooms.get(id)
      if (left === 0 || (room !== undefined && room.until > now)) return
      rooms.delete(id)
      empty.delete(id)
      left -= 1
    }
  }

  function forgetGoneSessions(room: MemoryRoom, now: number): void {
    let left = trimmedPerJoinMax
    for (const [session, gone] of room.gone ?? []) {
      if (left === 0 || gone.until > now) return
      room.gone?.delete(session)
      left -= 1
    }
  }

  function openRoom(id: RoomId, now: number): MemoryRoom {
    const known = rooms.get(id)
    if (known !== undefined && (known.until === 0 || known.until > now)) return known
    const room: MemoryRoom = {
      id,
      epoch: encodeHex(options.random(8)) as Epoch,
      header: null,
      seq: 0,
      log: new MemoryLog(options.log),
      toldSeq: 0,
      bytes: 0,
      createdAt: now,
      lastActiveAt: now,
      spokeAt: now,
      lastPlace: 0,
      members: new Map(),
      names: new Map(),
      gone: null,
      charter: null,
      quiet: false,
      toldCount: 0,
      until: 0,
    }
    rooms.set(id, room)
    empty.delete(id)
    return room
  }

  function tell(room: RoomId, message: RelayControl): void {
    events.deliver(room, Buffer.from(encodeControl(message)), false)
  }

  function tellCount(id: RoomId, room: MemoryRoom): void {
    room.toldCount = room.members.size
    tell(id, { t: 'count', room: id, count: room.members.size, quiet: room.quiet })
  }

  function describe(
    session: SessionId,
    { tag, profile, counter, since }: Pick<MemoryMember, 'tag' | 'profile' | 'counter' | 'since'>,
  ): Member {
    return { session, tag, profile: unpack(profile, 'base64url'), counter, since }
  }

  function page(room: MemoryRoom, after: number): { members: Member[]; next: string | null } {
    const members: Member[] = []
    let last = after
    for (const [session, member] of room.members) {
      if (member.place <= after) continue
      if (members.length === limits.rosterPageMembersMax) return { members, next: String(last) }
      members.push(describe(session, member))
      last = member.place
    }
    return { members, next: null }
  }

  function join(request: JoinRequest): JoinResult {
    const { room: id, session, tag, member: key } = request
    const now = options.now()
    forgetEmptyRooms(now)
    const known = rooms.get(id)
    if (known === undefined && options.roomMembersMax < 1) return { ok: false, code: 'room-full' }
    const room = openRoom(id, now)
    forgetGoneSessions(room, now)

    const present = room.members.get(session)
    const gone = room.gone?.get(session)
    const profile = pack(request.profile, 'base64url')
    const proof = pack(request.proof, 'hex')
    const before = present ?? (gone !== undefined && gone.until > now ? gone : null)
    if (before !== null && (before.proof !== proof || (before.member ?? key) !== key)) {
      return { ok: false, code: 'session-taken' }
    }
    const { refusal, membersMax, whole } = admission(room.charter, key, now, options.roomMembersMax)
    if (refusal !== null && (refusal !== 'room-locked' || present === undefined)) {
      return { ok: false, code: refusal }
    }
    if (isTaken(room, tag, session)) return { ok: false, code: 'name-taken' }
    if (present === undefined && room.members.size >= membersMax) return { ok: false, code: 'room-full' }

    lastGeneration += 1
    const generation = lastGeneration
    let replaced: Membership | null = null
    let member: MemoryMember
    if (present === undefined) {
      room.lastPlace += 1
      member = {
        tag,
        profile,
        proof,
        counter: before?.counter ?? 0,
        since: now,
        generation,
        place: room.lastPlace,
        start: before?.start ?? (whole || now - room.createdAt < youngLogMs ? 0 : room.seq),
        member: key,
        muted: false,
      }
      room.members.set(session, member)
      room.gone?.delete(session)
      room.until = 0
      empty.delete(id)
    } else {
      member = present
      replaced = { room: id, session, generation: present.generation }
      room.names.delete(present.tag)
      member.generation = generation
    }
    const changed = present === undefined || member.profile !== profile || member.tag !== tag
    member.profile = profile
    member.tag = tag
    member.counter = Math.max(member.counter, request.counter)
    member.member = key
    member.muted = isMutedIn(room.charter, key)
    room.names.set(tag, session)
    room.lastActiveAt = now
    if (replaced !== null) events.replaced(replaced)
    if (!room.quiet && room.members.size > quiet.above) {
      room.quiet = true
      tellCount(id, room)
    }
    if (changed) tellArrived(id, room, session, present === undefined)
    return {
      ok: true,
      membership: { room: room.id, session, generation },
      epoch: room.epoch,
      seq: room.seq,
      counter: member.counter,
      count: room.members.size,
      ...page(room, 0),
      page: joinPage(room, member, request.after, now),
      charter: room.charter?.charter.pair ?? null,
      quiet: room.quiet,
    }
  }

  function isTaken(room: MemoryRoom, tag: NameTag, session: SessionId): boolean {
    return (room.names.get(tag) ?? session) !== session
  }

  /** In a quiet room only of a change, and of who has spoken. */
  function tellArrived(id: RoomId, room: MemoryRoom, session: SessionId, isNew: boolean): void {
    const member = room.members.get(session)
    if (member === undefined || (room.quiet && (isNew || member.counter === 0))) return
    tell(id, { t: 'arrived', room: id, member: describe(session, member) })
  }

  function leave(membership: Membership, why: 'left' | 'lost' | 'kicked' | 'banned'): void {
    const found = find(membership)
    if (found === null) return
    const { room, member } = found
    const now = options.now()
    room.members.delete(membership.session)
    room.names.delete(member.tag)
    room.gone?.delete(membership.session)
    const { tag, profile, proof, counter, since, start, member: key } = member
    const until = now + keepMs
    room.gone ??= new Map()
    room.gone.set(membership.session, { tag, profile, proof, counter, since, start, member: key, until })
    room.lastActiveAt = now
    if (room.members.size === 0) {
      room.until = now + keepMs
      empty.add(membership.room)
    }
    if (room.quiet && room.members.size < quiet.min) {
      room.quiet = false
      tellCount(membership.room, room)
    } else if (!room.quiet) {
      tell(membership.room, { t: 'departed', room: membership.room, session: membership.session, why })
    }
  }

  function putOut(id: RoomId, session: SessionId, why: 'kicked' | 'banned'): void {
    const { generation } = rooms.get(id)?.members.get(session) ?? { generation: 0 }
    const membership = { room: id, session, generation }
    events.expelled(membership, why)
    leave(membership, why)
  }

  /** @returns the room and member while the membership stands */
  function find(membership: Membership): { room: MemoryRoom; member: MemoryMember } | null {
    const room = rooms.get(membership.room)
    const member = room?.members.get(membership.session)
    if (room === undefined || member === undefined || member.generation !== membership.generation) return null
    return { room, member }
  }

  function showProfile(membership: Membership, tag: NameTag, text: string): ActResult<'name-taken'> {
    const found = find(membership)
    if (found === null) return { ok: false, code: 'not-member' }
    const { room, member } = found
    if (isTaken(room, tag, membership.session)) return { ok: false, code: 'name-taken' }
    const profile = pack(text, 'base64url')
    if (member.tag === tag && member.profile === profile) return { ok: true }
    room.names.delete(member.tag)
    room.names.set(tag, membership.session)
    member.tag = tag
    member.profile = profile
    tellArrived(membership.room, room, membership.session, false)
    return { ok: true }
  }

  function charter(membership: Membership, pair: CharterPair): ActResult<'charter-invalid' | 'charter-old'> {
    const found = find(membership)
    if (found === null) return { ok: false, code: 'not-member' }
    const { room } = found
    const id = membership.room
    try {
      const judgement = judge(room.charter, readCharter(pair, verifier, id), options.now())
      if (!judgement.ok) return judgement
      if (judgement.next === null) return { ok: true }
      room.charter = judgement.next
    } catch (error) {
      if (error instanceof ProtocolError) return { ok: false, code: 'charter-invalid' }
      throw error
    }
    // Who is put out hears first who signed that, and why.
    tell(id, { t: 'charter', room: id, ...room.charter.charter.pair })
    for (const [session, member] of [...room.members]) {
      member.muted = isMutedIn(room.charter, member.member)
      if (isBannedIn(room.charter, member.member, options.now())) putOut(id, session, 'banned')
    }
    return { ok: true }
  }

  function kick(membership: Membership, session: SessionId): ActResult<'not-allowed'> {
    const found = find(membership)
    const list = found === null ? null : spared(found.room.charter, found.member.member)
    if (found === null) return { ok: false, code: 'not-member' }
    const target = found.room.members.get(session)
    if (list === null) return { ok: false, code: 'not-allowed' }
    if (target === undefined) return { ok: false, code: 'not-member' }
    if (target.member !== null && list.includes(target.member)) return { ok: false, code: 'not-allowed' }
    putOut(membership.room, session, 'kicked')
    return { ok: true }
  }

  function logPage(
    room: MemoryRoom,
    { start }: MemoryMember,
    { epoch, seq }: Position,
    now: number,
    framesMax: number,
    bytesMax: number,
  ): LogPage {
    const known = epoch === room.epoch
    const page = room.log.page(known ? Math.max(seq, start) : start, room.seq, now, framesMax, bytesMax)
    return { ...page, epoch: room.epoch, missed: known ? page.missed : null }
  }

  function joinPage(
    room: MemoryRoom,
    member: MemoryMember,
    after: Position | null,
    now: number,
  ): LogPage | null {
    if (after === null || (after.epoch === room.epoch && after.seq === room.seq)) return null
    return logPage(room, member, after, now, joinPageFramesMax, joinPageBytesMax)
  }

  function readLog(membership: Membership, after: Position): LogPage | null {
    const found = find(membership)
    if (found === null) return null
    const { logPageFramesMax, logPageBytesMax } = limits
    return logPage(found.room, found.member, after, options.now(), logPageFramesMax, logPageBytesMax)
  }

  /** While a room speaks, its next message says where the log ends. */
  function tellPositions(now: number): void {
    let left = beaconsPerTickMax
    for (const [id, room] of rooms) {
      if (room.toldSeq === room.seq || room.spokeAt > now - beaconMs || room.members.size === 0) continue
      if (left === 0) return
      left -= 1
      room.toldSeq = room.seq
      tell(id, { t: 'position', room: id, epoch: room.epoch, seq: room.seq })
    }
  }

  function trimLogs(now: number): void {
    if (now < trimAt) return
    trimAt = now + trimMs
    for (const room of rooms.values()) room.log.trim(now)
  }

  return {
    kind: 'embedded',
    node,
    async start() {},
    async join(request) {
      return join(request)
    },
    async leave(membership, why) {
      if (why === 'lost' && options.graceMs > 0) graced.begin(membership)
      else leave(membership, why)
    },
    publish(membership: Membership, counter: number, frame: Uint8Array): PublishResult {
      const found = find(membership)
      if (found === null) return { status: 'not-member' }
      const { room, member } = found
      if (member.muted) return { status: 'muted' }
      if (counter <= member.counter) return { status: 'duplicate', seq: room.log.placeOf(frame) }
      if (counter > member.counter + 1) return { status: 'gap', last: member.counter }
      const now = options.now()
      member.counter = counter
      room.seq += 1
      room.bytes += frame.length
      room.lastActiveAt = now
      room.spokeAt = now
      const delivery = Buffer.allocUnsafe(deliveryHeaderBytes + frame.length)
      room.header ??= { id: decodeHex(room.id), epoch: decodeHex(room.epoch) }
      writeDeliveryHeader(delivery, room.header.id, room.header.epoch, room.seq, now)
      delivery.set(frame, deliveryHeaderBytes)
      room.log.add(room.seq, now, delivery)
      events.deliver(membership.room, delivery, true)
      return { status: 'taken', seq: room.seq }
    },
    profile: async (membership, tag, profile) => showProfile(membership, tag, profile),
    charter: async (membership, pair) => charter(membership, pair),
    kick: async (membership, session) => kick(membership, session),
    async log(membership, epoch, seq) {
      return readLog(membership, { epoch, seq })
    },
    async members(id, after) {
      const room = rooms.get(id)
      return room === undefined ? { members: [], next: null } : page(room, Number(after))
    },
    async member(id, session) {
      const room = rooms.get(id)
      const found = room?.members.get(session) ?? room?.gone?.get(session)
      return found === undefined ? null : describe(session, found)
    },
    local() {
      const counts = new Map<RoomId, number>()
      for (const [id, room] of rooms) if (room.members.size > 0) counts.set(id, room.members.size)
      return counts
    },
    async stats(ids) {
      const list: RoomStats[] = []
      for (const id of ids) {
        const room = rooms.get(id)
        if (room === undefined || (room.until !== 0 && room.until <= options.now())) continue
        list.push({
          room: id,
          users: room.members.size,
          messages: room.seq,
          bytes: room.bytes,
          createdAt: room.createdAt,
          lastActiveAt: room.lastActiveAt,
        })
      }
      return list
    },
    async roomMembers(id) {
      const room = rooms.get(id)
      if (room === undefined || room.members.size === 0) return null
      const list: RoomMember[] = []
      for (const [session, member] of room.members) {
        list.push({ session, node, joinedAt: member.since, counter: member.counter })
      }
      return list
    },
    tick() {
      const now = options.now()
      for (const membership of graced.end()) leave(membership, 'lost')
      tellPositions(now)
      trimLogs(now)
      for (const [id, room] of rooms) {
        if (room.quiet && room.toldCount !== room.members.size) tellCount(id, room)
      }
    },
    async stop() {
      for (const [id, room] of rooms) {
        for (const [session, member] of [...room.members]) {
          leave({ room: id, session, generation: member.generation }, 'lost')
        }
      }
      rooms.clear()
      empty.clear()
    },
  }
}
