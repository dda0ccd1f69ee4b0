// Colours, chosen so that they are readable on light and on dark, and never the only sign of anything. Text is made
// harmless before it is painted.

export type Style = 'time' | 'own' | 'quiet' | 'warning' | 'call' | 'strong'

export type Paint = {
  style(style: Style, text: string): string
  /** A name in the colour of its key: the same person looks the same under another name. @param key hex digits */
  name(key: string, text: string): string
}

/** 0: none, 1: the terminal's 16, 2: 256. */
export type ColourDepth = 0 | 1 | 2

export const noPaint: Paint = { style: (_style, text) => text, name: (_key, text) => text }

const codes: Record<Style, string> = {
  time: '2',
  own: '1',
  quiet: '2',
  warning: '1;31',
  call: '1;7',
  strong: '1',
}

/** Of the terminal's own 16, those that are dark enough for white and light enough for black. */
const fewColours = ['32', '35', '36', '31']
/** Each has a contrast of at least 4 both to black and to white. */
const manyColours = [130, 64, 28, 29, 30, 31, 27, 98, 129, 133, 162, 132].map((index) => `38;5;${index}`)

/** NO_COLOR wins, then FORCE_COLOR, then what the terminal says of itself. */
export function colourDepth(env: Record<string, string | undefined>): ColourDepth {
  const { NO_COLOR: no, FORCE_COLOR: force, TERM: term = '', COLORTERM: more } = env
  if (no !== undefined && no !== '') return 0
  if (force !== undefined) {
    if (force === '0' || force === 'false') return 0
    return force === '2' || force === '3' ? 2 : 1
  }
  if (term === 'dumb') return 0
  return /256|kitty|alacritty|ghostty/.test(term) || (more !== undefined && more !== '') ? 2 : 1
}

export function createPaint(depth: ColourDepth): Paint {
  if (depth === 0) return noPaint
  const colours = depth === 2 ? manyColours : fewColours
  const wrap = (code: string, text: string) => `\x1b[${code}m${text}\x1b[0m`
  return {
    style: (style, text) => wrap(codes[style], text),
    name(key, text) {
      const index = Number.parseInt(key.slice(0, 8), 16) % colours.length
      return wrap(`1;${colours[index] ?? colours[0]}`, text)
    },
  }
}
