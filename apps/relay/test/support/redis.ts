// The Redis of this test run, and a key prefix of one's own in it. redis.global.ts has started it.
import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
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
