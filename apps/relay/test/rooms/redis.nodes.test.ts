// What only several nodes on one store can show; on one Redis and on a Redis Cluster.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { leaseKey, nodeRoomsKey, nodesKey, roomKeys } from '../../src/redis/keys.ts'
import { connectRedis, getRedis, getRedisCluster } from '../support/redis.ts'
import { joined, newRoom, newTag, nodeOptionsDefault, publish, request } from './contract.ts'
import { type RedisNode, redisFactory, shortTimes } from './redis.nodes.ts'

for (const [name, url] of [
  ['one Redis', getRedis()],
  ['a Redis Cluster', getRedisCluster()],
] as const) {
  describe(`nodes on ${name}`, () => {
    let factory: ReturnType<typeof redisFactory>
    const nodes: RedisNode[] = []

    async function newNode(): Promise<RedisNode> {
      const node = await factory.node()
      nodes.push(node)
      return node
    }

    beforeEach(() => {
      factory = redisFactory(url, shortTimes)
    })

    afterEach(async () => {
      await Promise.all(nodes.splice(0).map((node) => node.rooms.stop()))
      await factory.close()
    })

    it('exchange messages in one order, in many rooms', async () => {
      const [one, two] = await Promise.all([newNode(), newNode()])
      // Enough rooms to have some on every primary of the cluster.
      const rooms = Array.from({ length: 24 }, newRoom)
      await Promise.all(
        rooms.map(async (room) => {
          const [alice, bob] = await Promise.all([joined(one, request(room)), joined(two, request(room))])
          for (let counter = 1; counter <= 5; counter += 1) {
            await Promise.all([publish(one, alice, counter), publish(two, bob, counter)])
          }
        }),
      )
      for (const node of [one, two])
        await node.until(() => rooms.every((room) => node.seqs(room).length === 10))
      for (const room of rooms) {
        expect(one.seqs(room)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        const said = (node: RedisNode) => node.heard.filter((each) => each.room === room && 'seq' in each)
        expect(said(two)).toEqual(said(one))
      }
    })

    it('give a name to exactly one of 30 claims from three nodes, 100 rounds', async () => {
      const all = await Promise.all([newNode(), newNode(), newNode()])
      for (let round = 0; round < 100; round += 1) {
        const [room, tag] = [newRoom(), newTag()]
        const results = await Promise.all(
          Array.from({ length: 30 }, (_, i) => all[i % 3]?.rooms.join(request(room, { tag }))),
        )
        expect(results.filter((result) => result?.ok)).toHaveLength(1)
        expect(await all[0]?.rooms.roomMembers(room)).toHaveLength(1)
      }
    })

    it('move a session from node to node without a word to the others', async () => {
      const [one, two] = await Promise.all([newNode(), newNode()])
      const room = newRoom()
      const asked = request(room)
      const old = await joined(one, asked)
      await publish(one, old, 1)
      const renewed = await joined(two, asked)
      expect(renewed).toMatchObject({ counter: 1, seq: 1, epoch: old.epoch })
      await one.until(() => one.replaced.length === 1)
      expect(one.replaced).toEqual([old.membership])
      expect(await publish(one, old, 2)).toEqual({ status: 'not-member' })
      await one.rooms.leave(old.membership, 'lost')
      expect(await publish(two, renewed, 2)).toEqual({ status: 'taken', seq: 2 })
      expect(one.departed(asked.session)).toBeUndefined()
      expect(one.controls(room)).toHaveLength(1)
    })

    it('lose nothing between the answer to a join and what follows it', async () => {
      const [one, two] = await Promise.all([newNode(), newNode()])
      const room = newRoom()
      const alice = await joined(one, request(room))
      let talking = true
      let counter = 0
      const talk = (async () => {
        while (talking) {
          counter += 1
          await publish(one, alice, counter)
        }
      })()
      for (let i = 0; i < 30; i += 1) {
        const bob = await joined(two, request(room))
        const before = two.heard.length
        await two.until(() => two.heard.slice(before).some((each) => 'seq' in each))
        const first = two.heard.slice(before).find((each) => 'seq' in each) as { seq: number }
        expect(first.seq).toBeLessThanOrEqual(bob.seq + 1)
        await two.rooms.leave(bob.membership, 'left')
      }
      talking = false
      await talk
    })

    it('free the names of a node that was killed, and tell who is lost', async () => {
      const two = await newNode()
      const room = newRoom()
      const tag = newTag()
      await joined(two, request(room))
      // A real process and a real SIGKILL. It runs what `npm run build` made: Node 20 reads no TypeScript.
      const { keyPrefix } = factory
      const options = { ...nodeOptionsDefault, ackReplicas: 0, url, keyPrefix, times: shortTimes }
      const orders = { ...options, request: request(room, { tag }) }
      const child = fork(new URL('../support/member.process.js', import.meta.url), [JSON.stringify(orders)], {
        // Not vitest's own: they would lead the imports to the sources.
        execArgv: [],
      })
      const [{ session, node }] = await once(child, 'message')
      expect(await two.rooms.join(request(room, { tag }))).toEqual({ ok: false, code: 'name-taken' })
      child.kill('SIGKILL')
      const killedAt = Date.now()
      await two.until(() => two.departed(session) === 'lost', 8000)
      expect(Date.now() - killedAt).toBeLessThan(25_000)
      await joined(two, request(room, { tag }))
      expect((await two.rooms.roomMembers(room))?.some((member) => member.node === node)).toBe(false)
    })

    it("free a dead node's name at once for whoever asks, before the janitor comes", async () => {
      const [dying, living] = await Promise.all([newNode(), newNode()])
      const room = newRoom()
      const tag = newTag()
      const { membership } = await joined(dying, request(room, { tag }))
      nodes.splice(nodes.indexOf(dying), 1)
      dying.store.kill()
      const redis = connectRedis(url)
      // As if it had been nobody's turn to look: dead, and not in the registry any more.
      await redis.del(leaseKey(factory.keyPrefix, dying.rooms.node))
      await redis.srem(nodesKey(factory.keyPrefix), dying.rooms.node)
      await redis.quit()
      await joined(living, request(room, { tag }))
      expect(living.departed(membership.session)).toBe('lost')
    })

    it('lose their lease when they were buried, and live on under a new id', async () => {
      const [paused, other] = await Promise.all([newNode(), newNode()])
      const room = newRoom()
      const asked = request(room)
      const old = await joined(paused, asked)
      await joined(other, request(room))
      const { node } = paused.rooms
      const redis = connectRedis(url)
      await redis.hset(`${factory.keyPrefix}:graves`, node, Date.now())
      await redis.del(leaseKey(factory.keyPrefix, node))
      await redis.quit()
      await paused.until(() => paused.leasesLost === 1)
      expect(paused.rooms.node).not.toBe(node)
      expect(paused.rooms.local().size).toBe(0)
      expect(await publish(paused, old, 1)).toEqual({ status: 'not-member' })
      await other.until(() => other.departed(asked.session) === 'lost')
      let again = await paused.rooms.join(asked)
      for (let i = 0; i < 50 && !again.ok; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        again = await paused.rooms.join(asked)
      }
      expect(again).toMatchObject({ ok: true })
    })

    it('keep their lease when it ran out and nobody noticed', async () => {
      const node = await newNode()
      const room = newRoom()
      const alice = await joined(node, request(room))
      const redis = connectRedis(url)
      await redis.del(leaseKey(factory.keyPrefix, node.rooms.node))
      await expect.poll(() => redis.exists(leaseKey(factory.keyPrefix, node.rooms.node))).toBe(1)
      await redis.quit()
      expect(await publish(node, alice, 1)).toEqual({ status: 'taken', seq: 1 })
      expect(node.leasesLost).toBe(0)
    })

    it('leave nothing behind that does not expire, and nothing of a room but its counters', async () => {
      const node = await newNode()
      const room = newRoom()
      const asked = request(room)
      const alice = await joined(node, asked)
      await publish(node, alice, 1)
      await node.rooms.leave(alice.membership, 'left')
      const redis = connectRedis(url)
      const keys = roomKeys(factory.keyPrefix, room)
      for (const key of keys.all.slice(0, 5)) {
        const ttl = await redis.pttl(key)
        expect(ttl === -2 || (ttl > 590_000 && ttl <= 600_000), `${key} ${ttl}`).toBe(true)
      }
      expect(await redis.pttl(keys.room)).toBeGreaterThan(590_000)
      await joined(node, asked)
      expect(await redis.pttl(keys.room)).toBe(-1)
      const id = node.rooms.node
      await node.rooms.stop()
      expect(await redis.exists(leaseKey(factory.keyPrefix, id))).toBe(0)
      expect(await redis.exists(nodeRoomsKey(factory.keyPrefix, id))).toBe(0)
      expect(await redis.sismember(nodesKey(factory.keyPrefix), id)).toBe(0)
      await redis.quit()
    })

    it('hear a room again that fell silent, also when it is entered while its channel is being given up', async () => {
      const quick = redisFactory(url, { ...shortTimes, lingerMs: 0, checkMs: 20 })
      const [one, two] = await Promise.all([quick.node(), quick.node()])
      const room = newRoom()
      const alice = await joined(one, request(room))
      for (let i = 1; i <= 40; i += 1) {
        const bob = await joined(two, request(room))
        const before = two.seqs(room).length
        await publish(one, alice, i)
        await two.until(() => two.seqs(room).length > before, 3000)
        await two.rooms.leave(bob.membership, 'left')
        await new Promise((resolve) => setTimeout(resolve, i))
      }
      await Promise.all([one.rooms.stop(), two.rooms.stop()])
      await quick.close()
    })
  })
}
