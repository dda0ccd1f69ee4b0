// Private messages over real nodes: they survive the death of a node, and nobody else ever holds them.
import { platform } from 'node:os'
import { afterEach, expect, inject, it } from 'vitest'
import { enter, room, stopAll, toward } from './community-member.ts'
import { memoryHolds } from './process-memory.ts'
import { endAll, type Node, startChatter, startNode } from './processes.ts'
import { randomId } from './raw-member.ts'

afterEach(async () => {
  await stopAll()
  await endAll()
})

async function nodes(count: number): Promise<Node[]> {
  const settings = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: `private-${randomId(4)}` }
  return Promise.all(Array.from({ length: count }, () => startNode(settings)))
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it("goes both ways while Bob's node is killed, losing and repeating nothing", async () => {
  const [one, two, three] = (await nodes(3)) as [Node, Node, Node]
  const server = 'Harbour'
  const alice = await enter({ relay: one.url, server, name: 'Alice' })
  const bob = await enter({ relay: [two.url, three.url], server, name: 'Bob' })
  const carol = await enter({ relay: three.url, server, name: 'Carol' })
  await alice.until('joined', ({ person }) => person.name === 'Carol')
  await alice.community.open(toward('Bob'))
  await alice.says(toward('Bob'), 'alice 0')
  await bob.until('opened')

  const sent = { alice: ['alice 0'], bob: [] as string[] }
  for (let i = 1; i <= 60; i += 1) {
    sent.alice.push(`alice ${i}`)
    sent.bob.push(`bob ${i}`)
    alice.community.send(toward('Bob'), `alice ${i}`)
    bob.community.send(toward('Alice'), `bob ${i}`)
    carol.community.send(room, `carol ${i}`)
    if (i === 20) two.process.kill('SIGKILL')
    await pause(100)
  }
  await bob.until('message', ({ text }) => text === 'alice 60', 60_000)
  await alice.until('message', ({ text }) => text === 'bob 60', 60_000)
  await bob.until('message', ({ text }) => text === 'carol 60', 60_000)
  for (const [person, view] of [
    [alice, toward('Bob')],
    [bob, toward('Alice')],
  ] as const) {
    const texts = person.texts(view)
    expect(texts.filter((text) => text.startsWith('alice'))).toEqual(sent.alice)
    expect(texts.filter((text) => text.startsWith('bob'))).toEqual(sent.bob)
    expect(person.of('failed')).toEqual([])
    expect(person.of('gap')).toEqual([])
  }
  expect(bob.texts()).toEqual(Array.from({ length: 60 }, (_, i) => `carol ${i + 1}`))
  expect(carol.of('message').filter(({ view }) => view.kind === 'private')).toEqual([])
}, 120_000)

it.runIf(platform() === 'linux')(
  "is nowhere in the memory of another member's process, nor of the relay's",
  async () => {
    const [node] = (await nodes(1)) as [Node]
    const server = 'Harbour'
    const start = async (user: string) => {
      const chatter = startChatter({ relay: node.url, server, pin: 'a long enough pin', user })
      await chatter.until(({ type }) => type === 'ready')
      return chatter
    }
    const [alice, bob, carol] = [await start('Alice'), await start('Bob'), await start('Carol')]
    await alice.until(({ type, user }) => type === 'joined' && user === 'Carol')
    const canary = `heron ${randomId(8)} ${randomId(8)}`
    const open = `pelican ${randomId(8)} ${randomId(8)}`
    alice.say(`/msg Bob ${canary}`)
    await bob.until(({ text }) => text === canary)
    alice.say(open)
    await carol.until(({ text }) => text === open)
    bob.say('/msg Alice and back')
    await alice.until(({ text }) => text === 'and back')

    const holds = (pid: number | undefined, text: string) => memoryHolds(pid ?? 0, text)
    expect(holds(bob.process.pid, canary)).toBe(true)
    expect(holds(carol.process.pid, open)).toBe(true)
    expect(holds(carol.process.pid, canary)).toBe(false)
    expect(holds(node.process.pid, canary)).toBe(false)
    expect(holds(node.process.pid, open)).toBe(false)
    expect(JSON.stringify(carol.events)).not.toContain(canary)
    expect(node.output()).not.toContain(canary)
  },
  120_000,
)
