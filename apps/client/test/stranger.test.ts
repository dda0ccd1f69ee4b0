// The client that a stranger wrote from docs/protocol.md (libs/crypto/test/python/stranger.py) reads what it missed and
// repairs what a relay lost, as our own does. Skips where there is no Python or no PyPI.
import { join } from 'node:path'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { findPython, type Python, pythonDir } from '../../../libs/crypto/test/python.venv.ts'
import { endAll, startChatter } from './e2e/processes.ts'
import { type FakeRelay, startFakeRelay } from './fake-relay.ts'

let python: Python
let relay: FakeRelay
beforeAll(async () => {
  python = await findPython()
  relay = await startFakeRelay()
})
afterEach(async () => {
  await endAll()
  await relay.close()
})

it('misses nothing that the log has, and says what it has not', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  const room = { relay: relay.url, server: 'Lobby', pin: 'secret123' }
  const ana = startChatter({ ...room, user: 'Ana' })
  await ana.until(({ type }) => type === 'ready')
  const bob = startChatter({ ...room, user: 'Bob' }, [python.path, '-B', join(pythonDir, 'stranger.py')])
  await bob.until(({ type }) => type === 'ready')
  await ana.until(({ type, user }) => type === 'joined' && user === 'Bob')
  const says = async (text: string) => {
    ana.say(text)
    await ana.until((event) => event.type === 'message' && event['text'] === text)
  }
  relay.delivers = false
  await says('one')
  relay.delivers = true
  await says('two')
  await bob.until((event) => event['text'] === 'two')
  relay.delivers = false
  await says('three')
  relay.forgetLogs()
  relay.delivers = true
  await says('four')
  await bob.until((event) => event['text'] === 'four')
  bob.say('five')
  await ana.until((event) => event['text'] === 'five')
  await bob.until((event) => event['text'] === 'five')
  relay.loseTails(1)
  await says('six')
  await bob.until((event) => event['text'] === 'six')
  const told = bob.events.filter(({ type }) => type === 'message').map((event) => event['text'])
  expect(told).toEqual(['one', 'two', 'four', 'five', 'six'])
  const warnings = bob.errors().trim().split('\n')
  expect(warnings.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { code: 'gap', size: 1 },
    { code: 'rewound', size: 1 },
  ])
}, 60_000)
