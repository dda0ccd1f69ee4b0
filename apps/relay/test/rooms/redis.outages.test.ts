// The store goes away and comes back: what a node says, refuses and makes good.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import { parseRedisAddress } from '../../src/redis/address.ts'
import { localBinary, RedisProcess } from '../support/redis.servers.ts'
import { adminUrl, getRedis, getRedisCluster } from '../support/redis.ts'
import { RedisWire } from '../support/wire.ts'
import { joined, type Node, newRoom, publish, request } from './contract.ts'
import { type RedisNode, redisFactory } from './redis.nodes.ts'

const times = { beatMs: 300, janitorMs: 300 }

describe('a node whose Redis goes away', () => {
  let wire: RedisWire
  let near: ReturnType<typeof redisFactory>
  let node: RedisNode
  let other: RedisNode

  beforeEach(async () => {
    wire = new RedisWire(getRedis())
    await wire.open()
    near = redisFactory(wire.url, times)
    node = await near.node()
    other = await redisFactory(getRedis(), times).node({ keyPrefix: near.keyPrefix })
  })

  afterEach(async () => {
    wire.thaw()
    await Promise.all([node.rooms.stop(), other.rooms.stop()])
    await near.close()
    await wire.cut()
  })

  it('says so within 3 s when Redis hangs, takes nothing meanwhile, and goes on afterwards', async () => {
    const room = newRoom()
    const alice = await joined(node, request(room))
    wire.freeze()
    const frozenAt = Date.now()
    const lost = publish(node, alice, 1)
    await node.until(() => node.availability.at(-1) === false, 4000)
    expect(Date.now() - frozenAt).toBeLessThan(3000)
    expect(await lost).toEqual({ status: 'unavailable' })
    expect(await publish(node, alice, 1)).toEqual({ status: 'unavailable' })
    expect(await node.rooms.join(request(room))).toEqual({ ok: false, code: 'unavailable' })
    await expect(node.rooms.stats([room])).rejects.toMatchObject({ name: 'StoreError', code: 'unreachable' })
    wire.thaw()
    await node.until(() => node.availability.at(-1) === true, 4000)
    // The first attempt hung on the wire and was taken after all: sent again it counts once.
    expect(await publish(node, alice, 1)).toMatchObject({ status: 'duplicate' })
    expect(await publish(node, alice, 2)).toEqual({ status: 'taken', seq: 2 })
    await node.until(() => node.seqs(room).length === 2)
    expect(node.availability).toEqual([false, true])
  })

  it('says so at once when the connection breaks, and hears its rooms again afterwards', async () => {
    const room = newRoom()
    const alice = await joined(node, request(room))
    await wire.cut()
    await node.until(() => node.availability.at(-1) === false, 1000)
    expect(await publish(node, alice, 1)).toEqual({ status: 'unavailable' })
    const bob = await joined(other, request(room))
    await publish(other, bob, 1)
    await wire.open()
    await node.until(() => node.availability.at(-1) === true, 5000)
    expect(await publish(node, alice, 1)).toEqual({ status: 'taken', seq: 2 })
    await node.until(() => node.seqs(room).length === 1)
    // What was said meanwhile is missing, and the jump shows it.
    expect(node.seqs(room)).toEqual([2])
    expect(node.leasesLost).toBe(0)
  })

  it('tells its clients who came and went meanwhile', async () => {
    const room = newRoom()
    await joined(node, request(room))
    const going = await joined(other, request(room))
    await node.until(() => node.controls(room).length === 2)
    await wire.cut()
    await other.rooms.leave(going.membership, 'left')
    const coming = await joined(other, request(room))
    await wire.open()
    await node.until(() => node.departed(going.membership.session) === 'lost')
    await node.until(() => JSON.stringify(node.controls(room).at(-1)).includes(coming.membership.session))
  })

  it('learns that a session moved to another node meanwhile', async () => {
    const room = newRoom()
    const asked = request(room)
    const old = await joined(node, asked)
    await wire.cut()
    await joined(other, asked)
    await wire.open()
    await node.until(() => node.replaced.length === 1)
    expect(node.replaced).toEqual([old.membership])
  })

  it('holds back what follows a join until the joiner can hear it, however late the answer', async () => {
    const room = newRoom()
    await joined(node, request(room))
    const bob = await joined(other, request(room))
    let talking = true
    let counter = 0
    const talk = (async () => {
      while (talking) {
        counter += 1
        await publish(other, bob, counter)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    })()
    await node.until(() => node.seqs(room).length > 5)
    wire.answersLateMs = 100
    const carol = await joined(node, request(room))
    // Here the session subscribes its socket to the room.
    const before = node.seqs(room).length
    await node.until(() => node.seqs(room).length > before)
    expect(node.seqs(room)[before]).toBeLessThanOrEqual(carol.seq + 1)
    wire.answersLateMs = 0
    talking = false
    await talk
    await node.until(() => node.seqs(room).length === counter)
    expect(node.seqs(room)).toEqual(Array.from({ length: counter }, (_, i) => i + 1))
  })

  it('keeps its lease when Redis hung for longer than a lease lasts', async () => {
    const short = redisFactory(wire.url, { ...times, leaseMs: 2500 })
    const nodes = await Promise.all([short.node(), short.node()])
    const room = newRoom()
    const [alice, bob] = await Promise.all(nodes.map((each) => joined(each, request(room))))
    wire.freeze()
    await new Promise((resolve) => setTimeout(resolve, 4000))
    wire.thaw()
    for (const each of nodes) await each.until(() => each.availability.at(-1) === true)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    for (const [i, each] of nodes.entries()) {
      expect(each.leasesLost).toBe(0)
      const member = i === 0 ? alice : bob
      if (member !== undefined) expect(await publish(each, member, 1)).toMatchObject({ status: 'taken' })
    }
    await Promise.all(nodes.map((each) => each.rooms.stop()))
  })

  it('makes good the leaves of that time', async () => {
    const room = newRoom()
    const asked = request(room)
    const alice = await joined(node, asked)
    await joined(other, request(room))
    await wire.cut()
    await node.rooms.leave(alice.membership, 'lost')
    await wire.open()
    await other.until(() => other.departed(asked.session) === 'lost', 8000)
    await joined(other, request(room, { tag: asked.tag }))
  })
})

describe.skipIf(localBinary() === null)('a node whose Redis process', () => {
  let server: RedisProcess
  let node: Node

  beforeEach(async () => {
    server = new RedisProcess(localBinary() ?? '', await freePort())
    await server.start()
    node = await redisFactory(server.url, times).node()
  })

  afterEach(async () => {
    server.thaw()
    await node.rooms.stop()
    await server.remove()
  })

  it('is frozen says so within 3 s, and recovers', async () => {
    const room = newRoom()
    const alice = await joined(node, request(room))
    server.freeze()
    const frozenAt = Date.now()
    await node.until(() => node.availability.at(-1) === false, 4000)
    expect(Date.now() - frozenAt).toBeLessThan(3000)
    server.thaw()
    await node.until(() => node.availability.at(-1) === true, 4000)
    expect(await publish(node, alice, 1)).toEqual({ status: 'taken', seq: 1 })
  })

  it('came back without its data closes its sessions, and takes them in again', async () => {
    const asked = request(newRoom())
    const alice = await joined(node, asked)
    await server.stop('SIGKILL')
    await node.until(() => node.availability.at(-1) === false, 1000)
    await server.start()
    await node.until(() => node.leasesLost === 1)
    await node.until(() => node.availability.at(-1) === true)
    const again = await joined(node, asked)
    expect(again).toMatchObject({ seq: 0, counter: 0 })
    expect(again.epoch).not.toBe(alice.epoch)
    expect(await publish(node, again, 1)).toEqual({ status: 'taken', seq: 1 })
  })
})

describe('a node that starts', () => {
  it('says which Redis it cannot reach, and no password', async () => {
    const url = `redis://user:hidden-word@127.0.0.1:${await freePort()}`
    const starting = redisFactory(url).node()
    await expect(starting).rejects.toMatchObject({ name: 'StoreError', code: 'unreachable', retryable: true })
    await expect(starting).rejects.toThrow(/127\.0\.0\.1:\d+ cannot be reached/)
    const error = await starting.catch((caught) => caught)
    expect(`${error} ${error.stack} ${JSON.stringify(error)} ${JSON.stringify(error.cause)}`).not.toContain(
      'hidden-word',
    )
  })

  it('says that Redis refused its user, and no password', async () => {
    const starting = redisFactory(adminUrl(getRedis()).replace('//', '//nobody:hidden-word@')).node()
    await expect(starting).rejects.toMatchObject({ name: 'StoreError', code: 'refused', retryable: false })
    const error = await starting.catch((caught) => caught)
    expect(`${error} ${error.cause?.stack} ${JSON.stringify(error.cause)}`).not.toContain('hidden-word')
  })

  it('says that a server is too old', async () => {
    const wire = new RedisWire(getRedis())
    await wire.open()
    wire.rewrite = (answer) =>
      Buffer.from(answer.toString('latin1').replace(/redis_version:\d/, 'redis_version:6'), 'latin1')
    const starting = redisFactory(wire.url).node()
    await expect(starting).rejects.toMatchObject({ name: 'StoreError', code: 'too-old', retryable: false })
    await expect(starting).rejects.toThrow(/is version 6\.\d.*needs Redis 7\.0/)
    await wire.cut()
  })

  it('says how to write the address of the other kind of Redis', async () => {
    const part = parseRedisAddress(getRedisCluster()).hosts[0]
    await expect(redisFactory(`redis://127.0.0.1:${part?.port}`).node()).rejects.toThrow(
      /redis\+cluster:\/\//,
    )
    await expect(redisFactory(getRedis().replace('redis:', 'redis+cluster:')).node()).rejects.toThrow(
      /no Redis Cluster/,
    )
  })

  it.skipIf(localBinary() === null)('signs in with the password of its address', async () => {
    const server = new RedisProcess(localBinary() ?? '', await freePort(), ['--requirepass', 'hidden word'])
    await server.start()
    await expect(redisFactory(server.url).node()).rejects.toMatchObject({ code: 'refused' })
    const node = await redisFactory(server.url.replace('//', '//:hidden%20word@')).node()
    const alice = await joined(node, request(newRoom()))
    expect(await publish(node, alice, 1)).toEqual({ status: 'taken', seq: 1 })
    await node.rooms.stop()
    await server.remove()
  })
})
