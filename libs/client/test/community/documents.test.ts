// Drafts as signed documents: what is signed anew, what stays, and what is left out when it does not fit.
import { memberId, memberKey, openRules, publicKeyText, verifier } from '@pychat/crypto'
import { type Charter, type CharterPair, limits, type MemberId, readCharter } from '@pychat/protocol'
import { expect, it } from 'vitest'
import { readDraft, type Seat, writePair } from '../../src/community/documents.ts'
import { type Draft, firstDraft } from '../../src/community/draft.ts'
import { seededRandom } from '../world.ts'
import { rootKeys } from './people.ts'

const random = seededRandom('documents')
const owner = memberKey(new Uint8Array(16).fill(1))
const op = memberKey(new Uint8Array(16).fill(2))
const ownerKey = publicKeyText(owner.publicKey)

async function seat(): Promise<Seat> {
  const room = await rootKeys()
  return { root: room.id, room }
}
function read(pair: CharterPair | null, at: Seat): Charter {
  if (pair === null) throw new Error('nothing was written')
  return readCharter(pair, verifier, at.room.id)
}

it('reads back what it wrote, and writes nothing when nothing is new', async () => {
  const at = await seat()
  const draft: Draft = { ...firstDraft(ownerKey, 'Alice'), limit: 7, history: true }
  const charter = read(writePair(at, null, draft, owner, random), at)
  expect([charter.version, charter.rules.version]).toEqual([1, 1])
  expect(readDraft(at, charter)).toEqual(draft)
  expect(writePair(at, charter, draft, owner, random)).toBeNull()
})

it('only the part that changes gets a new version', async () => {
  const at = await seat()
  const first = read(writePair(at, null, firstDraft(ownerKey, 'Alice'), owner, random), at)
  const draft = readDraft(at, first)
  const limited = read(writePair(at, first, { ...draft, limit: 3 }, owner, random), at)
  expect([limited.version, limited.rules.version]).toEqual([1, 2])
  expect(limited.pair.charter).toEqual(first.pair.charter)
  const withOp = { ...draft, limit: 3, ops: [publicKeyText(op.publicKey)] }
  const opped = read(writePair(at, limited, withOp, owner, random), at)
  expect([opped.version, opped.rules.version]).toEqual([2, 2])
  expect(opped.pair.rules).toEqual(limited.pair.rules)
})

it('rules of an op who is none any more are signed anew, though they say the same', async () => {
  const at = await seat()
  const draft = { ...firstDraft(ownerKey, 'Alice'), ops: [publicKeyText(op.publicKey)] }
  const first = read(writePair(at, null, draft, owner, random), at)
  const byOp = read(writePair(at, first, { ...draft, limit: 3 }, op, random), at)
  expect(byOp.rules.signer).toBe(publicKeyText(op.publicKey))
  const after = read(writePair(at, byOp, { ...draft, limit: 3, ops: [] }, owner, random), at)
  expect([after.rules.signer, after.rules.limit, after.rules.version]).toEqual([ownerKey, 3, 3])
})

it('an op cannot change who is what', async () => {
  const at = await seat()
  const draft = { ...firstDraft(ownerKey, 'Alice'), ops: [publicKeyText(op.publicKey)] }
  const first = read(writePair(at, null, draft, owner, random), at)
  expect(() => writePair(at, first, { ...draft, ops: [] }, op, random)).toThrow(/Only the owner/)
})

it('leaves out reasons before names, the oldest first, when they do not fit', async () => {
  const at = await seat()
  const ids = Array.from({ length: limits.bansMax }, (_, i) =>
    memberId(memberKey(new Uint8Array(16).fill(i + 3)).publicKey),
  )
  const people: Draft['text']['people'] = {}
  for (const [i, id] of ids.entries())
    people[id] = { name: `Nuisance ${i}`, by: 'Alice', reason: 'r'.repeat(100) }
  const bans = new Map<MemberId, number>(ids.map((id) => [id, 0]))
  const draft = { ...firstDraft(ownerKey, 'Alice'), bans }
  const charter = read(writePair(at, null, { ...draft, text: { ...draft.text, people } }, owner, random), at)
  expect(charter.rules.bans.size).toBe(limits.bansMax)
  const kept = openRules(at.room, at.root, charter.rules.sealed)?.people ?? {}
  expect(Object.keys(kept).length).toBeGreaterThan(40)
  expect(kept[ids.at(-1) as MemberId]).toMatchObject({ name: `Nuisance ${ids.length - 1}` })
  expect(kept[ids[0] as MemberId]).toBeUndefined()
})

it('refuses a description that nothing else can make room for', async () => {
  const at = await seat()
  const draft = firstDraft(ownerKey, 'Alice')
  const text = { ...draft.text, motd: 'x'.repeat(limits.motdBytesMax + 1) }
  expect(() => writePair(at, null, { ...draft, text }, owner, random)).toThrow(/do not fit/)
})
