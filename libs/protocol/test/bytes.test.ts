import {
  decodeBase64url,
  decodeHex,
  encodeBase64url,
  encodeHex,
  readUint64,
  writeUint64,
} from '@pychat/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { insideBigger, refusalOf } from './verdict.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)

describe('hex', () => {
  test('agrees with Node on any bytes, both ways', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const text = encodeHex(bytes)
        expect(text).toBe(Buffer.from(bytes).toString('hex'))
        expect(decodeHex(text)).toEqual(bytes)
      }),
    )
  })

  test.each(['0', 'AB', '0x', ' 0', 'g0', '0é', '00 '])('refuses %j', (text) => {
    expect(refusalOf(() => decodeHex(text))).toBe('bad-message')
  })
})

describe('base64url', () => {
  test.each([
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ])('writes %j as RFC 4648 section 10 does, without padding', (plain, text) => {
    expect(encodeBase64url(utf8(plain))).toBe(text)
    expect(decodeBase64url(text)).toEqual(utf8(plain))
  })

  test('agrees with Node on any bytes, both ways', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const text = encodeBase64url(bytes)
        expect(text).toBe(Buffer.from(bytes).toString('base64url'))
        expect(decodeBase64url(text)).toEqual(bytes)
      }),
    )
  })

  test.each(['A', 'AAAAA', 'Zg==', 'Zm9v=', '+/+/', 'Z m8', 'Zh', 'Zm9', 'Zm9vYmF\n'])(
    'refuses %j',
    (text) => {
      expect(refusalOf(() => decodeBase64url(text))).toBe('bad-message')
    },
  )

  test('takes one spelling of a value: what is taken is written back the same', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_=+/-]{0,12}$/), (text) => {
        if (refusalOf(() => decodeBase64url(text)) !== null) return
        expect(encodeBase64url(decodeBase64url(text))).toBe(text)
      }),
    )
  })
})

describe('64-bit integers', () => {
  test.each([
    [0, '0000000000000000'],
    [1, '0000000000000001'],
    [2 ** 32 - 1, '00000000ffffffff'],
    [2 ** 32, '0000000100000000'],
    [1_767_225_600_123, '0000019b76daa87b'],
    [2 ** 53 - 1, '001fffffffffffff'],
  ])('writes and reads %d big-endian', (value, text) => {
    const bytes = new Uint8Array(8)
    writeUint64(bytes, 0, value)
    expect(encodeHex(bytes)).toBe(text)
    expect(readUint64(bytes, 0)).toBe(value)
  })

  test('touches its eight bytes only, and reads from a view', () => {
    const bytes = new Uint8Array(12).fill(9)
    writeUint64(bytes, 2, 2 ** 40 + 5)
    expect([bytes[0], bytes[1], bytes[10], bytes[11]]).toEqual([9, 9, 9, 9])
    expect(readUint64(insideBigger(bytes), 2)).toBe(2 ** 40 + 5)
  })

  test.each(['0020000000000000', 'ffffffffffffffff', '8000000000000000'])(
    'refuses %s, above 2^53-1',
    (text) => {
      expect(refusalOf(() => readUint64(decodeHex(text), 0))).toBe('bad-message')
    },
  )
})
