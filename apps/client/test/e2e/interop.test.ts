// PyChat's own client chats with a stranger's: libs/crypto/test/python/stranger.py was written from docs/protocol.md
// alone, in another language, so the page is held to the code. Skips where there is no Python or no PyPI.
import { join } from 'node:path'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { findPython, type Python, pythonDir } from '../../../../libs/crypto/test/python.venv.ts'
import { type Chatter, endAll, startChatter, startNode } from './processes.ts'

let python: Python

beforeAll(async () => {
  python = await findPython()
})
afterEach(endAll)

const from = (user: string) => (event: { type: string; [field: string]: unknown }) =>
  event.type === 'message' && event['from'] === user
const said = (chatter: Chatter) =>
  chatter.events.filter(({ type }) => type === 'message').map(({ from, text, seq }) => ({ from, text, seq }))

it('chats both ways with a client that a stranger wrote from the protocol page', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  const stranger: [string, ...string[]] = [python.path, '-B', join(pythonDir, 'stranger.py')]
  const relay = (await startNode()).url
  const pin = ' Abandon ability-ABLE  about above absent'
  const ana = startChatter({ relay, server: 'Caf\u00e9 Lobby', pin, user: 'Ana' })
  const { room } = await ana.until(({ type }) => type === 'ready')
  ana.say('Nobody else hears this.')
  await ana.until(from('Ana'))

  // The same room by another spelling of its name and PIN.
  const friends = { relay, server: ' cAFE\u0301\u2003LOBBY', pin: 'abandon-ability-able-about-above-absent' }
  const bob = startChatter({ ...friends, user: 'Bob' }, stranger)
  expect(await bob.until(({ type }) => type === 'ready')).toMatchObject({ room, users: ['Ana', 'Bob'] })
  await ana.until(({ type, user }) => type === 'joined' && user === 'Bob')

  const words = ['hello \u{1f44b}', 'x'.repeat(157), 'x'.repeat(158), 'gr\u00fc\u00dfe '.repeat(1800)]
  const expected: { from: string; text: string; seq: number }[] = []
  for (const text of words)
    for (const [user, chatter, other] of [
      ['Ana', ana, bob],
      ['Bob', bob, ana],
    ] as const) {
      expected.push({ from: user, text: text.trim(), seq: expected.length + 2 })
      chatter.say(text.trim())
      const { seq } = expected.at(-1) as { seq: number }
      await Promise.all([ana, bob].map((one) => one.until((event) => event['seq'] === seq)))
      expect(said(other).at(-1)).toEqual(expected.at(-1))
    }
  expect(said(bob)).toEqual(expected)
  expect(said(ana).slice(1)).toEqual(expected)

  const carol = startChatter({ ...friends, user: 'Carol' })
  await bob.until(({ type, user }) => type === 'joined' && user === 'Carol')
  carol.say('I was not here before.')
  await bob.until(from('Carol'))
  const taken = startChatter({ ...friends, user: 'CAROL' }, stranger)
  expect(await taken.exited).toBe(3)
  expect(taken.events).toEqual([{ type: 'error', code: 'name-taken' }])
  carol.say('/quit')
  await bob.until(({ type, user }) => type === 'left' && user === 'Carol')

  bob.process.stdin?.end('Bye.\n')
  expect(await bob.exited).toBe(0)
  expect(await ana.until(({ type, user }) => type === 'left' && user === 'Bob')).toMatchObject({
    why: 'left',
  })
  expect(said(ana).at(-1)).toMatchObject({ from: 'Bob', text: 'Bye.' })
  // Nobody saw a gap, a fork, or anything unreadable: both keep the log and its chain alike.
  expect(bob.errors()).toBe('')
  const troubles = ana.events.filter(({ code }) => /gap|fork|unreadable|key/.test(String(code)))
  expect(troubles).toEqual([])
}, 60_000)
