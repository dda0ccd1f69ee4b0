// A Redis Cluster changes under the nodes: slots move, a primary hangs or dies and comes back.
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import { roomKeys, slotOf } from '../../src/redis/keys.ts'
import {
  clusterArguments,
  clusterUrlOf,
  formCluster,
  localBinary,
  RedisProcess,
} from '../support/redis.servers.ts'
import { joined, newRoom, publish, request } from './contract.ts'
import { type RedisNode, redisFactory } from './redis.nodes.ts'

describe.skipIf(localBinary() === null)('nodes on a Redis Cluster that changes', () => {
  const primaries: RedisProcess[] = []
  let factory: ReturnType<typeof redisFactory>
  let one: RedisNode
  let two: RedisNode

  beforeAll(async () => {
    for (let i = 0; i < 3; i += 1) {
      primaries.push(new RedisProcess(localBinary() ?? '', await freePort(), clusterArguments()))
    }
    await Promise.all(primaries.map((primary) => primary.start()))
    await formCluster(primaries.map(({ port }) => port))
  })

  afterAll(async () => {
    await Promise.all(primaries.map((primary) => primary.remove()))
  })

  beforeEach(async () => {
    factory = redisFactory(clusterUrlOf(primaries.map(({ port }) => port)))
    one = await factory.node()
    two = await factory.node()
  })

  afterEach(async () => {
    for (const primary of primaries) primary.thaw()
    await Promise.all([one.rooms.stop(), two.rooms.stop()])
    await factory.close()
  })

  /** Moves a slot with everything in it, as `redis-cli --cluster reshard` does. */
  async function moveSlot(slot: number): Promise<void> {
    const clients = primaries.map(({ port }) => new Redis(port, '127.0.0.1'))
    const ids = await Promise.all(clients.map(async (client) => String(await client.call('CLUSTER', 'MYID'))))
    const from = Math.floor((slot * 3) / 16_384)
    const to = (from + 1) % 3
    const [source, target] = [clients[from], clients[to]]
    await target?.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[from] ?? '')
    await source?.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to] ?? '')
    const keys = (await source?.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[]
    await source?.call('MIGRATE', '127.0.0.1', primaries[to]?.port ?? 0, '', 0, 5000, 'KEYS', ...keys)
    for (const client of [target, source])
      await client?.call('CLUSTER', 'SETSLOT', slot, 'NODE', ids[to] ?? '')
    for (const client of clients) client.disconnect()
  }

  it('follow a room whose slot moves to another primary', async () => {
    const room = newRoom()
    const alice = await joined(one, request(room))
    const bob = await joined(two, request(room))
    await publish(one, alice, 1)
    await moveSlot(slotOf(roomKeys(factory.keyPrefix, room).room))
    // What is said in the moment of the move is a gap; soon everything arrives again.
    let counter = 1
    const said = async () => {
      const heard = two.seqs(room).length
      const { status } = await publish(one, alice, counter + 1)
      if (status === 'taken' || status === 'duplicate') counter += 1
      await new Promise((resolve) => setTimeout(resolve, 100))
      return two.seqs(room).length > heard
    }
    await expect.poll(said, { timeout: 8000 }).toBe(true)
    const told = one.seqs(room).length
    await publish(two, bob, 1)
    await one.until(() => one.seqs(room).length > told)
    await joined(two, request(room))
    await one.until(() => one.controls(room).filter((each) => each.t === 'arrived').length >= 3)
  })

  it('say so when one primary hangs, and recover', async () => {
    const room = newRoom()
    const alice = await joined(one, request(room))
    primaries[1]?.freeze()
    const frozenAt = Date.now()
    await one.until(() => one.availability.at(-1) === false, 4000)
    expect(Date.now() - frozenAt).toBeLessThan(3500)
    // Both: who notices it only after the thaw would say so in the middle of what follows.
    await two.until(() => two.availability.at(-1) === false, 4000)
    primaries[1]?.thaw()
    await one.until(() => one.availability.at(-1) === true, 15_000)
    await two.until(() => two.availability.at(-1) === true, 15_000)
    const bob = await joined(two, request(room))
    await expect
      .poll(async () => (await publish(two, bob, 1)).status, { timeout: 8000 })
      .toMatch(/taken|duplicate/)
    await expect
      .poll(async () => (await publish(one, alice, 1)).status, { timeout: 8000 })
      .toMatch(/taken|duplicate/)
    await two.until(() => two.seqs(room).length === 2)
  })
})
