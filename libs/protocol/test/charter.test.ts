// Charters and rules: the vectors of the second implementation decide what is true and what is forged; here is also
// what a pair answers. Signing is node:crypto, since this package has none.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  type Charter,
  type CharterDoc,
  type CharterPair,
  charterSignBytes,
  encodeHex,
  encodeMemberIds,
  isAdmitted,
  isBanned,
  isMuted,
  joinProofBytes,
  type MemberId,
  memberIdOf,
  outranks,
  ProtocolError,
  type PublicKey,
  provenMember,
  type RoomId,
  type RulesDoc,
  rank,
  readCharter,
  rulesSignBytes,
  type SessionId,
  succeeds,
  writeCharter,
  writeRules,
} from '@pychat/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { refusalOf } from './verdict.ts'
import { nodeVerifier as verifier } from './verifier.ts'

type Vectors = {
  good: { name: string; pair: CharterPair }[]
  succeeds: string[][]
  refused: { why: string; pair: CharterPair }[]
}
const file = new URL('../../crypto/test/vectors/pychat-v1-people.json', import.meta.url)
const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8')).charters

class Person {
  readonly #key: KeyObject
  readonly key: PublicKey
  readonly id: MemberId
  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    this.#key = privateKey
    this.key = publicKey.export({ format: 'der', type: 'spki' }).subarray(12).toString('hex') as PublicKey
    this.id = memberIdOf(this.key, verifier)
  }
  sign(bytes: Uint8Array): string {
    return sign(null, bytes, this.#key).toString('hex')
  }
}

const [alice, bob, carol, mallory] = [new Person(), new Person(), new Person(), new Person()]
const root = 'aa'.repeat(16) as RoomId
const charterDoc = (fields: Partial<CharterDoc> = {}): CharterDoc => ({
  schema: 1,
  root,
  version: 1,
  owner: alice.key,
  ops: [bob.key],
  handovers: [],
  ...fields,
})
const rulesDoc = (fields: Partial<RulesDoc> = {}): RulesDoc => ({
  schema: 1,
  root,
  room: root,
  version: 1,
  lock: false,
  limit: 0,
  history: false,
  moved: false,
  bans: [],
  muted: [],
  admitted: '',
  sealed: '',
  ...fields,
})

function pairOf(charter: CharterDoc, rules: RulesDoc, owner = alice, writer = owner): CharterPair {
  const [charterText, rulesText] = [writeCharter(charter), writeRules(rules)]
  return {
    charter: { doc: charterText, key: owner.key, signature: owner.sign(charterSignBytes(charterText)) },
    rules: { doc: rulesText, key: writer.key, signature: writer.sign(rulesSignBytes(rulesText)) },
  }
}

const read = (pair: CharterPair, room?: RoomId) => readCharter(pair, verifier, room)

