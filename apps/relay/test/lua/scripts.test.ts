// Each script on a real Redis: what it answers, what it leaves, what it publishes, and that a repeat does no harm.
import {
  decodeDelivery,
  decodeHex,
  type Epoch,
  type NodeId,
  type RoomId,
  writeDeliveryHeader,
} from '@pychat/protocol'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { leaseKey, type RoomKeys, roomKeys } from '../../src/redis/keys.ts'
import { createScripts, nodeOf, ownerOf, type Scripts } from '../../src/redis/scripts.ts'
import { frame, newRoom, newTag, request } from '../rooms/contract.ts'
import { freshPrefix, getRedis } from '../support/redis.ts'

const keepMs = 600_000
const now = 1_700_000_000_000
const epoch = '00112233445566ff' as Epoch
const owner = ownerOf('aaaaaaaaaaaaaaaa' as NodeId, 1)
const rival = ownerOf('bbbbbbbbbbbbbbbb' as NodeId, 1)

describe('scripts', () => {
  let redis: Redis
  let ear: Redis
  let scripts: Scripts
  let prefix: string
  let room: RoomId
  let keys: RoomKeys
  const heard: Buffer[] = []

  beforeEach(async () => {
    redis = new Redis(getRedis())
    ear = new Redis(getRedis())
    scripts = createScripts(redis)
    prefix = freshPrefix()
    room = newRoom()
    keys = roomKeys(prefix, room)
    heard.length = 0
    ear.on('smessageBuffer', (_channel: Buffer, message: Buffer) => heard.push(message))
    await ear.ssubscribe(keys.channel)
  })

  afterEach(() => {
    redis.disconnect()
    ear.disconnect()
  })

  const join = (asked = request(room), state: Partial<Parameters<Scripts['roomJoin']>[2]> = {}) =>
    scripts.roomJoin(keys, asked, { owner, now, epoch, membersMax: 100, ...state })

  /** Everything published so far: a subscriber's PING is answered after it. */
  async function published(): Promise<{ kind: number | undefined; body: unknown }[]> {
    await redis.ping()
    await ear.ping()
    return heard.splice(0).map((message) => ({
      kind: message[0],
      body: message[0] === 1 ? message.subarray(1) : JSON.parse(message.toString('utf8', 1)),
    }))
  }

  /** Everything that lies under the room. */
  async function state(): Promise<unknown> {
    const [roomKey, members, names, gone, roster] = keys.all
    return Promise.all([
      redis.hgetall(roomKey),
      redis.hgetall(members),
      redis.hgetall(names),
      redis.zrange(gone, '0', '-1', 'WITHSCORES'),
      redis.zrange(roster, '0', '-1', 'WITHSCORES'),
    ])
  }

  describe('room_join', () => {
    it('opens a room, tells members who arrived and nodes who joined', async () => {
      const asked = request(room)
      const { session, tag, profile, proof } = asked
      const member = { session, tag, profile, counter: 0, since: now }
      expect(await join(asked)).toEqual({
        answer: 'ok',
        epoch,
        seq: 0,
        counter: 0,
        count: 1,
        page: { entries: [{ ...member, owner }], next: null },
      })
      expect(await published()).toEqual([
        { kind: 2, body: { t: 'arrived', room, member } },
        { kind: 3, body: { session, owner, was: '' } },
      ])
      expect(await state()).toEqual([
        {
          epoch,
          seq: '0',
          bytes: '0',
          created: `${now}`,
          active: `${now}`,
          place: '1',
          [`s:${session}`]: `0 ${owner}`,
        },
        { [session]: `${now} ${tag} ${proof} ${profile}` },
        { [tag]: session },
        [],
        [session, '1'],
      ])
    })

    it('changes nothing and tells no member when it is repeated', async () => {
      const asked = request(room)
      await join(asked)
      const before = await state()
      await published()
      expect(await join(asked)).toMatchObject({ answer: 'ok', count: 1 })
      expect(await state()).toEqual(before)
      expect(await published()).toEqual([{ kind: 3, body: { session: asked.session, owner, was: '' } }])
    })

    it('names the former owner on a takeover', async () => {
      const asked = request(room)
      await join(asked)
      await published()
      expect(await join(asked, { owner: rival, now: now + 5 })).toMatchObject({
        answer: 'ok',
        page: { entries: [{ since: now }] },
      })
      expect(await published()).toEqual([
        { kind: 3, body: { session: asked.session, owner: rival, was: owner } },
      ])
    })

    it('refuses without a trace', async () => {
      const asked = request(room)
      await join(asked)
      const before = await state()
      await published()
      expect(await join(request(room, { tag: asked.tag }), { owner: rival })).toEqual({
        answer: 'taken',
        owner,
      })
      expect(await join({ ...asked, proof: request(room).proof }, { owner: rival })).toEqual({
        answer: 'session',
      })
      expect(await join(request(room), { membersMax: 1 })).toEqual({ answer: 'full' })
      expect(await state()).toEqual(before)
      expect(await published()).toEqual([])
    })

    it('trims a bounded number of forgotten counters', async () => {
      for (let i = 0; i < 20; i += 1) {
        const asked = request(room)
        await join(asked)
        await scripts.roomLeave(keys, room, asked.session, owner, 'left', now, keepMs)
      }
      await join(request(room), { now: now + keepMs })
      expect(await redis.zcard(keys.all[3])).toBe(4)
      await join(request(room), { now: now + keepMs })
      expect(await redis.zcard(keys.all[3])).toBe(0)
      expect(
        Object.keys(await redis.hgetall(keys.room)).filter((field) => field.startsWith('s:')),
      ).toHaveLength(2)
    })
  })

  describe('room_leave', () => {
    it('keeps the counter, frees the name, tells members once', async () => {
      const asked = request(room)
      const { session, proof } = asked
      await join(asked)
      await published()
      expect(await scripts.roomLeave(keys, room, session, owner, 'left', now, keepMs)).toBe(true)
      const after = await state()
      expect(after).toMatchObject([
        { [`s:${session}`]: `0 - ${proof}` },
        {},
        {},
        [session, `${now + keepMs}`],
        [],
      ])
      expect(await scripts.roomLeave(keys, room, session, owner, 'left', now + 1, keepMs)).toBe(false)
      expect(await state()).toEqual(after)
      expect(await published()).toEqual([{ kind: 2, body: { t: 'departed', room, session, why: 'left' } }])
    })

    it('leaves alone what another owner holds, and rooms that are not there', async () => {
      const asked = request(room)
      await join(asked, { owner: rival })
      const before = await state()
      expect(await scripts.roomLeave(keys, room, asked.session, owner, 'lost', now, keepMs)).toBe(false)
      expect(await state()).toEqual(before)
      const empty = newRoom()
      expect(
        await scripts.roomLeave(roomKeys(prefix, empty), empty, asked.session, owner, 'lost', now, keepMs),
      ).toBe(false)
      expect(await redis.exists(roomKeys(prefix, empty).room)).toBe(0)
    })

    it('lets an empty room expire, and a join keeps it', async () => {
      const asked = request(room)
      await join(asked)
      await scripts.roomLeave(keys, room, asked.session, owner, 'left', now, keepMs)
      for (const key of keys.all.slice(0, 5)) expect(await redis.pttl(key), key).not.toBe(-1)
      await join(asked)
      for (const key of keys.all.slice(0, 5)) expect(await redis.pttl(key), key).toBeLessThan(0)
    })
  })

  describe('room_publish', () => {
    const head = (id: RoomId) => {
      const header = Buffer.alloc(42)
      writeDeliveryHeader(header, decodeHex(id), decodeHex(epoch), 0, 0)
      return header.subarray(0, 26)
    }

    it('publishes exactly the delivery that libs/protocol would write', async () => {
      const asked = request(room)
      await join(asked)
      await published()
      const bytes = frame(asked.session, 1)
      const publish = () => scripts.roomPublish(keys, asked.session, owner, 1, now, head(room), bytes)
      expect(await publish()).toEqual({ status: 'taken', seq: 1 })
      const [message] = await published()
      expect(message?.kind).toBe(1)
      const expected = Buffer.alloc(42)
      writeDeliveryHeader(expected, decodeHex(room), decodeHex(epoch), 1, now)
      expect(message?.body).toEqual(Buffer.concat([expected, bytes]))
      expect(decodeDelivery(message?.body as Buffer)).toMatchObject({ room, epoch, seq: 1, at: now })
      const before = await state()
      expect(await publish()).toEqual({ status: 'duplicate', seq: 0 })
      expect(await state()).toEqual(before)
      expect(await published()).toEqual([])
    })

    it('keeps seq and bytes whole above 2^32', async () => {
      const asked = request(room)
      await join(asked)
      await redis.hset(keys.room, 'seq', '4300000000', 'bytes', '900719925474')
      await published()
      const bytes = frame(asked.session, 1)
      expect(await scripts.roomPublish(keys, asked.session, owner, 1, now, head(room), bytes)).toMatchObject({
        seq: 4_300_000_001,
      })
      const [message] = await published()
      expect(decodeDelivery(message?.body as Buffer).seq).toBe(4_300_000_001)
      expect(await redis.hmget(keys.room, 'seq', 'bytes')).toEqual([
        '4300000001',
        `${900_719_925_474 + bytes.length}`,
      ])
    })

    it('takes nothing across a gap, from another owner, or from nobody', async () => {
      const asked = request(room)
      await join(asked)
      await published()
      const before = await state()
      const publish = (from: string, counter: number, session = asked.session) =>
        scripts.roomPublish(keys, session, from, counter, now, head(room), frame(session, counter))
      expect(await publish(owner, 2)).toEqual({ status: 'gap', last: 0 })
      expect(await publish(rival, 1)).toEqual({ status: 'not-member' })
      expect(await publish(owner, 1, request(room).session)).toEqual({ status: 'not-member' })
      expect(await state()).toEqual(before)
      await scripts.roomLeave(keys, room, asked.session, owner, 'left', now, keepMs)
      await published()
      expect(await publish(owner, 1)).toEqual({ status: 'not-member' })
      expect(await publish('-', 1)).toEqual({ status: 'not-member' })
      expect(await published()).toEqual([])
    })
  })

  describe('room_reap', () => {
    it("takes out the dead node's members and nobody else's, once", async () => {
      const dead = [request(room), request(room)]
      const living = request(room)
      for (const asked of dead) await join(asked)
      await join(living, { owner: rival })
      await published()
      const reap = () => scripts.roomReap(keys, room, nodeOf(owner), now, keepMs)
      expect(await reap()).toBe(2)
      const told = await published()
      expect(told).toHaveLength(2)
      for (const { session } of dead) {
        expect(told).toContainEqual({ kind: 2, body: { t: 'departed', room, session, why: 'lost' } })
      }
      const after = await state()
      expect(await reap()).toBe(0)
      expect(await state()).toEqual(after)
      expect(await published()).toEqual([])
      expect(await redis.hkeys(keys.members)).toEqual([living.session])
      expect(await redis.hvals(keys.all[2])).toEqual([living.session])
      expect(await redis.pttl(keys.room)).toBe(-1)
      await scripts.roomReap(keys, room, nodeOf(rival), now, keepMs)
      expect(await redis.pttl(keys.room)).toBeGreaterThan(0)
    })
  })

  describe('room_roster', () => {
    it('pages by place, also when members leave between pages', async () => {
      const asked = Array.from({ length: 70 }, () => request(room))
      for (const each of asked) await join(each)
      const first = await scripts.roomRoster(keys, '0')
      expect(first.entries.map(({ session }) => session)).toEqual(
        asked.slice(0, 64).map(({ session }) => session),
      )
      await scripts.roomLeave(
        keys,
        room,
        asked[0]?.session ?? request(room).session,
        owner,
        'left',
        now,
        keepMs,
      )
      const second = await scripts.roomRoster(keys, first.next ?? '')
      expect(second.entries.map(({ session }) => session)).toEqual(
        asked.slice(64).map(({ session }) => session),
      )
      expect(second.next).toBeNull()
      expect(await scripts.roomRoster(roomKeys(prefix, newRoom()), '0')).toEqual({ entries: [], next: null })
    })
  })

  describe('node_beat', () => {
    it('renews a lease that stands, and never makes one', async () => {
      const key = leaseKey(prefix, nodeOf(owner))
      expect(await scripts.nodeBeat(key, 5000)).toBe(false)
      expect(await redis.exists(key)).toBe(0)
      await redis.set(key, '1', 'PX', 1000)
      expect(await scripts.nodeBeat(key, 5000)).toBe(true)
      expect(await redis.pttl(key)).toBeGreaterThan(4000)
    })
  })

  it('survive a server that has forgotten all scripts', async () => {
    const asked = request(room, { tag: newTag() })
    await join(asked)
    await redis.script('FLUSH')
    expect(await join(asked)).toMatchObject({ answer: 'ok' })
  })
})
