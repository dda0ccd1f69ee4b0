// What a host (terminal, bot, web page) sees of a community: a room that its members live in, its channels, their
// private conversations, and who may do what. Types alone; `community.ts` is behind them. Every name and text in an
// event is as its sender wrote it: sanitise before it reaches a screen.
import type { RoomKeys } from '@pychat/crypto'
import type { CharterPair, Rank, RoomId } from '@pychat/protocol'
import type { ConnectionState, StopReason } from '../events.ts'

/** One conversation. `user` is the other person's name now: the view of a private conversation follows a new name. */
export type View = { kind: 'room' } | { kind: 'channel'; name: string } | { kind: 'private'; user: string }

export type { Rank }

export type Person = {
  name: string
  /** 32 hex digits: one run of one client. */
  session: string
  /** 32 hex digits: this person's key in this community, over all runs. */
  memberId: string
  /** Eight characters of the same key, for people to compare. */
  fingerprint: string
  self: boolean
  rank: Rank
  muted: boolean
  /** Why they are away, maybe ''; null when they are here. */
  away: string | null
  /** When they came, milliseconds since 1970, relay's clock. */
  since: number
  /** The key was compared by the person at this client. */
  verified: boolean
}

/**
 * How a name's key stands to what this client remembers: `new` was never seen, `changed` is a known name with another
 * key than before (say it loudly, in the line itself), `verified` was compared by voice.
 */
export type KeyStanding = 'known' | 'new' | 'changed' | 'verified'

export type CharterChange = 'motd' | 'lock' | 'limit' | 'history' | 'rank' | 'bans' | 'mutes' | 'owner'

export type ActName = 'kick' | 'ban' | 'unban' | 'mute' | 'unmute' | 'op' | 'deop'

export type WarningCode = 'charter-old' | 'charter-foreign' | 'charter-invalid' | 'not-enforced'

export type CommunityEvents = {
  /** The connection, for all views. `detail` is one sentence. `retryInMs` says when the next try is due. */
  state: { state: ConnectionState; detail: string; retryInMs?: number }
  /** In the room of this view, people known. Comes again after each reconnect; `first` is true once per view. */
  ready: {
    view: View
    /** Short code of the room. */
    room: string
    user: string
    /** Everybody, self first; in a quiet room only those who are known. */
    users: Person[]
    count: number
    quiet: boolean
    alone: boolean
    first: boolean
  }
  /** A verified message, once. `seq` 0: its place is not known. `at` relay's clock, `sentAt` sender's. `id`: own ones. */
  message: {
    view: View
    from: string
    memberId: string
    fingerprint: string
    text: string
    at: number
    sentAt: number
    seq: number
    own: boolean
    id?: number
    key: KeyStanding
  }
  /** Taken, not sent yet. `waiting`: what has to happen first, one sentence. May come again when that changes. */
  pending: { view: View; id: number; text: string; waiting: string | null }
  /** Not sent. `retry`: `retry(view, id)` can try once more. */
  failed: { view: View; id: number; text: string; reason: string; retry: boolean }
  joined: { view: View; person: Person }
  /** In a private conversation `reason` says how many messages may not have arrived. */
  left: {
    view: View
    person: Person
    why: 'left' | 'lost' | 'kicked' | 'banned'
    /** Who put them out, where that is signed. */
    by?: string
    reason?: string
  }
  /** In a private conversation `view` is the one before; from now on it has the new name. */
  renamed: { view: View; from: string; to: string }
  away: { view: View; person: Person }
  count: { view: View; count: number; quiet: boolean }
  /** A known name is here with another key. */
  keychange: { view: View; name: string; old: string; new: string; wasVerified: boolean }
  /** The rules of the community as they stand now. `changed` is empty for the first one. `by`: null when unknown. */
  charter: {
    motd: string
    rank: Rank
    lock: boolean
    /** 0: none. */
    limit: number
    history: boolean
    changed: CharterChange[]
    by: string | null
  }
  /** This person made the room, or became its owner. `words`: show them once, to be written down. */
  owner: { founded: boolean; words: string | null }
  /** The room was offered to this person: `acceptTransfer` takes it. */
  offered: { from: string }
  /** What somebody with the right to it did to somebody. `until`: milliseconds since 1970, null for no end. */
  act: { what: ActName; target: string; by: string; reason: string; until: number | null }
  /** This person was put out of a view; for the room itself `stopped` follows. */
  expelled: { view: View; why: 'kicked' | 'banned'; by: string | null; reason: string }
  /** A channel became known. */
  channel: { name: string }
  /** A view opened: by this person, or by somebody who wrote privately. */
  opened: { view: View }
  /** `reason` is one sentence, '' when this person closed it. */
  closed: { view: View; reason: string }
  /** The room is getting new keys and moves. */
  moving: { by: string }
  /** It moved; `room` is the new short code. `carried`: members that were taken along. */
  moved: { room: string; carried: number }
  /** Somebody stands before the room that moved while they were away: `admit` lets them in. */
  knock: { name: string; fingerprint: string; known: boolean }
  /** This person stands there, and waits for an op. */
  'locked-out': { sentence: string }
  /** Messages were said that this client will not get. null: nobody knows how many. */
  gap: { view: View; missed: number | null }
  /** The relay lost the last messages that this client has seen; their senders send them again. */
  rewound: { view: View; lost: number }
  /** The relay lost own messages that are too old to be sent again. */
  unrepaired: { view: View; count: number }
  /** Somebody saw another log than this client: the relay does not show everybody the same. */
  fork: { view: View; from: string }
  /** Something came that no member can be shown to have written; it is dropped. */
  unreadable: { view: View; from?: string }
  /** The relay's operator says something, signed by nobody. */
  announcement: { text: string }
  /** The relay does what it must not, or fails to do what it must. What this client trusts stays in force. */
  warning: { code: WarningCode; sentence: string }
  /** The end: no more events. */
  stopped: { reason: StopReason; sentence: string }
}

