// The footer as an Ink component: rows as they are given, and printing above.
import { render } from 'ink-testing-library'
import { createElement } from 'react'
import { expect, it } from 'vitest'
import { Footer, type Print } from '../../../src/ui/ink/app.ts'

const footer = (rows: string[], onPrint: (print: Print) => void = () => {}) =>
  createElement(Footer, { rows, cursor: { x: 0, y: 0 }, onPrint })

it('draws each row, an empty one too, and draws them anew', () => {
  const { lastFrame, rerender, unmount } = render(footer(['online', '', 'dev> hi']))
  expect(lastFrame()).toBe('online\n\ndev> hi')
  rerender(footer(['offline', 'dev> hi there']))
  expect(lastFrame()).toBe('offline\ndev> hi there')
  unmount()
})

it('keeps our own colours and cuts what is too wide', () => {
  const { lastFrame, unmount } = render(footer([`\x1b[2m${'x'.repeat(200)}\x1b[0m`]))
  expect(lastFrame()).toMatch(/^\x1b\[2mx{99}…\x1b\[/)
  unmount()
})

it('gives a way to print above itself', async () => {
  let print: Print | null = null
  const { frames, unmount } = render(
    footer(['dev> '], (given) => {
      print = given
    }),
  )
  await expect.poll(() => print).not.toBe(null)
  const given = print as Print | null
  given?.('a line\n')
  expect(frames).toContain('a line\n')
  unmount()
})
