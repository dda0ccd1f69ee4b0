// What every implementation of the rooms port must do. The factory makes one node; nodes of one factory share a store
// where the implementation has one.
import { createHash, randomBytes } from 'node:crypto'
import {
  decodeDelivery,
  decodeRelayControl,
  type Epoch,
  encodeFrameHeader,
  limits,
  type NameTag,
  type RelayControl,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type JoinRequest,
  type JoinResult,
  joinPageFramesMax,
  type LogLimits,
  type LogPage,
  type Membership,
  type PublishResult,
  type QuietBounds,
  type Rooms,
  type RoomsEvents,
  youngLogMs,
} from '../../src/rooms/rooms.ts'

export type Heard =
  | { room: RoomId; control: RelayControl }
  | { room: RoomId; seq: number; epoch: string; frame: Buffer }

/** A node and everything that it told its sessions. */
export class Node {
  readonly rooms: Rooms
  readonly heard: Heard[] = []
  readonly replaced: Membership[] = []
  readonly expelled: { membership: Membership; why: string }[] = []
  readonly availability: boolean[] = []
  leasesLost = 0
  #changed: (() => void)[] = []

  constructor(create: (events: RoomsEvents) => Rooms) {
    this.rooms = create({
      deliver: (room, message, isBinary) => {
        if (isBinary) {
          const { seq, epoch, frame, room: inside } = decodeDelivery(message)
          expect(inside).toBe(room)
          this.heard.push({ room, seq, epoch, frame: Buffer.from(frame) })
        } else {
          this.heard.push({ room, control: decodeRelayControl(Buffer.from(message).toString()) })
        }
        this.#note()
      },
      replaced: (membership) => {
        this.replaced.push(membership)
        this.#note()
      },
      expelled: (membership, why) => {
        this.expelled.push({ membership, why })
        this.#note()
      },
      availability: (available) => {
        this.availability.push(available)
        this.#note()
      },
      leaseLost: () => {
        this.leasesLost += 1
        this.#note()
      },
    })
  }

