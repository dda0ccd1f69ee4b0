// Drafts in rows: widths as terminals count them, the cursor where it belongs, nothing harmful.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fit, layoutDraft, widthOf } from '../../../src/ui/input/layout.ts'
import { hostile } from '../../hostile-strings.ts'

const lay = (text: string, cursor = text.length, columns = 20, rowsMax = 10) =>
  layoutDraft('dev> ', { text, cursor }, columns, rowsMax)

describe('a draft', () => {
  it('begins behind the prompt and goes on at the left edge', () => {
    expect(lay('hello')).toEqual({ rows: ['dev> hello'], cursor: { x: 10, y: 0 } })
    expect(lay('0123456789abcdefgh')).toEqual({
      rows: ['dev> 0123456789abcd', 'efgh'],
      cursor: { x: 4, y: 1 },
    })
    expect(lay('one\ntwo', 1)).toEqual({ rows: ['dev> one', 'two'], cursor: { x: 6, y: 0 } })
  })

  it('has the cursor on a fresh row when the last one is full', () => {
    expect(lay('0123456789abcd')).toEqual({ rows: ['dev> 0123456789abcd', ''], cursor: { x: 0, y: 1 } })
  })

  it('counts wide characters twice and never splits one', () => {
    expect(lay('日本語')).toEqual({ rows: ['dev> 日本語'], cursor: { x: 11, y: 0 } })
    expect(lay('0123456789abc👩‍👩‍👧‍👦').rows).toEqual(['dev> 0123456789abc', '👩‍👩‍👧‍👦'])
  })

  it('of many rows is shown around the cursor', () => {
    const text = Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n')
    expect(lay(text, text.length, 20, 4)).toMatchObject({
      rows: ['line 26', 'line 27', 'line 28', 'line 29'],
    })
    expect(lay(text, 0, 20, 2)).toEqual({ rows: ['dev> line 0', 'line 1'], cursor: { x: 5, y: 0 } })
  })

  it('leaves room for itself beside a long prompt', () => {
    expect(layoutDraft('a very long channel name> ', { text: 'x', cursor: 1 }, 20, 5).rows[0]).toBe(
      'a very l…x',
    )
  })

  it('is harmless and fits, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constantFrom(...hostile)),
        fc.integer({ min: 2, max: 90 }),
        (text, columns) => {
          const { rows, cursor } = lay(text, 0, columns, 5)
          expect(rows.length).toBeLessThanOrEqual(5)
          expect(cursor.y).toBeLessThan(rows.length)
          for (const row of rows) {
            expect(widthOf(row)).toBeLessThanOrEqual(Math.max(2, columns - 1))
            expect(row).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
          }
        },
      ),
    )
  })
})

it('cuts a text to so many columns and says so', () => {
  expect(fit('hello', 5)).toBe('hello')
  expect(fit('hello world', 6)).toBe('hello…')
  expect(fit('日本語', 4)).toBe('日…')
  expect(fit('x', 0)).toBe('')
})
