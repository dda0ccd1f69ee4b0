// The rooms of one embedded node, held in this process alone: a laptop, a LAN party, a first try.
// It behaves as rooms.redis.ts does (test/rooms/contract.ts runs on both), only it is never unavailable.
import {
  decodeHex,
  deliveryHeaderBytes,
  type Epoch,
  encodeControl,
  encodeHex,
  limits,
  type Member,
  type NameTag,
  type NodeId,
  type RelayControl,
  type RoomId,
  type SessionId,
  writeDeliveryHeader,
} from '@pychat/protocol'
import { GraceTimes } from './grace.ts'
import { MemoryLog } from './log.memory.ts'
import {
  type JoinRequest,
  type JoinResult,
  joinPageBytesMax,
  joinPageFramesMax,
  type LogLimits,
  type LogPage,
  type Membership,
  type Position,
  type PublishResult,
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
  /** Every so often members are told where their room's log ends; 8 s when left out. */
  beaconMs?: number
}

type MemoryMember = {
  tag: NameTag
  profile: string
  proof: string
  counter: number
  since: number
  generation: number
  /** Grows with every new member: cursor of the roster. */
  place: number
  /** It gets nothing of the log from before this place. */
  start: number
}

type GoneSession = Pick<MemoryMember, 'tag' | 'profile' | 'proof' | 'counter' | 'since' | 'start'> & {
  until: number
}

type MemoryRoom = {
  idBytes: Uint8Array
  epoch: Epoch
  epochBytes: Uint8Array
  seq: number
  log: MemoryLog
  /** `seq` when members were told last. */
  toldSeq: number
  bytes: number
  createdAt: number
  lastActiveAt: number
  lastPlace: number
  /** In order of place. */
  members: Map<SessionId, MemoryMember>
  names: Map<NameTag, SessionId>
  /** In order of `until`. */
  gone: Map<SessionId, GoneSession>
  /** When the empty room is forgotten; 0 while somebody is in it. */
  until: number
}

const keepMsDefault = 600_000
const beaconMsDefault = 8000
/** Forgotten things removed per join: keeps a join short however many left before. */
const trimmedPerJoinMax = 16

