// Each script on a real Redis: what it answers, what it leaves, what it publishes, and that a repeat does no harm.
import {
  decodeDelivery,
  decodeHex,
  type Epoch,
  limits,
  type MemberId,
  type NodeId,
  type RoomId,
  type SessionId,
  writeDeliveryHeader,
} from '@pychat/protocol'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import { bansKeys, leaseKey, type RoomKeys, roomKeys } from '../../src/redis/keys.ts'
import { nodeOf, type Owner, ownerOf } from '../../src/redis/owner.ts'
import {
  createScripts,
  type JoinAnswer,
  type Joiner,
  type LogAnswer,
  type Scripts,
} from '../../src/redis/scripts.ts'
import type { StoreServer } from '../../src/redis/server.ts'
import type { Admission, StoredCharter } from '../../src/rooms/charter.ts'
import type { JoinRequest } from '../../src/rooms/rooms.ts'
import { frame, newRoom, newTag, request } from '../rooms/contract.ts'
import { localBinary, RedisProcess } from '../support/redis.servers.ts'
import { adminUrl, freshPrefix, getRedis } from '../support/redis.ts'

const keepMs = 600_000
/** How far ahead of the lost log its successor begins. */
const leap = 2 ** 20
const now = 1_700_000_000_000
const epoch = '00112233445566ff' as Epoch
const owner = ownerOf('aaaaaaaaaaaaaaaa' as NodeId, 1)
const rival = ownerOf('bbbbbbbbbbbbbbbb' as NodeId, 1)
/** Replication ids of servers, one after a failover of the other. */
const [first, second, third] = ['1111111111111111', '2222222222222222', '3333333333333333']

