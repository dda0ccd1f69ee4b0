// Who came, spoke and left while somebody was cut off is heard all the same, as if nothing had been: by our client over
// a real node, and by the second implementation over a relay that let it miss that.
import { join } from 'node:path'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { findPython, type Python, pythonDir } from '../../../../libs/crypto/test/python.venv.ts'
import { type FakeRelay, startFakeRelay } from '../fake-relay.ts'
import { type Door, startDoor } from './door.ts'
import { type ChatEvent, type Chatter, endAll, startChatter, startNode } from './processes.ts'

let python: Python
let door: Door | null = null
let fake: FakeRelay | null = null
beforeAll(async () => {
  python = await findPython()
})
afterEach(async () => {
  await endAll()
  await door?.close()
  await fake?.close()
  door = null
  fake = null
})

const room = { server: 'Harbour', pin: 'a long enough pin' }
const isReady = ({ type }: ChatEvent) => type === 'ready'
const told = (chatter: Chatter) =>
  chatter.events.filter(({ type }) => type === 'message').map((event) => event['text'])
const says = async (chatter: Chatter, text: string) => {
  chatter.say(text)
  await chatter.until((event) => event.type === 'message' && event['text'] === text)
}
/** Carol comes, says two things and leaves. */
async function visit(relay: string) {
  const carol = startChatter({ relay, ...room, user: 'Carol' })
  await carol.until(isReady)
  await says(carol, 'I was here,')
  await says(carol, 'and have to go.')
  carol.say('/quit')
  expect(await carol.exited).toBe(0)
}

it('shows what somebody said who came and left while the client was cut off, once and without a warning', async () => {
  const node = await startNode({ PYCHAT_GRACE_MS: '60000' })
  const { hostname, port } = new URL(node.url)
  door = await startDoor([{ host: hostname, port: Number(port) }])
  const bob = startChatter({ relay: `ws://127.0.0.1:${door.port}`, ...room, user: 'Bob' })
  await bob.until(isReady)
  const dave = startChatter({ relay: node.url, ...room, user: 'Dave' })
  await dave.until(isReady)
  await says(dave, 'before')
  await bob.until((event) => event['text'] === 'before')

  await door.shut()
  await bob.until((event) => event['state'] === 'offline')
  await visit(node.url)
  await says(dave, 'after')
  await door.open()

  await bob.until((event) => event['text'] === 'after', 40_000)
  await says(bob, 'I am back.')
  expect(told(bob)).toEqual(['before', 'I was here,', 'and have to go.', 'after', 'I am back.'])
  await dave.until((event) => event['text'] === 'I am back.')
  expect(told(dave)).toEqual(told(bob))
  // Bob heard of no coming and going of Carol, and nobody of Bob's.
  const users = (chatter: Chatter) =>
    chatter.events.filter(({ type }) => type === 'joined' || type === 'left').map(({ user }) => user)
  expect([users(bob), users(dave)]).toEqual([['Dave'], ['Carol', 'Carol']])
  const troubles = [...bob.events, ...dave.events].filter(({ code }) =>
    /gap|rewound|fork|unreadable|key/.test(String(code)),
  )
  expect(troubles).toEqual([])
}, 90_000)

it('is read alike by the client that a stranger wrote from the protocol page', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  fake = await startFakeRelay()
  const relay = fake.url
  const ana = startChatter({ relay, ...room, user: 'Ana' })
  await ana.until(isReady)
  const bob = startChatter({ relay, ...room, user: 'Bob' }, [
    python.path,
    '-B',
    join(pythonDir, 'stranger.py'),
  ])
  await bob.until(isReady)
  fake.delivers = false
  await visit(relay)
  await bob.until(({ type, user }) => type === 'left' && user === 'Carol')
  fake.delivers = true
  await says(ana, 'after')
  await bob.until((event) => event['text'] === 'after')
  expect(told(bob)).toEqual(['I was here,', 'and have to go.', 'after'])
  expect(bob.errors()).toBe('')
}, 60_000)
