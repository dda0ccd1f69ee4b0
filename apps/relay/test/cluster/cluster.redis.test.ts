import { afterEach, describe, expect, it } from 'vitest'
import { leaseKey } from '../../src/redis/keys.ts'
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
        const { asked, answers } = await store.cluster.ask('node')
        expect(asked).toBe(3)
        expect(answers.map(({ node }) => node).sort()).toEqual(nodes.map(({ rooms }) => rooms.node).sort())
      }
    })

    it('carry a question to one of them alone', async () => {
      const stopped: string[] = []
      await open(3, stopped)
      const [first, second] = nodes
      const result = await first?.store.cluster.ask('shutdown', second?.rooms.node)
      expect(result).toMatchObject({ asked: 1, answers: [{ answer: 'stopping' }] })
      expect(stopped).toEqual([second?.rooms.node])
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
      const result = await first?.store.cluster.ask('rooms')
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
      const ids = async () => (await node?.store.cluster.ask('node'))?.answers.map((each) => each.node)
      await expect.poll(ids, { timeout: 5000 }).toEqual([node?.rooms.node])
    })
  })
}
