// How a community changes hands and rules, with real keys: what Alice, Bob and Mallory sign and what their clients make
// of it. Forged documents are in libs/protocol/test/charter.test.ts.
import {
  createSession,
  joinKey,
  type MemberKey,
  memberKey,
  publicKeyText,
  signCharter,
  signHandover,
  signRules,
  verifier,
} from '@pychat/crypto'
import {
  type Charter,
  type CharterDoc,
  type CharterPair,
  ProtocolError,
  provenMember,
  type RulesDoc,
  rank,
  readCharter,
  succeeds,
} from '@pychat/protocol'
import { describe, expect, test } from 'vitest'
import { roomFrom, seededRandom } from './fixtures.ts'

const root = roomFrom('room').id
const [alice, bob, mallory] = ['alice', 'bob', 'mallory'].map((name) =>
  memberKey(seededRandom(name)(16)),
) as [MemberKey, MemberKey, MemberKey]
const key = (member: MemberKey) => publicKeyText(member.publicKey)

function pair(
  owner: MemberKey,
  charter: Partial<CharterDoc>,
  rules: Partial<RulesDoc>,
  writer = owner,
): CharterPair {
  const both = { schema: 1, root, version: 1 } as const
  const lists = { bans: [], muted: [], admitted: '', sealed: '' }
  const flags = { lock: false, limit: 0, history: false, moved: false }
  return {
    charter: signCharter({ ...both, owner: key(owner), ops: [], handovers: [], ...charter }, owner),
    rules: signRules({ ...both, room: root, ...flags, ...lists, ...rules }, writer),
  }
}
const read = (signed: CharterPair) => readCharter(signed, verifier, root)

describe('a community', () => {
  const founded = read(pair(alice, {}, {}))

  test('is founded by Alice, who makes Bob an op, who bans Mallory', () => {
    const withOp = read(pair(alice, { version: 2, ops: [key(bob)] }, { version: 2 }))
    const bans = [{ id: mallory.id, until: 0 }]
    const banned = read(pair(alice, { version: 2, ops: [key(bob)] }, { version: 3, bans }, bob))
    expect([succeeds(founded, withOp), succeeds(withOp, banned)]).toEqual(['ok', 'ok'])
    expect(rank(banned, key(bob))).toBe('op')
    expect(banned.rules.signer).toBe(key(bob))
  })

  test('is not taken by Mallory, with whatever she signs', () => {
    expect(succeeds(founded, read(pair(mallory, { version: 99 }, { version: 99 })))).toBe('foreign')
    expect(() => read(pair(alice, { version: 2 }, { version: 2 }, mallory))).toThrow(ProtocolError)
    const own = signHandover(root, 2, mallory, key(mallory))
    expect(() => read(pair(mallory, { version: 2, handovers: [own] }, {}))).toThrow(ProtocolError)
  })

  test('changes hands when Alice offers and Bob takes it, for everybody who knew Alice', () => {
    const offer = signHandover(root, founded.version + 1, alice, key(bob))
    const taken = { version: 2, ops: [key(alice)], handovers: [offer] }
    const next = read(pair(bob, taken, { version: 2 }))
    expect(succeeds(founded, next)).toBe('ok')
    expect(succeeds(next, founded)).toBe('old')
    expect(succeeds(next, read(pair(alice, { version: 9 }, { version: 9 })))).toBe('foreign')
  })

  test('keeps Alice when she did something else before Bob took her offer', () => {
    const offer = signHandover(root, founded.version + 1, alice, key(bob))
    const meanwhile = read(pair(alice, { version: 2, ops: [key(bob)] }, { version: 2 }))
    const taken = read(pair(bob, { version: 3, handovers: [offer] }, { version: 3 }))
    expect(succeeds(meanwhile, taken)).toBe('foreign')
  })

  test('is followed over more handovers than somebody was there for, as long as all are listed', () => {
    const chain = Array.from({ length: 10 }, (_, i) => memberKey(seededRandom(`owner ${i}`)(16)))
    const at = (i: number) => chain[i] as MemberKey
    const handovers = Array.from({ length: 9 }, (_, i) =>
      signHandover(root, 10 * (i + 1), at(i), key(at(i + 1))),
    )
    const known = (i: number): Charter =>
      read(pair(at(i), { version: 10 * i + 1, handovers: handovers.slice(0, i) }, {}))
    const last = read(pair(at(9), { version: 95, handovers: handovers.slice(1) }, {}))
    expect(succeeds(known(1), last)).toBe('ok')
    expect(succeeds(known(8), last)).toBe('ok')
    // The first handover is not in the list any more.
    expect(succeeds(known(0), last)).toBe('foreign')
  })
})

describe('the key of a session', () => {
  test('is proven to the relay for its own room', () => {
    const session = createSession(seededRandom('session'), bob)
    const join = { room: root, session: session.id, secret: session.secret, key: joinKey(root, session) }
    expect(provenMember(join, verifier)).toBe(bob.id)
    expect(provenMember({ ...join, room: roomFrom('elsewhere').id }, verifier)).toBeNull()
    const stranger = createSession(seededRandom('another session'), mallory)
    expect(
      provenMember({ ...join, key: { ...joinKey(root, stranger), public: key(bob) } }, verifier),
    ).toBeNull()
  })
})
