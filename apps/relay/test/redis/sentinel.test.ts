// A primary behind Sentinels dies or hangs: another one is found, under another id, and channels are heard again.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import type { Connections } from '../../src/redis/connections.ts'
import { localBinary, type ReplicatedRedis, startReplicated } from '../support/redis.processes.ts'
import { hear, openConnections, outage, serverOf } from './opened.ts'

describe.skipIf(localBinary() === null)('a primary behind Sentinels', { timeout: 60_000 }, () => {
  let redis: ReplicatedRedis
  let connections: Connections | undefined

  beforeAll(async () => {
    redis = await startReplicated({ replicas: 1, sentinels: 3, downAfterMs: 1000 })
  })
  afterEach(() => connections?.close())
  afterAll(() => redis?.stop())

  const open = async () => {
    connections = await openConnections(redis.url, { ackReplicas: 1 })
    return connections
  }

  it.each(['is killed', 'hangs'])('that %s is left for the next one', async (how) => {
    const store = await open()
    const heard = await hear(store, '{room}x')
    const old = store.server(0)
    await old.redis.set('a', how)
    expect(await old.replicated()).toBe(true)
    const primary = await redis.primary()
    const away = outage(store, 20_000)
    if (how === 'hangs') primary.freeze()
    else await primary.stop('SIGKILL')
    // 2 to 4 s on a calm machine: one until the Sentinels are sure, and their election.
    expect(await away).toBeLessThan(10_000)
    const now = store.server(0)
    expect(now.replicationId).not.toBe(old.replicationId)
    expect(await redis.primary()).not.toBe(primary)
    expect(await now.redis.get('a')).toBe(how)
    expect(await old.replicated()).toBe(false)
    expect(heard.resumed).toBeGreaterThan(0)
    await now.redis.call('SPUBLISH', '{room}x', 'after')
    await expect.poll(() => heard.messages).toEqual(['after'])
    primary.thaw()
    await redis.rejoin(primary)
    await expect.poll(() => store.server(0).replicated(), { timeout: 5000 }).toBe(true)
    expect(store.server(0).replicationId).toBe(now.replicationId)
  })

  it('is found although a Sentinel is dead and another one hangs', async () => {
    const [dead, hanging] = redis.sentinels
    await dead?.stop('SIGKILL')
    hanging?.freeze()
    try {
      const store = await open()
      expect(serverOf(store)).not.toBeNull()
    } finally {
      hanging?.thaw()
      await dead?.start()
    }
  })

  it('says in a sentence why it cannot be found', async () => {
    const [sentinel] = redis.sentinels
    const at = `127.0.0.1:${sentinel?.port}`
    await expect(openConnections(`redis+sentinel://${at}/other`)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('know no primary named other'),
    })
    await expect(
      openConnections(`redis+sentinel://127.0.0.1:${await freePort()}/pychat`),
    ).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('None of the Sentinels'),
    })
    const primary = await redis.primary()
    await expect(openConnections(`redis+sentinel://127.0.0.1:${primary.port}/pychat`)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('not a Sentinel'),
    })
    await expect(openConnections(`redis://${at}`)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('redis+sentinel://'),
    })
  })
})