export type BanLine = {
  /** Member id. */
  id: string
  name: string
  /** Milliseconds since 1970; null for no end. */
  until: number | null
  reason: string
  by: string
}

export type CharterView = {
  motd: string
  lock: boolean
  limit: number
  history: boolean
  /** The owner's name where it is known, else the fingerprint of the owner's key. */
  owner: string | null
  bans: BanLine[]
  muted: { id: string; name: string }[]
}

export type PeoplePage = {
  people: Person[]
  count: number
  /** For the next page; null at the end. */
  next: string | null
}

/** What opens the room to somebody else: the server's name and PIN, or, after a move, its secret (64 hex digits). */
export type InviteParts = { name: string } & ({ pin: string } | { secret: string; root: RoomId })

/**
 * Everything one person does in a community. Promises reject with `ChatRefusal` and nothing else; its sentence says
 * what to do. Names are compared as the protocol does: case, width and spacing do not count.
 */
export type Community = {
  on<E extends keyof CommunityEvents>(event: E, listener: (event: CommunityEvents[E]) => void): void
  start(): void
  /** Leaves everything and closes within about a second; what is still pending is not sent. Safe to repeat. */
  stop(): Promise<void>
  readonly state: ConnectionState

  /** Takes a message, see `pending`. @returns its id, one count over all views */
  send(view: View, text: string): number
  /** Sends a failed message once more, under the same id. */
  retry(view: View, id: number): void
  /** Messages not acknowledged yet, oldest first. */
  pending(view?: View): { view: View; id: number; text: string; sentAt: number }[]

  /** Everybody in this view by our knowledge, self first. */
  people(view: View): Person[]
  /** The relay's own list, page by page. @param after null for the first page, else `next` of the one before */
  page(view: View, after: string | null): Promise<PeoplePage>
  /** Somebody who is in the room. */
  find(name: string): Person | null

  /** Open views, the room first. */
  views(): View[]
  /** Joins a channel (it begins to exist by this) or turns to a person. Safe to repeat. @returns it as it is called */
  open(view: View): Promise<View>
  close(view: View): Promise<void>
  /** Channels that are known, open or not, by name. */
  channels(): string[]

  /** null: the room has no charter (yet). */
  charter(): CharterView | null
  rename(name: string): Promise<void>
  /** @param text null: here again */
  away(text: string | null): Promise<void>
  motd(text: string): Promise<void>
  op(name: string): Promise<void>
  deop(name: string): Promise<void>
  kick(name: string, reason: string): Promise<void>
  /** @param how.forMs null: without an end */
  ban(name: string, how: { forMs: number | null; reason: string }): Promise<void>
  /** @param nameOrId also the first digits of a member id or a fingerprint, as `charter().bans` has it */
  unban(nameOrId: string): Promise<void>
  mute(name: string): Promise<void>
  unmute(nameOrId: string): Promise<void>
  /** Locked: who is in the room now may come back, nobody else may join. */
  lock(locked: boolean): Promise<void>
  /** @param members 0: none, else 1..100000 */
  limit(members: number): Promise<void>
  /** Whether newcomers get what the relay still keeps. */
  history(forNewcomers: boolean): Promise<void>
  /** Offers the room to somebody who is in it; they have to accept. */
  transfer(name: string): Promise<void>
  acceptTransfer(): Promise<void>
  /** Gives everybody who is here new keys and moves the room; who is banned or away stays behind. */
  rekey(): Promise<void>
  /** Lets somebody in who knocked. */
  admit(name: string): Promise<void>

  /** Twelve words that give this person's key here back on another machine. */
  recoveryWords(): string | null
  /** Six words that both read out: equal words, equal keys. null: nobody by that name here. */
  verifyWords(name: string): string | null
  setVerified(name: string, verified: boolean): void
  invite(): InviteParts
}

