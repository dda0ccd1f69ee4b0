// Puts one node's share of the cluster together: connections, lease, rooms and cluster, over one Redis address.
// Start rooms first, then cluster; stop cluster first, then rooms.
import { createRedisCluster } from '../cluster/cluster.redis.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { createRedisRooms } from '../rooms/rooms.redis.ts'
import type { Rooms, RoomsEvents } from '../rooms/rooms.ts'
import { parseRedisAddress } from './address.ts'
import { Connections, type ConnectionsOptions } from './connections.ts'
import { Lease } from './lease.ts'

export type RedisStoreOptions = {
  /** As redis/address.ts says. */
  url: string
  /** All nodes of one cluster share it; "pychat" when left out. */
  keyPrefix?: string
  roomMembersMax: number
  /** Milliseconds since 1970. */
  now(): number
  /** @returns so many unpredictable bytes */
  random(bytes: number): Uint8Array
  /** 0..1, spreads what many nodes do at once; Math.random when left out. */
  jitter?(): number
  times?: Partial<RedisStoreTimes>
}

/** All in milliseconds. */
export type RedisStoreTimes = {
  leaseMs: number
  beatMs: number
  janitorMs: number
  /** How long an empty room and the counters of a session that left are remembered. */
  keepMs: number
  lingerMs: number
  answerMs: number
} & Omit<ConnectionsOptions, 'jitter'>

const timesDefault: RedisStoreTimes = {
  leaseMs: 10_000,
  beatMs: 3000,
  janitorMs: 2000,
  keepMs: 600_000,
  lingerMs: 10_000,
  answerMs: 2000,
  commandTimeoutMs: 2000,
  checkMs: 1000,
  checkTimeoutMs: 1500,
}

export type RedisStore = {
  rooms: Rooms
  cluster: Cluster
  /** Drops every connection without a word, as a killed process does. For tests. */
  kill(): void
}

/** Connects to nothing yet: `rooms.start()` does. @throws StoreError refused, when the address cannot be read */
export function openRedisStore(options: RedisStoreOptions, events: RoomsEvents): RedisStore {
  const { keyPrefix = 'pychat', roomMembersMax, now, random, jitter = Math.random } = options
  const { leaseMs, beatMs, janitorMs, keepMs, lingerMs, answerMs, ...checks } = {
    ...timesDefault,
    ...options.times,
  }
  const connections = new Connections(parseRedisAddress(options.url), { jitter, ...checks })
  const lease = new Lease(connections, { keyPrefix, now, random, leaseMs, beatMs, janitorMs, keepMs })
  const rooms = createRedisRooms(
    { connections, lease, keyPrefix, roomMembersMax, now, random, jitter, keepMs, lingerMs },
    events,
  )
  const cluster = createRedisCluster({ connections, lease, keyPrefix, random, answerMs })
  return {
    rooms,
    cluster,
    kill() {
      lease.abandon()
      connections.close()
    },
  }
}
