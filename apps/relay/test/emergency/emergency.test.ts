// The emergency level: what each lets in, the last word on every node, its end, and that no store calms a cluster down.
import { BlockList } from 'node:net'
import { type DefconLevel, defconReplySchema, nodesReplySchema, type RoomId } from '@pychat/protocol'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  createEmergency,
  type Emergency,
  type EmergencyStore,
  measures,
  neverSet,
} from '../../src/emergency/emergency.ts'
import { createAddressLimits } from '../../src/session/address-limits.ts'
import { type RelayChild, startRelay } from '../child.ts'
import { house, settle } from '../session/house.ts'
import { connectRedis, freshPrefix, getRedis } from '../support/redis.ts'
import { connect, joinMessage } from '../wire-client.ts'

const rooms = { member: async () => null, stats: async () => [] }

function watch() {
  let now = 1000
  let told: (stored: Emergency) => void = () => {}
  const written: Emergency[] = []
  const levels: DefconLevel[] = []
  const store: EmergencyStore = {
    async start(tell) {
      told = tell
    },
    async write(emergency) {
      written.push(emergency)
    },
    stop() {},
  }
  const emergency = createEmergency(
    store,
    () => rooms,
    () => now,
    (level) => levels.push(level),
  )
  return {
    emergency,
    written,
    levels,
    told: (stored: Emergency) => told(stored),
    pass: (ms: number) => (now += ms),
  }
}

describe('the level in force', () => {
  it('is the last word, from wherever it came, and is told once', async () => {
    const { emergency, levels, told } = watch()
    vi.useFakeTimers()
    await emergency.start()
    told({ level: 3, setAt: 500, until: null })
    told({ level: 3, setAt: 500, until: null })
    expect(emergency.level()).toBe(3)
    // Another node's clock is behind: what is set here afterwards is later all the same.
    told({ level: 2, setAt: 9000, until: null })
    await emergency.set(4, null)
    expect(emergency.state()).toEqual({ level: 4, setAt: 9001, until: null })
    expect(levels).toEqual([3, 2, 4])
    emergency.stop()
    vi.useRealTimers()
  })

  it('ends by itself when its time is over', async () => {
    const { emergency, levels, pass } = watch()
    vi.useFakeTimers()
    await emergency.start()
    await emergency.set(1, 5000)
    pass(4999)
    expect(emergency.level()).toBe(1)
    pass(1)
    expect(emergency.level()).toBe(5)
    expect(emergency.state()).toMatchObject({ level: 5, until: null })
    vi.advanceTimersByTime(1000)
    expect(levels).toEqual([1, 5])
    emergency.stop()
    vi.useRealTimers()
  })

  it('is given back to a store that has forgotten it', async () => {
    const { emergency, written, told } = watch()
    await emergency.start()
    const set = await emergency.set(2, null)
    told(neverSet)
    expect(emergency.level()).toBe(2)
    expect(written).toEqual([set, set])
    emergency.stop()
  })
})

it('halves what an address may do from level 4 on', () => {
  let level: DefconLevel = 4
  const limits = createAddressLimits(
    {
      trustedProxies: new BlockList(),
      connectionsPerAddressMax: 1000,
      handshakesPerAddressPerSecond: 2,
      joinsPerAddressPerSecond: 100,
      roomsPerAddressPerMinute: 4,
      framesPerAddressPerSecond: 20,
      bytesPerAddressPerSecond: 65_536,
    },
    () => {},
    () => measures[level].addressShare,
  )
  for (let i = 0; i < 5; i += 1) expect(limits.handshake('192.0.2.1', 1000)).toBeNull()
  expect(limits.handshake('192.0.2.1', 1000)).toBe(1)
  for (const room of ['a', 'b']) expect(limits.join('192.0.2.1', room, 1000)).toBeNull()
  expect(limits.join('192.0.2.1', 'c', 1000)).not.toBeNull()
  level = 5
  expect(limits.join('192.0.2.1', 'c', 1000)).toBeNull()
})

it('a join that it refuses is counted, answered kindly, and holds nothing', async () => {
  const { open, figures, roomShares } = house(undefined, {
    emergency: { measures: () => measures[2], admits: async () => false },
  })
  const peer = open()
  peer.say(joinMessage(1))
  await settle()
  expect(peer.last('refused')).toMatchObject({
    id: 1,
    code: 'emergency',
    retryMs: 30_000,
    message: 'This relay lets only people it knows in right now; try again in a while.',
  })
  expect(figures.limited.emergency).toBe(1)
  expect(roomShares.size()).toBe(0)
})

