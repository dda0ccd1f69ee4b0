// When a window gets narrower, terminals break the rows that stand on it anew. Ink does not know: this finds where the
// footer begins now, wipes it, and leaves the cursor where Ink believes it is. In doubt it wipes too little: a rest of
// the footer may stay, a line of the conversation never goes.
import { stripVTControlCharacters } from 'node:util'
import { type Rows, widthOf } from '../input/layout.ts'

export type Reflow = {
  /** Rows are broken; else they are cut. */
  breaks: boolean
  /** Also the row that the cursor is in. */
  breaksCursorRow: boolean
}

type Environment = Record<string, string | undefined>

/** What terminals do, as far as they tell who they are. */
export function reflowOf(env: Environment): Reflow {
  const has = (name: string) => env[name] !== undefined && env[name] !== ''
  const term = env['TERM'] ?? ''
  const cuts = has('XTERM_VERSION') || (term.startsWith('screen') && !has('TMUX')) || term === 'linux'
  const known = [
    'TMUX',
    'VTE_VERSION',
    'WT_SESSION',
    'KITTY_WINDOW_ID',
    'KONSOLE_VERSION',
    'ALACRITTY_WINDOW_ID',
  ]
  return { breaks: !cuts, breaksCursorRow: !cuts && known.some(has) }
}

/** @returns what to write before Ink draws again; '' when nothing was broken */
export function wipeAfterNarrowing({ rows, cursor }: Rows, columns: number, reflow: Reflow): string {
  if (!reflow.breaks) return ''
  const widths = rows.map((row) => widthOf(stripVTControlCharacters(row)))
  if (widths.every((width) => width <= columns)) return ''
  const heights = widths.map((width) => Math.max(1, Math.ceil(width / columns)))
  const inCursorRow = reflow.breaksCursorRow ? Math.floor(cursor.x / columns) : 0
  const above = heights.slice(0, cursor.y).reduce((sum, height) => sum + height, 0) + inCursorRow
  const up = above > 0 ? `\x1b[${above}A` : ''
  // As many rows as Ink will go over, so that it wipes nothing but these.
  const below = '\n'.repeat(rows.length)
  const back = rows.length - cursor.y
  return `\r${up}\x1b[J${below}${back > 0 ? `\x1b[${back}A` : ''}`
}
