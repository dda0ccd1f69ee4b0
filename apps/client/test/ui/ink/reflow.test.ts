// A footer after the window got narrower: found and wiped in a terminal that really breaks rows anew.
import headless from '@xterm/headless'
import { describe, expect, it } from 'vitest'
import { reflowOf, wipeAfterNarrowing } from '../../../src/ui/ink/reflow.ts'

const write = (terminal: headless.Terminal, text: string) =>
  new Promise<void>((resolve) => terminal.write(text, resolve))
const rowsOf = ({ buffer: { active } }: headless.Terminal) =>
  Array.from({ length: active.length }, (_, i) => active.getLine(i)?.translateToString(true).trimEnd() ?? '')

describe('a footer that the terminal broke', () => {
  it.each([
    { rows: ['x'.repeat(70), 'y'.repeat(75), 'dev> hello'], cursor: { x: 10, y: 2 } },
    { rows: ['status', `dev> ${'z'.repeat(70)}`], cursor: { x: 50, y: 1 } },
    { rows: [`dev> ${'z'.repeat(70)}`], cursor: { x: 5, y: 0 } },
    { rows: ['x'.repeat(70), `dev> ${'z'.repeat(60)}`, 'last'], cursor: { x: 3, y: 1 } },
  ])('is gone, and nothing above it (%#)', async ({ rows, cursor }) => {
    const terminal = new headless.Terminal({ cols: 80, rows: 24, allowProposedApi: true })
    await write(terminal, `one\r\ntwo\r\n${rows.join('\r\n')}\r\n`)
    await write(terminal, `\x1b[${rows.length - cursor.y}A\x1b[${cursor.x + 1}G`)
    terminal.resize(40, 24)
    const wiped = wipeAfterNarrowing({ rows, cursor }, 40, { breaks: true, breaksCursorRow: false })
    await write(terminal, wiped.replaceAll('\n', '\r\n'))
    expect(rowsOf(terminal).filter((row) => row !== '')).toEqual(['one', 'two'])
    // Where Ink believes the cursor to be: so far below the footer's first row.
    expect(terminal.buffer.active.cursorY).toBe(2 + cursor.y)
  })

  it('is left alone when nothing was broken', () => {
    const rows = { rows: ['short', 'x'.repeat(40)], cursor: { x: 0, y: 0 } }
    expect(wipeAfterNarrowing(rows, 40, { breaks: true, breaksCursorRow: true })).toBe('')
  })

  it('is followed further up where the row with the cursor is broken too', () => {
    const rows = { rows: ['x'.repeat(70), 'y'.repeat(70)], cursor: { x: 50, y: 1 } }
    expect(wipeAfterNarrowing(rows, 40, { breaks: true, breaksCursorRow: true })).toMatch(
      /^\r\x1b\[3A\x1b\[J/,
    )
    expect(wipeAfterNarrowing(rows, 40, { breaks: true, breaksCursorRow: false })).toMatch(
      /^\r\x1b\[2A\x1b\[J/,
    )
    expect(wipeAfterNarrowing(rows, 40, { breaks: false, breaksCursorRow: false })).toBe('')
  })
})

it('knows what terminals do, and wipes too little rather than too much where it does not', () => {
  expect(reflowOf({ TERM: 'xterm-256color' })).toEqual({ breaks: true, breaksCursorRow: false })
  expect(reflowOf({ TERM: 'screen-256color', TMUX: '/tmp/x' })).toEqual({
    breaks: true,
    breaksCursorRow: true,
  })
  expect(reflowOf({ TERM: 'xterm-256color', VTE_VERSION: '7600' })).toEqual({
    breaks: true,
    breaksCursorRow: true,
  })
  expect(reflowOf({ TERM: 'xterm', XTERM_VERSION: 'XTerm(379)' })).toEqual({
    breaks: false,
    breaksCursorRow: false,
  })
  expect(reflowOf({ TERM: 'screen' })).toEqual({ breaks: false, breaksCursorRow: false })
})