describe('on two nodes over one Redis', () => {
  const token = 'a-token-for-both-nodes'
  const prefix = freshPrefix()
  const env = { PYCHAT_REDIS_URL: getRedis(), PYCHAT_REDIS_PREFIX: prefix, PYCHAT_ADMIN_TOKEN: token }
  let one: RelayChild
  let two: RelayChild

  beforeAll(async () => {
    ;[one, two] = await Promise.all([startRelay(env), startRelay(env)])
  })
  afterAll(() => Promise.all([one?.dispose(), two?.dispose()]))

  const headers = { authorization: `Bearer ${token}` }
  const set = async (node: RelayChild, body: object) => {
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    return (await fetch(`${node.opsUrl}/admin/v1/defcon/level`, init)).json()
  }
  const level = async (node: RelayChild) =>
    defconReplySchema.parse(await (await fetch(`${node.opsUrl}/admin/v1/defcon`, { headers })).json())
  const answer = async (node: RelayChild, message: ReturnType<typeof joinMessage>) => {
    const client = await connect(node.url)
    client.send(message)
    await client.until(() => client.controls.some(({ t }) => t === 'joined' || t === 'refused'))
    const last = client.controls.find(({ t }) => t === 'joined' || t === 'refused')
    return { client, answer: last?.t === 'refused' ? last.code : last?.t }
  }

  it('holds on both at once, for whom it says, and survives restarts of all of them', async () => {
    const known = joinMessage(1)
    const { client } = await answer(one, known)
    const stranger = () => joinMessage(1, { room: known.room as RoomId })

    expect(defconReplySchema.parse(await set(one, { level: 3 }))).toMatchObject({
      level: 3,
      until: null,
      nodes: { asked: 2, answered: 2 },
      inForce: [expect.any(String), expect.any(String)],
    })
    expect((await answer(two, joinMessage(1))).answer).toBe('emergency')
    expect((await answer(two, stranger())).answer).toBe('joined')

    await set(two, { level: 2 })
    expect((await answer(one, stranger())).answer).toBe('emergency')
    client.socket.terminate()
    expect((await answer(two, known)).answer).toBe('joined')

    await set(one, { level: 1 })
    for (const node of [one, two]) await expect(connect(node.url)).rejects.toThrow('503')
    const text = await (await fetch(`${two.opsUrl}/metrics`)).text()
    expect(text).toContain('pychat_relay_defcon 1\n')
    expect(text).toMatch(/limited_total\{limit="emergency"\} [1-9]/)
    expect(two.stderr()).toContain('"defcon":1')

    one.process.kill('SIGKILL')
    two.process.kill('SIGKILL')
    await Promise.all([one.dispose(), two.dispose()])
    ;[one, two] = await Promise.all([startRelay(env), startRelay(env)])
    await expect(connect(one.url)).rejects.toThrow('503')
  }, 40_000)

  it('comes back to a Redis that lost it, and ends on time', async () => {
    const redis = connectRedis(getRedis())
    await redis.del(`${prefix}:{defcon}`)
    await expect.poll(() => redis.hget(`${prefix}:{defcon}`, 'level'), { timeout: 10_000 }).toBe('1')
    redis.disconnect()
    expect(await set(two, { level: 2, forMs: 4000 })).toMatchObject({ level: 2, until: expect.any(String) })
    expect((await answer(one, joinMessage(1))).answer).toBe('emergency')
    await expect.poll(async () => (await level(one)).level, { timeout: 10_000 }).toBe(5)
    expect((await answer(one, joinMessage(1))).answer).toBe('joined')
    const nodes = await (await fetch(`${one.opsUrl}/admin/v1/nodes`, { headers })).json()
    expect(nodesReplySchema.parse(nodes).list[0]).toMatchObject({ defcon: 5 })
  }, 40_000)

  it('takes no other level and no other time', async () => {
    for (const body of [{ level: 0 }, { level: 6 }, { level: 3, forMs: 10 }, { level: 3, for: '1h' }, {}]) {
      expect(await set(one, body)).toMatchObject({ error: { code: 'bad-request' } })
    }
  })
})