describe('a charter', () => {
  test.each(vectors.good)('is read: $name', ({ pair }) => {
    const charter = read(pair)
    const [doc, rules] = [JSON.parse(pair.charter.doc), JSON.parse(pair.rules.doc)]
    expect(charter).toMatchObject({ root: doc.root, version: doc.version, owner: doc.owner, ops: doc.ops })
    expect(charter.handovers).toEqual(doc.handovers)
    expect(charter.rules).toMatchObject({
      room: rules.room,
      version: rules.version,
      lock: rules.lock,
      limit: rules.limit,
      history: rules.history,
      moved: rules.moved,
      sealed: rules.sealed,
      signer: pair.rules.key,
    })
    expect([...charter.rules.bans]).toEqual(
      rules.bans.map(({ id, until }: { id: string; until: number }) => [id, until]),
    )
    expect([...charter.rules.muted]).toEqual(rules.muted)
    expect(encodeMemberIds(charter.rules.admitted)).toBe(rules.admitted)
    expect(charter.pair).toEqual(pair)
  })

  test.each(vectors.refused)('is refused when $why', ({ pair }) => {
    expect(refusalOf(() => read(pair))).toBe('charter-invalid')
  })

  test('is refused for any other room than its rules are for', () => {
    const pair = pairOf(charterDoc(), rulesDoc())
    expect(read(pair, root).rules.room).toBe(root)
    expect(refusalOf(() => read(pair, 'bb'.repeat(16) as RoomId))).toBe('charter-invalid')
  })

  test('is refused with any character changed, whoever changed it', () => {
    const pair = pairOf(charterDoc(), rulesDoc({ bans: [{ id: mallory.id, until: 5 }] }))
    fc.assert(
      fc.property(
        fc.constantFrom('charter' as const, 'rules' as const),
        fc.constantFrom('doc' as const, 'key' as const, 'signature' as const),
        fc.nat(),
        fc.stringMatching(/^[ -~]$/),
        (which, field, place, character) => {
          const text = pair[which][field]
          const at = place % text.length
          if (text[at] === character) return
          const changed = text.slice(0, at) + character + text.slice(at + 1)
          const forged = { ...pair, [which]: { ...pair[which], [field]: changed } }
          expect(refusalOf(() => read(forged))).toBe('charter-invalid')
        },
      ),
      { numRuns: 500 },
    )
  })

  test('of any shape throws nothing but ProtocolError', () => {
    const text = fc.oneof(
      fc.json(),
      fc.string(),
      fc.constantFrom(writeCharter(charterDoc()), writeRules(rulesDoc())),
    )
    const signed = fc.record({
      doc: text,
      key: fc.constant(alice.key),
      signature: fc.stringMatching(/^[0-9a-f]{128}$/),
    })
    fc.assert(
      fc.property(fc.oneof(fc.record({ charter: signed, rules: signed }), fc.anything()), (value) => {
        expect(refusalOf(() => read(value as CharterPair))).toBe('charter-invalid')
      }),
    )
  })

  test('names no detail that its signer wrote', () => {
    const pair = pairOf(charterDoc(), rulesDoc())
    const forged = { ...pair, rules: { ...pair.rules, doc: '{"hunter2":1}' } }
    expect(() => read(forged)).toThrow(ProtocolError)
    expect(() => read(forged)).not.toThrow(/hunter2/)
  })
})

describe('writing', () => {
  test('puts the fields in their one order, whatever order they come in', () => {
    const backwards = Object.fromEntries(Object.entries(charterDoc()).reverse()) as CharterDoc
    expect(writeCharter(backwards)).toBe(writeCharter(charterDoc()))
    const ban = { until: 0, id: mallory.id }
    expect(writeRules(rulesDoc({ bans: [ban] }))).toContain(`{"id":"${mallory.id}","until":0}`)
  })

  test('refuses what readers would refuse for its shape', () => {
    const refused = [
      () => writeCharter(charterDoc({ version: 0 })),
      () => writeCharter(charterDoc({ ops: Array<PublicKey>(33).fill(bob.key) })),
      () => writeRules(rulesDoc({ limit: 100_001 })),
      () => writeRules({ ...rulesDoc(), more: 1 } as RulesDoc),
    ]
    for (const write of refused) expect(refusalOf(write)).toBe('charter-invalid')
  })

  test('fits all lists at their longest into one document', () => {
    const { pair } = vectors.good.find(({ name }) => name === 'all that fits') as { pair: CharterPair }
    expect(writeRules(JSON.parse(pair.rules.doc))).toBe(pair.rules.doc)
    expect(writeCharter(JSON.parse(pair.charter.doc))).toBe(pair.charter.doc)
  })
})

