// When a window gets narrower, terminals break the rows that stand on it anew. Ink does not know: this finds where the
// footer begins now, wipes it, and leaves the cursor where Ink believes it is.

import { stripVTControlCharacters } from 'node:util'
import { type Rows, widthOf } from '../input/layout.ts'

/** Those that cut rows instead of breaking them. */
export function reflows(env: Record<string, string | undefined>): boolean {
  const { TERM: term = '', XTERM_VERSION: xterm, TMUX: tmux } = env
  return xterm === undefined && !(term.startsWith('screen') && tmux === undefined) && term !== 'linux'
}

/** @returns what to write before Ink draws again; '' when nothing was broken */
export function wipeAfterNarrowing({ rows, cursor }: Rows, columns: number): string {
  const heights = rows.map((row) => Math.max(1, Math.ceil(widthOf(stripVTControlCharacters(row)) / columns)))
  if (heights.every((height) => height === 1)) return ''
  const above =
    heights.slice(0, cursor.y).reduce((sum, height) => sum + height, 0) + Math.floor(cursor.x / columns)
  const up = above > 0 ? `\x1b[${above}A` : ''
  // As many rows as Ink will go over, so that it wipes nothing but these.
  const below = '\n'.repeat(rows.length)
  const back = rows.length - cursor.y
  return `\r${up}\x1b[J${below}${back > 0 ? `\x1b[${back}A` : ''}`
}
