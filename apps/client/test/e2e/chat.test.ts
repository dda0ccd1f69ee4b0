// People chat: the story of the README, with real relay processes, real clients and real Redis.
import { afterEach, describe, expect, inject, it } from 'vitest'
import { admin, endAll, type Node, startChatter, startNode } from './processes.ts'

afterEach(endAll)

const friends = { server: 'MyFriends', pin: 'secret123' }

async function tellTheStory(nodes: Node[]): Promise<void> {
  const at = (index: number) => (nodes[index % nodes.length] as Node).url
  const alice = startChatter({ relay: at(0), ...friends, user: 'Alice' })
  const aliceReady = await alice.until((event) => event.type === 'ready')
  const bob = startChatter({ relay: at(1), server: ' myfriends ', pin: 'secret123', user: 'Bob' })
  const charlie = startChatter({ relay: at(1), server: 'WorkTeam', pin: 'secret123', user: 'Charlie' })
  const mallory = startChatter({ relay: at(0), server: 'MyFriends', pin: 'wrong', user: 'Mallory' })
  const bobReady = await bob.until((event) => event.type === 'ready')
  const malloryReady = await mallory.until((event) => event.type === 'ready')
  await charlie.until((event) => event.type === 'ready')
  await alice.until((event) => event.type === 'joined' && event['user'] === 'Bob')

  expect(bobReady['room']).toBe(aliceReady['room'])
  expect(malloryReady['room']).not.toBe(aliceReady['room'])
  expect(bobReady['users']).toEqual(expect.arrayContaining(['Alice', 'Bob']))
  const alone = await mallory.until(
    (event) => event.type === 'notice' && String(event['text']).includes('alone'),
  )
  expect(String(alone['text'])).toContain(String(malloryReady['room']))

  alice.say('Hi Bob, it is Alice.')
  const heard = await bob.until((event) => event.type === 'message' && event['from'] === 'Alice')
  expect(heard).toMatchObject({ text: 'Hi Bob, it is Alice.', seq: 1, own: false })
  bob.say('Hello Alice!')
  const answer = await alice.until((event) => event.type === 'message' && event['from'] === 'Bob')
  expect(answer).toMatchObject({ text: 'Hello Alice!', seq: 2 })
  expect(await alice.until((event) => event.type === 'message' && event['own'] === true)).toMatchObject({
    seq: 1,
  })

  const second = startChatter({ relay: at(1), ...friends, user: 'ALICE' })
  expect(await second.exited).toBe(3)
  const refusal = second.events.find((event) => event.type === 'error')
  expect(JSON.stringify(refusal)).toMatch(/name/i)

  bob.say('/quit')
  expect(await bob.exited).toBe(0)
  await alice.until((event) => event.type === 'left' && event['user'] === 'Bob')

  expect(charlie.events.filter((event) => event.type === 'message' || event.type === 'joined')).toEqual([])
  expect(mallory.events.filter((event) => event.type === 'message' || event.type === 'joined')).toEqual([])

  const listed = await admin(nodes[0] as Node, 'servers', '--json')
  expect(listed.code, listed.stderr).toBe(0)
  const reply = JSON.parse(listed.stdout)
  expect(reply.nodes).toEqual({ asked: nodes.length, answered: nodes.length })
  expect(reply.servers).toHaveLength(3)
  expect(listed.stdout).not.toMatch(/MyFriends|Alice/i)
}

describe('people chat', () => {
  it('on one embedded node', async () => {
    await tellTheStory([await startNode()])
  }, 60_000)

  it('on one embedded node with the ws transport', async () => {
    await tellTheStory([await startNode({ PYCHAT_TRANSPORT: 'ws' })])
  }, 60_000)

  it('on two nodes over one Redis', async () => {
    const settings = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: 'story' }
    await tellTheStory([await startNode(settings), await startNode(settings)])
  }, 60_000)

  it('on two nodes over a Redis Cluster of three primaries', async () => {
    const settings = { PYCHAT_REDIS_URL: inject('redisClusterUrl'), PYCHAT_REDIS_PREFIX: 'story' }
    await tellTheStory([await startNode(settings), await startNode(settings)])
  }, 60_000)
})