export function createMemoryRooms(options: MemoryRoomsOptions, events: RoomsEvents): Rooms {
  const { keepMs = keepMsDefault, beaconMs = beaconMsDefault } = options
  const node = encodeHex(options.random(8)) as NodeId
  const rooms = new Map<RoomId, MemoryRoom>()
  /** Empty rooms, in the order in which they will be forgotten. */
  const empty = new Set<RoomId>()
  const graced = new GraceTimes(options.graceMs, options.now)
  let lastGeneration = 0
  let beaconAt = options.now() + beaconMs

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
    for (const [session, gone] of room.gone) {
      if (left === 0 || gone.until > now) return
      room.gone.delete(session)
      left -= 1
    }
  }

  function openRoom(id: RoomId, now: number): MemoryRoom {
    const known = rooms.get(id)
    if (known !== undefined && (known.until === 0 || known.until > now)) return known
    const epochBytes = options.random(8)
    const room: MemoryRoom = {
      idBytes: decodeHex(id),
      epoch: encodeHex(epochBytes) as Epoch,
      epochBytes,
      seq: 0,
      log: new MemoryLog(options.log),
      toldSeq: 0,
      bytes: 0,
      createdAt: now,
      lastActiveAt: now,
      lastPlace: 0,
      members: new Map(),
      names: new Map(),
      gone: new Map(),
      until: 0,
    }
    rooms.set(id, room)
    empty.delete(id)
    return room
  }

  function tell(room: RoomId, message: RelayControl): void {
    events.deliver(room, Buffer.from(encodeControl(message)), false)
  }

  function describe(session: SessionId, member: Omit<Member, 'session'>): Member {
    const { tag, profile, counter, since } = member
    return { session, tag, profile, counter, since }
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
    const { room: id, session, tag } = request
    const now = options.now()
    forgetEmptyRooms(now)
    const known = rooms.get(id)
    if (known === undefined && options.roomMembersMax < 1) return { ok: false, code: 'room-full' }
    const room = openRoom(id, now)
    forgetGoneSessions(room, now)

    const present = room.members.get(session)
    const gone = room.gone.get(session)
    const proof = present?.proof ?? (gone !== undefined && gone.until > now ? gone.proof : request.proof)
    if (proof !== request.proof) return { ok: false, code: 'session-taken' }
    const holder = room.names.get(tag)
    if (holder !== undefined && holder !== session) return { ok: false, code: 'name-taken' }
    if (present === undefined && room.members.size >= options.roomMembersMax)
      return { ok: false, code: 'room-full' }

    lastGeneration += 1
    const generation = lastGeneration
    let replaced: Membership | null = null
    let member: MemoryMember
    if (present === undefined) {
      const known = gone !== undefined && gone.until > now ? gone : null
      room.lastPlace += 1
      member = {
        tag,
        profile: request.profile,
        proof,
        counter: known?.counter ?? 0,
        since: now,
        generation,
        place: room.lastPlace,
        start: known?.start ?? (now - room.createdAt < youngLogMs ? 0 : room.seq),
      }
      room.members.set(session, member)
      room.gone.delete(session)
      room.until = 0
      empty.delete(id)
    } else {
      member = present
      replaced = { room: id, session, generation: present.generation }
      room.names.delete(present.tag)
      member.generation = generation
    }
    const changed = present === undefined || member.profile !== request.profile || member.tag !== tag
    member.profile = request.profile
    member.tag = tag
    member.counter = Math.max(member.counter, request.counter)
    room.names.set(tag, session)
    room.lastActiveAt = now
    if (replaced !== null) events.replaced(replaced)
    if (changed) tell(id, { t: 'arrived', room: id, member: describe(session, member) })
    return {
      ok: true,
      membership: { room: id, session, generation },
      epoch: room.epoch,
      seq: room.seq,
      counter: member.counter,
      count: room.members.size,
      ...page(room, 0),
      page: joinPage(room, member, request.after, now),
    }
  }

  function leave(membership: Membership, why: 'left' | 'lost'): void {
    const room = rooms.get(membership.room)
    const member = room?.members.get(membership.session)
    if (room === undefined || member === undefined || member.generation !== membership.generation) return
    const now = options.now()
    room.members.delete(membership.session)
    room.names.delete(member.tag)
    room.gone.delete(membership.session)
    const { tag, profile, proof, counter, since, start } = member
    room.gone.set(membership.session, { tag, profile, proof, counter, since, start, until: now + keepMs })
    room.lastActiveAt = now
    if (room.members.size === 0) {
      room.until = now + keepMs
      empty.add(membership.room)
    }
    tell(membership.room, { t: 'departed', room: membership.room, session: membership.session, why })
  }

  /** @returns the room and member while the membership stands */
  function find(membership: Membership): { room: MemoryRoom; member: MemoryMember } | null {
    const room = rooms.get(membership.room)
    const member = room?.members.get(membership.session)
    if (room === undefined || member === undefined || member.generation !== membership.generation) return null
    return { room, member }
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

  function beacon(now: number): void {
    if (now < beaconAt) return
    beaconAt = now + beaconMs
    for (const [id, room] of rooms) {
      room.log.trim(now)
      if (room.members.size === 0 || room.toldSeq === room.seq) continue
      room.toldSeq = room.seq
      tell(id, { t: 'position', room: id, epoch: room.epoch, seq: room.seq })
    }
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
      if (counter <= member.counter) return { status: 'duplicate', seq: room.log.placeOf(frame) }
      if (counter > member.counter + 1) return { status: 'gap', last: member.counter }
      const now = options.now()
      member.counter = counter
      room.seq += 1
      room.bytes += frame.length
      room.lastActiveAt = now
      const delivery = Buffer.allocUnsafe(deliveryHeaderBytes + frame.length)
      writeDeliveryHeader(delivery, room.idBytes, room.epochBytes, room.seq, now)
      delivery.set(frame, deliveryHeaderBytes)
      room.log.add(room.seq, now, delivery)
      events.deliver(membership.room, delivery, true)
      return { status: 'taken', seq: room.seq }
    },
    async log(membership, epoch, seq) {
      return readLog(membership, { epoch, seq })
    },
    async members(id, after) {
      const room = rooms.get(id)
      return room === undefined ? { members: [], next: null } : page(room, Number(after))
    },
    async member(id, session) {
      const room = rooms.get(id)
      const found = room?.members.get(session) ?? room?.gone.get(session)
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
      beacon(now)
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
