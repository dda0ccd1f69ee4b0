// A node goes, Redis goes: clients are told, nothing looks sent that was not, and afterwards all is well.
import { afterEach, expect, inject, it } from 'vitest'
import { type Door, startDoor } from './door.ts'
import { admin, endAll, type Node, startChatter, startNode } from './processes.ts'
import { randomId } from './raw-member.ts'

const doors: Door[] = []

afterEach(async () => {
  await endAll()
  await Promise.all(doors.splice(0).map((door) => door.close()))
})

async function doorTo(...urls: string[]): Promise<Door> {
  const door = await startDoor(
    urls.map((url) => {
      const { hostname, port } = new URL(url)
      return { host: hostname, port: Number(port) }
    }),
  )
  doors.push(door)
  return door
}

const pair = { server: 'Harbour', pin: 'a long enough pin' }
const online = { type: 'state', state: 'online' }

async function readyCode(node: Node): Promise<number> {
  return (await fetch(`${node.opsUrl}/readyz`)).status
}

it('ends a node within 10 s of SIGTERM while its clients move to another node by themselves', async () => {
  const settings = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: `faults-${randomId(4)}` }
  const first = await startNode(settings)
  const second = await startNode(settings)
  const door = await doorTo(first.url, second.url)
  const relay = `ws://127.0.0.1:${door.port}`
  const alice = startChatter({ relay, ...pair, user: 'Alice' })
  await alice.until((event) => event.type === 'ready')
  const bob = startChatter({ relay, ...pair, user: 'Bob' })
  await bob.until((event) => event.type === 'ready')

  const signalledAt = Date.now()
  first.process.kill('SIGTERM')
  expect(await first.exited).toBe(0)
  expect(Date.now() - signalledAt).toBeLessThan(10_000)

  alice.say('Are you still there?')
  await bob.until((event) => event.type === 'message' && event['text'] === 'Are you still there?')
  bob.say('I am.')
  await alice.until((event) => event.type === 'message' && event['text'] === 'I am.')
  expect([...alice.events, ...bob.events].filter((event) => event.type === 'left')).toEqual([])
}, 60_000)

for (const way of ['cut', 'frozen'] as const) {
  it(`tells clients while Redis is ${way} for 10 s, shows nothing as sent, and delivers once afterwards`, async () => {
    const way2redis = await doorTo(inject('redisUrl'))
    const settings = {
      PYCHAT_REDIS_URL: inject('redisUrl').replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${way2redis.port}`),
      PYCHAT_REDIS_PREFIX: `faults-${randomId(4)}`,
    }
    const node = await startNode(settings)
    const alice = startChatter({ relay: node.url, ...pair, user: 'Alice' })
    await alice.until((event) => event.type === 'ready')
    const bob = startChatter({ relay: node.url, ...pair, user: 'Bob' })
    await bob.until((event) => event.type === 'ready')
    alice.say('before')
    await bob.until((event) => event.type === 'message' && event['text'] === 'before')

    if (way === 'cut') await way2redis.shut()
    else way2redis.freeze()
    const cutAt = Date.now()
    const seen = alice.events.length
    await alice.until((event) => alice.events.indexOf(event) >= seen && event.type === 'state')
    alice.say('during')
    await new Promise((resolve) => setTimeout(resolve, 9_000 - (Date.now() - cutAt)))
    expect(alice.events.some((event) => event.type === 'message' && event['text'] === 'during')).toBe(false)
    expect(await readyCode(node)).toBe(503)

    const back = alice.events.length
    if (way === 'cut') await way2redis.open()
    else way2redis.thaw()
    await alice.until((event) => event.type === 'message' && event['text'] === 'during', 30_000)
    await bob.until((event) => event.type === 'message' && event['text'] === 'during', 30_000)
    await alice.until((event) => alice.events.indexOf(event) >= back && event['state'] === online.state)
    bob.say('after')
    await alice.until((event) => event.type === 'message' && event['text'] === 'after')
    expect(bob.events.filter((event) => event.type === 'message' && event['text'] === 'during')).toHaveLength(
      1,
    )
    await expect.poll(() => readyCode(node), { timeout: 15_000, interval: 250 }).toBe(200)
    expect((await admin(node, 'servers', '--json')).code).toBe(0)
  }, 90_000)
}
