// Charters and quiet rooms where several nodes share one Redis: races, outages, and a Redis that lost something.

import { type RoomId, readCharter } from '@pychat/protocol'
import type { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import { roomKeys } from '../../src/redis/keys.ts'
import { judge, storedAs } from '../../src/rooms/charter.ts'
import { verifier } from '../../src/verifier.ts'
import { banned, charterPair, newPerson } from '../support/charters.ts'
import { localBinary, RedisProcess } from '../support/redis.servers.ts'
import { connectRedis, getRedis } from '../support/redis.ts'
import { RedisWire } from '../support/wire.ts'
import { joined, type NodeOptions, newRoom, publish, request } from './contract.ts'
import { type RedisNode, redisFactory } from './redis.nodes.ts'

const times = { beatMs: 300, janitorMs: 300, checkMs: 200 }

describe('nodes that share the charter of a room', () => {
  let wire: RedisWire
  let factory: ReturnType<typeof redisFactory>
  let redis: Redis
  let room: RoomId
  const nodes: RedisNode[] = []
  const [owner, op, bob] = [newPerson(), newPerson(), newPerson()]

  /** @param near behind a wire that can be cut */
  async function newNode(near = false, options: Partial<NodeOptions> = {}): Promise<RedisNode> {
    const node = near
      ? await factory.node(options)
      : await redisFactory(getRedis(), times).node({ keyPrefix: factory.keyPrefix, ...options })
    nodes.push(node)
    return node
  }

  const asks = (person: typeof bob | null, of = room) => request(of, { member: person?.id ?? null })
  const told = (node: RedisNode, of = room) =>
    node.controls(of).flatMap((each) => (each.t === 'charter' ? [each] : []))

  /** The room's hash as it is now, and how to make it that again. */
  async function remember(): Promise<() => Promise<void>> {
    const key = roomKeys(factory.keyPrefix, room).room
    const [stamp, charter] = await redis.hmget(key, 'stamp', 'charter')
    return async () => {
      await redis.hset(key, { stamp, charter })
    }
  }

  beforeEach(async () => {
    wire = new RedisWire(getRedis())
    await wire.open()
    factory = redisFactory(wire.url, times)
    redis = connectRedis(getRedis()) as Redis
    room = newRoom()
  })

  afterEach(async () => {
    wire.thaw()
    await Promise.all(nodes.splice(0).map((node) => node.rooms.stop()))
    await factory.close()
    await wire.cut()
    await redis.quit()
  })

  it('learn what they missed while they were away: charter, bans, mutes and kicks', async () => {
    const [here, away] = [await newNode(), await newNode(true)]
    const alice = await joined(here, asks(owner))
    const [out, kicked, muted] = [
      await joined(away, asks(bob)),
      await joined(away, asks(null)),
      await joined(away, asks(op)),
    ]
    const first = charterPair(owner, room)
    expect(await here.rooms.charter(alice.membership, first)).toEqual({ ok: true })
    await away.until(() => told(away).length === 1)
    await wire.cut()
    await away.until(() => away.availability.at(-1) === false)
    const next = charterPair(owner, room, { rulesVersion: 2, bans: [banned(bob)], muted: [op.id] })
    expect(await here.rooms.charter(alice.membership, next)).toEqual({ ok: true })
    expect(await here.rooms.kick(alice.membership, kicked.membership.session)).toEqual({ ok: true })
    await wire.open()
    await away.until(() => away.expelled.length === 2)
    expect(away.expelled).toContainEqual({ membership: out.membership, why: 'banned' })
    expect(away.expelled).toContainEqual({ membership: kicked.membership, why: 'kicked' })
    await away.until(() => told(away).length === 2)
    expect(told(away)[1]).toMatchObject(next)
    await away.until(() => away.availability.at(-1) === true)
    expect(await publish(away, muted, 1)).toEqual({ status: 'muted' })
    await here.until(() => here.departed(out.membership.session) === 'banned')
    expect(away.leasesLost).toBe(0)
  })

  it('bring back what Redis lost, each what it knows, and end with the newest', async () => {
    const [one, two] = [await newNode(), await newNode()]
    const alice = await joined(one, asks(owner))
    await joined(two, asks(bob))
    expect(await one.rooms.charter(alice.membership, charterPair(owner, room))).toEqual({ ok: true })
    const older = await remember()
    const newest = charterPair(owner, room, { rulesVersion: 2, bans: [banned(op)] })
    expect(await one.rooms.charter(alice.membership, newest)).toEqual({ ok: true })
    await two.until(() => told(two).length === 2)
    await older()
    // Whoever asks next shows it.
    expect(await two.rooms.join(asks(op))).toEqual({ ok: false, code: 'banned' })
    expect((await joined(await newNode(), asks(null, newRoom()))).charter).toBeNull()
    expect((await joined(await newNode(), asks(newPerson()))).charter).toEqual(newest)
  })

  it('take over what was told while nobody here heard it, at the latest when the room is looked at again', async () => {
    const [here, away] = [await newNode(), await newNode(true, { beaconMs: 200 })]
    const alice = await joined(here, asks(owner))
    const out = await joined(away, asks(bob))
    // Written without a word, as if the message had been lost.
    const pair = charterPair(owner, room, { bans: [banned(bob)] })
    const judgement = judge(null, readCharter(pair, verifier, room), Date.now())
    const { stamp, text } = storedAs(judgement.ok ? judgement.next : null)
    await redis.hset(roomKeys(factory.keyPrefix, room).room, { stamp, charter: text })
    const ticks = setInterval(() => away.rooms.tick(), 50)
    await away.until(() => away.expelled.length === 1)
    clearInterval(ticks)
    expect(away.expelled).toEqual([{ membership: out.membership, why: 'banned' }])
    expect(told(away)).toHaveLength(1)
    expect((await joined(here, asks(op))).charter).toEqual(pair)
    expect(await publish(here, alice, 1)).toMatchObject({ status: 'taken' })
  })

  it('take one of two that are put into force at once, and the same one', async () => {
    const all = [await newNode(), await newNode(), await newNode()]
    for (let round = 1; round <= 20; round += 1) {
      room = newRoom()
      const by = await Promise.all(all.map((node, i) => joined(node, asks(i === 0 ? owner : op))))
      const first = by[0] as (typeof by)[0]
      expect(await all[0]?.rooms.charter(first.membership, charterPair(owner, room, { ops: [op] }))).toEqual({
        ok: true,
      })
      const next = [{ lock: true }, { history: true }, { limit: 7 }].map((fields, i) =>
        charterPair(owner, room, { ops: [op], rulesVersion: 2, signer: i === 0 ? owner : op, ...fields }),
      )
      const results = await Promise.all(
        all.map((node, i) =>
          node.rooms.charter((by[i] as typeof first).membership, next[i] as (typeof next)[0]),
        ),
      )
      expect(results.filter((each) => each.ok)).toHaveLength(1)
      expect(results.filter((each) => !each.ok && each.code === 'charter-old')).toHaveLength(2)
      const winner = next[results.findIndex((each) => each.ok)]
      for (const node of all) {
        await node.until(() => told(node).length === 2)
        expect(told(node)[1]).toMatchObject(winner ?? {})
      }
    }
  })

  it('let nobody slip in beside a ban, however close', async () => {
    const [one, two] = [await newNode(), await newNode()]
    for (let round = 1; round <= 30; round += 1) {
      room = newRoom()
      const alice = await joined(one, asks(owner))
      const asked = Array.from({ length: 6 }, () => asks(bob))
      const ban = charterPair(owner, room, { bans: [banned(bob)] })
      await Promise.all([
        one.rooms.charter(alice.membership, ban),
        ...asked.map((each, i) => (i % 2 === 0 ? one : two).rooms.join(each)),
      ])
      await expect.poll(async () => (await one.rooms.roomMembers(room))?.length, { interval: 5 }).toBe(1)
    }
  })

  it('put out who came in a moment before a ban, however late the node hears of having let it in', async () => {
    const [here, slow] = [await newNode(), await newNode(true)]
    const alice = await joined(here, asks(owner))
    await joined(slow, asks(op))
    wire.answersLateMs = 300
    const join = slow.rooms.join(asks(bob))
    await here.until(() => here.controls(room).filter((each) => each.t === 'arrived').length === 3)
    const ban = charterPair(owner, room, { bans: [banned(bob)], muted: [op.id] })
    expect(await here.rooms.charter(alice.membership, ban)).toEqual({ ok: true })
    const result = await join
    wire.answersLateMs = 0
    expect(result).toMatchObject({ ok: true })
    await slow.until(() => slow.expelled.length === 1)
    expect(slow.expelled).toEqual([{ membership: result.ok && result.membership, why: 'banned' }])
    await expect.poll(async () => (await here.rooms.roomMembers(room))?.length).toBe(2)
  })

  it('let nobody in by a charter that they cannot read, and leave the rest alone', async () => {
    const node = await newNode()
    const alice = await joined(node, asks(owner))
    await redis.hset(roomKeys(factory.keyPrefix, room).room, { stamp: 'of/another/version', charter: '{}' })
    expect(await node.rooms.join(asks(bob))).toEqual({ ok: false, code: 'unavailable' })
    expect(await publish(node, alice, 1)).toMatchObject({ status: 'taken' })
    await joined(node, asks(bob, newRoom()))
  })

  it('read no roster of a quiet room, and find all the same who is elsewhere by now', async () => {
    const quiet = { above: 4, min: 3 }
    const [here, away] = [await newNode(false, { quiet }), await newNode(true, { quiet })]
    const moving = asks(bob)
    const old = await joined(away, moving)
    for (let i = 0; i < 6; i += 1) await joined(here, asks(null))
    await away.until(() => away.controls(room).some((each) => each.t === 'count' && each.quiet))
    await wire.cut()
    await away.until(() => away.availability.at(-1) === false)
    await joined(here, moving)
    const before = away.controls(room).length
    await wire.open()
    await away.until(() => away.replaced.length === 1)
    expect(away.replaced).toEqual([old.membership])
    expect(
      away
        .controls(room)
        .slice(before)
        .filter((each) => each.t === 'arrived' || each.t === 'departed'),
    ).toEqual([])
  })

  it('say at the end of an outage that a room has become quiet, or is quiet no more', async () => {
    const quiet = { above: 4, min: 3 }
    const [here, away] = [await newNode(false, { quiet }), await newNode(true, { quiet })]
    await joined(away, asks(null))
    const counts = () =>
      away.controls(room).flatMap((each) => (each.t === 'count' ? [[each.count, each.quiet]] : []))
    const outage = async (work: () => Promise<void>) => {
      await wire.cut()
      await away.until(() => away.availability.at(-1) === false)
      await work()
      await wire.open()
      await away.until(() => away.availability.at(-1) === true)
    }
    const others: Awaited<ReturnType<typeof joined>>[] = []
    await outage(async () => {
      for (let i = 0; i < 5; i += 1) others.push(await joined(here, asks(null)))
    })
    await away.until(() => counts().length === 1)
    expect(counts()).toEqual([[6, true]])
    await outage(async () => {
      for (const { membership } of others.slice(0, 4)) await here.rooms.leave(membership, 'left')
    })
    await away.until(() => counts().length === 2)
    expect(counts()[1]).toEqual([2, false])
  })
})

describe.skipIf(localBinary() === null)('a node whose Redis lost everything', () => {
  it('brings its charters back at once, though nobody comes back to it', async () => {
    const server = new RedisProcess(localBinary() ?? '', await freePort())
    await server.start()
    const factory = redisFactory(server.url, { ...times, lingerMs: 60_000 })
    const [knowing, other] = [await factory.node(), await factory.node()]
    const [owner, bob] = [newPerson(), newPerson()]
    const room = newRoom()
    const alice = await joined(knowing, request(room, { member: owner.id }))
    const pair = charterPair(owner, room, { bans: [banned(bob)] })
    expect(await knowing.rooms.charter(alice.membership, pair)).toEqual({ ok: true })
    await server.ask('FLUSHALL')
    await knowing.until(() => knowing.leasesLost === 1)
    const comes = async () => {
      const result = await other.rooms.join(request(room, { member: newPerson().id }))
      return result.ok ? result.charter : result.code
    }
    await expect.poll(comes).toEqual(pair)
    expect(await other.rooms.join(request(room, { member: bob.id }))).toEqual({ ok: false, code: 'banned' })
    await Promise.all([knowing.rooms.stop(), other.rooms.stop()])
    await server.remove()
  })
})
