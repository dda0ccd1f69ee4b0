// Events as lines: what people read, and that nothing hostile gets into it from any place.
import { describe, expect, it } from 'vitest'
import type { ChatEvent } from '../../../src/chat/events.ts'
import type { ScreenEvent } from '../../../src/chat/screen.ts'
import { createEventLines } from '../../../src/ui/text/event-lines.ts'
import { createPaint, noPaint } from '../../../src/ui/text/paint.ts'
import { hostile } from '../../hostile-strings.ts'
import { everyEvent } from './every-event.ts'

const now = new Date(2026, 10, 24, 10, 15)
const at = (hours: number, minutes = 0, days = 24) => new Date(2026, 10, days, hours, minutes).toISOString()
const lines = (mixed = false) => createEventLines(noPaint, mixed, () => now)
const message = (more: Partial<ChatEvent & { type: 'message' }> = {}): ChatEvent => ({
  type: 'message',
  view: 'room',
  from: 'Bob',
  text: 'hi',
  seq: 1,
  at: at(10),
  own: false,
  fingerprint: 'p2xw-77ld',
  memberId: '0000000f',
  key: 'known',
  mention: false,
  ...more,
})

describe('a message', () => {
  it.each([
    [{}, '10:00 Bob: hi'],
    [{ mention: true }, '10:00 » Bob: hi'],
    [{ key: 'changed' as const }, '10:00 Bob [NEW KEY]: hi'],
    [{ text: 'one\ntwo' }, '10:00 Bob: one\n      | two'],
    [{ view: '#dev' }, '10:00 [#dev] Bob: hi'],
    [{ from: '* Bob' }, '10:00 "* Bob": hi'],
    [{ from: '[#dev] Bob' }, '10:00 "[#dev] Bob": hi'],
    [{ from: 'Bob: yes 10:00 Eve' }, '10:00 "Bob: yes 10:00 Eve": hi'],
    [{ from: '👩‍🚀 Ann' }, '10:00 👩‍🚀 Ann: hi'],
  ])('%j is shown as %j', (more, line) => {
    expect(lines()(message(more))).toBe(line)
  })

  it('has a line before it when it is of another day', () => {
    const linesOf = lines()
    expect(linesOf(message({ at: at(23, 59, 23) }))).toBe('── Monday, 23 November 2026 ──\n23:59 Bob: hi')
    expect(linesOf(message({ at: at(0, 1, 24) }))).toBe('── Tuesday, 24 November 2026 ──\n00:01 Bob: hi')
    expect(linesOf(message({ at: at(0, 2, 24) }))).toBe('00:02 Bob: hi')
  })

  it('says on a mixed screen where it belongs, and on the other one only when it is elsewhere', () => {
    const [mixed, one] = [lines(true), lines()]
    expect(mixed(message({ view: '@Bob' }))).toBe('10:00 [@Bob] Bob: hi')
    expect(mixed(message())).toBe('10:00 Bob: hi')
    expect(mixed({ type: 'view', view: '#dev', unread: 0 })).toBe('* What you type goes to #dev now.')
    expect(mixed(message({ view: '#dev' }))).toBe('10:00 [#dev] Bob: hi')
    expect(one({ type: 'view', view: '#dev', unread: 2 })).toBe('── #dev ── 2 unread ──')
    expect(one(message({ view: '#dev' }))).toBe('10:00 Bob: hi')
    expect(one(message())).toBe('10:00 [room] Bob: hi')
  })

  it('has its name in the colour of the key, whatever the name is', () => {
    const linesOf = createEventLines(createPaint(2), false, () => now)
    const colour = (line: string | null) => /\x1b\[(1;38;5;\d+)m/.exec(line ?? '')?.[1]
    const first = colour(linesOf(message({ from: 'Bob', memberId: 'abcdef01' })))
    expect(first).toBeDefined()
    expect(colour(linesOf(message({ from: 'Robert', memberId: 'abcdef01' })))).toBe(first)
    expect(colour(linesOf(message({ from: 'Bob', memberId: 'abcdef02' })))).not.toBe(first)
  })
})

describe('other events', () => {
  const cases: [ScreenEvent, string | null][] = [
    [{ type: 'left', view: 'room', user: 'Bob', why: 'lost' }, '10:15 * Bob lost the connection.'],
    [
      { type: 'left', view: '#dev', user: 'Bob', why: 'kicked', by: 'Alice', reason: 'loud' },
      '10:15 * [#dev] Bob was kicked by Alice: loud',
    ],
    [{ type: 'away', view: 'room', user: 'Bob', away: 'lunch' }, '10:15 * Bob is away: lunch'],
    [{ type: 'away', view: 'room', user: 'Bob', away: '' }, '10:15 * Bob is away.'],
    [{ type: 'renamed', view: 'room', from: 'Bob', to: 'Rob' }, '10:15 * Bob is now called Rob.'],
    [
      { type: 'act', what: 'ban', target: 'Eve', by: 'Alice', reason: 'spam', until: at(12) },
      '10:15 * Alice banned Eve until 12:00: spam',
    ],
    [
      {
        type: 'charter',
        motd: 'Be kind',
        rank: 'op',
        lock: true,
        limit: 0,
        history: false,
        changed: [],
        by: null,
      },
      '* Message of the day: Be kind\n* The room is locked: nobody new gets in.\n* You are an op here.',
    ],
    [
      {
        type: 'charter',
        motd: 'Be kind',
        rank: 'op',
        lock: false,
        limit: 0,
        history: false,
        changed: ['lock'],
        by: 'Eve',
      },
      '* The room is open again.',
    ],
    [
      { type: 'failed', view: 'room', id: 4, text: 'x', reason: 'You are muted.', retry: true },
      '! Not sent: You are muted. /retry 4 tries again, /drop 4 gives up.',
    ],
    [
      { type: 'elsewhere', view: '@Bob', from: 'Bob', number: 3 },
      '10:15 * Bob wrote to you privately: Alt-3 or /go @Bob',
    ],
    [{ type: 'pending', view: 'room', id: 1, text: 'x', waiting: null }, null],
    [{ type: 'opened', view: '@Bob' }, null],
  ]
  it.each(cases)('%j', (event, line) => {
    expect(lines()(event)).toBe(line)
  })

  it('show people in columns', () => {
    const member = {
      fingerprint: 'p2xw-77ld',
      memberId: '',
      rank: 'op' as const,
      muted: false,
      away: null,
      verified: false,
      own: false,
    }
    const event: ScreenEvent = {
      type: 'users',
      view: 'room',
      users: [],
      members: [
        { ...member, name: 'Alice', rank: 'owner', own: true, since: at(9) },
        { ...member, name: '日本', muted: true, away: 'lunch', verified: true, since: at(9, 30, 23) },
      ],
      count: 2,
      page: 1,
      more: false,
    }
    expect(lines()(event)?.split('\n')).toEqual([
      '* 2 here:',
      '*   Alice  owner      p2xw-77ld  since 09:00                            (you)',
      '*   日本   op, muted  p2xw-77ld  since Monday, 23 November 2026, 09:30  verified, away: lunch',
    ])
  })

  it('tell once that somebody was put out', () => {
    const linesOf = lines()
    const act = { type: 'act', what: 'kick', target: 'Eve', by: 'Alice', reason: '', until: null } as const
    expect(linesOf(act)).toBe('10:15 * Alice kicked Eve.')
    expect(linesOf({ type: 'left', view: 'room', user: 'Eve', why: 'kicked', by: 'Alice' })).toBe(null)
    expect(linesOf({ type: 'left', view: 'room', user: 'Bob', why: 'kicked', by: 'Alice' })).toContain(
      'Bob was kicked',
    )
  })

  it('tell of a connection once, however often it is tried', () => {
    const linesOf = lines()
    const offline = { type: 'state', state: 'offline', text: 'Nothing answers.' } as const
    expect(linesOf({ type: 'state', state: 'connecting', text: 'Connecting.' })).toBe('10:15 * Connecting.')
    expect(linesOf(offline)).toBe('10:15 * Nothing answers. Trying again until it works.')
    expect(linesOf({ type: 'state', state: 'connecting', text: 'Connecting.' })).toBe(null)
    expect(linesOf(offline)).toBe(null)
  })
})

describe('hostile text', () => {
  const unsafe =
    /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\u00ad\u061c\p{Co}]/u

  it.each([...hostile, 'x'.repeat(1_000_000), '\n'.repeat(100_000), `a${'\u0301'.repeat(100_000)}`])(
    'is harmless in every place of every event (%.20j)',
    (text) => {
      for (const mixed of [true, false]) {
        const linesOf = lines(mixed)
        for (const event of everyEvent(text)) {
          const shown = linesOf(event) ?? ''
          expect(shown, event.type).not.toMatch(unsafe)
          expect(shown.length, event.type).toBeLessThan(100_000)
        }
      }
    },
  )
})
