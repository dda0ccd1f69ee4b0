import { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { parseRedisAddress } from '../../src/redis/address.ts'
import { roomKeys, slotOf } from '../../src/redis/keys.ts'
import { newRoom } from '../rooms/contract.ts'
import { getRedisCluster } from '../support/redis.ts'

it('computes slots as Redis Cluster does', async () => {
  const [first] = parseRedisAddress(getRedisCluster()).hosts
  const redis = new Redis(first?.port ?? 0, first?.host ?? '')
  for (const key of [
    '',
    'a',
    '123456789',
    '{}x',
    'x{y}z{w}',
    'x{',
    '{a',
    'pychat:nodes',
    roomKeys('p', newRoom()).room,
  ]) {
    expect(slotOf(key), key).toBe(await redis.cluster('KEYSLOT', key))
  }
  redis.disconnect()
})

it("puts a room's keys and channel into one slot", () => {
  const { all } = roomKeys('pychat', newRoom())
  expect(new Set(all.map(slotOf)).size).toBe(1)
})
