// Puts one node's share of the cluster together: connections, lease, rooms, bans and cluster, over one Redis address.
// Start rooms first, then bans, then cluster; stop in the opposite order.
import { encodeHex, type RedisDiagnosis } from '@pychat/protocol'
import { createRedisBanStore } from '../bans/bans.redis.ts'
import type { BanStore } from '../bans/bans.ts'
import { createRedisCluster } from '../cluster/cluster.redis.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { createRedisEmergencyStore } from '../emergency/emergency.redis.ts'
import type { EmergencyStore } from '../emergency/emergency.ts'
import { createRedisRooms } from '../rooms/rooms.redis.ts'
import type { LogLimits, QuietBounds, Rooms, RoomsEvents } from '../rooms/rooms.ts'
import { parseRedisAddress } from './address.ts'
import { Connections, type ConnectionsOptions } from './connections.ts'
import { diagnoseRedis } from './diagnosis.ts'
import { Lease } from './lease.ts'
import { createScripts } from './scripts.ts'

export type RedisStoreOptions = {
  /** As redis/address.ts says. */
  url: string
  /** All nodes of one cluster share it; "pychat" when left out. */
  keyPrefix?: string
  roomMembersMax: number
  /** How long a member without a connection keeps its place. */
  graceMs: number
  log: LogLimits
  /** Replicas that have to hold a message before it counts as taken. */
  ackReplicas: number
  /** Milliseconds since 1970. */
  now(): number
  /** @returns so many unpredictable bytes */
  random(bytes: number): Uint8Array
  /** 0..1, spreads what many nodes do at once; Math.random when left out. */
  jitter?(): number
  times?: Partial<RedisStoreTimes>
  quiet?: QuietBounds
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
  /** Every so often members are told where their room's log ends: what was lost without a trace shows then. */
  beaconMs: number
  /** Every so often each node looks whether there are other bans than it knows. */
  bansMs: number
} & Omit<ConnectionsOptions, 'keyPrefix' | 'jitter' | 'ackReplicas'>

const timesDefault: RedisStoreTimes = {
  leaseMs: 10_000,
  beatMs: 3000,
  janitorMs: 2000,
  keepMs: 600_000,
  lingerMs: 10_000,
  answerMs: 2000,
  beaconMs: 8000,
  bansMs: 2000,
  commandTimeoutMs: 2000,
  checkMs: 1000,
  checkTimeoutMs: 1500,
  ackTimeoutMs: 500,
}

export type RedisStore = {
  rooms: Rooms
  cluster: Cluster
  emergency: EmergencyStore
  /** How Redis looks from here. Never rejects. */
  diagnose(): Promise<RedisDiagnosis>
  bans: BanStore
  /** Drops every connection without a word, as a killed process does. For tests. */
  kill(): void
}

/** Connects to nothing yet: `rooms.start()` does. @throws StoreError refused, when the address cannot be read */
export function openRedisStore(options: RedisStoreOptions, events: RoomsEvents): RedisStore {
  const { keyPrefix = 'pychat', log, now, random, jitter = Math.random } = options
  const { leaseMs, beatMs, janitorMs, keepMs, lingerMs, answerMs, beaconMs, bansMs, ...checks } = {
    ...timesDefault,
    ...options.times,
  }
  const { roomMembersMax, graceMs, ackReplicas } = options
  const address = parseRedisAddress(options.url)
  const connections = new Connections(address, { keyPrefix, jitter, ackReplicas, ...checks })
  const ports = {
    server: (slot: number) => connections.server(slot),
    bySlot: address.kind === 'cluster',
    atTurnEnd: (work: () => void) => connections.atTurnEnd(work),
    cork: () => connections.cork(),
  }
  const scripts = createScripts(ports, log, options.quiet)
  const shared = { scripts, keyPrefix, now, random, keepMs, graceMs }
  const lease = new Lease(connections, { ...shared, leaseMs, beatMs, janitorMs })
  const rooms = createRedisRooms(
    { ...shared, connections, lease, roomMembersMax, jitter, lingerMs, logAgeMs: log.ageMs, beaconMs },
    events,
  )
  const cluster = createRedisCluster({ connections, lease, keyPrefix, random, answerMs })
  const bans = createRedisBanStore({ connections, scripts, keyPrefix, random, lookMs: bansMs })
  return {
    rooms,
    cluster,
    emergency: createRedisEmergencyStore(connections, keyPrefix),
    diagnose: () =>
      diagnoseRedis({ address, connections, keyPrefix, ackReplicas, word: () => encodeHex(random(8)) }),
    bans,
    kill() {
      lease.abandon()
      connections.close()
    },
  }
}
