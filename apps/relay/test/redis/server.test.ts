// The primary of a slot: its replication id is never a stale one, and replicas are asked for what was written.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import type { Connections } from '../../src/redis/connections.ts'
import { saysRoleChanged } from '../../src/redis/server.ts'
import {
  localBinary,
  RedisProcess,
  type ReplicatedRedis,
  startReplicated,
} from '../support/redis.processes.ts'
import { openConnections, outage, serverOf } from './opened.ts'

it.each([
  ['MOVED 1 127.0.0.1:1', true],
  ['ASK 1 127.0.0.1:1', true],
  ['CLUSTERDOWN The cluster is down', true],
  ["READONLY You can't write against a read only replica. script: 1, on @user_script:1.", true],
  ['MASTERDOWN Link with MASTER is down', true],
  ['LOADING Redis is loading the dataset in memory', true],
  ['STALE: this server was left behind by a failover.', true],
  ['UNBLOCKED force unblock from blocking operation, instance state changed', true],
  ['ERR WAIT cannot be used with replica instances.', true],
  ['WRONGTYPE Operation against a key', false],
  ['NOREPLICAS Not enough good replicas to write.', false],
  ['ERR about READONLY', false],
])('takes "%s" for a change of roles: %s', (message, expected) => {
  expect(saysRoleChanged(new Error(message))).toBe(expected)
  expect(saysRoleChanged(new Error('Redis did not answer', { cause: new Error(message) }))).toBe(expected)
})

describe.skipIf(localBinary() === null)('one Redis', () => {
  let process: RedisProcess
  let connections: Connections

  beforeAll(async () => {
    process = new RedisProcess(localBinary() ?? '', await freePort())
    await process.start()
  })
  afterEach(() => connections.close())
  afterAll(() => process.remove())

  it('is known by the id that it reports', async () => {
    connections = await openConnections(process.url)
    const info = String(await process.ask('INFO', 'replication'))
    const server = connections.server(5)
    expect(server.replicationId).toMatch(/^[0-9a-f]{16}$/)
    expect(info).toContain(`master_replid:${server.replicationId}`)
    expect(server.redis).toBe(connections.commands)
    expect(await server.replicated()).toBe(true)
  })

  it('is known by another id after it was restarted, and by none before that was read', async () => {
    connections = await openConnections(process.url)
    const before = connections.server(0)
    const seen = new Set<string>()
    const watch = setInterval(() => seen.add(serverOf(connections)?.replicationId ?? 'unknown'), 1)
    const away = outage(connections)
    await process.stop('SIGKILL')
    await process.start()
    await away
    clearInterval(watch)
    const after = connections.server(0)
    // It may be known before the watch looks again.
    seen.add(after.replicationId)
    expect(after.replicationId).not.toBe(before.replicationId)
    expect([...seen]).toEqual([before.replicationId, 'unknown', after.replicationId])
  })

  it('is unknown after an error that tells of another role, until it was asked again', async () => {
    connections = await openConnections(process.url)
    const server = connections.server(0)
    server.failed(new Error('WRONGTYPE Operation against a key'))
    expect(connections.server(0)).toBe(server)
    server.failed(new Error("READONLY You can't write against a read only replica."))
    expect(serverOf(connections)).toBeNull()
    await expect.poll(() => serverOf(connections)?.replicationId).toBe(server.replicationId)
    expect(connections.available).toBe(true)
  })

  it('is unknown when this process stood still for longer than a failover takes', async () => {
    connections = await openConnections(process.url, { checkMs: 20, checkTimeoutMs: 100 })
    expect(serverOf(connections)).not.toBeNull()
    // As SIGSTOP does: no timer runs, no answer is read.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    expect(serverOf(connections)).toBeNull()
    await expect.poll(() => serverOf(connections)).not.toBeNull()
  })

  it('is left when it becomes a replica, and refused when it is one at the start', async () => {
    connections = await openConnections(process.url)
    const other = new RedisProcess(localBinary() ?? '', await freePort())
    await other.start()
    try {
      await process.ask('REPLICAOF', '127.0.0.1', other.port)
      await expect.poll(() => serverOf(connections), { timeout: 5000 }).toBeNull()
      await expect.poll(() => connections.available, { timeout: 5000 }).toBe(false)
      await expect(openConnections(process.url)).rejects.toMatchObject({
        code: 'refused',
        message: expect.stringContaining('is a replica'),
      })
      await process.ask('REPLICAOF', 'NO', 'ONE')
      await expect.poll(() => connections.available, { timeout: 10_000 }).toBe(true)
    } finally {
      await other.remove()
    }
  })
})

describe.skipIf(localBinary() === null)('a primary with a replica', () => {
  let servers: ReplicatedRedis
  let connections: Connections

  beforeAll(async () => {
    servers = await startReplicated({ replicas: 1, sentinels: 0 })
    connections = await openConnections(servers.url, { ackReplicas: 1, ackTimeoutMs: 300 })
  })
  afterAll(async () => {
    connections?.close()
    await servers?.stop()
  })

  it('asks the replica once for all calls of a loop turn', async () => {
    const { redis } = connections.server(0)
    const asked = vi.spyOn(redis, 'wait')
    const held = Array.from({ length: 20 }, () => {
      void redis.incr('n')
      return connections.server(0).replicated()
    })
    expect(await Promise.all(held)).toEqual(Array(20).fill(true))
    expect(asked).toHaveBeenCalledTimes(1)
    asked.mockRestore()
    expect(await servers.servers[1]?.ask('GET', 'n')).toBe('20')
  })

  it('says no in time while the replica hangs, and yes when it is back', async () => {
    const replica = servers.servers[1]
    replica?.freeze()
    try {
      const startedAt = performance.now()
      const { redis } = connections.server(0)
      await redis.incr('n')
      const [first, second] = [connections.server(0).replicated(), connections.server(0).replicated()]
      expect(await Promise.all([first, second])).toEqual([false, false])
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(290)
      // Writing goes on, and the store counts as there.
      await redis.incr('n')
      expect(connections.available).toBe(true)
    } finally {
      replica?.thaw()
    }
    await expect.poll(() => connections.server(0).replicated(), { timeout: 5000 }).toBe(true)
  })

  it('says no for what was written on a connection that is gone', async () => {
    const server = connections.server(0)
    await server.redis.incr('n')
    const underWay = server.replicated()
    server.redis.stream.destroy()
    expect(await underWay).toBe(false)
    await expect.poll(() => serverOf(connections), { timeout: 5000 }).not.toBeNull()
    // Another connection's WAIT would be true at once, whatever became of the write.
    expect(await server.replicated()).toBe(false)
    expect(await connections.server(0).replicated()).toBe(true)
  })
})
