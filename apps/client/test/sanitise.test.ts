// The one sanitiser: nothing hostile passes, and what people really write does.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { continuation, jsonLine, sanitiseLine, sanitiseName, sanitiseText } from '../src/sanitise.ts'
import { hostile } from './hostile-strings.ts'

const unsafe =
  /[\x00-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\u00ad\u061c\u3164\p{Cs}\p{Co}]/u

describe('the sanitiser', () => {
  it.each(hostile)('takes the sting out of %j', (text) => {
    for (const clean of [sanitiseName(text), sanitiseLine(text), sanitiseText(text)]) {
      expect(clean).not.toMatch(unsafe)
      expect(clean).toContain('\ufffd')
    }
  })

  it('leaves a carriage return no power, and lets no line pass as a line of its own', () => {
    expect(sanitiseText('safe\rroot: owned')).toBe('safe\ufffdroot: owned')
    expect(sanitiseText('one\r\ntwo\n12:00 Mallory: hi')).toBe(
      `one\n${continuation}two\n${continuation}12:00 Mallory: hi`,
    )
    expect(sanitiseLine('one\ntwo')).toBe('one\ufffdtwo')
    expect(sanitiseName('Bob\n12:00 Alice')).toBe('Bob\ufffd12:00 Alice')
  })

  it('replaces lone surrogates and spaces out tabs', () => {
    expect(sanitiseText('a\ud800b\udc00c')).toBe('a\ufffdb\ufffdc')
    expect(sanitiseText('a\tb\u00a0c\u3000d')).toBe('a b c d')
  })

  it.each([
    'Grüße, Ελληνικά, русский, हिन्दी, ไทย, 日本語, 한국어',
    'שלום עולם, مرحبا بالعالم',
    'e\u0301 is composed: \u00e9'.normalize('NFC'),
    '👩‍👩‍👧‍👦 👍🏽 ❤️ 🏳️‍🌈 🇫🇷 1️⃣'.replace('\u20e3', ''),
    'quotes “x” – dash … ✓ → €',
  ])('keeps %s as it is', (text) => {
    expect(sanitiseText(text)).toBe(text)
  })

  it('caps length, lines and combining marks', () => {
    expect([...sanitiseName('x'.repeat(1000))]).toHaveLength(65)
    expect([...sanitiseText('x'.repeat(10_000_000))].length).toBeLessThanOrEqual(16_001)
    expect(sanitiseText('\n'.repeat(15_000)).split('\n')).toHaveLength(61)
    expect(sanitiseText(`e${'\u0316'.repeat(100_000)}`).length).toBeLessThan(10)
  })

  it('never lets anything unsafe through, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(sanitiseName(text)).not.toMatch(unsafe)
        expect(sanitiseLine(text)).not.toMatch(unsafe)
        expect(sanitiseText(text).replaceAll('\n', '')).not.toMatch(unsafe)
      }),
    )
  })

  it('writes JSON that is harmless to display and reads back as the same value', () => {
    for (const text of [...hostile, '\ud800', 'a\nb', '👩‍👧']) {
      const line = jsonLine({ text })
      expect(line).not.toMatch(unsafe)
      expect(JSON.parse(line)).toEqual({ text })
    }
  })
})
