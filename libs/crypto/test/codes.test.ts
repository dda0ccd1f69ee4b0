import { randomBytes } from 'node:crypto'
import { CryptoInputError, canonicalPin, generateCode, isGeneratedCode } from '@pychat/crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from './fixtures.ts'

const code = 'abandon-ability-able-about-above-absent'

function codeOf(pin: string): string | null {
  try {
    canonicalPin(pin)
  } catch (error) {
    if (error instanceof CryptoInputError) return error.code
    throw error
  }
  return null
}

describe('generateCode', () => {
  test('gives six words that its own reader takes for a code', () => {
    const made = generateCode(seededRandom('code'))
    expect(made.split('-')).toHaveLength(6)
    expect(isGeneratedCode(made)).toBe(true)
    expect(canonicalPin(made)).toBe(made)
  })

  test('takes 11 bits of randomness for each word: first and last word of the list are in reach', () => {
    expect(generateCode((n) => new Uint8Array(n))).toBe(Array(6).fill('abandon').join('-'))
    expect(generateCode((n) => new Uint8Array(n).fill(0xff))).toBe(Array(6).fill('zoo').join('-'))
    const pairs = Uint8Array.of(0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5)
    expect(generateCode(() => pairs)).toBe(code)
  })

  test('spreads over the whole list: 400 codes use more than half of the 2048 words', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 400; i += 1) {
      for (const word of generateCode((n) => new Uint8Array(randomBytes(n))).split('-')) seen.add(word)
    }
    // 2400 draws leave about 31% of the words out; under 1024 distinct is out of the question for fair draws.
    expect(seen.size).toBeGreaterThan(1024)
  })
})

describe('canonicalPin', () => {
  test.each([
    'ABANDON-Ability-able-about-above-absent',
    'abandon ability able about above absent',
    '  abandon -ability - able--about\tabove\u00a0absent\n',
  ])('reads a code in any case and spacing: %j', (typed) => {
    expect(canonicalPin(typed)).toBe(code)
    expect(isGeneratedCode(typed)).toBe(true)
  })

  test.each([
    'abandon ability able about', // four words
    'abandon ability able about abovee',
    '-abandon-ability-able-about-above',
    '482133',
  ])('leaves other PINs alone: %j', (typed) => {
    expect(canonicalPin(typed)).toBe(typed)
    expect(isGeneratedCode(typed)).toBe(false)
  })

  test('keeps case and outer spaces, composes accents, makes every space the plain one', () => {
    expect(canonicalPin(' Hunter2 ')).toBe(' Hunter2 ')
    expect(canonicalPin('e\u0301\u3000x')).toBe('\u00e9 x')
  })

  test.each([
    ['', 'pin-empty'],
    ['a\tb', 'pin-character'],
    ['\ud800', 'pin-character'],
    ['\ue000', 'pin-character'],
    ['\u0378', 'pin-character'],
    ['x'.repeat(129), 'pin-too-long'],
    ['é'.repeat(65), 'pin-too-long'],
    ['abandon '.repeat(17), 'pin-too-long'],
  ])('refuses %j with %s', (typed, expected) => {
    expect(codeOf(typed)).toBe(expected)
  })

  test('takes 128 bytes and emoji joined by zero-width joiners', () => {
    expect(codeOf('x'.repeat(128))).toBeNull()
    expect(codeOf('👩\u200d💻')).toBeNull()
  })

  test('changes nothing the second time, whatever is typed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        if (codeOf(text) !== null) return
        expect(canonicalPin(canonicalPin(text))).toBe(canonicalPin(text))
      }),
    )
  })
})
