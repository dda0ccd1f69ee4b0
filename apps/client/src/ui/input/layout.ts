// How text takes its place in columns: widths of what people see as characters, and a draft broken into rows with the
// cursor's place. Everything is made harmless here, one grapheme at a time, so that widths are those that are shown.
import stringWidth from 'string-width'
import { sanitiseLine } from '../../sanitise.ts'
import { type Draft, graphemesOf } from './editor.ts'

/** Columns that harmless text takes. */
export function widthOf(text: string): number {
  return stringWidth(text)
}

/** Cuts harmless text to so many columns, with an ellipsis when something goes. */
export function fit(text: string, columns: number): string {
  if (columns <= 0) return ''
  if (widthOf(text) <= columns) return text
  let width = 0
  let kept = ''
  for (const grapheme of graphemesOf(text)) {
    width += widthOf(grapheme)
    if (width > columns - 1) break
    kept += grapheme
  }
  return `${kept}…`
}

/** Most of what people type: nothing to look up. */
const plain = /^[\x20-\x7e]$/

export type Rows = {
  rows: string[]
  /** Zero-based column and row within `rows`. */
  cursor: { x: number; y: number }
}

/**
 * @param prompt harmless
 * @param columns at least 2: the last one stays free, terminals differ about it
 * @param rowsMax more rows are cut around the cursor
 */
export function layoutDraft(prompt: string, { text, cursor }: Draft, columns: number, rowsMax: number): Rows {
  const width = Math.max(1, columns - 1)
  const head = fit(prompt, Math.max(1, Math.floor(width / 2)))
  const rows = ['']
  let x = 0
  let at = 0
  let place: { x: number; y: number } | null = null
  const put = (shown: string) => {
    const wide = plain.test(shown) ? 1 : widthOf(shown)
    if (x + wide > width) {
      rows.push('')
      x = 0
    }
    rows[rows.length - 1] += shown
    x += wide
  }
  for (const grapheme of graphemesOf(head)) put(grapheme)
  for (const grapheme of graphemesOf(text)) {
    if (at >= cursor && place === null) place = { x, y: rows.length - 1 }
    at += grapheme.length
    if (grapheme === '\n' || grapheme === '\r\n') {
      rows.push('')
      x = 0
    } else if (plain.test(grapheme)) put(grapheme)
    else for (const part of graphemesOf(sanitiseLine(grapheme))) put(part)
  }
  // Behind a full row the cursor stands at the begin of the next.
  const end = place ?? { x, y: rows.length - 1 }
  if (end.x >= width) {
    if (end.y + 1 === rows.length) rows.push('')
    end.x = 0
    end.y += 1
  }
  if (rows.length <= rowsMax) return { rows, cursor: end }
  const first = Math.min(Math.max(0, end.y - rowsMax + 1), rows.length - rowsMax)
  return { rows: rows.slice(first, first + rowsMax), cursor: { x: end.x, y: end.y - first } }
}
