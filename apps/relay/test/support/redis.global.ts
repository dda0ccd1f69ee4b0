// vitest globalSetup: starts Redis once per test run and tells every test file where it is (test/support/redis.ts).
import type { TestProject } from 'vitest/node'
import { startRedisServers } from './redis.servers.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    redisUrl: string
    redisClusterUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startRedisServers()
  project.provide('redisUrl', servers.url)
  project.provide('redisClusterUrl', servers.clusterUrl)
  return () => servers.stop()
}
