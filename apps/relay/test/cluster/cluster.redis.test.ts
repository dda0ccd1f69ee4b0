import { afterEach, describe, expect, it } from 'vitest'
import { leaseKey, nodeChannel } from '../../src/redis/keys.ts'
import { type RedisNode, redisFactory, shortTimes } from '../rooms/redis.nodes.ts'
import { connectRedis, getRedis, getRedisCluster } from '../support/redis.ts'
import { clusterContract, handlersOf } from './contract.ts'

for (const [name, url] of [
  ['Redis', getRedis()],
  ['Redis Cluster', getRedisCluster()],
] as const) {
  clusterContract(name, async () => {
    const { store } = await redisFactory(url).node()
    return { node: store.rooms.node, cluster: store.cluster, stop: () => store.rooms.stop() }
  })

  describe(`several nodes on ${name}`, () => {
    const nodes: RedisNode[] = []

    afterEach(async () => {
      for (const { store } of nodes.splice(0)) {
        await store.cluster.stop()
        await store.rooms.stop()
      }
    })

    async function open(count: number, asked: string[] = []) {
      const factory = redisFactory(url, { ...shortTimes, answerMs: 500 })
      for (let i = 0; i < count; i += 1) {
        const node = await factory.node()
        await node.store.cluster.start(handlersOf(node.rooms.node, asked))
        nodes.push(node)
      }
      return factory
    }

    it('all answer any of them', async () => {
      await open(3)
      for (const { store } of nodes) {
        const { asked, answers } = await store.cluster.ask('node', null)
        expect(asked).toBe(3)
        expect(answers.map(({ node }) => node).sort()).toEqual(nodes.map(({ rooms }) => rooms.node).sort())
      }
    })

    it('carry a question to one of them alone', async () => {
      const stopped: string[] = []
      await open(3, stopped)
      const [first, second] = nodes
      const result = await first?.store.cluster.ask('shutdown', null, second?.rooms.node)
      expect(result).toMatchObject({ asked: 1, answers: [{ answer: 'stopping' }] })
      expect(stopped).toEqual([second?.rooms.node])
    })

    it('drop letters that no node has written', async () => {
      const heard: string[] = []
      const factory = await open(2, heard)
      const [first, second] = nodes
      const [from, to] = [first?.rooms.node ?? ('' as never), second?.rooms.node ?? ('' as never)]
      const redis = connectRedis(url)
      const id = '0123456789abcdef'
      const whole = { id, from, question: 'drain', ask: { withinMs: 5000 } }
      for (const letter of [
        '{',
        'null',
        '[]',
        JSON.stringify({ ...whole, ask: null }),
        JSON.stringify({ ...whole, ask: { withinMs: 0 } }),
        JSON.stringify({ ...whole, ask: { withinMs: 5000, now: true } }),
        JSON.stringify({ ...whole, question: '__proto__' }),
        JSON.stringify({ ...whole, question: 'constructor' }),
        JSON.stringify({ ...whole, from: '*' }),
        JSON.stringify({ ...whole, id: 1 }),
        JSON.stringify({ ...whole, more: 1 }),
        JSON.stringify({ id, from }),
        JSON.stringify({ id, from, answer: 'draining', question: 'drain' }),
      ]) {
        await redis.spublish(nodeChannel(factory.keyPrefix, to), letter)
      }
      await redis.spublish(nodeChannel(factory.keyPrefix, to), JSON.stringify(whole))
      await expect.poll(() => heard).toEqual([`${to} within 5000`])
      await redis.quit()
    })

    it('do not believe an answer of another shape', async () => {
      await open(1)
      const [node] = nodes
      const handlers = handlersOf(node?.rooms.node ?? ('' as never))
      await node?.store.cluster.start({ ...handlers, rooms: () => [{ room: 'all', users: 1 }] as never })
      expect(await node?.store.cluster.ask('rooms', null)).toEqual({ asked: 1, answers: [] })
      expect((await node?.store.cluster.ask('node', null))?.answers).toHaveLength(1)
    })

    it('count one that does not answer as asked', async () => {
      const factory = await open(2)
      const [first, second] = nodes
      const silent = second?.rooms.node
      second?.store.kill()
      nodes.pop()
      const redis = connectRedis(url)
      await redis.set(
        leaseKey(factory.keyPrefix, silent ?? first?.rooms.node ?? ('' as never)),
        '1',
        'PX',
        5000,
      )
      const result = await first?.store.cluster.ask('rooms', null)
      expect(result?.asked).toBe(2)
      expect(result?.answers.map(({ node }) => node)).toEqual([first?.rooms.node])
      await redis.quit()
    })

    it('answer under a new id after a lost lease', async () => {
      const factory = await open(1)
      const [node] = nodes
      const old = node?.rooms.node ?? ''
      const redis = connectRedis(url)
      await redis.hset(`${factory.keyPrefix}:graves`, old, Date.now())
      await redis.del(leaseKey(factory.keyPrefix, old as never))
      await redis.quit()
      await expect.poll(() => node?.rooms.node, { timeout: 5000 }).not.toBe(old)
      const ids = async () => (await node?.store.cluster.ask('node', null))?.answers.map((each) => each.node)
      await expect.poll(ids, { timeout: 5000 }).toEqual([node?.rooms.node])
    })
  })
}
