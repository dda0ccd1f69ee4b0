// What is kept of one community: its schemas, and how the changes of one program go into a file that another one has
// changed meanwhile. Only what a program itself changed is written; everything else stays as the file has it.
import type { KnownPerson, RoomRecord } from '@pychat/client-engine'
import { type CharterPair, charterPairSchema, type RoomId, roomIdSchema } from '@pychat/protocol'
import { z } from 'zod'

/** Once a file holds so many people, newcomers are not remembered: an old key must not be pushed out by a crowd. */
export const peopleMax = 4096
/** Above what the engine keeps, so that a newer one's file can be read. */
const secretsMax = 64
const chartersMax = 256
const channelsMax = 256

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`))

/** rooms/<root>.json: secrets inside. */
export const roomFileSchema = z.strictObject({
  schema: z.literal(1),
  root: roomIdSchema,
  /** From recovery words; stands in place of what the identity gives. */
  entropy: hex(16).nullable(),
  /** The rest is the engine's: see `RoomRecord`. */
  secrets: z.array(hex(32)).max(secretsMax),
  moving: hex(32).nullable(),
  charters: z.array(z.strictObject({ room: roomIdSchema, pair: charterPairSchema })).max(chartersMax),
  channels: z.array(z.string().max(256)).max(channelsMax),
})

/** people/<root>.json: names as the protocol normalises them. */
export const peopleFileSchema = z.strictObject({
  schema: z.literal(1),
  root: roomIdSchema,
  people: z
    .array(
      z.strictObject({
        name: z.string().max(256),
        publicKey: hex(32),
        verified: z.boolean(),
        firstSeen: z.number(),
      }),
    )
    .max(peopleMax),
})

export type RoomFile = z.infer<typeof roomFileSchema>
export type PeopleFile = z.infer<typeof peopleFileSchema>

export function emptyRoom(root: RoomId): RoomFile {
  return { schema: 1, root, entropy: null, secrets: [], moving: null, charters: [], channels: [] }
}

/**
 * @param kept what the file has  @param base what this program last knew of it  @param now what it knows
 * @returns the file with the difference of the two
 */
export function mergeRoom(kept: RoomFile, base: RoomRecord, now: RoomRecord): RoomFile {
  const merged = { ...kept }
  const lastSecret = now.secrets.at(-1)
  // Another program may have followed the room further already.
  const isBehind = lastSecret !== undefined && kept.secrets.includes(lastSecret)
  if (!equal(now.secrets, base.secrets) && !isBehind) merged.secrets = now.secrets
  if (now.moving !== base.moving) merged.moving = now.moving
  if (!equal(now.channels, base.channels)) merged.channels = now.channels
  const charters = new Map(kept.charters.map(({ room, pair }) => [room, pair]))
  const before = new Map(base.charters.map(({ room, pair }) => [room, pair]))
  for (const { room, pair } of now.charters) {
    if (equal(pair, before.get(room))) continue
    const other = charters.get(room)
    if (other === undefined || !isNewer(other, pair)) charters.set(room, pair)
  }
  for (const room of before.keys()) {
    if (!now.charters.some((each) => each.room === room)) charters.delete(room)
  }
  merged.charters = [...charters].map(([room, pair]) => ({ room, pair })).slice(-chartersMax)
  return merged
}

/** @returns the file with all changes that it has room for */
export function mergePeople(kept: PeopleFile, changes: ReadonlyMap<string, KnownPerson>): PeopleFile {
  const people = peopleOf(kept)
  for (const [name, person] of changes) {
    const before = people.get(name)
    if (before === undefined && people.size >= peopleMax) continue
    // The same key, seen by two programs: since the earlier time.
    const firstSeen =
      before?.publicKey === person.publicKey ? Math.min(before.firstSeen, person.firstSeen) : person.firstSeen
    people.set(name, { publicKey: person.publicKey, verified: person.verified, firstSeen })
  }
  return { ...kept, people: [...people].map(([name, person]) => ({ name, ...person })) }
}

export function peopleOf({ people }: PeopleFile): Map<string, KnownPerson> {
  return new Map(people.map(({ name, ...person }) => [name, person]))
}

export function emptyPeople(root: RoomId): PeopleFile {
  return { schema: 1, root, people: [] }
}

/** Whether the documents say by their versions that `a` came after `b`. */
function isNewer(a: CharterPair, b: CharterPair): boolean {
  const [charterA, rulesA, charterB, rulesB] = [a.charter, a.rules, b.charter, b.rules].map(versionOf) as [
    number,
    number,
    number,
    number,
  ]
  return charterA > charterB || (charterA === charterB && rulesA > rulesB)
}

const versionSchema = z.object({ version: z.number() })

function versionOf({ doc }: { doc: string }): number {
  try {
    return versionSchema.parse(JSON.parse(doc)).version
  } catch {
    return 0
  }
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