export type CommunityOptions = {
  /** ws:// or wss://, the first to be tried first. */
  urls: readonly [string, ...string[]]
  /** Name and version as the relay may see it, e.g. "pychat/0.1.0". */
  software: string
  /** What people call the server. */
  name: string
  /** The way in: keys of name and PIN, or what an invite holds after a move. */
  door: { keys: RoomKeys; pin: string } | { secret: string; root: RoomId }
  username: string
  away?: string | null
  /** 16 bytes: this person's key in this community (`memberEntropy`, or from recovery words). */
  entropy: Uint8Array
  /**
   * False: never becomes the owner of a room that has none, and opens no channel by itself: for programs that come and
   * go. True when left out.
   */
  founds?: boolean
  /** A new session begins after so many messages; the protocol's own bound when left out. */
  framesPerSessionMax?: number
}

/** What is kept of one community, plain JSON. Secrets inside: the host keeps it readable for its user alone. */
export type RoomRecord = {
  root: RoomId
  /**
   * Secrets of the rooms that it moved to, 64 hex digits each, oldest first and at most 8: the last one opens where it is
   * now. Empty while it is where it began.
   */
  secrets: string[]
  /** Secret of the room that this person began to move everybody to, until everybody was told; else null. */
  moving: string | null
  /** The newest documents this person has taken for each room, at most 24. */
  charters: { room: RoomId; pair: CharterPair }[]
  /** Channels that this person was in last, at most 20. */
  channels: string[]
}

export type KnownPerson = {
  /** 64 hex digits. */
  publicKey: string
  verified: boolean
  /** Milliseconds since 1970. */
  firstSeen: number
}

/**
 * What a person's client remembers from one run to the next. Calls return at once; how and when it is written is the
 * host's. Without a state folder: in memory, and everything is new at each start.
 */
export type CommunityMemory = {
  load(root: RoomId): RoomRecord | null
  save(record: RoomRecord): void
  /** @param name normalised */
  person(root: RoomId, name: string): KnownPerson | null
  /** @param name normalised */
  remember(root: RoomId, name: string, person: KnownPerson): void
}
