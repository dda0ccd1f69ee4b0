// Who is called by a text.
import { expect, it } from 'vitest'
import { mentions } from '../../src/chat/mention.ts'

it.each([
  ['alice: look', 'Alice', true],
  ['hi ALICE!', 'Alice', true],
  ['@alice?', 'Alice', true],
  ['(Alice)', 'Alice', true],
  ['malice and alices', 'Alice', false],
  ['alice_2 alice2', 'Alice', false],
  ['ask Ann Lee about it', 'ann lee', true],
  ['ask Ann Leeds', 'ann lee', false],
  ['Özgür geldi', 'özgür', true],
  ['anything', '', false],
  [`${'x '.repeat(10_000)}alice`, 'Alice', false],
])('%.20j for %s: %s', (text, name, called) => {
  expect(mentions(text, name)).toBe(called)
})

it('takes no time over a megabyte', () => {
  const startedAt = Date.now()
  mentions('a'.repeat(1_000_000), 'a'.repeat(64))
  expect(Date.now() - startedAt).toBeLessThan(200)
})
