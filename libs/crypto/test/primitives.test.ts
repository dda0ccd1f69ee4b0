// Published vectors. The Wycheproof files come from C2SP/wycheproof (see vectors/wycheproof/README.md).
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  argon2idHash,
  ed25519Keys,
  ed25519Sign,
  ed25519Verify,
  ed25519VerifyingKey,
  equalBytes,
  gcmOpen,
  gcmSeal,
  hkdfExpand,
  hkdfExtract,
  hmacSha256,
  sha256,
  x25519,
  x25519Keys,
} from '../src/primitives.ts'
import { bytes, hex, spoilt, utf8 } from './fixtures.ts'

type Case = { tcId: number; result: 'valid' | 'invalid' | 'acceptable' }
type Group = { tests: Case[]; tagSize?: number; publicKey?: { pk: string } }

function wycheproof(name: string): { numberOfTests: number; testGroups: Group[] } {
  return JSON.parse(readFileSync(new URL(`vectors/wycheproof/${name}_test.json`, import.meta.url), 'utf8'))
}

/** Runs every case and gives back the ids of those whose verdict differs, and how many ran. */
function disagreements(name: string, accepts: (test: Case, group: Group) => boolean) {
  const file = wycheproof(name)
  const wrong: number[] = []
  let ran = 0
  for (const group of file.testGroups) {
    for (const one of group.tests) {
      ran += 1
      if (accepts(one, group) !== (one.result === 'valid')) wrong.push(one.tcId)
    }
  }
  expect(ran).toBe(file.numberOfTests)
  return { wrong, ran }
}

const text = (one: Case, name: string) => String((one as unknown as Record<string, unknown>)[name])
const field = (one: Case, name: string) => bytes(text(one, name))

describe('Argon2id', () => {
  // RFC 9106 section 5.3 gives its one Argon2id vector with a key and associated data, and hash-wasm takes no
  // associated data. So these are the reference implementation's (phc-winner-argon2, src/test.c, version 0x13)
  // and Go's (golang.org/x/crypto/argon2, made with the reference implementation), which have several lanes.
  test.each([
    {
      passes: 2,
      memoryKiB: 65_536,
      lanes: 1,
      from: 'phc',
      hash: '09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7',
    },
    {
      passes: 2,
      memoryKiB: 256,
      lanes: 2,
      from: 'phc',
      hash: '6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037',
    },
    {
      passes: 3,
      memoryKiB: 256,
      lanes: 2,
      from: 'go',
      hash: '4668d30ac4187e6878eedeacf0fd83c5a0a30db2cc16ef0b',
    },
    {
      passes: 4,
      memoryKiB: 4096,
      lanes: 4,
      from: 'go',
      hash: '145db9733a9f4ee43edf33c509be96b934d505a4efb33c5a',
    },
    {
      passes: 4,
      memoryKiB: 1024,
      lanes: 8,
      from: 'go',
      hash: '8dafa8e004f8ea96bf7c0f93eecf67a6047476143d15577f',
    },
  ])(
    'agrees with the published hash for $passes passes, $memoryKiB KiB, $lanes lanes ($from)',
    async (row) => {
      expect(hex(await argon2idHash(utf8('password'), utf8('somesalt'), row, row.hash.length / 2))).toBe(
        row.hash,
      )
    },
  )
})

describe('SHA-256', () => {
  test('agrees with FIPS 180-4 on "abc", whole and in parts', () => {
    const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(hex(sha256(utf8('abc')))).toBe(expected)
    expect(hex(sha256(utf8('a'), utf8(''), utf8('bc')))).toBe(expected)
  })
})

describe('HMAC-SHA-256', () => {
  test('agrees with every Wycheproof vector', () => {
    const result = disagreements('hmac_sha256', (one, group) => {
      const tag = hmacSha256(field(one, 'key'), field(one, 'msg')).subarray(0, (group.tagSize as number) / 8)
      return equalBytes(tag, field(one, 'tag'))
    })
    expect(result).toEqual({ wrong: [], ran: 174 })
  })
})

describe('HKDF-SHA-256', () => {
  test('agrees with every Wycheproof vector, and refuses more than 8160 bytes', () => {
    const result = disagreements('hkdf_sha256', (one) => {
      const prk = hkdfExtract(field(one, 'salt'), field(one, 'ikm'))
      try {
        return equalBytes(hkdfExpand(prk, field(one, 'info'), Number(text(one, 'size'))), field(one, 'okm'))
      } catch {
        return false
      }
    })
    expect(result).toEqual({ wrong: [], ran: 86 })
    expect(() => hkdfExpand(new Uint8Array(32), new Uint8Array(0), 8161)).toThrow('8160')
  })
})

