import { randomBytes } from 'node:crypto'
import {
  CryptoInputError,
  createIdentity,
  createSession,
  entropyFromWords,
  memberEntropy,
  memberId,
  memberKey,
  publicKeyText,
  recoveryWords,
  verifyWords,
} from '@pychat/crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytes, hex, roomFrom, seededRandom } from './fixtures.ts'

const random = (n: number) => new Uint8Array(randomBytes(n))
const [here, there] = [roomFrom('here').id, roomFrom('there').id]

const refused = (text: string) => {
  try {
    entropyFromWords(text)
  } catch (error) {
    if (error instanceof CryptoInputError) return error.code
    throw error
  }
  return null
}

describe('a member key', () => {
  test('is the same at each start and in each session, and another one in each community', () => {
    const identity = createIdentity(seededRandom('alice'))
    const [one, again, elsewhere] = [here, here, there].map((root) =>
      memberKey(memberEntropy(identity, root)),
    )
    expect(again?.id).toBe(one?.id)
    expect(again?.fingerprint).toBe(one?.fingerprint)
    expect(elsewhere?.id).not.toBe(one?.id)
    expect(createSession(random, one).memberId).toBe(one?.id)
  })

  test('is another one for another person', () => {
    const keys = ['alice', 'bob'].map((name) =>
      memberKey(memberEntropy(createIdentity(seededRandom(name)), here)),
    )
    expect(keys[0]?.id).not.toBe(keys[1]?.id)
  })

  test('has one id, in whichever spelling the public key comes', () => {
    const { publicKey, id } = memberKey(random(16))
    expect([memberId(publicKey), memberId(publicKeyText(publicKey))]).toEqual([id, id])
  })

  test('shows nothing of what it was made from', () => {
    const entropy = random(16)
    expect(JSON.stringify(memberKey(entropy))).not.toContain(hex(entropy).slice(0, 8))
  })

  test('an identity keeps its value when the caller uses its random buffer again', () => {
    const pool = new Uint8Array(32).fill(7)
    const identity = createIdentity(() => pool)
    pool.fill(9)
    expect(hex(identity)).toBe('07'.repeat(32))
  })

  test('wants an identity of 32 bytes and entropy of 16', () => {
    expect(() => memberEntropy(new Uint8Array(31), here)).toThrow('32 bytes')
    expect(() => memberKey(new Uint8Array(17))).toThrow('16 bytes')
    expect(() => recoveryWords(new Uint8Array(15))).toThrow('16 bytes')
  })
})

describe('recovery words', () => {
  // From the list of BIP-39 (trezor/python-mnemonic, vectors.json), all of 128 bits.
  test.each([
    [
      '00000000000000000000000000000000',
      'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about',
    ],
    [
      '7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f',
      'legal winner thank year wave sausage worth useful legal winner thank yellow',
    ],
    [
      '80808080808080808080808080808080',
      'letter advice cage absurd amount doctor acoustic avoid letter advice cage above',
    ],
    ['ffffffffffffffffffffffffffffffff', 'zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong'],
    [
      '9e885d952ad362caeb4efe34a8e91bd2',
      'ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic',
    ],
    [
      'c0ba5a8e914111210f2bd131f3d5e08d',
      'scheme spot photo card baby mountain device kick cradle pact join borrow',
    ],
    [
      '23db8160a31d3e0dca3688ed941adbf3',
      'cat swing flag economy stadium alone churn speed unique patch report train',
    ],
    [
      'f30f8c1da665478f49b001d94c5fc452',
      'vessel ladder alter error federal sibling chat ability sun glass valve picture',
    ],
  ])('of %s are those of BIP-39, both ways', (entropy, words) => {
    expect(recoveryWords(bytes(entropy))).toBe(words)
    expect(hex(entropyFromWords(words))).toBe(entropy)
  })

  test('carry any key to another machine, however they are typed there', () => {
    const gaps = fc.constantFrom(' ', '  ', '-', ' - ', '\n', '\t', '\u00a0')
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        gaps,
        fc.boolean(),
        (entropy, gap, shout) => {
          const typed = ` ${recoveryWords(entropy).replaceAll(' ', gap)}\n`
          expect(entropyFromWords(shout ? typed.toUpperCase() : typed)).toEqual(entropy)
        },
      ),
    )
  })

  test('notice a wrong word, mixed-up words, and words that are missing or too many', () => {
    const words = recoveryWords(bytes('9e885d952ad362caeb4efe34a8e91bd2')).split(' ')
    const [first, second, ...rest] = words as [string, string, ...string[]]
    const broken = [
      [second, first, ...rest],
      words.slice(1),
      [...words, 'abandon'],
      ['abandon', second, ...rest],
      ['ozonne', second, ...rest],
      [],
    ]
    for (const list of broken) expect(refused(list.join(' ')), list.join(' ')).toBe('words')
  })

  test('that are refused are not repeated in the sentence', () => {
    expect(() => entropyFromWords('zoo zoo hunter2')).toThrow(/^The recovery words have a mistake; .*\.$/)
    expect(() => entropyFromWords('zoo zoo hunter2')).not.toThrow(/hunter2/)
  })
})

describe('words to compare', () => {
  test('are the same for both, six of the list, and others for any other two', () => {
    const keys = Array.from({ length: 5 }, () => createSession(random).publicKey)
    const seen = new Set<string>()
    for (const a of keys) {
      for (const b of keys) {
        expect(verifyWords(a, b)).toBe(verifyWords(b, a))
        expect(verifyWords(a, b)).toMatch(/^([a-z]+ ){5}[a-z]+$/)
        if (a !== b) seen.add(verifyWords(a, b))
      }
    }
    expect(seen.size).toBe(10)
  })
})
