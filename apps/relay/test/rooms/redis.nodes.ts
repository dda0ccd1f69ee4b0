// Nodes on a real Redis, for the contract and for what only several nodes can show.
import { randomBytes } from 'node:crypto'
import { openRedisStore, type RedisStore, type RedisStoreTimes } from '../../src/redis/store.ts'
import { freshPrefix } from '../support/redis.ts'
import { Node, type NodeOptions, nodeOptionsDefault } from './contract.ts'

export type RedisNode = Node & { store: RedisStore }

/** Short enough for a test, in the proportions of the real ones. */
export const shortTimes: Partial<RedisStoreTimes> = {
  leaseMs: 1500,
  beatMs: 300,
  janitorMs: 300,
  checkMs: 200,
}

export function redisFactory(url: string, times: Partial<RedisStoreTimes> = {}) {
  const keyPrefix = freshPrefix()
  let ahead = 0
  const made: RedisStore[] = []
  return {
    keyPrefix,
    node: async ({
      beaconMs,
      ...options
    }: Partial<NodeOptions> & { keyPrefix?: string; ackReplicas?: number } = {}): Promise<RedisNode> => {
      let store: RedisStore | undefined
      const node = new Node((events) => {
        store = openRedisStore(
          {
            url,
            keyPrefix,
            ackReplicas: 0,
            now: () => Date.now() + ahead,
            random: randomBytes,
            times: { ...times, ...(beaconMs === undefined ? {} : { beaconMs }) },
            ...nodeOptionsDefault,
            ...options,
          },
          events,
        )
        return store.rooms
      })
      await node.rooms.start()
      made.push(store as RedisStore)
      return Object.assign(node, { store: store as RedisStore })
    },
    advance(ms: number) {
      ahead += ms
    },
    close: async () => {
      for (const store of made) store.kill()
    },
  }
}
