// Who is in the room: session id -> profile that its own key signed. The relay's word is only taken for presence;
// names and keys come from sealed profiles. Remembers the last key seen for each name, and says when it changes; and
// those who are gone, since what they said may be read later.
import { type createOpener, type Opener, openProfile, type RoomKeys } from '@pychat/crypto'
import { decodeBase64url, encodeHex, type Member, type NameTag, type SessionId } from '@pychat/protocol'
import type { ClientEvents, User } from './events.ts'

/** Sessions remembered after they left, so that a returning one cannot have its old frames shown again. */
const rememberedMax = 4096

export type RosterEntry = {
  session: SessionId
  tag: NameTag
  name: string
  fingerprint: string
  publicKeyHex: string
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
  joined(event: ClientEvents['joined']): void
  left(event: ClientEvents['left']): void
  keychange(event: ClientEvents['keychange']): void
  unreadable(): void
}

export type Roster = {
  /** A member by the relay's word. @param quiet no joined event  @returns whether its profile is valid */
  add(member: Member, quiet: boolean): boolean
  /** @param quiet no left event */
  remove(session: SessionId, why: 'left' | 'lost', quiet?: boolean): void
  /** Somebody who may have left: found from now on, but not let in. @returns whether its profile is valid */
  recall(member: Member): boolean
  /** After a whole roster was loaded: whoever is not in it is gone. */
  keepOnly(sessions: ReadonlySet<SessionId>): void
  /** Whoever is or was here under this session: what was said before leaving can be read afterwards. */
  find(session: SessionId): RosterEntry | undefined
  /** A gap in the room's log: any sender's counter may jump once. */
  noteGap(): void
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
  const lastOfName = new Map<NameTag, { publicKeyHex: string; fingerprint: string }>()

  function remove(session: SessionId, why: 'left' | 'lost', quiet = false) {
    const entry = present.get(session)
    if (!entry) return
    present.delete(session)
    remember(entry)
    if (!quiet) events.left({ user: entry.name, why })
  }

  function remember(entry: RosterEntry) {
    remembered.set(entry.session, entry)
    const oldest = remembered.size > rememberedMax ? remembered.keys().next().value : undefined
    if (oldest !== undefined) remembered.delete(oldest)
  }

  function enter(entry: RosterEntry, quiet: boolean) {
    const isNew = !present.has(entry.session)
    remembered.delete(entry.session)
    present.set(entry.session, entry)
    if (!isNew) return
    if (!quiet) events.joined({ user: entry.name, fingerprint: entry.fingerprint })
    compareKey(entry)
  }

  function compareKey(entry: RosterEntry) {
    const old = lastOfName.get(entry.tag)
    lastOfName.set(entry.tag, { publicKeyHex: entry.publicKeyHex, fingerprint: entry.fingerprint })
    if (old && old.publicKeyHex !== entry.publicKeyHex) {
      events.keychange({ user: entry.name, old: old.fingerprint, new: entry.fingerprint })
    }
  }

  /** @returns what is known of the session, new or brought up to date, or null when its profile is not valid */
  function verified(member: Member): RosterEntry | null {
    const known = present.get(member.session) ?? remembered.get(member.session)
    if (known && known.profile === member.profile && known.tag === member.tag) return known
    const profile = openedProfile(room, member)
    if (profile === null) return null
    const publicKeyHex = encodeHex(profile.publicKey)
    // A session has one key and one name for its life.
    if (known && (known.publicKeyHex !== publicKeyHex || known.tag !== member.tag)) return null
    const entry: RosterEntry = known ?? {
      session: member.session,
      tag: member.tag,
      name: profile.name,
      fingerprint: profile.fingerprint,
      publicKeyHex,
      version: profile.version,
      profile: member.profile,
      opener: newOpener(room, member.session, profile.publicKey),
      lastCounter: 0,
      heardAtBreak: 0,
      gapSeen: false,
    }
    // A profile only moves forward: an older one is the relay playing an old record.
    if (profile.version > entry.version) {
      entry.version = profile.version
      entry.name = profile.name
      entry.profile = member.profile
    }
    return entry
  }

  return {
    add(member, quiet) {
      if (isSelf(member.session)) return true
      const entry = verified(member)
      if (entry === null) events.unreadable()
      else enter(entry, quiet)
      return entry !== null
    },
    recall(member) {
      if (present.has(member.session)) return true
      const entry = verified(member)
      if (entry === null) return false
      remember(entry)
      compareKey(entry)
      return true
    },
    remove,
    keepOnly(sessions) {
      for (const session of [...present.keys()]) if (!sessions.has(session)) remove(session, 'lost')
    },
    find: (session) => present.get(session) ?? remembered.get(session),
    noteGap() {
      for (const entries of [present, remembered]) for (const entry of entries.values()) entry.gapSeen = true
    },
    users: () => [...present.values()].map(({ name, fingerprint }) => ({ name, fingerprint, self: false })),
  }
}

function openedProfile(room: RoomKeys, member: Member) {
  try {
    return openProfile(room, member.session, member.tag, decodeBase64url(member.profile))
  } catch {
    return null
  }
}
