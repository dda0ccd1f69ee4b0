import { expect, it } from 'vitest'
import { frame, joined, newRoom, request } from '../rooms/contract.ts'
import { redisFactory } from '../rooms/redis.nodes.ts'
import { getRedis } from '../support/redis.ts'
import { RedisWire } from '../support/wire.ts'

it('writes everything of one turn of the event loop in one piece', async () => {
  const wire = new RedisWire(getRedis())
  await wire.open()
  const factory = redisFactory(wire.url, {
    checkMs: 60_000,
    beatMs: 60_000,
    janitorMs: 60_000,
    leaseMs: 120_000,
  })
  const node = await factory.node()
  const alice = await joined(node, request(newRoom()))
  // Once alone: the script's text goes out with its first call.
  await node.rooms.publish(alice.membership, 1, frame(alice.membership.session, 1))
  const before = wire.chunksUp
  const all = Array.from({ length: 50 }, (_, i) =>
    node.rooms.publish(alice.membership, i + 2, frame(alice.membership.session, i + 2)),
  )
  const results = await Promise.all(all)
  expect(results.map(({ status }) => status)).toEqual(Array(50).fill('taken'))
  // 25 kB: one write, which the socket may hand over in a few chunks.
  expect(wire.chunksUp - before).toBeLessThanOrEqual(4)
  await node.rooms.stop()
  await wire.cut()
})
