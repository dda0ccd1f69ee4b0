// One room as a host holds it: what it is entered with, and what can be done in it. Types alone; `client.ts` makes it.
import type { MemberKey, RoomKeys, Session } from '@pychat/crypto'
import type { Charter, CharterPair, RoomId, SessionId } from '@pychat/protocol'
import type { Place } from './position.ts'
import type { RoomEvents, User, UserPage } from './room-events.ts'

export type RoomOptions = {
  room: RoomKeys
  username: string
  /** Signs for this person here; a new key for each session when left out. */
  member?: MemberKey
  /** Whether the relay is told that key, as a room with a charter wants it; not where nobody shall know who is here. */
  provesKey?: boolean
  /** 0 to 58 bytes of UTF-8 from the start on; null or left out: here. */
  away?: string | null
  /** The id that the community began with: charters of another one are refused. */
  root: RoomId
  /** The newest charter and rules that this person has seen for this room; null for none. */
  trusted: CharterPair | null
  /** A new session begins after so many messages; the protocol's own bound when left out. */
  framesPerSessionMax?: number
}

export type PendingMessage = {
  id: number
  /** A row of `frameKinds`. */
  kind: number
  /** '' for other kinds than text. */
  text: string
  sentAt: number
}

/**
 * Promises reject with `ChatRefusal` and nothing else: `offline` when not in the room or the connection was lost before
 * the answer, `stopped` when the room has ended, else the relay's code.
 */
export type Room = {
  on<E extends keyof RoomEvents>(event: E, listener: (event: RoomEvents[E]) => void): void
  readonly keys: RoomKeys
  /** Of this client in this room. Another one when a session is used up. */
  readonly session: SessionId
  /** The same with its keys: for `pairRoom`, `sealMove` and `openMove`. */
  readonly ownSession: Session
  /** In the room now, and its roster known. */
  readonly inside: boolean
  readonly ended: boolean

  /**
   * Takes a text; it is sent now or when the relay can take it, once. Comes back as `message` with this id when it
   * stands in the room's log, or as `failed` (also before this returns).
   */
  send(text: string): number
  /** The same for another kind of frame; comes back as `body`. @param kind a row of `frameKinds`, not `text` */
  sendBody(kind: number, body: Uint8Array): number
  /** Sends a failed message once more under its id. @returns false when there is nothing to try again */
  retry(id: number): boolean
  /**
   * Takes texts back that the relay is known not to have: what was said since the connection was lost, and from
   * `joined` until the listeners of `ready` are done also what was on its way then. @returns their ids; they are not sent here any more
   */
  withdraw(): number[]
  /** Messages not acknowledged yet, oldest first. */
  pending(): PendingMessage[]

  /** Everybody by our knowledge, this client first; in a quiet room some of them. */
  users(): User[]
  /** Whoever is or was here under this session, by our knowledge. */
  find(session: SessionId): User | null
  /** Members by the relay's last word. */
  readonly count: number
  /** So large that nobody is told who comes and goes. */
  readonly quiet: boolean
  /** A page of everybody: the relay's own list in a quiet room, else all at once. @param after `next` of the page before */
  page(after: string | null): Promise<UserPage>
  /** Place of the last message that was worked off; null before the room was entered. */
  position(): Place | null

  /** @throws rejects with `name-taken`, or `bad-input` when it is no name */
  rename(name: string): Promise<void>
  /** Shown to others at once, or when this client is in the room again. @param text null: here again */
  away(text: string | null): Promise<void>
  /** What is in force here; null without one. */
  charter(): Charter | null
  /** Puts newer documents into force: `charter-old`, `charter-invalid`, `not-allowed` from here or from the relay. */
  publish(pair: CharterPair): Promise<void>
  kick(session: SessionId): Promise<void>
  /** Leaves within about a second; what is still pending is not sent. Safe to repeat. */
  leave(): Promise<void>
}
