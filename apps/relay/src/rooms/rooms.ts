// The port between sessions and the rooms' shared state: membership, unique names, order, counters, and the log.
// rooms.memory.ts is one embedded node; rooms.redis.ts is a cluster. Both pass test/rooms/contract.ts.
// Nothing here can read a name or a text: tags, sealed profiles and sealed frames only.
import {
  type CharterPair,
  type Epoch,
  type ErrorCode,
  limits,
  type Member,
  type MemberId,
  type NameTag,
  type NodeId,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'

/**
 * One connection's hold on one session in one room. `generation` tells connections of the same session apart:
 * only the newest one may publish or leave.
 */
export type Membership = { room: RoomId; session: SessionId; generation: number }

/** A place in a room's log: the `seq`-th of `epoch`, the last one that its member has. */
export type Position = { epoch: Epoch; seq: number }

export type JoinRequest = {
  room: RoomId
  session: SessionId
  /** SHA-256 of the client's secret, hex: the same session may come back on another connection, nobody else may. */
  proof: string
  tag: NameTag
  /** Sealed, base64url. */
  profile: string
  /** Frames of the session up to this counter cannot be sent any more: a store that knows less goes on from here. */
  counter: number
  /** Where a returning member stands; null for one that has nothing of the room yet. */
  after: Position | null
  /** Whose key the session proved; null for nobody's. Once it proved one it comes back by that one alone. */
  member: MemberId | null
}

/** What a room's log keeps: whichever bound is reached first. */
export type LogLimits = { messagesMax: number; bytesMax: number; ageMs: number }

/**
 * After a store lost everything, members come back one by one into a new room, and the first ones speak again. So a log
 * younger than that, in milliseconds, is given from its beginning to whoever comes.
 */
export const youngLogMs = 30_000

/**
 * Bounds of the page of the log that a join is answered with. Smaller than those of a `log` request: joins come
 * by the thousand, and each page lies in memory until it is sent.
 */
export const joinPageFramesMax = 64
export const joinPageBytesMax = 65_536

export type LogPage = {
  /** The deliveries are the places after `seq` in `epoch`. */
  epoch: Epoch
  seq: number
  /** Messages between the position asked about and `seq` that are gone for good; null when nobody knows. */
  missed: number | null
  deliveries: readonly Uint8Array[]
  /** Whether there is more after the last of them. */
  more: boolean
}

export type JoinResult =
  | {
      ok: true
      membership: Membership
      epoch: Epoch
      seq: number
      counter: number
      count: number
      members: Member[]
      /** Cursor for more members, or null. */
      next: string | null
      /** What the log has after the position of the request; null without one, or when that is `seq` of `epoch`. */
      page: LogPage | null
      /** What governs the room. */
      charter: CharterPair | null
      /** Whether the room is so large that "arrived" and "departed" are not told. */
      quiet: boolean
    }
  | { ok: false; code: JoinRefusal }

export type JoinRefusal = Extract<
  ErrorCode,
  'name-taken' | 'session-taken' | 'room-full' | 'key-needed' | 'banned' | 'room-locked' | 'unavailable'
>

/** How a member's request ended that is answered with yes or a refusal. */
export type ActResult<Code extends ErrorCode> =
  | { ok: true }
  | { ok: false; code: Code | 'not-member' | 'unavailable' }

export type PublishResult =
  | { status: 'taken'; seq: number }
  /** It was taken before; `seq` is 0 when its place is forgotten. */
  | { status: 'duplicate'; seq: number }
  /** An earlier counter is missing. */
  | { status: 'gap'; last: number }
  /** The session is not (or not any more) in the room on this connection. */
  | { status: 'not-member' }
  /** The room's rules have silenced the member; nothing is counted. */
  | { status: 'muted' }
  | { status: 'unavailable' }

/**
 * A room with more members than `above` is quiet: nobody is told who comes and goes, only how many there are, until fewer
 * than `min` are left. So a join costs the same in a room of any size.
 */
export type QuietBounds = { above: number; min: number }

export const quietBoundsDefault: QuietBounds = {
  above: limits.wholeRosterMembersMax,
  min: limits.quietRoomMembersMin,
}

export type RoomStats = {
  room: RoomId
  users: number
  messages: number
  bytes: number
  /** Milliseconds since 1970. */
  createdAt: number
  lastActiveAt: number
}

export type RoomMember = { session: SessionId; node: NodeId; joinedAt: number; counter: number }

export type RoomsEvents = {
  /**
   * Something for every local member of a room, in the room's order: a delivery (binary) or a control message (text).
   * @param message valid only during the call
   */
  deliver(room: RoomId, message: Uint8Array, isBinary: boolean): void
  /** The session lives on a newer connection now: the one with this generation has to be closed. */
  replaced(membership: Membership): void
  /** A member of this node was put out of its room; the others hear "departed". */
  expelled(membership: Membership, why: 'kicked' | 'banned'): void
  /** Whether the store answers. Starts as available. */
  availability(available: boolean): void
  /** This node's lease is gone: others may have given its members' names away. Close every session. */
  leaseLost(): void
}

export interface Rooms {
  readonly kind: 'embedded' | 'redis'
  /** Changes when a lost lease was replaced. */
  readonly node: NodeId
  /** @throws StoreError when the store cannot be reached or is unfit (too old, no permission) */
  start(): Promise<void>
  /**
   * Puts a session into a room, or takes it over from an older connection of the same client.
   * Others in the room hear "arrived" through `deliver` (also the joiner, if already subscribed; clients ignore their own).
   * Who may not come in by the room's charter is refused, whatever else is true.
   * When it resolves, everything published from `seq` + 1 on reaches `deliver`; a page without `more` reaches `seq`.
   */
  join(request: JoinRequest): Promise<JoinResult>
  /**
   * Safe to repeat; does nothing when a newer connection holds the session. Others hear "departed": at once for
   * "left"; for "lost" when the session did not come back within the grace time, until when it keeps name and place.
   */
  leave(membership: Membership, why: 'left' | 'lost'): Promise<void>
  /**
   * Gives a sealed frame its place in the room and delivers it to all members, the sender included.
   * Safe to repeat with the same (session, counter). Calls for one membership must come in counter order.
   * @param frame valid only during the call
   */
  publish(membership: Membership, counter: number, frame: Uint8Array): PublishResult | Promise<PublishResult>
  /** Gives a member another profile, and with it perhaps another name; others hear "arrived" again. Safe to repeat. */
  profile(membership: Membership, tag: NameTag, profile: string): Promise<ActResult<'name-taken'>>
  /**
   * Puts a charter into force in the room, on every node; members hear "charter". Whom it bans is put out. Any member may
   * do so: what gives the right is in the signatures. Safe to repeat.
   */
  charter(membership: Membership, pair: CharterPair): Promise<ActResult<'charter-invalid' | 'charter-old'>>
  /** Puts a member of lower rank out, wherever it is. */
  kick(membership: Membership, session: SessionId): Promise<ActResult<'not-allowed'>>
  /**
   * What the log has after a position, at most a page of it (limits.logPage*), and nothing from before the session
   * first joined, except of a young log. Null when the membership is gone. @throws StoreError
   */
  log(membership: Membership, epoch: Epoch, seq: number): Promise<LogPage | null>
  /** A page of the roster. @param after a cursor from this roster  @throws StoreError */
  members(room: RoomId, after: string): Promise<{ members: Member[]; next: string | null }>
  /** One session: a member, or one that left less than ten minutes ago. Null for an unknown one. @throws StoreError */
  member(room: RoomId, session: SessionId): Promise<Member | null>
  /** Rooms with a member on this node and how many are here. */
  local(): Map<RoomId, number>
  /** Figures of rooms, unknown rooms left out. @throws StoreError */
  stats(rooms: readonly RoomId[]): Promise<RoomStats[]>
  /** Everybody in a room, on every node; null for an unknown or empty room. @throws StoreError */
  roomMembers(room: RoomId): Promise<RoomMember[] | null>
  /** To be called about every second: ends grace times, and tells members now and then where their log ends. */
  tick(): void
  /** Gives up the lease; every local membership is "lost", its grace time included. Then closes the store. */
  stop(): Promise<void>
}

/** The world's fault, not the peer's and not ours. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: 'unreachable' | 'too-old' | 'refused'
  readonly retryable: boolean

  constructor(code: StoreError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.retryable = code === 'unreachable'
  }
}
