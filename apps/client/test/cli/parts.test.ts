// A long text cut into messages: nothing is lost, no part is too long, and no character is torn.
import { bodyBytesMax } from '@pychat/crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { partsOf } from '../../src/cli/parts.ts'

const bytes = (text: string) => Buffer.byteLength(text)

it('leaves a short text as it is, without the line break at its end', () => {
  expect(partsOf('Build is green\n')).toEqual(['Build is green'])
  expect(partsOf('  two\r\nlines\n\n')).toEqual(['  two\nlines'])
})

it.each(['', '\n', ' \n\t\r\n'])('finds nothing in %j', (text) => {
  expect(partsOf(text)).toEqual([])
})

it('cuts between lines where it can', () => {
  const line = `${'x'.repeat(999)}\n`
  const parts = partsOf(line.repeat(40))
  expect(parts.map((part) => part.split('\n').length)).toEqual([15, 15, 10])
  expect(parts.join('\n')).toBe(line.repeat(40).trimEnd())
})

it('cuts one endless line between characters', () => {
  const parts = partsOf('🦆'.repeat(10_000))
  expect(parts.join('')).toBe('🦆'.repeat(10_000))
  for (const part of parts) expect(bytes(part)).toBeLessThanOrEqual(bodyBytesMax)
})

it('loses nothing of any text', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.constantFrom('\n', 'y'.repeat(5000), 'é'.repeat(9000)),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join('')
      const parts = partsOf(text)
      for (const part of parts) {
        expect(bytes(part)).toBeLessThanOrEqual(bodyBytesMax)
        expect(part.trim()).not.toBe('')
      }
      const visible = (of: string) => of.replace(/\s/gu, '')
      expect(visible(parts.join(''))).toBe(visible(text))
    }),
  )
})
