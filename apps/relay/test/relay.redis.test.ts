// Two relay nodes as child processes over one real Redis, and over a Redis Cluster: one room, one operator's answer.
import { nodesReplySchema, serversReplySchema } from '@pychat/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RelayChild, startRelay } from './child.ts'
import { freshPrefix, getRedis, getRedisCluster } from './support/redis.ts'
import { connect, frame, joinMessage } from './wire-client.ts'

const token = 'a-token-for-both-nodes'

describe.each([
  ['Redis', getRedis],
  ['Redis Cluster', getRedisCluster],
])('two nodes over one %s', (_, url) => {
  let one: RelayChild
  let two: RelayChild

  beforeAll(async () => {
    const env = { PYCHAT_REDIS_URL: url(), PYCHAT_REDIS_PREFIX: freshPrefix(), PYCHAT_ADMIN_TOKEN: token }
    ;[one, two] = await Promise.all([startRelay(env), startRelay({ ...env, PYCHAT_TRANSPORT: 'ws' })])
  })
  afterAll(() => Promise.all([one?.dispose(), two?.dispose()]))

  const ask = async (node: RelayChild, path: string): Promise<unknown> =>
    (await fetch(node.opsUrl + path, { headers: { authorization: `Bearer ${token}` } })).json()

  test('carry one room, and either answers for both', async () => {
    const [alice, bob] = [await connect(one.url), await connect(two.url)]
    const a = joinMessage(1)
    const b = joinMessage(1, { room: a.room })
    alice.send(a)
    await alice.control('joined')
    bob.send(b)
    expect(await bob.control('joined')).toMatchObject({ count: 2 })
    await alice.until(() =>
      alice.controls.some((each) => each.t === 'arrived' && each.member.session === b.session),
    )
    for (let counter = 1; counter <= 20; counter += 1) {
      alice.socket.send(frame(a.session, counter))
      bob.socket.send(frame(b.session, counter))
    }
    for (const each of [alice, bob]) {
      await each.until(() => each.deliveries.length === 40, 'deliveries')
      expect(each.deliveries.map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
    }
    const order = ({ deliveries }: typeof alice) =>
      deliveries.map((each) => Buffer.from(each.frame).toString('hex'))
    expect(order(alice)).toEqual(order(bob))

    const thief = await connect(two.url)
    thief.send(joinMessage(1, { room: a.room, tag: a.tag }))
    expect(await thief.control('refused')).toMatchObject({ code: 'name-taken' })

    for (const node of [one, two]) {
      expect(nodesReplySchema.parse(await ask(node, '/admin/v1/nodes')).nodes).toEqual({
        asked: 2,
        answered: 2,
      })
      const { servers } = serversReplySchema.parse(await ask(node, '/admin/v1/servers'))
      expect(servers).toMatchObject([{ room: a.room, users: 2, nodes: 2, messages: 40 }])
    }
    for (const each of [alice, bob, thief]) each.socket.close()
  })

  test('a client of a node that is stopped goes on at the other one, and nobody sees it leave', async () => {
    const [alice, bob] = [await connect(one.url), await connect(two.url)]
    const a = joinMessage(1)
    const b = joinMessage(1, { room: a.room })
    alice.send(a)
    await alice.control('joined')
    bob.send(b)
    await bob.control('joined')
    bob.socket.send(frame(b.session, 1))
    await bob.until(() => bob.deliveries.length === 1)
    two.process.kill('SIGTERM')
    await bob.control('goaway')
    const again = await connect(one.url)
    again.send(b)
    expect(await again.control('joined')).toMatchObject({ counter: 1, count: 2 })
    bob.socket.close()
    expect(await two.exited).toBe(0)
    again.socket.send(frame(b.session, 2))
    await alice.until(() => alice.deliveries.length === 2, 'the message after the move')
    expect(alice.controls.filter((each) => each.t === 'departed')).toEqual([])
  })
})