  /** Resolves once the condition holds. @throws after timeoutMs, with what was heard */
  async until(condition: (node: this) => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!condition(this)) {
      const left = deadline - Date.now()
      if (left <= 0) {
        throw new Error(`waited ${timeoutMs} ms in vain; heard ${JSON.stringify(this.heard).slice(0, 2000)}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#changed.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  seqs(room: RoomId): number[] {
    return this.heard.flatMap((each) => (each.room === room && 'seq' in each ? [each.seq] : []))
  }

  controls(room: RoomId): RelayControl[] {
    return this.heard.flatMap((each) => (each.room === room && 'control' in each ? [each.control] : []))
  }

  departed(session: SessionId): string | undefined {
    for (const each of this.heard) {
      if ('control' in each && each.control.t === 'departed' && each.control.session === session)
        return each.control.why
    }
    return undefined
  }

  #note(): void {
    for (const changed of this.#changed.splice(0)) changed()
  }
}

export function newRoom(): RoomId {
  return randomBytes(16).toString('hex') as RoomId
}

export function newTag(): NameTag {
  return randomBytes(16).toString('hex') as NameTag
}

export function newSession(): SessionId {
  return randomBytes(16).toString('hex') as SessionId
}

export function request(room: RoomId, fields: Partial<JoinRequest> = {}): JoinRequest {
  return {
    room,
    session: newSession(),
    proof: createHash('sha256').update(randomBytes(16)).digest('hex'),
    tag: newTag(),
    profile: randomBytes(292).toString('base64url'),
    counter: 0,
    after: null,
    member: null,
    ...fields,
  }
}

export function frame(session: SessionId, counter: number): Buffer {
  const header = encodeFrameHeader({ session, counter, commitment: randomBytes(16) })
  return Buffer.concat([header, randomBytes(256 + 16)])
}

export type Joined = Extract<JoinResult, { ok: true }>

export async function joined(node: Node, asked: JoinRequest): Promise<Joined> {
  const result = await node.rooms.join(asked)
  if (!result.ok) throw new Error(`refused: ${result.code}`)
  return result
}

export async function publish(node: Node, { membership }: Joined, counter: number): Promise<PublishResult> {
  return node.rooms.publish(membership, counter, frame(membership.session, counter))
}

/** What a test may want otherwise than `nodeOptionsDefault`. */
export type NodeOptions = {
  roomMembersMax: number
  graceMs: number
  log: LogLimits
  beaconMs: number
  quiet: QuietBounds
}

/** Without grace time, so that a test sees who is lost at once. */
export const nodeOptionsDefault = {
  roomMembersMax: 1000,
  graceMs: 0,
  log: { messagesMax: 1000, bytesMax: 4_194_304, ageMs: 600_000 },
}

async function logAfter(node: Node, { membership, epoch }: Joined, seq: number): Promise<LogPage> {
  const page = await node.rooms.log(membership, epoch, seq)
  if (page === null) throw new Error('not a member')
  return page
}

const seqsOf = ({ deliveries }: LogPage): number[] => deliveries.map((bytes) => decodeDelivery(bytes).seq)

export type RoomsFactory = {
  /** A node, started; ended by the suite. */
  node(options?: Partial<NodeOptions>): Promise<Node>
  /** Moves every clock of these nodes, if the implementation has one that tests may move. */
  advance(ms: number): void
}

/** @param open called before each test; `close` after it, when all nodes are stopped */
export function roomsContract(
  name: string,
  open: () => Promise<RoomsFactory & { close(): Promise<void> }>,
): void {
  describe(`rooms: ${name}`, () => {
    let factory: Awaited<ReturnType<typeof open>>
    let node: Node
    let room: RoomId
    const nodes: Node[] = []

    async function newNode(options?: Partial<NodeOptions>): Promise<Node> {
      const made = await factory.node(options)
      nodes.push(made)
      return made
    }

    beforeEach(async () => {
      factory = await open()
      node = await newNode()
      room = newRoom()
    })

    afterEach(async () => {
      await Promise.all(nodes.splice(0).map((each) => each.rooms.stop()))
      await factory.close()
    })

    it('opens a room for the first member, at seq 0', async () => {
      const asked = request(room)
      const result = await joined(node, asked)
      expect(result).toMatchObject({ ok: true, seq: 0, counter: 0, count: 1, next: null })
      expect(result.epoch).toMatch(/^[0-9a-f]{16}$/)
      const { session, tag, profile } = asked
      expect(result.members).toEqual([{ session, tag, profile, counter: 0, since: expect.any(Number) }])
      expect(node.rooms.local()).toEqual(new Map([[room, 1]]))
    })

    it('delivers what is published to everybody, in order and byte for byte', async () => {
      const alice = await joined(node, request(room))
      const bob = await joined(node, request(room))
      expect(bob.epoch).toBe(alice.epoch)
      const sent = [
        frame(alice.membership.session, 1),
        frame(bob.membership.session, 1),
        frame(alice.membership.session, 2),
      ]
      const results = await Promise.all([
        node.rooms.publish(alice.membership, 1, sent[0] as Buffer),
        node.rooms.publish(bob.membership, 1, sent[1] as Buffer),
        node.rooms.publish(alice.membership, 2, sent[2] as Buffer),
      ])
      expect(results).toEqual([1, 2, 3].map((seq) => ({ status: 'taken', seq })))
      await node.until(() => node.seqs(room).length === 3)
      const deliveries = node.heard.filter((each) => 'seq' in each)
      expect(deliveries).toEqual(
        sent.map((bytes, i) => ({ room, seq: i + 1, epoch: alice.epoch, frame: bytes })),
      )
    })

    it('does not look at a frame after the call', async () => {
      const alice = await joined(node, request(room))
      const bytes = frame(alice.membership.session, 1)
      const copy = Buffer.from(bytes)
      const result = node.rooms.publish(alice.membership, 1, bytes)
      bytes.fill(0)
      await result
      await node.until(() => node.seqs(room).length === 1)
      expect(node.heard.find((each) => 'seq' in each)).toMatchObject({ frame: copy })
    })

    it('takes a frame once, however often it comes', async () => {
      const alice = await joined(node, request(room))
      expect(await publish(node, alice, 1)).toEqual({ status: 'taken', seq: 1 })
      expect(await publish(node, alice, 1)).toMatchObject({ status: 'duplicate' })
      expect(await publish(node, alice, 2)).toEqual({ status: 'taken', seq: 2 })
      expect(await publish(node, alice, 1)).toMatchObject({ status: 'duplicate' })
      await node.until(() => node.seqs(room).length === 2)
      expect(node.seqs(room)).toEqual([1, 2])
    })

    it('says what is missing when a counter is skipped', async () => {
      const alice = await joined(node, request(room))
      await publish(node, alice, 1)
      expect(await publish(node, alice, 3)).toEqual({ status: 'gap', last: 1 })
      expect(await publish(node, alice, 2)).toEqual({ status: 'taken', seq: 2 })
    })

    it('tells others who came and who left, and why', async () => {
      const alice = await joined(node, request(room))
      const asked = request(room)
      const bob = await joined(node, asked)
      await node.rooms.leave(bob.membership, 'left')
      const carol = await joined(node, request(room))
      await node.rooms.leave(carol.membership, 'lost')
      await node.until(() => node.departed(carol.membership.session) !== undefined)
      const told = node
        .controls(room)
        .filter((each) => !JSON.stringify(each).includes(alice.membership.session))
      const { session, tag, profile } = asked
      expect(told).toMatchObject([
        { t: 'arrived', room, member: { session, tag, profile, counter: 0 } },
        { t: 'departed', room, session, why: 'left' },
        { t: 'arrived', room },
        { t: 'departed', room, session: carol.membership.session, why: 'lost' },
      ])
    })

    it('leaves once, however often it is asked', async () => {
      await joined(node, request(room))
      const bob = await joined(node, request(room))
      await node.rooms.leave(bob.membership, 'left')
      await node.rooms.leave(bob.membership, 'left')
      expect(await publish(node, bob, 1)).toEqual({ status: 'not-member' })
      const alice = await joined(node, request(room))
      await publish(node, alice, 1)
      await node.until(() => node.seqs(room).length === 1)
      expect(node.controls(room).filter((each) => each.t === 'departed')).toHaveLength(1)
    })

    it('gives one name to one session', async () => {
      const tag = newTag()
      const alice = await joined(node, request(room, { tag }))
      expect(await node.rooms.join(request(room, { tag }))).toEqual({ ok: false, code: 'name-taken' })
      await joined(node, request(newRoom(), { tag }))
      await node.rooms.leave(alice.membership, 'left')
      await joined(node, request(room, { tag }))
    })

    it('hands a session over to a newer connection of the same client without a word to others', async () => {
      const asked = request(room)
      const old = await joined(node, asked)
      await publish(node, old, 1)
      const renewed = await joined(node, asked)
      expect(renewed).toMatchObject({ counter: 1, seq: 1, count: 1, epoch: old.epoch })
      await node.until(() => node.replaced.length === 1)
      expect(node.replaced).toEqual([old.membership])
      expect(await publish(node, old, 2)).toEqual({ status: 'not-member' })
      await node.rooms.leave(old.membership, 'lost')
      expect(await publish(node, renewed, 2)).toEqual({ status: 'taken', seq: 2 })
      await node.until(() => node.seqs(room).length === 2)
      expect(node.controls(room).map((each) => each.t)).toEqual(['arrived'])
    })

    it('tells others when a session comes back with a new profile or name', async () => {
      const asked = request(room)
      await joined(node, asked)
      const changed = { ...asked, profile: request(room).profile }
      await joined(node, changed)
      const renamed = { ...changed, tag: newTag() }
      const { members } = await joined(node, renamed)
      expect(members).toMatchObject([{ tag: renamed.tag, profile: renamed.profile }])
      await joined(node, request(room, { tag: asked.tag }))
      await node.until(() => node.controls(room).length === 4)
      expect(node.controls(room)).toMatchObject([
        { member: { profile: asked.profile } },
        { member: { profile: changed.profile, tag: asked.tag } },
        { member: { tag: renamed.tag } },
        { member: { tag: asked.tag } },
      ])
    })

    it('refuses a session that belongs to somebody else, present or gone', async () => {
      const asked = request(room)
      const alice = await joined(node, asked)
      const thief = { ...asked, proof: request(room).proof }
      expect(await node.rooms.join(thief)).toEqual({ ok: false, code: 'session-taken' })
      await node.rooms.leave(alice.membership, 'lost')
      expect(await node.rooms.join(thief)).toEqual({ ok: false, code: 'session-taken' })
      expect((await joined(node, asked)).counter).toBe(0)
    })

    it('remembers counters, seq and epoch for ten minutes after a leave', async () => {
      const asked = request(room)
      const alice = await joined(node, asked)
      await publish(node, alice, 1)
      await node.rooms.leave(alice.membership, 'lost')
      const again = await joined(node, asked)
      expect(again).toMatchObject({ counter: 1, seq: 1, epoch: alice.epoch })
      expect(await publish(node, again, 1)).toMatchObject({ status: 'duplicate' })
      expect(await publish(node, again, 2)).toEqual({ status: 'taken', seq: 2 })
    })

    it('forgets a counter after ten minutes', async () => {
      await joined(node, request(room))
      const asked = request(room)
      const bob = await joined(node, asked)
      await publish(node, bob, 1)
      await node.rooms.leave(bob.membership, 'lost')
      factory.advance(601_000)
      expect(await joined(node, asked)).toMatchObject({ counter: 0, seq: 1 })
    })

    it('lets a crowd into a room at once, each with its own answer', async () => {
      const asked = Array.from({ length: 40 }, () => request(room))
      const taken = request(room, { tag: asked[0]?.tag ?? newTag() })
      const results = await Promise.all([...asked, taken].map((each) => node.rooms.join(each)))
      expect(results.pop()).toEqual({ ok: false, code: 'name-taken' })
      for (const [i, result] of results.entries()) {
        expect(result).toMatchObject({ ok: true, membership: { room, session: asked[i]?.session } })
      }
      expect(await node.rooms.roomMembers(room)).toHaveLength(40)
      const generations = results.map((result) => (result.ok ? result.membership.generation : 0))
      expect(new Set(generations).size).toBe(40)
      for (const result of results) if (result.ok) await publish(node, result, 1)
      await node.until(() => node.seqs(room).length === 40)
    })

    it('refuses more members than a room may have', async () => {
      const small = await newNode({ roomMembersMax: 2 })
      const alice = await joined(small, request(room))
      const asked = request(room)
      await joined(small, asked)
      expect(await small.rooms.join(request(room))).toEqual({ ok: false, code: 'room-full' })
      await joined(small, asked)
      await small.rooms.leave(alice.membership, 'left')
      await joined(small, request(room))
    })

    it('pages through a long roster without missing anybody', async () => {
      const total = limits.rosterPageMembersMax * 2 + 3
      const sessions: SessionId[] = []
      let last: Joined | null = null
      for (let i = 0; i < total; i += 1) {
        last = await joined(node, request(room))
        sessions.push(last.membership.session)
      }
      expect(last?.count).toBe(total)
      const found = last?.members.map(({ session }) => session) ?? []
      let next = last?.next ?? null
      expect(next).toMatch(/^[0-9]{1,20}$/)
      while (next !== null) {
        const page = await node.rooms.members(room, next)
        expect(page.members.length).toBeLessThanOrEqual(limits.rosterPageMembersMax)
        found.push(...page.members.map(({ session }) => session))
        next = page.next
      }
      expect(found).toEqual(sessions)
    })

    it('shows figures of rooms and their members', async () => {
      const asked = request(room)
      const alice = await joined(node, asked)
      await joined(node, request(room))
      const bytes = frame(asked.session, 1)
      await node.rooms.publish(alice.membership, 1, bytes)
      const list = await node.rooms.stats([room, newRoom()])
      expect(list).toEqual([
        {
          room,
          users: 2,
          messages: 1,
          bytes: bytes.length,
          createdAt: expect.any(Number),
          lastActiveAt: expect.any(Number),
        },
      ])
      const members = await node.rooms.roomMembers(room)
      expect(members).toHaveLength(2)
      expect(members?.[0]).toEqual({
        session: asked.session,
        node: node.rooms.node,
        joinedAt: expect.any(Number),
        counter: 1,
      })
      expect(await node.rooms.roomMembers(newRoom())).toBeNull()
    })

    it('keeps rooms apart', async () => {
      const other = newRoom()
      const alice = await joined(node, request(room))
      const mallory = await joined(node, request(other))
      await publish(node, alice, 1)
      await publish(node, mallory, 1)
      await node.until(() => node.seqs(room).length === 1 && node.seqs(other).length === 1)
      expect(mallory.epoch).not.toBe(alice.epoch)
      const forged = { ...mallory.membership, room }
      expect(await node.rooms.publish(forged, 2, frame(forged.session, 2))).toEqual({ status: 'not-member' })
    })

    it('gives one name to exactly one of many who claim it at once', async () => {
      for (let round = 0; round < 10; round += 1) {
        const contested = newRoom()
        const tag = newTag()
        const results = await Promise.all(
          Array.from({ length: 20 }, () => node.rooms.join(request(contested, { tag }))),
        )
        expect(results.filter((result) => result.ok)).toHaveLength(1)
        expect(results.filter((result) => !result.ok && result.code === 'name-taken')).toHaveLength(19)
      }
    })

    it('answers a repeated frame with the place that it has', async () => {
      const alice = await joined(node, request(room))
      const first = frame(alice.membership.session, 1)
      await node.rooms.publish(alice.membership, 1, first)
      for (let counter = 2; counter <= 5; counter += 1) await publish(node, alice, counter)
      expect(await node.rooms.publish(alice.membership, 1, first)).toEqual({ status: 'duplicate', seq: 1 })
    })

    it('goes on from the counter that a session claims when it knows less, never when it knows more', async () => {
      const asked = request(room, { counter: 17 })
      const alice = await joined(node, asked)
      expect(alice.counter).toBe(17)
      expect(await publish(node, alice, 17)).toMatchObject({ status: 'duplicate', seq: 0 })
      expect(await publish(node, alice, 18)).toMatchObject({ status: 'taken' })
      expect((await joined(node, { ...asked, counter: 3 })).counter).toBe(18)
    })

    it('gives a member what was said after a position, byte for byte as it was delivered', async () => {
      const alice = await joined(node, request(room))
      const sent = [1, 2, 3, 4].map((counter) => frame(alice.membership.session, counter))
      for (const [i, bytes] of sent.entries()) await node.rooms.publish(alice.membership, i + 1, bytes)
      const page = await logAfter(node, alice, 1)
      expect(page).toMatchObject({ epoch: alice.epoch, seq: 1, missed: 0, more: false })
      expect(seqsOf(page)).toEqual([2, 3, 4])
      const frames = page.deliveries.map((bytes) => Buffer.from(decodeDelivery(bytes).frame))
      expect(frames).toEqual(sent.slice(1))
      expect(await logAfter(node, alice, 4)).toMatchObject({ seq: 4, missed: 0, deliveries: [], more: false })
    })

    it('answers a join with what was said after the position that it names', async () => {
      const asked = request(room)
      const alice = await joined(node, asked)
      expect(alice.page).toBeNull()
      const sent = [1, 2, 3].map((counter) => frame(alice.membership.session, counter))
      for (const [i, bytes] of sent.entries()) await node.rooms.publish(alice.membership, i + 1, bytes)
      const { epoch } = alice
      const back = await joined(node, { ...asked, after: { epoch, seq: 1 } })
      expect(back).toMatchObject({ epoch, seq: 3, page: { epoch, seq: 1, missed: 0, more: false } })
      expect(back.page?.deliveries.map((bytes) => Buffer.from(decodeDelivery(bytes).frame))).toEqual(
        sent.slice(1),
      )
      expect((await joined(node, asked)).page).toBeNull()
      expect((await joined(node, { ...asked, after: { epoch, seq: 3 } })).page).toBeNull()
      const ahead = await joined(node, { ...asked, after: { epoch, seq: 7 } })
      expect(ahead.page).toEqual({ epoch, seq: 3, missed: 0, more: false, deliveries: [] })
    })

    it('answers a join with a first page, small by count and by bytes, and the log has the rest', async () => {
      const asked = request(room)
      const alice = await joined(node, asked)
      const { epoch } = alice
      const total = joinPageFramesMax + 10
      for (let counter = 1; counter <= total; counter += 1) await publish(node, alice, counter)
      const many = await joined(node, { ...asked, after: { epoch, seq: 0 } })
      expect([many.page?.deliveries.length, many.page?.more]).toEqual([joinPageFramesMax, true])
      expect(seqsOf(await logAfter(node, many, joinPageFramesMax))).toHaveLength(10)

      const large = Buffer.alloc(limits.frameBytesMax)
      for (let counter = total + 1; counter <= total + 10; counter += 1) {
        frame(alice.membership.session, counter).copy(large)
        await node.rooms.publish(many.membership, counter, large)
      }
      const heavy = await joined(node, { ...asked, after: { epoch, seq: total } })
      expect([heavy.page?.deliveries.length, heavy.page?.more]).toEqual([4, true])
    })

    it('tells a join what is gone, as it tells who asks for the log', async () => {
      const small = await newNode({ log: { messagesMax: 2, bytesMax: 4_194_304, ageMs: 600_000 } })
      const asked = request(room)
      const alice = await joined(small, asked)
      for (let counter = 1; counter <= 5; counter += 1) await publish(small, alice, counter)
      const { epoch } = alice
      const late = await joined(small, { ...asked, after: { epoch, seq: 1 } })
      expect(late.page).toMatchObject({ epoch, seq: 3, missed: 2, more: false })
      const lost = await joined(small, { ...asked, after: { epoch: 'ffffffffffffffff' as Epoch, seq: 900 } })
      expect(lost.page).toMatchObject({ epoch, missed: null, more: false })
      expect(seqsOf(lost.page as LogPage)).toEqual([4, 5])
      factory.advance(600_001)
      const old = await joined(small, { ...asked, after: { epoch, seq: 3 } })
      expect(old.page).toEqual({ epoch, seq: 5, missed: 2, more: false, deliveries: [] })
    })

    it('tells a newcomer nothing of before when its join claims a position', async () => {
      const alice = await joined(node, request(room))
      for (let counter = 1; counter <= 3; counter += 1) await publish(node, alice, counter)
      factory.advance(youngLogMs)
      const { epoch } = alice
      const asked = request(room, { after: { epoch, seq: 0 } })
      expect((await joined(node, asked)).page).toEqual({
        epoch,
        seq: 3,
        missed: 0,
        more: false,
        deliveries: [],
      })
      await publish(node, alice, 4)
      const again = await joined(node, { ...asked, after: { epoch: 'ffffffffffffffff' as Epoch, seq: 0 } })
      expect(seqsOf(again.page as LogPage)).toEqual([4])
    })

    it('names the end of the log to a member that stands behind it', async () => {
      const alice = await joined(node, request(room))
      await publish(node, alice, 1)
      expect(await logAfter(node, alice, 7)).toMatchObject({ seq: 1, missed: 0, deliveries: [], more: false })
    })

    it('pages through a long log, by count and by bytes', async () => {
      const alice = await joined(node, request(room))
      const total = limits.logPageFramesMax + 10
      for (let counter = 1; counter <= total; counter += 1) await publish(node, alice, counter)
      const first = await logAfter(node, alice, 0)
      expect([first.deliveries.length, first.more]).toEqual([limits.logPageFramesMax, true])
      const second = await logAfter(node, alice, limits.logPageFramesMax)
      expect([second.deliveries.length, second.more, second.missed]).toEqual([10, false, 0])

      const large = Buffer.alloc(15_418)
      for (let counter = total + 1; counter <= total + 20; counter += 1) {
        frame(alice.membership.session, counter).copy(large)
        await node.rooms.publish(alice.membership, counter, large)
      }
      const heavy = await logAfter(node, alice, total)
      expect(heavy.more).toBe(true)
      const bytes = heavy.deliveries.reduce((sum, each) => sum + each.length, 0)
      expect(bytes).toBeLessThanOrEqual(limits.logPageBytesMax)
      expect(bytes).toBeGreaterThan(limits.logPageBytesMax - 16_384)
    })

    it('says how much is gone when the log is bounded by count', async () => {
      const small = await newNode({ log: { messagesMax: 10, bytesMax: 4_194_304, ageMs: 600_000 } })
      const alice = await joined(small, request(room))
      for (let counter = 1; counter <= 30; counter += 1) await publish(small, alice, counter)
      const page = await logAfter(small, alice, 5)
      expect(page).toMatchObject({ seq: 20, missed: 15, more: false })
      expect(seqsOf(page)).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30])
      expect(await logAfter(small, alice, 25)).toMatchObject({ seq: 25, missed: 0 })
    })

    it('keeps no log when it is told so, and says what is gone', async () => {
      const none = await newNode({ log: { messagesMax: 0, bytesMax: 65_536, ageMs: 600_000 } })
      const alice = await joined(none, request(room))
      for (let counter = 1; counter <= 3; counter += 1) await publish(none, alice, counter)
      expect(await logAfter(none, alice, 1)).toMatchObject({ seq: 3, missed: 2, deliveries: [], more: false })
    })

    it('bounds the log by bytes, within a few messages', async () => {
      const bytesMax = 65_536
      const small = await newNode({ log: { messagesMax: 1000, bytesMax, ageMs: 600_000 } })
      const alice = await joined(small, request(room))
      for (let counter = 1; counter <= 400; counter += 1) await publish(small, alice, counter)
      let seq = 0
      let kept = 0
      for (let more = true; more; ) {
        const page = await logAfter(small, alice, seq)
        kept += page.deliveries.reduce((sum, each) => sum + decodeDelivery(each).frame.length, 0)
        seq = page.seq + page.deliveries.length
        more = page.more
      }
      expect(seq).toBe(400)
      expect(kept).toBeGreaterThan(bytesMax / 2)
      expect(kept).toBeLessThanOrEqual(bytesMax + 8 * limits.frameBytesMin)
    })

    it('tells nothing that is older than the log may be', async () => {
      const alice = await joined(node, request(room))
      for (let counter = 1; counter <= 3; counter += 1) await publish(node, alice, counter)
      factory.advance(600_001)
      await publish(node, alice, 4)
      const page = await logAfter(node, alice, 1)
      expect(page).toMatchObject({ seq: 3, missed: 2, more: false })
      expect(seqsOf(page)).toEqual([4])
    })

    it('tells a newcomer nothing of before, also when it says that it was there', async () => {
      const alice = await joined(node, request(room))
      for (let counter = 1; counter <= 3; counter += 1) await publish(node, alice, counter)
      factory.advance(youngLogMs)
      const asked = request(room)
      const bob = await joined(node, asked)
      await publish(node, alice, 4)
      expect(seqsOf(await logAfter(node, bob, 0))).toEqual([4])
      // Nor after it left and came back.
      await node.rooms.leave(bob.membership, 'left')
      const again = await joined(node, asked)
      await publish(node, alice, 5)
      expect(seqsOf(await logAfter(node, again, 0))).toEqual([4, 5])
    })

    it('gives a young log whole: after a total loss the first to come back speak before the last are there', async () => {
      const alice = await joined(node, request(room))
      for (let counter = 1; counter <= 3; counter += 1) await publish(node, alice, counter)
      factory.advance(youngLogMs - 5000)
      const bob = await joined(node, request(room))
      const page = await node.rooms.log(bob.membership, 'ffffffffffffffff' as Epoch, 900)
      expect(page).toMatchObject({ epoch: bob.epoch, seq: 0, missed: null })
      expect(page?.deliveries).toHaveLength(3)
    })

    it('gives what it has, and says that it does not know what is missing, after an epoch that nobody knows', async () => {
      const alice = await joined(node, request(room))
      for (let counter = 1; counter <= 2; counter += 1) await publish(node, alice, counter)
      const page = await node.rooms.log(alice.membership, 'ffffffffffffffff' as Epoch, 900)
      expect(page).toMatchObject({ epoch: alice.epoch, seq: 0, missed: null, more: false })
      expect(page?.deliveries).toHaveLength(2)
    })

    it('reads no log to who is not a member any more', async () => {
      const asked = request(room)
      const old = await joined(node, asked)
      await joined(node, asked)
      expect(await node.rooms.log(old.membership, old.epoch, 0)).toBeNull()
    })

    it('tells who somebody was that left, while it is remembered', async () => {
      await joined(node, request(room))
      const asked = request(room)
      const { session, tag, profile } = asked
      const bob = await joined(node, asked)
      await publish(node, bob, 1)
      const member = { session, tag, profile, counter: 1, since: expect.any(Number) }
      expect(await node.rooms.member(room, session)).toEqual(member)
      await node.rooms.leave(bob.membership, 'left')
      expect(await node.rooms.member(room, session)).toEqual(member)
      expect(await node.rooms.member(room, newSession())).toBeNull()
      expect(await node.rooms.member(newRoom(), session)).toBeNull()
    })

    it('keeps the place of a lost member for the grace time, then tells that it is lost', async () => {
      const patient = await newNode({ graceMs: 15_000 })
      await joined(patient, request(room))
      const asked = request(room)
      const bob = await joined(patient, asked)
      await patient.rooms.leave(bob.membership, 'lost')
      factory.advance(14_000)
      patient.rooms.tick()
      expect(await patient.rooms.join(request(room, { tag: asked.tag }))).toEqual({
        ok: false,
        code: 'name-taken',
      })
      expect(patient.departed(asked.session)).toBeUndefined()
      factory.advance(1001)
      patient.rooms.tick()
      await patient.until(() => patient.departed(asked.session) === 'lost')
      await joined(patient, request(room, { tag: asked.tag }))
    })

    it('makes no noise about a member that comes back within the grace time', async () => {
      const patient = await newNode({ graceMs: 15_000 })
      const alice = await joined(patient, request(room))
      const asked = request(room)
      const bob = await joined(patient, asked)
      await patient.rooms.leave(bob.membership, 'lost')
      await publish(patient, alice, 1)
      const again = await joined(patient, asked)
      expect(again).toMatchObject({ epoch: bob.epoch, seq: 1, count: 2 })
      expect(seqsOf(await logAfter(patient, again, bob.seq))).toEqual([1])
      factory.advance(60_000)
      patient.rooms.tick()
      await publish(patient, again, 1)
      await patient.until(() => patient.seqs(room).length === 2)
      const told = patient.controls(room).filter((each) => each.t !== 'position')
      expect(told.map((each) => each.t)).toEqual(['arrived', 'arrived'])
      expect(await publish(patient, again, 2)).toMatchObject({ status: 'taken' })
    })

    it('frees the name at once when a member leaves by wish, grace time or not', async () => {
      const patient = await newNode({ graceMs: 15_000 })
      const asked = request(room)
      const bob = await joined(patient, asked)
      await patient.rooms.leave(bob.membership, 'left')
      await joined(patient, request(room, { tag: asked.tag }))
    })

    it('tells members where their log ends when a room falls silent, and only when it moved', async () => {
      const talkative = await newNode({ beaconMs: 1000 })
      const alice = await joined(talkative, request(room))
      const positions = () => talkative.controls(room).filter((each) => each.t === 'position')
      await publish(talkative, alice, 1)
      await talkative.until(() => talkative.seqs(room).length === 1)
      factory.advance(1001)
      talkative.rooms.tick()
      await talkative.until(() => positions().length === 1)
      expect(positions()).toEqual([{ t: 'position', room, epoch: alice.epoch, seq: 1 }])
      factory.advance(1001)
      talkative.rooms.tick()
      await publish(talkative, alice, 2)
      await talkative.until(() => talkative.seqs(room).length === 2)
      factory.advance(1001)
      talkative.rooms.tick()
      await talkative.until(() => positions().some((each) => each.seq === 2))
      expect(positions()).toHaveLength(2)
    })

    it('does not tell them while the room speaks', async () => {
      const talkative = await newNode({ beaconMs: 1000 })
      const alice = await joined(talkative, request(room))
      for (const counter of [1, 2, 3]) {
        await publish(talkative, alice, counter)
        await talkative.until(() => talkative.seqs(room).length === counter)
        factory.advance(600)
        talkative.rooms.tick()
      }
      factory.advance(401)
      talkative.rooms.tick()
      const positions = () => talkative.controls(room).filter((each) => each.t === 'position')
      await talkative.until(() => positions().length > 0)
      expect(positions()).toEqual([{ t: 'position', room, epoch: alice.epoch, seq: 3 }])
    })

    it('tells them when a room is silent, whoever comes and goes', async () => {
      const talkative = await newNode({ beaconMs: 1000 })
      const alice = await joined(talkative, request(room))
      await publish(talkative, alice, 1)
      await talkative.until(() => talkative.seqs(room).length === 1)
      factory.advance(600)
      await joined(talkative, request(room))
      factory.advance(401)
      talkative.rooms.tick()
      await talkative.until(() => talkative.controls(room).some((each) => each.t === 'position'))
    })

    it('empties its rooms when it stops', async () => {
      await joined(node, request(room))
      await node.rooms.stop()
      const next = await newNode()
      expect(await next.rooms.roomMembers(room)).toBeNull()
    })
  })
}
