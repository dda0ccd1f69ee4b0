// An operator empties a node while people chat: they move to the other node and notice nothing.
import { nodesReplySchema } from '@pychat/protocol'
import { afterEach, expect, inject, it } from 'vitest'
import { type Door, startDoor } from './door.ts'
import { admin, type Chatter, endAll, type Node, startChatter, startNode } from './processes.ts'
import { randomId } from './raw-member.ts'

const doors: Door[] = []

afterEach(async () => {
  await endAll()
  await Promise.all(doors.splice(0).map((door) => door.close()))
})

async function twoNodes(): Promise<{ first: Node; second: Node; relay: string }> {
  const settings = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: `drain-${randomId(4)}` }
  const [first, second] = [await startNode(settings), await startNode(settings)]
  const targets = [first, second].map(({ url }) => ({ host: '127.0.0.1', port: Number(new URL(url).port) }))
  const door = await startDoor(targets)
  doors.push(door)
  return { first, second, relay: `ws://127.0.0.1:${door.port}` }
}

async function rowOf(node: Node) {
  const listed = await admin(node, 'nodes', '--json')
  const { list } = nodesReplySchema.parse(JSON.parse(listed.stdout))
  const row = list.find(({ listen }) => node.url.endsWith(listen))
  if (row === undefined) throw new Error(`not among the nodes: ${listed.stdout}`)
  return { row, list }
}

const users = ['Alice', 'Bob', 'Charlie', 'Dora', 'Emil', 'Frida']
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it('pychat-admin drain empties a node in time; nobody sees anybody leave, and every message arrives once', async () => {
  const { first, second, relay } = await twoNodes()
  const chatters: Chatter[] = []
  for (const user of users) {
    const chatter = startChatter({ relay, server: 'Harbour', pin: 'a long enough pin', user })
    await chatter.until((event) => event.type === 'ready')
    chatters.push(chatter)
  }
  const joined = (chatter: Chatter) => chatter.events.filter(({ type }) => type === 'joined').length
  await expect.poll(() => chatters.map(joined)).toEqual([5, 4, 3, 2, 1, 0])
  const { row } = await rowOf(first)
  expect(row.connections).toBe(3)
  const seenBefore = chatters.map((chatter) => chatter.events.length)

  const beganAt = Date.now()
  const draining = admin(second, 'drain', row.node.slice(0, 8), '--within', '5s', '--yes')
  const ended = first.exited.then((code) => ({ code, ms: Date.now() - beganAt }))
  const texts: string[] = []
  for (let round = 1; Date.now() - beganAt < 5500; round += 1) {
    for (const [i, chatter] of chatters.entries()) {
      const text = `${users[i]} ${round}`
      texts.push(text)
      chatter.say(text)
    }
    await pause(300)
  }

  const { code, stdout, stderr } = await draining
  expect(stdout).toMatch(/^Drained: 3 clients moved in \d s\.\n$/)
  expect(stderr).toMatch(/^Draining [0-9a-f]{8}\.\.\.: [123] of 3 connections left, [1-5] s to go\n/)
  expect(code).toBe(0)
  const end = await ended
  expect(end.code).toBe(0)
  // The program that gives the order needs a moment to start.
  expect(end.ms).toBeLessThan(6000)

  const last = texts.at(-1)
  for (const chatter of chatters) await chatter.until((event) => event['text'] === last)
  const after = chatters.map((chatter, i) => chatter.events.slice(seenBefore[i]))
  const heard = after.map((events) =>
    events.flatMap((event) => (event.type === 'message' ? event['text'] : [])),
  )
  for (const each of heard) {
    expect([...each].sort()).toEqual([...texts].sort())
    expect(each).toEqual(heard[0])
  }
  expect(after.flat().filter(({ type }) => type === 'left' || type === 'joined')).toEqual([])
  expect(after.flat().filter(({ type }) => type === 'notice' || type === 'error')).toEqual([])
  const { row: other, list } = await rowOf(second)
  expect(list).toHaveLength(1)
  expect(other).toMatchObject({ connections: users.length, members: users.length, state: 'ready' })
}, 90_000)

it('a node drained through its own ops port is seen to be gone, and unready meanwhile', async () => {
  const { first, second, relay } = await twoNodes()
  const alice = startChatter({ relay, server: 'Harbour', pin: 'a long enough pin', user: 'Alice' })
  await alice.until((event) => event.type === 'ready')
  const bob = startChatter({ relay: first.url, server: 'Harbour', pin: 'a long enough pin', user: 'Bob' })
  await bob.until((event) => event.type === 'ready')
  const { row } = await rowOf(first)
  expect(row.connections).toBe(2)

  const draining = admin(first, 'drain', row.node, '--within', '6s', '--yes', '--json')
  const other = async () =>
    nodesReplySchema.parse(JSON.parse((await admin(second, 'nodes', '--json')).stdout))
  await expect
    .poll(async () => (await other()).list.find(({ node }) => node === row.node)?.state, { timeout: 5000 })
    .toBe('draining')
  const ready = await fetch(`${first.opsUrl}/readyz`)
  expect([ready.status, await ready.text()]).toEqual([503, 'This node is draining.\n'])
  await expect(fetch(first.url.replace('ws:', 'http:'))).rejects.toThrow()

  const { code, stdout, stderr } = await draining
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(events[0]).toMatchObject({ event: 'progress', node: row.node, of: 2 })
  expect(events.at(-1)).toMatchObject({ event: 'drained', node: row.node, clients: 2 })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(await first.exited).toBe(0)
  await expect.poll(async () => (await rowOf(second)).row.connections).toBe(1)
}, 60_000)