describe('succession', () => {
  const charters = vectors.good.map(({ pair }) => read(pair))
  const names = vectors.good.map(({ name }) => name)

  test.each(names.map((name, i) => [name, i] as const))('after "%s" is judged alike', (_, i) => {
    const ours = charters.map((next) => succeeds(charters[i] as Charter, next))
    expect(Object.fromEntries(names.map((name, j) => [name, ours[j]]))).toEqual(
      Object.fromEntries(names.map((name, j) => [name, vectors.succeeds[i]?.[j]])),
    )
  })

  test('begins with anything that is true', () => {
    for (const charter of charters) expect(succeeds(null, charter)).toBe('ok')
  })

  test('never goes both ways, so that no relay can lead a client in a circle', () => {
    for (const [i, a] of charters.entries()) {
      for (const [j, b] of charters.entries()) {
        // Two rooms of one charter stand side by side.
        if (i === j || a.rules.room !== b.rules.room) continue
        expect(
          [succeeds(a, b), succeeds(b, a)].filter((each) => each === 'ok').length,
          `${names[i]}, ${names[j]}`,
        ).toBeLessThan(2)
      }
    }
  })

  test('a relay that joins the newer charter to older rules, or the other way round, is noticed', () => {
    const first = { charter: charterDoc(), rules: rulesDoc() }
    const second = {
      charter: charterDoc({ version: 2, ops: [] }),
      rules: rulesDoc({ version: 2, lock: true }),
    }
    const newest = read(pairOf(second.charter, second.rules))
    expect(succeeds(newest, read(pairOf(second.charter, first.rules)))).toBe('old')
    expect(succeeds(newest, read(pairOf(first.charter, second.rules)))).toBe('old')
    expect(succeeds(read(pairOf(first.charter, first.rules)), newest)).toBe('ok')
  })
})

describe('ranks', () => {
  const charter = read(pairOf(charterDoc(), rulesDoc()))

  test('are owner, op and member', () => {
    expect([alice, bob, carol].map(({ key }) => rank(charter, key))).toEqual(['owner', 'op', 'member'])
  })

  test('act only downwards', () => {
    const ranks = ['owner', 'op', 'member'] as const
    const may = ranks.flatMap((actor) =>
      ranks.filter((target) => outranks(actor, target)).map((t) => [actor, t]),
    )
    expect(may).toEqual([
      ['owner', 'op'],
      ['owner', 'member'],
      ['op', 'member'],
    ])
  })
})

describe('rules', () => {
  const { rules } = read(
    pairOf(
      charterDoc(),
      rulesDoc({
        bans: [
          { id: mallory.id, until: 0 },
          { id: carol.id, until: 1000 },
        ],
        muted: [carol.id],
        admitted: encodeMemberIds([carol.id]),
      }),
      alice,
      bob,
    ),
  )

  test('ban for ever, or until their time, which is not banned any more', () => {
    expect(isBanned(rules, mallory.id, 2 ** 53 - 1)).toBe(true)
    expect([0, 999, 1000].map((now) => isBanned(rules, carol.id, now))).toEqual([true, true, false])
    expect(isBanned(rules, bob.id, 0)).toBe(false)
  })

  test('mute and admit whom they name', () => {
    expect([carol, mallory].map(({ id }) => isMuted(rules, id))).toEqual([true, false])
    expect([carol, mallory].map(({ id }) => isAdmitted(rules, id))).toEqual([true, false])
  })
})

describe('the proof of a key', () => {
  const secret = 'ee'.repeat(16)
  const session = 'bb'.repeat(16) as SessionId
  const hash = verifier.sha256(Buffer.from(secret, 'hex'))
  const proof = alice.sign(joinProofBytes(root, session, hash))
  const join = { room: root, session, secret, key: { public: alice.key, proof } }

  test('names its member', () => {
    expect(provenMember(join, verifier)).toBe(alice.id)
    expect(alice.id).toMatch(/^[0-9a-f]{32}$/)
  })

  test('holds for no other room, session, secret or key, and not for bytes that are no key', () => {
    const others: (typeof join)[] = [
      { ...join, room: 'ab'.repeat(16) as RoomId },
      { ...join, session: 'bc'.repeat(16) as SessionId },
      { ...join, secret: 'ef'.repeat(16) },
      { ...join, key: { public: bob.key, proof } },
      { ...join, key: { public: encodeHex(new Uint8Array(32).fill(255)) as PublicKey, proof } },
      { ...join, key: { public: alice.key, proof: alice.sign(hash) } },
    ]
    for (const other of others) expect(provenMember(other, verifier)).toBeNull()
  })
})
