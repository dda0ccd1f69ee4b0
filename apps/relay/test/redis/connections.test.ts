import { Socket } from 'node:net'
import { expect, it, vi } from 'vitest'
import { frame, joined, newRoom, request } from '../rooms/contract.ts'
import { redisFactory } from '../rooms/redis.nodes.ts'
import { getRedis } from '../support/redis.ts'

it('writes everything of one turn of the event loop in one piece', async () => {
  const seldom = 60_000
  const factory = redisFactory(getRedis(), {
    checkMs: seldom,
    beatMs: seldom,
    janitorMs: seldom,
    leaseMs: 2 * seldom,
  })
  const node = await factory.node()
  const { membership } = await joined(node, request(newRoom()))
  const publish = (counter: number) =>
    node.rooms.publish(membership, counter, frame(membership.session, counter))
  // Once alone: the script's text goes out with its first call.
  await publish(1)
  const writes = [vi.spyOn(Socket.prototype, '_write'), vi.spyOn(Socket.prototype, '_writev' as '_write')]
  const results = await Promise.all(Array.from({ length: 50 }, (_, i) => publish(i + 2)))
  const count = writes.reduce((sum, write) => sum + write.mock.calls.length, 0)
  vi.restoreAllMocks()
  expect(results.map(({ status }) => status)).toEqual(Array(50).fill('taken'))
  expect(count).toBe(1)
  await node.rooms.stop()
})
