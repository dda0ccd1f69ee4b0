// Who is in the room: session id -> profile that its own key signed. The relay's word is only taken for presence;
// names and keys come from sealed profiles, and follow each other by their versions. Remembers the last key seen for
// each name, and says when it changes; and those who are gone, since what they said may be read later.
import { type createOpener, type Opener, openProfile, publicKeyText, type RoomKeys } from '@pychat/crypto'
import {
  decodeBase64url,
  type Member,
  type MemberId,
  type NameTag,
  type PublicKey,
  type SessionId,
} from '@pychat/protocol'
import type { RoomEvents, User } from './room-events.ts'

/** Sessions remembered after they left, so that a returning one cannot have its old frames shown again. */
const rememberedMax = 4096
/** Names whose last key is remembered. */
const namesMax = 16_384
/** Members kept at once: no room is larger. */
const presentMax = 100_000

export type RosterEntry = {
  session: SessionId
  tag: NameTag
  name: string
  fingerprint: string
  publicKey: PublicKey
  memberId: MemberId
  boxKey: Uint8Array | null
  away: string | null
  since: number
  version: number
  /** The sealed profile that was opened last: the same bytes need no second look. */
  profile: string
  opener: Opener
  /** Counter of the last frame opened, 0 before the first. */
  lastCounter: number
  /** `Position.breaks` at that frame. */
  heardAtBreak: number
  /** A gap in the log happened since its last frame: a jump of its counter says nothing new. */
  gapSeen: boolean
}

export type RosterEvents = {
  joined(event: RoomEvents['joined']): void
  left(event: RoomEvents['left']): void
  renamed(event: RoomEvents['renamed']): void
  away(event: RoomEvents['away']): void
  keychange(event: RoomEvents['keychange']): void
  unreadable(): void
}

export type Roster = {
  /** Others who are here. */
  readonly size: number
  /**
   * A member by the relay's word, or its new profile. @param silent no event that it came
   * @returns whether its profile is valid
   */
  add(member: Member, silent: boolean): boolean
  /** @param silent no left event */
  remove(session: SessionId, why: RoomEvents['left']['why'], silent?: boolean): void
  /** Somebody who may have left: found from now on, but not let in. @returns whether its profile is valid */
  recall(member: Member): boolean
  /** Somebody found is here after all. No event. */
  letIn(session: SessionId): void
  /** After a whole roster was loaded: whoever is not in it is gone. @param silent no left events */
  keepOnly(sessions: ReadonlySet<SessionId>, silent: boolean): void
  /** Whoever is or was here under this session: what was said before leaving can be read afterwards. */
  find(session: SessionId): RosterEntry | undefined
  /** Who that is by a valid profile, without keeping anything; null without one. */
  look(member: Member): User | null
  /** A gap in the room's log: any sender's counter may jump once. @param of these alone, for a reason of their own */
  noteGap(of?: ReadonlySet<MemberId>): void
  /** The others, in the order in which they were seen. */
  users(): User[]
}

