// The rooms that a node hears: entered in Redis and subscribed before their first member here, given up some time after
// the last one. What they hold is for rooms.redis.ts to fill.
import type { MemberId, RoomId, SessionId } from '@pychat/protocol'
import type { Connections } from '../redis/connections.ts'
import { gathered } from '../redis/gathered.ts'
import { nodeRoomsKey, type RoomKeys, roomKeys } from '../redis/keys.ts'
import type { Lease } from '../redis/lease.ts'
import type { Owner } from '../redis/owner.ts'
import type { ChannelHandler } from '../redis/subscriptions.ts'
import type { Chartered } from './charters.redis.ts'
import type { Membership } from './rooms.ts'

export type LocalRoom = Chartered & {
  id: RoomId
  keys: RoomKeys
  members: Map<SessionId, LocalMember>
  joining: Set<PendingJoin>
  /** Registered and subscribed, or on the way there. */
  ready: Promise<void> | null
  /** Nobody is told who comes and goes. */
  quiet: boolean
  /** How many it had when its members here were told last; -1 when they have to be told. */
  toldCount: number
  /** Whom local clients were told of, with the mark of the profile; nobody in a quiet room. */
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

export type LocalMember = {
  generation: number
  owner: Owner
  /** It gets nothing of the log from before this place. */
  start: number
  /** Whose key its session proved. */
  member: MemberId | null
  /** By the room's rules. */
  muted: boolean
}

export type PendingJoin = { owner: Owner; marked: boolean; replaced: boolean }

type EnteringRoom = { id: RoomId; entered(): void; failed(error: unknown): void }

export type LocalRoomsOptions = {
  connections: Connections
  lease: Lease
  keyPrefix: string
  now(): number
  /** 0..1 */
  jitter(): number
  lingerMs: number
  beaconMs: number
  /** What the room's channel says. */
  hear(room: LocalRoom): ChannelHandler
}

export class LocalRooms {
  readonly #options: LocalRoomsOptions
  readonly #rooms = new Map<RoomId, LocalRoom>()
  /** Rooms without local members, and when to stop hearing them. */
  readonly #idle = new Map<RoomId, number>()
  readonly #quiet = new Set<LocalRoom>()
  /** Who waits for this node to be entered as one with members in a room. */
  #entering: EnteringRoom[] = []
  readonly #enterAll = gathered(() => this.#enterNow())

  constructor(options: LocalRoomsOptions) {
    this.#options = options
  }

  all(): Iterable<LocalRoom> {
    return this.#rooms.values()
  }

  quiet(): Iterable<LocalRoom> {
    return this.#quiet
  }

  get(id: RoomId): LocalRoom | undefined {
    return this.#rooms.get(id)
  }

  /** @returns the room and member while the membership stands */
  find({ room: id, session, generation }: Membership): { room: LocalRoom; member: LocalMember } | null {
    const room = this.#rooms.get(id)
    const member = room?.members.get(session)
    return room === undefined || member?.generation !== generation ? null : { room, member }
  }

  /** Makes it known here, if it is not yet; `ready` makes it heard. */
  open(id: RoomId): LocalRoom {
    const room = this.#rooms.get(id) ?? this.#make(id)
    this.#rooms.set(id, room)
    this.#idle.delete(id)
    return room
  }

  /** The node is entered as one with members here before it has any, or its death would leave them behind. */
  ready(room: LocalRoom): Promise<void> {
    if (room.ready !== null) return room.ready
    const { connections, hear } = this.#options
    connections.cork()
    const subscribed = connections.subscriptions.subscribe(room.keys.channel, hear(room))
    const entered = Promise.all([this.#enter(room.id), subscribed]).then(() => {})
    room.ready = entered
    entered.catch(() => {
      if (room.ready === entered) room.ready = null
    })
    return entered
  }

  setQuiet(room: LocalRoom, quiet: boolean): void {
    if (room.quiet === quiet) return
    room.quiet = quiet
    room.toldCount = -1
    room.known.clear()
    if (quiet) this.#quiet.add(room)
    else this.#quiet.delete(room)
  }

  /** To be called when somebody left: does nothing while others are there. */
  letIdle(room: LocalRoom): void {
    if (room.members.size > 0 || room.joining.size > 0) return
    const { now, jitter, lingerMs } = this.#options
    room.known.clear()
    this.setQuiet(room, false)
    this.#idle.set(room.id, now() + lingerMs * (0.5 + jitter()))
  }

  /** Gives up those that nobody was in for a while. */
  closeIdle(): void {
    const { connections, lease, keyPrefix, now } = this.#options
    const time = now()
    for (const [id, due] of this.#idle) {
      if (due > time) continue
      const room = this.#rooms.get(id)
      this.#idle.delete(id)
      this.#rooms.delete(id)
      if (room === undefined) continue
      connections.subscriptions.unsubscribe(room.keys.channel)
      connections.cork()
      // Left behind when this fails: a room too many to look through, nothing worse.
      connections.commands.srem(nodeRoomsKey(keyPrefix, lease.node), id).catch(() => {})
    }
  }

  /** Every member is gone with the node's lease, and the node is entered nowhere. */
  forgetMembers(): void {
    for (const room of this.#rooms.values()) {
      room.members.clear()
      room.ready = null
      this.letIdle(room)
    }
  }

  clear(): void {
    this.#rooms.clear()
    this.#quiet.clear()
  }

  #make(id: RoomId): LocalRoom {
    const { keyPrefix, now, jitter, beaconMs } = this.#options
    return {
      id,
      keys: roomKeys(keyPrefix, id),
      members: new Map(),
      joining: new Set(),
      ready: null,
      charter: null,
      toldStamp: '',
      quiet: false,
      toldCount: -1,
      known: new Map(),
      holds: 0,
      held: [],
      toldPosition: '',
      beaconAt: now() + beaconMs * (0.5 + jitter() / 2),
      beaconStepMs: beaconMs,
    }
  }

  #enter(id: RoomId): Promise<void> {
    return new Promise((entered, failed) => {
      this.#entering.push({ id, entered, failed })
      this.#enterAll()
    })
  }

  /** One command for all rooms that are entered at once. */
  #enterNow(): void {
    const { connections, lease, keyPrefix } = this.#options
    const some = this.#entering
    this.#entering = []
    connections.cork()
    connections.commands.sadd(nodeRoomsKey(keyPrefix, lease.node), ...some.map(({ id }) => id)).then(
      () => {
        for (const { entered } of some) entered()
      },
      (error: unknown) => {
        for (const { failed } of some) failed(error)
      },
    )
  }
}
