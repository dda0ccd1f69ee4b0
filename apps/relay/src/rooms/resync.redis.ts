// What a node missed of a room while its channel was not heard: who of its own members is elsewhere by now, and whom its
// clients have to be told of. It reads and compares; what follows from it is for rooms.redis.ts to do.
import type { SessionId } from '@pychat/protocol'
import type { RoomKeys } from '../redis/keys.ts'
import type { Owner } from '../redis/owner.ts'
import type { RosterEntry, Scripts } from '../redis/scripts.ts'

/** Rooms that are read again at once, after the store or a subscription was away. */
const roomsAtOnceMax = 16
/** Sessions asked about at once. */
const sessionsAtOnceMax = 256

/** As long as V8 copies instead of keeping the whole profile alive. */
export function profileMark(profile: string): string {
  return profile.slice(0, 12)
}

export type Missed = {
  /** Members whom the store has forgotten: it came back without its data, and what else it says counts for nothing. */
  forgotten: SessionId[]
  /** Members whom another connection holds now. */
  replaced: SessionId[]
  /** Members who were put out. */
  expelled: SessionId[]
  /** Of those whom clients know. */
  departed: SessionId[]
  /** Whom they do not know, or with another profile. */
  arrived: RosterEntry[]
}

/**
 * @param members of this node  @param known whom its clients were told of, with the marks of their profiles; null in a quiet
 * room, where nobody is told: then only this node's own members are asked about
 * @throws StoreError
 */
export async function readMissed(
  scripts: Scripts,
  keys: RoomKeys,
  members: ReadonlyMap<SessionId, { owner: Owner }>,
  known: ReadonlyMap<SessionId, string> | null,
): Promise<Missed> {
  const missed: Missed = { forgotten: [], replaced: [], expelled: [], departed: [], arrived: [] }
  const own = new Map([...members].map(([session, { owner }]) => [session, owner]))
  const roster = known === null ? null : await readRoster(scripts, keys)
  const absent = [...own.keys()].filter((session) => !roster?.has(session))
  const owners = await readOwners(scripts, keys, absent)
  for (const [session, owner] of own) {
    const holder = roster?.get(session)?.owner ?? owners.get(session) ?? null
    if (holder === null) missed.forgotten.push(session)
    else if (holder === '-') missed.expelled.push(session)
    else if (holder !== owner) missed.replaced.push(session)
  }
  if (known === null || roster === null) return missed
  missed.departed = [...known.keys()].filter((session) => !roster.has(session))
  missed.arrived = [...roster.values()].filter(
    ({ session, profile }) => known.get(session) !== profileMark(profile),
  )
  return missed
}

async function readRoster(scripts: Scripts, keys: RoomKeys): Promise<Map<SessionId, RosterEntry>> {
  const entries = new Map<SessionId, RosterEntry>()
  for (let after: string | null = '0'; after !== null; ) {
    const page: Awaited<ReturnType<Scripts['roomRoster']>> = await scripts.roomRoster(keys, after)
    for (const entry of page.entries) entries.set(entry.session, entry)
    after = page.next
  }
  return entries
}

async function readOwners(
  scripts: Scripts,
  keys: RoomKeys,
  sessions: readonly SessionId[],
): Promise<Map<SessionId, Owner | null>> {
  const owners = new Map<SessionId, Owner | null>()
  for (let i = 0; i < sessions.length; i += sessionsAtOnceMax) {
    const some = sessions.slice(i, i + sessionsAtOnceMax)
    const found = await scripts.ownersOf(keys, some)
    for (const [at, session] of some.entries()) owners.set(session, found[at] ?? null)
  }
  return owners
}

/** Rooms that have to be read again, a bounded number at once; one that could not be waits for `go`. */
export class Resyncs<Room> {
  readonly #read: (room: Room) => Promise<boolean>
  readonly #waiting = new Set<Room>()
  #underWay = 0

  /** @param read false to try again later. Never rejects. */
  constructor(read: (room: Room) => Promise<boolean>) {
    this.#read = read
  }

  add(room: Room): void {
    this.#waiting.add(room)
    this.go()
  }

  go(): void {
    for (const room of this.#waiting) {
      if (this.#underWay >= roomsAtOnceMax) return
      this.#waiting.delete(room)
      this.#underWay += 1
      void this.#read(room).then((done) => {
        this.#underWay -= 1
        if (!done) this.#waiting.add(room)
        else if (this.#waiting.size > 0) this.go()
      })
    }
  }

  clear(): void {
    this.#waiting.clear()
  }
}
