// The footer as rows: what is said where, and that it always fits.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PendingLine, Status, ViewLine } from '../../../src/chat/screen.ts'
import { footer } from '../../../src/ui/ink/footer.ts'
import { createInput, press } from '../../../src/ui/input/input.ts'
import { widthOf } from '../../../src/ui/input/layout.ts'
import { noPaint } from '../../../src/ui/text/paint.ts'
import { hostile } from '../../hostile-strings.ts'

const view = (number: number, label: string, more: Partial<ViewLine> = {}): ViewLine => ({
  number,
  label,
  unread: 0,
  calls: 0,
  current: number === 1,
  ...more,
})
const status = (more: Partial<Status> = {}): Status => ({
  key: '',
  prompt: 'MyFriends',
  views: [view(1, 'room')],
  pending: [],
  people: 3,
  connection: 'online',
  retryAt: null,
  rank: 'member',
  away: false,
  ...more,
})
const pending = (id: number, more: Partial<PendingLine> = {}): PendingLine => ({
  id,
  label: null,
  text: `text ${id}`,
  state: 'sending',
  note: '',
  ...more,
})
const typed = (text: string) =>
  press(createInput(), { kind: 'text', text }, { names: ['Bob', 'Bo'], channels: [] }).state
const rowsOf = (how: Status, input = createInput(), size = { columns: 80, rows: 24 }) =>
  footer(how, input, size, 1_000_000, noPaint).rows

describe('the footer', () => {
  it('says how things are and where text goes', () => {
    expect(rowsOf(status())).toEqual(['online | 3 people', 'MyFriends> '])
    expect(rowsOf(status({ prompt: '@Bob (private)', people: null, away: true }), typed('hi'))).toEqual([
      'online | you are away',
      '@Bob (private)> hi',
    ])
    expect(rowsOf(status({ connection: 'offline', retryAt: 1_004_200, people: 1 }))[0]).toBe(
      'offline, next try in 5 s | 1 person',
    )
    expect(rowsOf(status({ connection: 'degraded' }))[0]).toContain('cannot take messages')
  })

  it('shows what is unread, and what calls', () => {
    const views = [view(1, 'room'), view(2, '#dev', { unread: 12 }), view(3, '@Bob', { unread: 2, calls: 2 })]
    expect(rowsOf(status({ views }))[0]).toBe('online | 3 people | [1 room]  2 #dev (12)  3 @Bob (2!)')
  })

  it('shows what is not sent, failures first', () => {
    const lines = [
      pending(1),
      pending(2, { state: 'late', label: '#dev' }),
      pending(3, { state: 'waiting', note: 'Bob is being called' }),
      pending(4, { state: 'failed', note: 'You are muted.' }),
    ]
    expect(rowsOf(status({ pending: lines })).slice(0, 4)).toEqual([
      '✗ text 4 - NOT SENT: You are muted. /retry 4',
      '… text 1',
      '… [#dev] text 2 (not sent yet)',
      '… text 3 (Bob is being called)',
    ])
    const many = Array.from({ length: 30 }, (_, i) => pending(i))
    expect(rowsOf(status({ pending: many }))).toHaveLength(6)
    expect(rowsOf(status({ pending: many }))[3]).toBe('… and 27 more not sent yet')
  })

  it('asks about a long paste, names what Tab offers, and tells of Ctrl-C', () => {
    const pasted = press(
      createInput(),
      { kind: 'paste', text: '1\n2\n3\n4\n5' },
      { names: [], channels: [] },
    ).state
    expect(rowsOf(status(), pasted).at(-1)).toBe('Paste 5 lines? Enter sends as one message, Esc drops ')
    const tab = press(typed('bo'), { kind: 'key', name: 'tab' }, { names: ['Bob', 'Bo'], channels: [] }).state
    expect(rowsOf(status(), tab)[0]).toBe('Bob:  Bo:  (Tab: the next)')
    const interrupted = press(typed('x'), { kind: 'key', name: 'ctrl-c' }, { names: [], channels: [] }).state
    expect(rowsOf(status(), interrupted)[0]).toBe('Press Ctrl-C again to leave.')
  })

  it('is never taller than the window minus two, nor wider, whatever is in it', () => {
    const text = fc.oneof(
      fc.constantFrom(...hostile),
      fc.string({ unit: 'binary' }),
      fc.constant('日本'.repeat(200)),
    )
    const line = fc.record({
      id: fc.nat(),
      label: fc.option(text),
      text,
      state: fc.constantFrom('sending', 'late', 'waiting', 'failed'),
      note: text,
    }) as fc.Arbitrary<PendingLine>
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.array(text, { maxLength: 9 }),
        text,
        fc.string({ unit: fc.constantFrom('a', '\n', '日', '👩‍👧', ' ') }),
        fc.record({ columns: fc.integer({ min: 4, max: 120 }), rows: fc.integer({ min: 3, max: 40 }) }),
        (lines, labels, prompt, draft, size) => {
          const views = labels.map((label, i) => view(i + 1, label, { unread: 3, calls: 1 }))
          const shown = footer(status({ pending: lines, views, prompt }), typed(draft), size, 0, noPaint)
          expect(shown.rows.length).toBeLessThanOrEqual(Math.max(1, size.rows - 2))
          expect(shown.cursor.y).toBeLessThan(shown.rows.length)
          for (const row of shown.rows) {
            expect(widthOf(row)).toBeLessThan(size.columns)
            expect(row).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
          }
        },
      ),
    )
  })
})