describe('AES-128-GCM', () => {
  test('opens and refuses as every Wycheproof vector says, and seals the valid ones to the same bytes', () => {
    const result = disagreements('aes_gcm', (one) => {
      const sealed = bytes(text(one, 'ct') + text(one, 'tag'))
      const [key, nonce, aad] = [field(one, 'key'), field(one, 'iv'), field(one, 'aad')]
      const opened = gcmOpen(key, nonce, aad, sealed)
      if (one.result === 'valid') expect(hex(gcmSeal(key, nonce, aad, field(one, 'msg')))).toBe(hex(sealed))
      return opened !== null && hex(opened) === text(one, 'msg')
    })
    expect(result).toEqual({ wrong: [], ran: 67 })
  })

  test('refuses what is shorter than a tag', () => {
    expect(gcmOpen(new Uint8Array(16), new Uint8Array(12), new Uint8Array(0), new Uint8Array(15))).toBeNull()
  })
})

describe('Ed25519', () => {
  test('verifies and refuses as every Wycheproof vector says', () => {
    const result = disagreements('ed25519', (one, group) => {
      const key = ed25519VerifyingKey(bytes(group.publicKey?.pk as string))
      return ed25519Verify(key, field(one, 'msg'), field(one, 'sig'))
    })
    expect(result).toEqual({ wrong: [], ran: 151 })
  })

  test('signs as RFC 8032 section 7.1, test 2', () => {
    const { signingKey, publicKey } = ed25519Keys(
      bytes('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'),
    )
    expect(hex(publicKey)).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    const signature = ed25519Sign(signingKey, bytes('72'))
    expect(hex(signature)).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
    expect(ed25519Verify(ed25519VerifyingKey(publicKey), bytes('72'), spoilt(signature, 3))).toBe(false)
  })

  test('a public key that is no point of the curve verifies nothing and throws nothing', () => {
    const key = ed25519VerifyingKey(new Uint8Array(32).fill(0xff))
    expect(ed25519Verify(key, utf8('x'), new Uint8Array(64))).toBe(false)
  })

  test('wants keys and seeds of 32 bytes', () => {
    expect(() => ed25519VerifyingKey(new Uint8Array(31))).toThrow('32 bytes')
    expect(() => ed25519Keys(new Uint8Array(33))).toThrow('32 bytes')
  })
})

describe('X25519', () => {
  const agree = (scalar: string, point: string) => {
    const shared = x25519(x25519Keys(bytes(scalar)).agreementKey, bytes(point))
    return shared && hex(shared)
  }

  test.each([
    [
      'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
      'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
      'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    ],
    [
      '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
      'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
      '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
    ],
  ])('agrees with RFC 7748 section 5.2 on scalar %s', (scalar, point, expected) => {
    expect(agree(scalar, point)).toBe(expected)
  })

  test('agrees with RFC 7748 section 5.2 after 1 and after 1,000 rounds', () => {
    let scalar = `09${'00'.repeat(31)}`
    let point = scalar
    for (let round = 1; round <= 1000; round += 1) {
      const next = agree(scalar, point) as string
      point = scalar
      scalar = next
      if (round === 1) {
        expect(scalar).toBe('422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079')
      }
    }
    expect(scalar).toBe('684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51')
  })

  test('agrees with RFC 7748 section 6.1: public keys, and the secret of both', () => {
    const alice = x25519Keys(bytes('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'))
    const bob = x25519Keys(bytes('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'))
    expect(hex(alice.publicKey)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
    expect(hex(bob.publicKey)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
    const expected = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
    expect(hex(x25519(alice.agreementKey, bob.publicKey) as Uint8Array)).toBe(expected)
    expect(hex(x25519(bob.agreementKey, alice.publicKey) as Uint8Array)).toBe(expected)
  })

  test('agrees with every Wycheproof vector, and refuses each that would agree on zero', () => {
    const file = wycheproof('x25519')
    const cases = file.testGroups.flatMap((group) => group.tests)
    const wrong = cases.filter((one) => {
      const { flags } = one as unknown as { flags: string[] }
      const expected = flags.includes('ZeroSharedSecret') ? null : text(one, 'shared')
      return agree(text(one, 'private'), text(one, 'public')) !== expected
    })
    expect(wrong.map((one) => one.tcId)).toEqual([])
    expect([cases.length, file.numberOfTests]).toEqual([222, 222])
  })

  test('wants keys and seeds of 32 bytes', () => {
    expect(() => x25519Keys(new Uint8Array(31))).toThrow('32 bytes')
    const { agreementKey } = x25519Keys(new Uint8Array(32).fill(1))
    expect(() => x25519(agreementKey, new Uint8Array(33))).toThrow('32 bytes')
  })
})

test('bytes of another length are not equal and throw nothing', () => {
  expect(equalBytes(new Uint8Array(2), new Uint8Array(3))).toBe(false)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
})