/** @param isSelf own sessions, which the relay may list but never has to tell us about */
export function createRoster(
  room: RoomKeys,
  isSelf: (session: SessionId) => boolean,
  newOpener: typeof createOpener,
  events: RosterEvents,
): Roster {
  const present = new Map<SessionId, RosterEntry>()
  const remembered = new Map<SessionId, RosterEntry>()
  const lastOfName = new Map<NameTag, { publicKey: PublicKey; fingerprint: string }>()

  function remove(session: SessionId, why: RoomEvents['left']['why'], silent = false) {
    const entry = present.get(session)
    if (!entry) return
    present.delete(session)
    remember(entry)
    if (silent) return
    const { name, fingerprint, memberId } = entry
    events.left({ user: name, fingerprint, session, memberId, why })
  }

  function remember(entry: RosterEntry) {
    remembered.set(entry.session, entry)
    dropOldest(remembered, rememberedMax)
  }

  function enter(entry: RosterEntry, silent: boolean) {
    const isNew = !present.has(entry.session)
    if (isNew && present.size >= presentMax) return
    remembered.delete(entry.session)
    present.set(entry.session, entry)
    if (!isNew) return
    const { name, fingerprint, session, memberId } = entry
    if (!silent) events.joined({ user: name, fingerprint, session, memberId })
    compareKey(entry)
  }

  function compareKey(entry: RosterEntry) {
    const old = lastOfName.get(entry.tag)
    lastOfName.delete(entry.tag)
    lastOfName.set(entry.tag, { publicKey: entry.publicKey, fingerprint: entry.fingerprint })
    dropOldest(lastOfName, namesMax)
    if (old && old.publicKey !== entry.publicKey) {
      events.keychange({ user: entry.name, old: old.fingerprint, new: entry.fingerprint })
    }
  }

  function changed(entry: RosterEntry, before: Pick<RosterEntry, 'name' | 'tag' | 'away'>) {
    const { name, session, memberId, away } = entry
    if (name !== before.name) events.renamed({ from: before.name, to: name, session, memberId, self: false })
    if (away !== before.away) events.away({ user: name, away, session, memberId, self: false })
    if (entry.tag !== before.tag) compareKey(entry)
  }

  /** @returns what is known of the session, new or brought up to date, or null when its profile is not valid */
  function verified(member: Member): RosterEntry | null {
    const known = present.get(member.session) ?? remembered.get(member.session)
    if (known && known.profile === member.profile && known.tag === member.tag) return known
    const profile = openedProfile(room, member)
    if (profile === null) return null
    const publicKey = publicKeyText(profile.publicKey)
    // A session has one key for its life.
    if (known && known.publicKey !== publicKey) return null
    // A profile only moves forward: an older one is the relay playing an old record.
    if (known && profile.version < known.version) return known
    // One version has one content.
    if (known && profile.version === known.version) return null
    const { name, away, boxKey, version, fingerprint, memberId } = profile
    const shown = { tag: member.tag, name, away, boxKey, version, profile: member.profile }
    if (known) return Object.assign(known, shown)
    return {
      ...shown,
      session: member.session,
      fingerprint,
      publicKey,
      memberId,
      since: member.since,
      opener: newOpener(room, member.session, profile.publicKey),
      lastCounter: 0,
      heardAtBreak: 0,
      gapSeen: false,
    }
  }

  return {
    get size() {
      return present.size
    },
    add(member, silent) {
      if (isSelf(member.session)) return true
      const here = present.get(member.session)
      const before = here && { name: here.name, tag: here.tag, away: here.away }
      const entry = verified(member)
      if (entry === null) {
        events.unreadable()
        return false
      }
      entry.since = member.since
      enter(entry, silent)
      if (before) changed(entry, before)
      return true
    },
    recall(member) {
      if (present.has(member.session)) return true
      const entry = verified(member)
      if (entry === null) return false
      remember(entry)
      compareKey(entry)
      return true
    },
    letIn(session) {
      const entry = remembered.get(session)
      if (entry) enter(entry, true)
    },
    remove,
    keepOnly(sessions, silent) {
      for (const session of [...present.keys()]) if (!sessions.has(session)) remove(session, 'lost', silent)
    },
    find: (session) => present.get(session) ?? remembered.get(session),
    look(member) {
      const known = present.get(member.session) ?? remembered.get(member.session)
      if (known?.profile === member.profile && known.tag === member.tag) return userOf(known)
      const profile = openedProfile(room, member)
      if (profile === null) return null
      const publicKey = publicKeyText(profile.publicKey)
      if (known && known.publicKey !== publicKey) return null
      const { name, fingerprint, memberId, boxKey, away } = profile
      const { session, since } = member
      return { name, fingerprint, self: false, session, publicKey, memberId, boxKey, away, since }
    },
    noteGap(of) {
      for (const entries of [present, remembered]) {
        for (const entry of entries.values()) if (!of || of.has(entry.memberId)) entry.gapSeen = true
      }
    },
    users: () => [...present.values()].map(userOf),
  }
}

export function userOf(entry: RosterEntry): User {
  const { name, fingerprint, session, publicKey, memberId, boxKey, away, since } = entry
  return { name, fingerprint, self: false, session, publicKey, memberId, boxKey, away, since }
}

function dropOldest<K>(map: Map<K, unknown>, max: number) {
  const oldest = map.size > max ? map.keys().next().value : undefined
  if (oldest !== undefined) map.delete(oldest)
}

function openedProfile(room: RoomKeys, member: Member) {
  try {
    return openProfile(room, member.session, member.tag, decodeBase64url(member.profile))
  } catch {
    return null
  }
}
