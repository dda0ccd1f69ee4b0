// What a room tells its host, and how it speaks of the people in it. Names, texts and bodies are as their senders wrote
// them: sanitise before they reach a screen.
import type { Charter, ErrorCode, MemberId, PublicKey, SessionId } from '@pychat/protocol'

export type User = {
  name: string
  /** Eight characters of the key that signs this user's messages. */
  fingerprint: string
  /** Whether it is this client. */
  self: boolean
  /** One run of one client. */
  session: SessionId
  /** Signs this user's messages. */
  publicKey: PublicKey
  /** Names that key. */
  memberId: MemberId
  /** X25519, 32 bytes; null when the profile has none. */
  boxKey: Uint8Array | null
  /** Why this user is away, maybe ''; null when here. */
  away: string | null
  /** When they came, relay's clock, milliseconds since 1970. */
  since: number
}

export type UserPage = {
  users: User[]
  /** In the room now. */
  count: number
  /** Where the next page begins; null after the last. */
  next: string | null
}

/**
 * `left`: by wish. `stopped`: the whole client ended. `kicked` and `banned`: put out; `removed`: by the relay's operator.
 * Else the relay's refusal.
 */
export type EndCode = ErrorCode | 'left' | 'kicked' | 'removed' | 'stopped'

/** Whether the relay refused, and not somebody went or was put out. */
export function isRefusal(code: EndCode): code is ErrorCode {
  return code !== 'left' && code !== 'kicked' && code !== 'removed' && code !== 'stopped'
}

/**
 * What the relay has when the room is entered, compared with what is trusted here. `new`: taken over just now. `none`,
 * `old`: a host that trusts something may `publish` it.
 */
export type CharterAtRelay = 'none' | 'same' | 'new' | 'old' | 'foreign' | 'invalid'

/**
 * Where a message came from. `epoch` and `seq` are its place in the room; seq is 0 when the relay only confirmed an own
 * message without its place, and epoch '' when no delivery told it. `counter` is the sender's own count. `at` is the
 * relay's clock, `sentAt` the sender's, milliseconds since 1970. `live`: it came by itself, not from the log. `id` names
 * an own message.
 */
export type Origin = {
  from: string
  session: SessionId
  publicKey: PublicKey
  memberId: MemberId
  fingerprint: string
  epoch: string
  seq: number
  counter: number
  at: number
  sentAt: number
  live: boolean
  own: boolean
  id?: number
}

export type RoomEvents = {
  /**
   * In the room, roster known (in a quiet room: its first page). Comes again after each reconnect; `first` is true once.
   * `room`: short code.
   */
  ready: {
    room: string
    user: string
    users: User[]
    count: number
    quiet: boolean
    alone: boolean
    first: boolean
    charter: CharterAtRelay
  }
  joined: { user: string; fingerprint: string; session: SessionId; memberId: MemberId }
  left: {
    user: string
    fingerprint: string
    session: SessionId
    memberId: MemberId
    why: 'left' | 'lost' | 'kicked' | 'banned'
  }
  /** Same key, another name. Also told of this client itself. */
  renamed: { from: string; to: string; session: SessionId; memberId: MemberId; self: boolean }
  /** `away` is null when they are here again. Also told of this client itself. */
  away: { user: string; away: string | null; session: SessionId; memberId: MemberId; self: boolean }
  /** How many members the room has, and whether it is quiet: then who comes and goes is not told. */
  count: { count: number; quiet: boolean }
  /** A verified text, once. */
  message: Origin & { text: string }
  /** A verified frame of another kind (`frameKinds`), once. */
  body: Origin & { kind: number; body: Uint8Array }
  /** Messages were said that this client will not get. `missed` is null when nobody knows how many, or whether any. */
  gap: { missed: number | null }
  /** The relay lost the last messages that this client has seen; their senders send them again. */
  rewound: { lost: number }
  /** The relay lost own messages that are too old to be sent again; those who were here then have seen them. */
  unrepaired: { count: number }
  /** Somebody saw another log than this client: the relay does not show everybody the same. */
  fork: { from: string }
  /** Something came that no member of the room can be shown to have written; it is dropped. */
  unreadable: { from?: string }
  /** A name that was here before came with another key. `old` and `new` are fingerprints. */
  keychange: { user: string; old: string; new: string }
  /** A message that was not sent. `text` is '' for other kinds. `retry`: `retry(id)` can try it once more. */
  failed: { id: number; kind: number; text: string; reason: string; retry: boolean }
  /** Another charter, or other rules, are in force here from now on. `by` signed the part that is new. */
  charter: { charter: Charter; by: PublicKey }
  /** The relay showed one that must not take the place of the trusted one, which stays in force. */
  'charter-refused': { why: 'old' | 'foreign' | 'invalid' }
  /** Put out of the room; `ended` follows. */
  expelled: { why: 'kicked' | 'banned' }
  /** The end of this room alone: no more events. `sentence` is for people. */
  ended: { code: EndCode; sentence: string }
}
