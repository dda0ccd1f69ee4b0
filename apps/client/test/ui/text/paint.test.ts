// When there are colours, and which.
import { expect, it } from 'vitest'
import { colourDepth, createPaint, noPaint } from '../../../src/ui/text/paint.ts'

it.each([
  [{ TERM: 'xterm-256color' }, 2],
  [{ TERM: 'xterm' }, 1],
  [{ TERM: 'xterm', COLORTERM: 'truecolor' }, 2],
  [{ TERM: 'dumb' }, 0],
  [{ TERM: 'xterm-256color', NO_COLOR: '1' }, 0],
  [{ TERM: 'xterm-256color', NO_COLOR: '' }, 2],
  [{ TERM: 'xterm-256color', NO_COLOR: '1', FORCE_COLOR: '3' }, 0],
  [{ TERM: 'dumb', FORCE_COLOR: '1' }, 1],
  [{ TERM: 'xterm-256color', FORCE_COLOR: '0' }, 0],
])('%j has colour depth %i', (env, depth) => {
  expect(colourDepth(env)).toBe(depth)
})

it('changes nothing without colours', () => {
  expect(createPaint(0)).toBe(noPaint)
  expect(noPaint.name('ab', 'Bob') + noPaint.style('warning', '!')).toBe('Bob!')
})

it('gives every name a colour with a contrast of at least 3.9 to black and to white', () => {
  const level = [0, 95, 135, 175, 215, 255]
  const linear = (value: number) =>
    value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4
  const seen = new Set<number>()
  for (let i = 0; i < 64; i += 1) {
    const shown = createPaint(2).name(i.toString(16).padStart(8, '0'), 'x')
    const index = Number(/38;5;(\d+)m/.exec(shown)?.[1]) - 16
    seen.add(index)
    const [r = 0, g = 0, b = 0] = [index / 36, (index / 6) % 6, index % 6].map(
      (part) => level[Math.floor(part)] ?? 0,
    )
    const luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    expect(Math.min(1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05)).toBeGreaterThan(3.9)
  }
  expect(seen.size).toBe(12)
})