describe('scripts', () => {
  let redis: Redis
  /** What runs the scripts may do no more than a relay. */
  let relay: Redis
  let ear: Redis
  let scripts: Scripts
  let prefix: string
  let room: RoomId
  let keys: RoomKeys
  let server: string
  const failures: unknown[] = []
  const heard: Buffer[] = []

  beforeEach(async () => {
    redis = new Redis(adminUrl(getRedis()))
    relay = new Redis(getRedis())
    ear = new Redis(getRedis())
    server = first
    failures.length = 0
    const at: StoreServer = {
      get redis() {
        return relay
      },
      get replicationId() {
        return server
      },
      replicated: async () => true,
      failed: (error) => failures.push(error),
    }
    scripts = createScripts(
      {
        server: () => at,
        bySlot: false,
        atTurnEnd: (work) => void setImmediate(work),
        cork() {},
      },
      { messagesMax: 1000, bytesMax: 4_194_304, ageMs: 600_000 },
    )
    prefix = freshPrefix()
    room = newRoom()
    keys = roomKeys(prefix, room)
    heard.length = 0
    ear.on('smessageBuffer', (_channel: Buffer, message: Buffer) => heard.push(message))
    await ear.ssubscribe(keys.channel)
  })

  afterEach(() => {
    redis.disconnect()
    relay.disconnect()
    ear.disconnect()
  })

  const open: Admission = { refusal: null, membersMax: 100, whole: false }

  /** @param admission of all of them */
  const joinAll = async (
    joiners: readonly Omit<Joiner, 'admission'>[],
    {
      admission = open,
      ...state
    }: Partial<Parameters<Scripts['roomJoin']>[3]> & { admission?: Admission } = {},
  ): Promise<JoinAnswer[]> => {
    const all = joiners.map((each) => ({ ...each, admission }))
    const reply = await scripts.roomJoin(keys, room, all, { now, epoch, oldestAt: 0, judged: '', ...state })
    if (reply.answer === 'charter') throw new Error(`judge by ${reply.stored.stamp}`)
    return reply.answers
  }

  const join = async (
    asked = request(room),
    { owner: by = owner, ...state }: Parameters<typeof joinAll>[1] & { owner?: Owner } = {},
  ): Promise<JoinAnswer> => {
    const [answer] = await joinAll([{ request: asked, owner: by }], state)
    if (answer === undefined) throw new Error('no answer')
    return answer
  }

  const position = async (at = keys) => {
    const found = (await scripts.roomPosition(at)).position
    return found === null ? null : { epoch: found.epoch, seq: found.seq }
  }

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
        start: 0,
        count: 1,
        roster: { entries: [{ ...member, owner }], next: null },
        page: null,
        quiet: false,
      })
      expect(await published()).toEqual([
        { kind: 2, body: { t: 'arrived', room, member } },
        { kind: 3, body: [{ session, owner, was: '' }] },
      ])
      expect(await state()).toEqual([
        {
          epoch,
          seq: '0',
          head: expect.any(String),
          server,
          bytes: '0',
          created: `${now}`,
          active: `${now}`,
          place: '1',
          [`s:${session}`]: `0 ${owner}`,
        },
        { [session]: `${now} ${tag} ${proof} ${profile} 0` },
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
      expect(await published()).toEqual([{ kind: 3, body: [{ session: asked.session, owner, was: '' }] }])
    })

    it('names the former owner on a takeover', async () => {
      const asked = request(room)
      await join(asked)
      await published()
      expect(await join(asked, { owner: rival, now: now + 5 })).toMatchObject({
        answer: 'ok',
        roster: { entries: [{ since: now }] },
      })
      expect(await published()).toEqual([
        { kind: 3, body: [{ session: asked.session, owner: rival, was: owner }] },
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
      expect(await join(request(room), { admission: { ...open, membersMax: 1 } })).toEqual({ answer: 'full' })
      expect(await state()).toEqual(before)
      expect(await published()).toEqual([])
    })

    it('takes all who ask at once, one after the other, and tells nodes of them in one message', async () => {
      const [ann, ben, cid] = [request(room), request(room), request(room)]
      const answers = await joinAll(
        [
          { request: ann, owner },
          { request: { ...ben, tag: ann.tag }, owner: rival },
          { request: ben, owner: rival },
          { request: { ...ann, proof: ben.proof }, owner: rival },
          { request: ann, owner: rival },
          { request: cid, owner: rival },
        ],
        { admission: { ...open, membersMax: 2 } },
      )
      const roster = {
        next: null,
        entries: [{ session: ann.session, owner: rival }, { session: ben.session }],
      }
      expect(answers).toMatchObject([
        { answer: 'ok', epoch, seq: 0, count: 2, roster },
        { answer: 'taken', owner },
        { answer: 'ok', epoch, seq: 0, count: 2, roster },
        { answer: 'session' },
        { answer: 'ok', epoch, seq: 0, count: 2, roster },
        { answer: 'full' },
      ])
      expect(await published()).toMatchObject([
        { kind: 2, body: { t: 'arrived', member: { session: ann.session } } },
        { kind: 2, body: { t: 'arrived', member: { session: ben.session } } },
        {
          kind: 3,
          body: [
            { session: ann.session, owner, was: '' },
            { session: ben.session, owner: rival, was: '' },
            { session: ann.session, owner: rival, was: owner },
          ],
        },
      ])
    })

    it('reads one page for all who stand at one place, and others for the others', async () => {
      const [ann, ben, cid] = [request(room), request(room), request(room)]
      const asked = [ann, ben, cid]
      await joinAll(asked.map((each) => ({ request: each, owner })))
      for (let counter = 1; counter <= 3; counter += 1) {
        const bytes = frame(ann.session, counter)
        await scripts.roomPublish({ keys, session: ann.session, owner, counter, now, frame: bytes })
      }
      const after = (seq: number, of = epoch) => ({ epoch: of, seq })
      const nowhere = 'ffffffffffffffff' as Epoch
      const back = await joinAll([
        { request: { ...ann, after: after(1) }, owner },
        { request: { ...ben, after: after(1) }, owner },
        { request: { ...cid, after: after(3) }, owner },
        { request: { ...ann, after: after(2) }, owner },
        { request: { ...ben, after: after(7, nowhere) }, owner },
      ])
      const pages = back.map((each) => (each.answer === 'ok' ? each.page : null))
      const seqs = pages.map((page) => page?.deliveries.map((bytes) => decodeDelivery(bytes).seq))
      expect(seqs).toEqual([[2, 3], [2, 3], undefined, [3], [1, 2, 3]])
      expect(pages[1]).toBe(pages[0])
      expect(pages.map((page) => page?.missed)).toEqual([0, 0, undefined, 0, null])
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
      const { session, tag, proof, profile } = asked
      await join(asked)
      await published()
      expect(await scripts.roomLeave(keys, room, session, owner, 'left', now, keepMs)).toBe(true)
      const after = await state()
      expect(after).toMatchObject([
        { [`s:${session}`]: `0 - ${proof} 0 ${tag} ${now} ${profile}` },
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
    it('publishes exactly the delivery that libs/protocol would write', async () => {
      const asked = request(room)
      await join(asked)
      await published()
      const bytes = frame(asked.session, 1)
      const publish = () =>
        scripts.roomPublish({ keys, session: asked.session, owner, counter: 1, now, frame: bytes })
      expect(await publish()).toEqual({ status: 'taken', seq: 1 })
      const [message] = await published()
      expect(message?.kind).toBe(1)
      const expected = Buffer.alloc(42)
      writeDeliveryHeader(expected, decodeHex(room), decodeHex(epoch), 1, now)
      expect(message?.body).toEqual(Buffer.concat([expected, bytes]))
      expect(decodeDelivery(message?.body as Buffer)).toMatchObject({ room, epoch, seq: 1, at: now })
      const before = await state()
      expect(await publish()).toEqual({ status: 'duplicate', seq: 1 })
      expect(await state()).toEqual(before)
      expect(await published()).toEqual([])
    })

    it('lets the log of a silent room go, but not before its time, whatever the clock of the next node says', async () => {
      const asked = request(room)
      await join(asked)
      const { session } = asked
      const say = (counter: number, at: number) =>
        scripts.roomPublish({ keys, session, owner, counter, now: at, frame: frame(session, counter) })
      await say(1, now)
      expect(await redis.pttl(keys.log)).toBeGreaterThan(610_000)
      expect(await redis.pttl(keys.log)).toBeLessThanOrEqual(620_000)
      for (const [i, later] of [10_001, 19_000, 21_000, -60_000, 0].entries()) {
        await redis.pexpire(keys.log, 5000)
        await say(i + 2, now + later)
        const left = await redis.pttl(keys.log)
        // 19,000 is within the ten seconds that the one before it gave.
        if (later === 19_000) expect(left).toBeLessThanOrEqual(5000)
        else expect(left).toBeGreaterThan(610_000)
      }
    })

    it('keeps seq and bytes whole above 2^32', async () => {
      const asked = request(room)
      await join(asked)
      await redis.hset(keys.room, 'seq', '4300000000', 'bytes', '900719925474')
      await published()
      const bytes = frame(asked.session, 1)
      expect(
        await scripts.roomPublish({ keys, session: asked.session, owner, counter: 1, now, frame: bytes }),
      ).toMatchObject({
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
        scripts.roomPublish({ keys, session, owner: from, counter, now, frame: frame(session, counter) })
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

  describe('after a failover', () => {
    const say = (session: SessionId, counter: number) =>
      scripts.roomPublish({ keys, session, owner, counter, now, frame: frame(session, counter) })

    /** All that a member gets who asks until there is no more. */
    async function catchUp(from: { epoch: Epoch; seq: number }) {
      const answers: LogAnswer[] = []
      const seqs: number[] = []
      let reached = from
      for (;;) {
        const answer = await scripts.roomLog(keys, reached, 0)
        answers.push(answer)
        if (answer.answer !== 'page') break
        seqs.push(...answer.deliveries.map((bytes) => decodeDelivery(bytes).seq))
        reached = { epoch: answer.epoch, seq: answer.seq + answer.deliveries.length }
        if (!answer.more) break
      }
      return { answers, seqs, reached }
    }

    it('goes on under a new epoch, far ahead, and tells members where the old one ended', async () => {
      const { session } = await talk(3)
      await published()
      server = second
      expect(await say(session, 4)).toEqual({ status: 'taken', seq: 3 + leap + 1 })
      const [reset, delivery] = await published()
      expect(reset).toEqual({
        kind: 2,
        body: {
          t: 'reset',
          room,
          epoch: expect.stringMatching(/^[0-9a-f]{16}$/),
          seq: 3 + leap,
          was: { epoch, seq: 3 },
        },
      })
      const told = decodeDelivery(delivery?.body as Buffer)
      expect(told).toMatchObject({
        room,
        seq: 3 + leap + 1,
        epoch: (reset as { body: { epoch: Epoch } }).body.epoch,
      })
      expect(told.epoch).not.toBe(epoch)
      expect(await position()).toEqual({ epoch: told.epoch, seq: 3 + leap + 1 })
    })

    it('shows also to a join and to who only asks for the position, once', async () => {
      const { asked } = await talk(2)
      server = second
      const place = await position()
      expect(place).toMatchObject({ seq: 2 + leap })
      expect(await join(asked)).toMatchObject({ epoch: place?.epoch, seq: 2 + leap, start: 0 })
      await published()
      await scripts.roomPosition(keys)
      expect(await published()).toEqual([])
    })

    it('gives a join the rest of the epoch that its member stands in, and then the next one', async () => {
      const { asked, session } = await talk(3)
      server = second
      await say(session, 4)
      const back = await join({ ...asked, after: { epoch, seq: 1 } })
      if (back.answer !== 'ok') throw new Error(back.answer)
      expect(back.page).toMatchObject({ epoch, seq: 1, missed: 0, more: true })
      expect(back.page?.deliveries.map((bytes) => decodeDelivery(bytes).seq)).toEqual([2, 3])
      const seam = await join({ ...asked, after: { epoch, seq: 3 } })
      expect(seam).toMatchObject({ page: { epoch: back.epoch, seq: 3 + leap, missed: 0, more: false } })
      // One that comes from nowhere starts where the epoch does.
      const lost = await join({ ...asked, after: { epoch: 'ffffffffffffffff' as Epoch, seq: 9 } })
      expect(lost).toMatchObject({ page: { epoch: back.epoch, seq: 3 + leap, missed: null } })
    })

    it('refuses a server that was left behind, and says so to its connection', async () => {
      const { session } = await talk(2)
      server = second
      await scripts.roomPosition(keys)
      server = first
      const before = await state()
      await published()
      await expect(say(session, 3)).rejects.toMatchObject({ code: 'unreachable' })
      await expect(scripts.roomPosition(keys)).rejects.toThrow('STALE')
      await expect(join()).rejects.toThrow('STALE')
      expect(failures).toHaveLength(3)
      expect(await state()).toEqual(before)
      expect(await published()).toEqual([])
    })

    it('gives a member what it missed on both sides, without calling the leap a gap', async () => {
      const { session } = await talk(3)
      server = second
      await say(session, 4)
      server = third
      await say(session, 5)
      const { answers, seqs, reached } = await catchUp({ epoch, seq: 1 })
      expect(seqs).toEqual([2, 3, 4 + leap, 5 + 2 * leap])
      expect(answers).toMatchObject([{ missed: 0 }, { missed: 0 }, { missed: 0, more: false }])
      expect(reached).toEqual(await position())
    })

    it('counts what is lost to a member of the old epoch, and nothing for one that saw more than is left', async () => {
      const { session } = await talk(3)
      server = second
      await say(session, 4)
      await redis.xtrim(keys.log, 'MINID', '3-0')
      const behind = await catchUp({ epoch, seq: 0 })
      expect(behind.answers[0]).toMatchObject({ epoch, seq: 2, missed: 2, more: true })
      expect(behind.seqs).toEqual([3, 4 + leap])
      const ahead = await catchUp({ epoch, seq: 9 })
      expect(ahead.answers).toMatchObject([{ seq: 3 + leap, missed: 0, more: false }])
      expect(ahead.seqs).toEqual([4 + leap])
    })

    it('names the current epoch to who comes from one that nobody knows any more', async () => {
      const { session } = await talk(1)
      server = second
      await say(session, 2)
      const place = await position()
      expect(await scripts.roomLog(keys, { epoch: 'ffffffffffffffff' as Epoch, seq: 5 }, 0)).toEqual({
        answer: 'unknown',
        epoch: place?.epoch,
        seq: 1 + leap,
      })
      const nowhere = roomKeys(prefix, newRoom())
      expect(await scripts.roomLog(nowhere, { epoch, seq: 0 }, 0)).toEqual({ answer: 'none' })
      expect(await position(nowhere)).toBeNull()
    })

    it('remembers the last four failovers', async () => {
      const { session } = await talk(1)
      for (let i = 0; i < 6; i += 1) {
        server = 'abcdef'.charAt(i).repeat(16)
        await say(session, 2 + i)
      }
      expect(await redis.hget(keys.room, 'was')).toMatch(/^(\S+ ){3}\S+$/)
      expect((await redis.hget(keys.room, 'servers'))?.trim().split(' ')).toHaveLength(4)
      expect((await scripts.roomLog(keys, { epoch, seq: 0 }, 0)).answer).toBe('unknown')
    })

    async function talk(count: number) {
      const asked = request(room)
      await join(asked)
      for (let counter = 1; counter <= count; counter += 1) await say(asked.session, counter)
      return { asked, session: asked.session }
    }
  })

  describe('room_charter', () => {
    const [one, two, another] = ['aa/1/0', 'bb/1/0', 'cc/2/0'].map((stamp) => ({
      stamp,
      text: `{"charter":{"doc":"${stamp}"},"rules":{}}`,
    })) as [StoredCharter, StoredCharter, StoredCharter]
    const put = (judged: string, next: StoredCharter) => scripts.roomCharter(keys, room, judged, next, keepMs)

    it('puts one behind another, and tells nodes under what name', async () => {
      await join()
      await published()
      expect(await put('', one)).toEqual({ answer: 'ok' })
      expect(await put('aa/1/0', two)).toEqual({ answer: 'ok' })
      expect(await scripts.charterOf(keys)).toEqual(two)
      await redis.ping()
      await ear.ping()
      const told = heard.splice(0).map((message) => message.toString('latin1'))
      expect(told).toEqual(
        [one, two].map(({ stamp, text }) => `\x04${stamp} {"t":"charter","room":"${room}",${text.slice(1)}`),
      )
    })

    it('changes nothing and tells nobody when it is repeated, or when another one came first', async () => {
      await join()
      await put('', one)
      await published().catch(() => {})
      heard.splice(0)
      const before = await state()
      expect(await put('', one)).toEqual({ answer: 'ok' })
      expect(await put('', another)).toEqual({ answer: 'charter', stored: one })
      expect(await put('bb/1/0', another)).toEqual({ answer: 'charter', stored: one })
      expect(await state()).toEqual(before)
      expect(await published()).toEqual([])
    })

    it('keeps one of a room that nobody is in for a while, and in whose name it is judged', async () => {
      expect(await put('', one)).toEqual({ answer: 'ok' })
      expect(await redis.pttl(keys.room)).toBeGreaterThan(0)
      expect(await scripts.roomPosition(keys)).toEqual({ position: null, stamp: 'aa/1/0' })
      await expect(join()).rejects.toThrow('judge by aa/1/0')
      expect(await redis.exists(keys.members)).toBe(0)
      expect(await join(request(room), { judged: 'aa/1/0' })).toMatchObject({ answer: 'ok' })
      expect(await redis.pttl(keys.room)).toBe(-1)
    })

    it('lets nobody in, and puts nobody out, by another one than the room has', async () => {
      const asked = request(room)
      await join(asked)
      await put('', one)
      const before = await state()
      const other = { answer: 'charter', stored: one }
      await expect(join(request(room), { judged: 'cc/2/0' })).rejects.toThrow('judge by aa/1/0')
      expect(await scripts.roomKick(keys, room, asked.session, '', [], now, keepMs)).toEqual(other)
      expect(await state()).toEqual(before)
    })

    it('is refused by a server that was left behind', async () => {
      await join()
      server = second
      await put('', one)
      server = first
      await expect(put('aa/1/0', two)).rejects.toThrow('STALE')
      expect(await scripts.charterOf(keys)).toEqual(one)
    })
  })

  describe('room_kick', () => {
    const member = '0f'.repeat(16) as MemberId

    it('puts a member out, tells its node and the others, and keeps its counter and key', async () => {
      const asked = request(room, { member })
      const { session } = asked
      await join(asked, { owner: rival })
      await published()
      expect(await scripts.roomKick(keys, room, session, '', [], now, keepMs)).toEqual({ answer: 'ok' })
      expect(await published()).toEqual([
        { kind: 5, body: { session, owner: rival } },
        { kind: 2, body: { t: 'departed', room, session, why: 'kicked' } },
      ])
      expect(await scripts.roomKick(keys, room, session, '', [], now, keepMs)).toEqual({ answer: 'none' })
      expect(await published()).toEqual([])
      expect(await scripts.ownersOf(keys, [session, request(room).session])).toEqual(['-', null])
      expect(await join({ ...asked, member: null })).toEqual({ answer: 'session' })
      expect(await join(asked)).toMatchObject({ answer: 'ok' })
    })

    it('spares whom it is told to', async () => {
      const asked = request(room, { member })
      await join(asked)
      const before = await state()
      expect(await scripts.roomKick(keys, room, asked.session, '', [member], now, keepMs)).toEqual({
        answer: 'spared',
      })
      expect(await state()).toEqual(before)
    })
  })

  describe('room_profile', () => {
    it('changes what is known of a member, and leaves the rest as it was', async () => {
      const asked = request(room, { member: '0f'.repeat(16) as MemberId })
      const { session, proof } = asked
      await join(asked)
      await published()
      const { tag, profile } = request(room)
      const show = (from = owner) => scripts.roomProfile(keys, room, session, from, tag, profile)
      expect(await show()).toEqual({ answer: 'ok' })
      const member = { session, tag, profile, counter: 0, since: now }
      expect(await published()).toEqual([{ kind: 2, body: { t: 'arrived', room, member } }])
      const after = await state()
      expect((after as unknown[]).slice(1, 3)).toEqual([
        { [session]: `${now} ${tag} ${proof} ${profile} 0 ${asked.member}` },
        { [tag]: session },
      ])
      expect(await show()).toEqual({ answer: 'ok' })
      expect(await show(rival)).toEqual({ answer: 'none' })
      expect(await state()).toEqual(after)
      expect(await published()).toEqual([])
    })

    it('names the owner of a name that is taken', async () => {
      const [asked, other] = [request(room), request(room)]
      await join(asked)
      await join(other, { owner: rival })
      const { session, profile } = asked
      expect(await scripts.roomProfile(keys, room, session, owner, other.tag, profile)).toEqual({
        answer: 'taken',
        owner: rival,
      })
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

  it('leave nobody half in a room whose log cannot be read', async () => {
    const [ann, ben] = [request(room), request(room, { tag: newTag() })]
    await join(ann)
    await scripts.roomPublish({
      keys,
      session: ann.session,
      owner,
      counter: 1,
      now,
      frame: frame(ann.session, 1),
    })
    await redis.set(keys.log, 'no stream')
    const behind = { ...ben, after: { epoch, seq: 0 } }
    await expect(join(behind, { owner: rival })).rejects.toThrow('WRONGTYPE')
    await redis.del(keys.log)
    expect(await redis.hget(keys.room, `s:${ben.session}`)).toBe(`0 ${rival}`)
    expect(await join(behind, { owner: rival })).toMatchObject({ answer: 'ok', count: 2 })
  })

  describe('room_roster', () => {
    it('begins with a join, also one of those that fill its first page', async () => {
      const newcomers = (count: number) =>
        Array.from({ length: count }, () => ({ request: request(room, { tag: newTag() }), owner }))
      const full = limits.rosterPageMembersMax
      for (let i = 0; i < full - 1; i += 9) await joinAll(newcomers(9))
      const last = newcomers(4)
      const answers = await joinAll(last)
      for (const answer of answers) {
        if (answer.answer !== 'ok') throw new Error(answer.answer)
        expect(answer.count).toBe(full + 3)
        expect(answer.roster.entries).toHaveLength(full)
        expect(answer.roster.entries.at(-1)?.session).toBe(last[0]?.request.session)
        const rest = await scripts.roomRoster(keys, answer.roster.next ?? '')
        expect(rest.next).toBeNull()
        expect(rest.entries.map(({ session }) => session)).toEqual(
          last.slice(1).map((each) => each.request.session),
        )
      }
      const [again] = await joinAll([{ request: last[2]?.request as JoinRequest, owner: rival }])
      expect(again).toMatchObject({ answer: 'ok', count: full + 3, roster: { next: String(full) } })
      expect(await redis.hget(keys.room, `s:${last[2]?.request.session}`)).toBe(`0 ${rival}`)
    })

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

  describe('room_member', () => {
    it('tells who is here and who is gone alike, and nobody else', async () => {
      const asked = request(room)
      const { session, tag, profile } = asked
      expect(await scripts.roomMember(keys, session)).toBeNull()
      await join(asked)
      const member = { session, tag, profile, counter: 0, since: now }
      expect(await scripts.roomMember(keys, session)).toEqual({ ...member, owner })
      await scripts.roomPublish({ keys, session, owner, counter: 1, now, frame: frame(session, 1) })
      await scripts.roomLeave(keys, room, session, owner, 'left', now, keepMs)
      expect(await scripts.roomMember(keys, session)).toEqual({ ...member, counter: 1, owner: '-' })
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

  it.skipIf(localBinary() === null)(
    'ask no more commands of Redis for a join or a publish than they need without any charter',
    async () => {
      const alone = new RedisProcess(localBinary() ?? '', await freePort())
      onTestFinished(() => alone.remove())
      await alone.start()
      redis.disconnect()
      redis = new Redis(alone.url)
      relay.disconnect()
      relay = redis
      const commandsOf = async (work: () => Promise<unknown>) => {
        await redis.config('RESETSTAT')
        await work()
        const counts = /^cmdstat_(?!config|info|eval|script)(\w+):calls=(\d+)/gm
        return Object.fromEntries(
          [...(await redis.info('commandstats')).matchAll(counts)].map(([, name, calls]) => [
            name,
            Number(calls),
          ]),
        )
      }
      await join()
      const asked = request(room, { member: '0f'.repeat(16) as MemberId })
      expect(await commandsOf(() => join(asked))).toEqual({
        hget: 2,
        hmget: 2,
        hset: 3,
        spublish: 2,
        zadd: 1,
        zrange: 2,
      })
      const back = { ...asked, after: { epoch, seq: 0 } }
      expect(await commandsOf(() => join(back, ownerOf(nodeOf(rival), 7)))).toEqual({
        hmget: 2,
        hset: 1,
        spublish: 1,
        zrange: 1,
      })
      await join(back)
      const { session } = asked
      const say = (counter: number) =>
        scripts.roomPublish({ keys, session, owner, counter, now, frame: frame(session, counter) })
      expect(await commandsOf(() => say(1))).toEqual({ hmget: 1, hset: 2, xadd: 1, pexpire: 1, spublish: 1 })
      expect(await commandsOf(() => say(2))).toEqual({ hmget: 1, hset: 1, xadd: 1, spublish: 1 })
      expect(await commandsOf(() => scripts.roomPosition(keys))).toEqual({ hmget: 1 })
    },
  )

  it('share a call within a loop turn, in the order in which they were asked, and an error is of one alone', async () => {
    const other = newRoom()
    const broken = roomKeys(prefix, other)
    await redis.set(broken.room, 'no hash')
    const asked = request(room, { tag: newTag() })
    await relay.ping()
    const sent = vi.spyOn(relay, 'sendCommand')
    const settled = await Promise.allSettled([
      join(asked),
      scripts.roomLeave(keys, room, asked.session, owner, 'left', now, keepMs),
      scripts.roomLeave(broken, other, asked.session, owner, 'left', now, keepMs),
      scripts.roomPosition(keys),
      scripts.roomReap(keys, room, nodeOf(owner), now, keepMs),
    ])
    expect(settled[0]).toMatchObject({ value: { answer: 'ok', seq: 0 } })
    expect(settled[1]).toEqual({ status: 'fulfilled', value: true })
    expect(settled[2]).toMatchObject({ status: 'rejected', reason: { message: /^WRONGTYPE / } })
    expect(settled[3]).toMatchObject({ value: { position: { epoch, seq: 0 } } })
    expect(settled[4]).toEqual({ status: 'fulfilled', value: 0 })
    expect(failures).toHaveLength(1)
    expect(sent).toHaveBeenCalledTimes(1)
  })

  it('survive a server that has forgotten all scripts', async () => {
    const asked = request(room, { tag: newTag() })
    await join(asked)
    await redis.script('FLUSH')
    expect(await join(asked)).toMatchObject({ answer: 'ok' })
  })

  it('puts another list of bans in the place of the one that was seen, tells it, and of two takes the first', async () => {
    const keys = bansKeys(prefix)
    await ear.ssubscribe(keys.channel)
    expect(await scripts.bansSwap(keys, '', '1-aaaaaaaa', '[]')).toBe(true)
    expect(await scripts.bansSwap(keys, '', '1-bbbbbbbb', '["other"]')).toBe(false)
    expect(await scripts.bansSwap(keys, '1-aaaaaaaa', '2-cccccccc', '[2]')).toBe(true)
    expect(await scripts.bansSwap(keys, '1-aaaaaaaa', '2-cccccccc', '[2]')).toBe(false)
    expect(await redis.hgetall(keys.list)).toEqual({ stamp: '2-cccccccc', list: '[2]' })
    const stamps = () => heard.map(String).filter((text) => /^[12]-/.test(text))
    while (stamps().length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(stamps()).toEqual(['1-aaaaaaaa', '2-cccccccc'])
  })
})
