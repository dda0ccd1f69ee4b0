// The Redis of this test run, and a key prefix of one's own in it. redis.global.ts has started it.
import { randomBytes } from 'node:crypto'
import { Cluster, Redis } from 'ioredis'
import { inject } from 'vitest'
import { parseRedisAddress } from '../../src/redis/address.ts'
import type {} from './redis.global.ts'

/** Address of one Redis server, as PYCHAT_REDIS_URL takes it. Shared by all tests: use `freshPrefix`. */
export function getRedis(): string {
  return inject('redisUrl')
}

/** Address of a Redis Cluster of three primaries. */
export function getRedisCluster(): string {
  return inject('redisClusterUrl')
}

export function freshPrefix(): string {
  return `test-${randomBytes(6).toString('hex')}`
}

/** The same address for the default user, who may do anything. */
export function adminUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}

/** A client for looking at what lies in the store; `quit` it. */
export function connectRedis(url: string): Redis | Cluster {
  const { kind, hosts } = parseRedisAddress(url)
  return kind === 'cluster' ? new Cluster(hosts) : new Redis(adminUrl(url))
}
