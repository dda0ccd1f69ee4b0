// What every implementation of the rooms port must do. The factory makes one node; nodes of one factory share a store
// where the implementation has one.
import { createHash, randomBytes } from 'node:crypto'
import {
  decodeDelivery,
  decodeRelayControl,
  encodeFrameHeader,
  limits,
  type NameTag,
  type RelayControl,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type {
  JoinRequest,
  JoinResult,
  Membership,
  PublishResult,
  Rooms,
  RoomsEvents,
} from '../../src/rooms/rooms.ts'

export type Heard =
  | { room: RoomId; control: RelayControl }
  | { room: RoomId; seq: number; epoch: string; frame: Buffer }

/** A node and everything that it told its sessions. */
export class Node {
  readonly rooms: Rooms
  readonly heard: Heard[] = []
  readonly replaced: Membership[] = []
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

export type RoomsFactory = {
  /** A node, started; ended by the suite. */
  node(options?: { roomMembersMax?: number }): Promise<Node>
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

    async function newNode(options?: { roomMembersMax?: number }): Promise<Node> {
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

    it('empties its rooms when it stops', async () => {
      await joined(node, request(room))
      await node.rooms.stop()
      const next = await newNode()
      expect(await next.rooms.roomMembers(room)).toBeNull()
    })
  })
}
