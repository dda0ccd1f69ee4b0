// A text with a cursor, and what readline's keys do to it. Moves by what people see as one character (graphemes).
// Pure: every function gives a new draft.

/** `cursor` is an index into `text`, always between two graphemes. */
export type Draft = { readonly text: string; readonly cursor: number }

export const emptyDraft: Draft = { text: '', cursor: 0 }

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

export function graphemesOf(text: string): string[] {
  return Array.from(graphemes.segment(text), ({ segment }) => segment)
}

/** Looked at around a place: no grapheme that a person types is longer, and a draft may be long. */
const windowSize = 256

function previousPlace({ text, cursor }: Draft): number {
  const from = Math.max(0, cursor - windowSize)
  const last = graphemesOf(text.slice(from, cursor)).at(-1)
  return cursor - (last?.length ?? 0)
}

function nextPlace({ text, cursor }: Draft): number {
  const [first] = graphemesOf(text.slice(cursor, cursor + windowSize))
  return cursor + (first?.length ?? 0)
}

export function insert({ text, cursor }: Draft, added: string): Draft {
  return { text: text.slice(0, cursor) + added + text.slice(cursor), cursor: cursor + added.length }
}

export function left(draft: Draft): Draft {
  return { ...draft, cursor: previousPlace(draft) }
}

export function right(draft: Draft): Draft {
  return { ...draft, cursor: nextPlace(draft) }
}

const wordPart = /[\p{L}\p{N}\p{M}_]/u
const blank = /\s/u

/** The place before all that fits, going back from `at`. Code units do: no letter's half fits alone. */
function back(text: string, at: number, fits: (character: string) => boolean): number {
  let place = at
  while (place > 0) {
    const low = text.charCodeAt(place - 1)
    const size = low >= 0xdc00 && low <= 0xdfff && place > 1 ? 2 : 1
    if (!fits(text.slice(place - size, place))) break
    place -= size
  }
  return place
}

function forth(text: string, at: number, fits: (character: string) => boolean): number {
  let place = at
  while (place < text.length) {
    const character = String.fromCodePoint(text.codePointAt(place) ?? 0)
    if (!fits(character)) break
    place += character.length
  }
  return place
}

const inWord = (character: string) => wordPart.test(character)
const outside = (character: string) => !wordPart.test(character)

/** To the begin of the word before, as Alt-b. */
export function wordLeft({ text, cursor }: Draft): Draft {
  return { text, cursor: back(text, back(text, cursor, outside), inWord) }
}

/** Behind the end of the next word, as Alt-f. */
export function wordRight({ text, cursor }: Draft): Draft {
  return { text, cursor: forth(text, forth(text, cursor, outside), inWord) }
}

export function lineStart({ text, cursor }: Draft): Draft {
  return { text, cursor: cursor === 0 ? 0 : text.lastIndexOf('\n', cursor - 1) + 1 }
}

export function lineEnd({ text, cursor }: Draft): Draft {
  const end = text.indexOf('\n', cursor)
  return { text, cursor: end < 0 ? text.length : end }
}

/** Up or down a line of a draft that has several; null when there is none. @param step -1 or 1 */
export function lineMove(draft: Draft, step: -1 | 1): Draft | null {
  const start = lineStart(draft).cursor
  const column = graphemesOf(draft.text.slice(start, draft.cursor)).length
  let from: number
  if (step < 0) {
    if (start === 0) return null
    from = lineStart({ text: draft.text, cursor: start - 1 }).cursor
  } else {
    const end = lineEnd(draft).cursor
    if (end === draft.text.length) return null
    from = end + 1
  }
  const line = draft.text.slice(from, lineEnd({ text: draft.text, cursor: from }).cursor)
  return { text: draft.text, cursor: from + graphemesOf(line).slice(0, column).join('').length }
}

/** A draft, and what was taken out of it. */
export type Cut = { draft: Draft; cut: string }

function cutBetween({ text }: Draft, from: number, to: number): Cut {
  return { draft: { text: text.slice(0, from) + text.slice(to), cursor: from }, cut: text.slice(from, to) }
}

export function backspace(draft: Draft): Draft {
  return cutBetween(draft, previousPlace(draft), draft.cursor).draft
}

export function deleteForward(draft: Draft): Draft {
  return cutBetween(draft, draft.cursor, nextPlace(draft)).draft
}

/** Ctrl-k: to the end of the line; at its end the line break goes. */
export function killToEnd(draft: Draft): Cut {
  const end = lineEnd(draft).cursor
  return cutBetween(draft, draft.cursor, end === draft.cursor ? Math.min(draft.text.length, end + 1) : end)
}

/** Ctrl-u: to the begin of the line; at its begin the line break before goes. */
export function killToStart(draft: Draft): Cut {
  const start = lineStart(draft).cursor
  return cutBetween(draft, start === draft.cursor ? Math.max(0, start - 1) : start, draft.cursor)
}

/** Ctrl-w: back to white space. */
export function killWordBack(draft: Draft): Cut {
  const { text, cursor } = draft
  const end = back(text, cursor, (character) => blank.test(character))
  return cutBetween(
    draft,
    back(text, end, (character) => !blank.test(character)),
    cursor,
  )
}

/** Alt-Backspace. */
export function killWordLeft(draft: Draft): Cut {
  return cutBetween(draft, wordLeft(draft).cursor, draft.cursor)
}

/** Alt-d. */
export function killWordRight(draft: Draft): Cut {
  return cutBetween(draft, draft.cursor, wordRight(draft).cursor)
}

/** Ctrl-t: swaps the graphemes around the cursor. */
export function swap(draft: Draft): Draft {
  const at = draft.cursor === draft.text.length ? left(draft) : draft
  const before = previousPlace(at)
  const after = nextPlace(at)
  if (before === at.cursor || after === at.cursor) return draft
  const { text, cursor } = at
  return {
    text: text.slice(0, before) + text.slice(cursor, after) + text.slice(before, cursor) + text.slice(after),
    cursor: after,
  }
}
