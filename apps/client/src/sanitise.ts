// THE one way for text from elsewhere to reach a terminal: what comes out holds no control, format, private,
// unassigned or invisible character, no flood of combining marks, and no more than so many characters and lines.
// What was taken out leaves a visible mark. Colours are added after it, never before.

const mark = '�'
const textCharactersMax = 16_000
const textLinesMax = 60
const nameCharactersMax = 64
const combiningMax = 4
/** Begins every further line of a message: no text can look like a line of its own. */
export const continuation = '      | '

/** Joiner and emoji variation, harmless and needed between and after pictures; keycaps too. */
const emojiParts =
  /(?<=\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)\u200d(?=\p{Extended_Pictographic})|(?<=\p{Emoji})\ufe0f/gu
const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu
const combiningFlood = new RegExp(`(\\p{M}{${combiningMax}})\\p{M}+`, 'gu')

function cleanLine(line: string): string {
  let clean = ''
  let at = 0
  for (const match of line.matchAll(emojiParts)) {
    clean += cleanPart(line.slice(at, match.index)) + match[0]
    at = match.index + match[0].length
  }
  return clean + cleanPart(line.slice(at))
}

function cleanPart(part: string): string {
  return part.replace(/[\t\p{Zs}]/gu, ' ').replace(hidden, mark)
}

function cut(text: string, charactersMax: number): string {
  // Twice as many code units hold at least so many characters; the rest need not be looked at.
  const characters = [...text.slice(0, 2 * charactersMax + 2)]
  return characters.length > charactersMax ? `${characters.slice(0, charactersMax).join('')}…` : text
}

/** One line: names, server names, reasons. Newlines become marks too. */
export function sanitiseName(text: string): string {
  return limitMarks(cleanLine(cut(text, nameCharactersMax).normalize('NFC')))
}

/** One line of any length that a terminal shows: sentences around names, error texts. */
export function sanitiseLine(text: string): string {
  return limitMarks(cleanLine(cut(text, textCharactersMax).normalize('NFC')))
}

/** A message, which may have lines: further ones begin with `continuation`. */
export function sanitiseText(text: string): string {
  const lines = cut(text, textCharactersMax)
    .normalize('NFC')
    .split(/\r\n|\n/)
  const shown = lines.slice(0, textLinesMax).map((line) => limitMarks(cleanLine(line)))
  if (lines.length > textLinesMax) shown.push(`… (${lines.length - textLinesMax} more lines)`)
  return shown.join(`\n${continuation}`)
}

function limitMarks(text: string): string {
  return text.replace(combiningFlood, `$1${mark}`)
}

/** JSON in which everything a terminal might obey is an escape: the same value, harmless even when displayed. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\x7f-\x9f\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu,
    (found) =>
      Array.from(
        { length: found.length },
        (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, '0')}`,
      ).join(''),
  )
}
