// A Redis Cluster promotes a replica: nobody is sent to the old primary under its old id, nor to the new one unread.
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Connections } from '../../src/redis/connections.ts'
import { slotOf } from '../../src/redis/keys.ts'
import { type ClusteredRedis, localBinary, startCluster } from '../support/redis.processes.ts'
import { hear, openConnections, outage, serverOf } from './opened.ts'

const channel = '{room}x'
const slot = slotOf(channel)

describe.skipIf(localBinary() === null)('a Redis Cluster with replicas', { timeout: 60_000 }, () => {
  let cluster: ClusteredRedis
  let store: Connections

  beforeAll(async () => {
    cluster = await startCluster({ primaries: 3, replicasEach: 1, nodeTimeoutMs: 2000 })
  })
  afterAll(() => cluster?.stop())
  afterEach(() => store?.close())

  it('knows each primary by its own id', async () => {
    store = await openConnections(cluster.url, { ackReplicas: 1 })
    const ids = [0, 8000, 16_000].map((each) => store.server(each).replicationId)
    expect(new Set(ids).size).toBe(3)
    const server = store.server(slot)
    const primary = await cluster.primaryOf(slot)
    expect(String(await primary.ask('INFO', 'replication'))).toContain(
      `master_replid:${server.replicationId}`,
    )
    await server.redis.set(channel, '1')
    expect(await server.replicated()).toBe(true)
  })

  it('follows an orderly change of roles without ever naming the old primary again', async () => {
    // Seldom checks: the error alone has to tell.
    store = await openConnections(cluster.url, { checkMs: 20_000, checkTimeoutMs: 1500 })
    const heard = await hear(store, channel)
    const old = store.server(slot)
    const port = old.redis.options.port
    const replica = await replicaOf(port ?? 0)
    // It is given up after 5 s when the others did not agree in time: then it is asked for again.
    await expect
      .poll(
        async () => {
          await replica.ask('CLUSTER', 'FAILOVER')
          await expect
            .poll(async () => (await cluster.primaryOf(slot)).port, { timeout: 5000 })
            .not.toBe(port)
          return true
        },
        { timeout: 30_000 },
      )
      .toBe(true)
    // On a line of its own: the store may have noticed by itself and given up its own.
    const stranger = new Redis(port ?? 0, '127.0.0.1')
    const said = await stranger.set(channel, '2').then(
      () => 'taken',
      (error: Error) => error.message,
    )
    stranger.disconnect()
    expect(said).toMatch(new RegExp(`^MOVED ${slot} `))
    old.failed(new Error(said))
    const seen = new Set<string>()
    await expect
      .poll(
        () => {
          const server = serverOf(store, slot)
          if (server !== null) seen.add(server.replicationId)
          return server?.redis.options.port
        },
        { timeout: 10_000, interval: 1 },
      )
      .toBe(replica.port)
    expect([...seen]).not.toContain(old.replicationId)
    await store.server(slot).redis.set(channel, '3')
    await expect.poll(() => heard.resumed, { timeout: 10_000 }).toBeGreaterThan(0)
    await store.commands.spublish(channel, 'after')
    await expect.poll(() => heard.messages).toEqual(['after'])
  })

  it('follows when a primary is killed', async () => {
    store = await openConnections(cluster.url, { ackReplicas: 1 })
    const heard = await hear(store, channel)
    const old = store.server(slot)
    const primary = await cluster.primaryOf(slot)
    const away = outage(store, 20_000)
    await primary.stop('SIGKILL')
    // About 4 s on a calm machine, half of it cluster-node-timeout.
    expect(await away).toBeLessThan(12_000)
    const now = store.server(slot)
    expect(now.replicationId).not.toBe(old.replicationId)
    expect(await old.replicated()).toBe(false)
    expect(heard.resumed).toBeGreaterThan(0)
    await cluster.rejoin(primary)
    await expect.poll(() => store.server(slot).replicated(), { timeout: 5000 }).toBe(true)
  })

  async function replicaOf(port: number) {
    for (const server of cluster.servers) {
      if (String(await server.ask('INFO', 'replication')).includes(`master_port:${port}`)) return server
    }
    throw new Error('The primary has no replica.')
  }
})
