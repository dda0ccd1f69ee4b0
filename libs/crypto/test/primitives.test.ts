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

test('bytes of another length are not equal and throw nothing', () => {
  expect(equalBytes(new Uint8Array(2), new Uint8Array(3))).toBe(false)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
})
