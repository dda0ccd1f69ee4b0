// What every implementation of the rooms port must do by a room's charter, and in rooms so large that they are quiet.
// As contract.ts, which is about everything else.
import { type CharterPair, deliveryOffsets, type MemberId, type RoomId, readUint64 } from '@pychat/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { returnMs } from '../../src/rooms/charter.ts'
import { youngLogMs } from '../../src/rooms/rooms.ts'
import { banned, charterPair, handover, newPerson, type Person } from '../support/charters.ts'
import {
  type Joined,
  joined,
  type Node,
  type NodeOptions,
  newRoom,
  newSession,
  newTag,
  publish,
  type RoomsFactory,
  request,
} from './contract.ts'

/** @param open as in roomsContract */
export function chartersContract(
  name: string,
  open: () => Promise<RoomsFactory & { close(): Promise<void> }>,
): void {
  describe(`rooms with charters: ${name}`, () => {
    let factory: Awaited<ReturnType<typeof open>>
    let node: Node
    let room: RoomId
    const nodes: Node[] = []
    const [owner, op, bob, carol] = [newPerson(), newPerson(), newPerson(), newPerson()]

    async function newNode(options?: Partial<NodeOptions>): Promise<Node> {
      const made = await factory.node(options)
      nodes.push(made)
      return made
    }

    /** A request of a person's session. */
    const asks = (person: Person | null, fields: Parameters<typeof request>[1] = {}) =>
      request(room, { member: person?.id ?? null, ...fields })

    const put = (by: Joined, pair: CharterPair, at = node) => at.rooms.charter(by.membership, pair)

    /** Puts it into force and waits until the node has it. */
    async function govern(by: Joined, pair: CharterPair, at = node): Promise<void> {
      expect(await put(by, pair, at)).toEqual({ ok: true })
      await at.until(() => told(at).some((each) => each.rules.signature === pair.rules.signature))
    }

    const told = (at = node) => at.controls(room).flatMap((each) => (each.t === 'charter' ? [each] : []))

    beforeEach(async () => {
      factory = await open()
      node = await newNode()
      room = newRoom()
    })

    afterEach(async () => {
      await Promise.all(nodes.splice(0).map((each) => each.rooms.stop()))
      await factory.close()
    })

    describe('a charter', () => {
      it('is told to members, and to who joins', async () => {
        const alice = await joined(node, asks(owner))
        expect(alice.charter).toBeNull()
        const pair = charterPair(owner, room, { ops: [op] })
        await govern(alice, pair)
        expect(told()).toEqual([{ t: 'charter', room, ...pair }])
        expect((await joined(node, asks(bob))).charter).toEqual(pair)
      })

      it('may be brought by any member, since it is the signatures that count', async () => {
        await govern(await joined(node, asks(bob)), charterPair(owner, room))
        expect((await joined(node, asks(carol))).charter).toEqual(charterPair(owner, room))
      })

      it('is told once, however often it is brought', async () => {
        const alice = await joined(node, asks(owner))
        const pair = charterPair(owner, room)
        await govern(alice, pair)
        expect(await put(alice, pair)).toEqual({ ok: true })
        await publish(node, alice, 1)
        await node.until(() => node.seqs(room).length === 1)
        expect(told()).toHaveLength(1)
      })

      it('is followed only by a newer one of the same line', async () => {
        const alice = await joined(node, asks(owner))
        const first = charterPair(owner, room, { version: 3, rulesVersion: 5, ops: [op] })
        await govern(alice, first)
        const refused = async (pair: CharterPair) => {
          const result = await put(alice, pair)
          return result.ok ? 'taken' : result.code
        }
        expect(await refused(charterPair(owner, room, { version: 3, rulesVersion: 4, ops: [op] }))).toBe(
          'charter-old',
        )
        expect(await refused(charterPair(owner, room, { version: 2, rulesVersion: 6 }))).toBe('charter-old')
        expect(
          await refused(charterPair(owner, room, { version: 3, rulesVersion: 5, ops: [op], lock: true })),
        ).toBe('charter-old')
        expect(await refused(charterPair(bob, room, { version: 9, rulesVersion: 9 }))).toBe('charter-invalid')
        expect(
          await refused(charterPair(owner, room, { root: newRoom(), version: 9, rulesVersion: 9 })),
        ).toBe('charter-invalid')
        expect(
          await refused(
            charterPair(owner, room, { version: 3, rulesVersion: 6, ops: [op], signer: op, lock: true }),
          ),
        ).toBe('taken')
        await node.until(() => told().length === 2)
      })

      it('is refused when it is forged', async () => {
        const alice = await joined(node, asks(owner))
        await govern(alice, charterPair(owner, room, { ops: [op] }))
        const next = charterPair(owner, room, { version: 2, rulesVersion: 2, ops: [op] })
        const invalid = { ok: false, code: 'charter-invalid' }
        // Rules that a member signed.
        expect(
          await put(alice, charterPair(owner, room, { version: 2, rulesVersion: 2, signer: bob })),
        ).toEqual(invalid)
        // Rules of another room.
        expect(
          await put(alice, charterPair(owner, newRoom(), { root: room, version: 2, rulesVersion: 2 })),
        ).toEqual(invalid)
        // Ranks written anew over a true signature.
        const { charter } = next
        const forged = { ...charter, doc: charter.doc.replace(op.public, bob.public) }
        expect(await put(alice, { ...next, charter: forged })).toEqual(invalid)
        // An op who calls itself owner.
        const { doc } = charterPair(op, room, { version: 2 }).charter
        expect(await put(alice, { ...next, charter: { ...charter, doc } })).toEqual(invalid)
        expect(await put(alice, { ...next, rules: { ...next.rules, doc: '{}' } })).toEqual(invalid)
        expect(told()).toHaveLength(1)
      })

      it('goes over to a new owner by the hand of the old one', async () => {
        const alice = await joined(node, asks(owner))
        await govern(alice, charterPair(owner, room))
        const given = charterPair(bob, room, {
          version: 2,
          rulesVersion: 2,
          handovers: [handover(room, 2, owner, bob)],
        })
        await govern(alice, given)
        expect(await put(alice, charterPair(owner, room, { version: 3, rulesVersion: 3 }))).toMatchObject({
          ok: false,
        })
        expect((await joined(node, asks(bob))).charter).toEqual(given)
      })

      it('is taken from nobody who is not in the room', async () => {
        const alice = await joined(node, asks(owner))
        await node.rooms.leave(alice.membership, 'left')
        expect(await put(alice, charterPair(owner, room))).toEqual({ ok: false, code: 'not-member' })
      })

      it('stays while its room is remembered, though nobody is in it', async () => {
        const alice = await joined(node, asks(owner))
        await govern(alice, charterPair(owner, room))
        await node.rooms.leave(alice.membership, 'left')
        expect((await joined(node, asks(bob))).charter).not.toBeNull()
      })
    })

    describe('keys', () => {
      it('are wanted once there is a charter, from newcomers and from those who come back', async () => {
        const nobody = asks(null)
        await joined(node, nobody)
        await govern(await joined(node, asks(owner)), charterPair(owner, room))
        expect(await node.rooms.join(asks(null))).toEqual({ ok: false, code: 'key-needed' })
        expect(await node.rooms.join(nobody)).toEqual({ ok: false, code: 'key-needed' })
        // It is the same client: what it shows now holds from now on.
        await joined(node, { ...nobody, member: bob.id })
        expect(await node.rooms.join({ ...nobody, member: carol.id })).toEqual({
          ok: false,
          code: 'session-taken',
        })
      })

      it('stay with their sessions, present or gone', async () => {
        const asked = asks(bob)
        const first = await joined(node, asked)
        const taken = { ok: false, code: 'session-taken' }
        for (const member of [carol.id, null]) {
          expect(await node.rooms.join({ ...asked, member })).toEqual(taken)
        }
        await node.rooms.leave(first.membership, 'left')
        for (const member of [carol.id, null]) {
          expect(await node.rooms.join({ ...asked, member })).toEqual(taken)
        }
        await joined(node, asked)
      })
    })

    describe('a ban', () => {
      it('puts out whoever has that key, under all names, and lets none of them in again', async () => {
        const alice = await joined(node, asks(owner))
        const asked = asks(bob)
        const sessions = [await joined(node, asked), await joined(node, asks(bob))]
        const other = await joined(node, asks(carol))
        await govern(alice, charterPair(owner, room, { bans: [banned(bob)] }))
        await node.until(() => sessions.every(({ membership }) => node.departed(membership.session)))
        for (const { membership } of sessions) {
          expect(node.departed(membership.session)).toBe('banned')
          expect(node.expelled).toContainEqual({ membership, why: 'banned' })
        }
        expect(node.expelled).toHaveLength(2)
        const refused = { ok: false, code: 'banned' }
        expect(await node.rooms.join(asked)).toEqual(refused)
        expect(await node.rooms.join(asks(bob))).toEqual(refused)
        expect(await publish(node, sessions[0] as Joined, 1)).toEqual({ status: 'not-member' })
        expect(await publish(node, other, 1)).toMatchObject({ status: 'taken' })
        // Its name is free.
        await joined(node, asks(carol, { tag: asked.tag }))
      })

      it('puts out who is only waited for', async () => {
        const patient = await newNode({ graceMs: 15_000 })
        const alice = await joined(patient, asks(owner))
        const away = await joined(patient, asks(bob))
        await patient.rooms.leave(away.membership, 'lost')
        await govern(alice, charterPair(owner, room, { bans: [banned(bob)] }), patient)
        await patient.until(() => patient.departed(away.membership.session) === 'banned')
        factory.advance(60_000)
        patient.rooms.tick()
        const lost = patient
          .controls(room)
          .filter((each) => each.t === 'departed' && each.session === away.membership.session)
        expect(lost).toHaveLength(1)
      })

      it('ends with its time, or when it is lifted', async () => {
        const alice = await joined(node, asks(owner))
        await govern(alice, charterPair(owner, room))
        const until = (await node.rooms.stats([room]))[0]?.lastActiveAt ?? 0
        const pair = charterPair(owner, room, {
          rulesVersion: 2,
          bans: [banned(bob, until + 60_000), banned(carol)],
        })
        await govern(alice, pair)
        for (const person of [bob, carol]) {
          expect(await node.rooms.join(asks(person))).toEqual({ ok: false, code: 'banned' })
        }
        factory.advance(60_001)
        await joined(node, asks(bob))
        expect(await node.rooms.join(asks(carol))).toEqual({ ok: false, code: 'banned' })
        await govern(alice, charterPair(owner, room, { rulesVersion: 3 }))
        await joined(node, asks(carol))
      })
    })

    describe('a lock', () => {
      it('keeps newcomers out, but for owner, ops and whom it admits', async () => {
        const alice = await joined(node, asks(owner))
        const inside = asks(bob)
        await joined(node, inside)
        await govern(alice, charterPair(owner, room, { ops: [op] }))
        await govern(
          alice,
          charterPair(owner, room, { ops: [op], rulesVersion: 2, lock: true, admitted: [carol.id] }),
        )
        const locked = { ok: false, code: 'room-locked' }
        expect(await node.rooms.join(asks(newPerson()))).toEqual(locked)
        for (const person of [owner, op, carol]) await joined(node, asks(person))
        // Who is in the room comes back; who left does not.
        await node.rooms.leave((await joined(node, inside)).membership, 'left')
        expect(await node.rooms.join(inside)).toEqual(locked)
      })

      it('lets everybody back in for a while where it comes to a store that had lost it', async () => {
        const alice = await joined(node, asks(owner))
        await govern(alice, charterPair(owner, room, { rulesVersion: 7, lock: true }))
        await joined(node, asks(bob))
        factory.advance(returnMs)
        expect(await node.rooms.join(asks(carol))).toEqual({ ok: false, code: 'room-locked' })
      })

      it('holds at once where a room begins with it', async () => {
        await govern(await joined(node, asks(owner)), charterPair(owner, room, { lock: true }))
        expect(await node.rooms.join(asks(bob))).toEqual({ ok: false, code: 'room-locked' })
      })
    })

    describe('a limit', () => {
      it('bounds members, but for owner and ops', async () => {
        const alice = await joined(node, asks(owner))
        const inside = asks(bob)
        await joined(node, inside)
        await govern(alice, charterPair(owner, room, { ops: [op], limit: 2 }))
        expect(await node.rooms.join(asks(carol))).toEqual({ ok: false, code: 'room-full' })
        await joined(node, inside)
        for (const person of [op, owner]) await joined(node, asks(person))
      })

      it("does not go beyond the operator's, which only the owner passes", async () => {
        const small = await newNode({ roomMembersMax: 2 })
        const alice = await joined(small, asks(owner))
        await govern(alice, charterPair(owner, room, { ops: [op], limit: 100 }), small)
        await joined(small, asks(bob))
        for (const person of [carol, op]) {
          expect(await small.rooms.join(asks(person))).toEqual({ ok: false, code: 'room-full' })
        }
        const places: boolean[] = []
        for (let i = 0; i < 20; i += 1) places.push((await small.rooms.join(asks(owner))).ok)
        expect(places.filter(Boolean)).toHaveLength(16)
      })
    })

    describe('history', () => {
      const seqsFor = async (who: Joined) =>
        (await node.rooms.log(who.membership, who.epoch, 0))?.deliveries.map((each) =>
          readUint64(each, deliveryOffsets.seq),
        )

      it('gives newcomers what the log keeps where the rules say so, and the admitted always', async () => {
        const alice = await joined(node, asks(owner))
        await publish(node, alice, 1)
        factory.advance(youngLogMs)
        await govern(alice, charterPair(owner, room, { admitted: [carol.id] }))
        const without = asks(bob)
        expect(await seqsFor(await joined(node, without))).toEqual([])
        expect(await seqsFor(await joined(node, asks(carol)))).toEqual([1])
        await govern(alice, charterPair(owner, room, { rulesVersion: 2, history: true }))
        expect(await seqsFor(await joined(node, asks(newPerson())))).toEqual([1])
        // Who was there before it was said gets no more than then.
        expect(await seqsFor(await joined(node, without))).toEqual([])
      })
    })

    describe('a mute', () => {
      it('takes nothing from its member, counts nothing, and ends', async () => {
        const alice = await joined(node, asks(owner))
        const asked = asks(bob)
        const muted = await joined(node, asked)
        await publish(node, muted, 1)
        await govern(alice, charterPair(owner, room, { muted: [bob.id] }))
        expect(await publish(node, muted, 2)).toEqual({ status: 'muted' })
        expect(await publish(node, alice, 1)).toMatchObject({ status: 'taken' })
        const again = await joined(node, asked)
        expect(await publish(node, again, 2)).toEqual({ status: 'muted' })
        await govern(alice, charterPair(owner, room, { rulesVersion: 2 }))
        expect(await publish(node, again, 2)).toMatchObject({ status: 'taken' })
      })
    })

    describe('a kick', () => {
      const members = async () => {
        const alice = await joined(node, asks(owner))
        await govern(alice, charterPair(owner, room, { ops: [op, carol] }))
        return { alice, oper: await joined(node, asks(op)), other: await joined(node, asks(carol)) }
      }
      const refused = { ok: false, code: 'not-allowed' }

      it('puts a member out, who may come back', async () => {
        const { oper } = await members()
        const asked = asks(bob)
        const { membership } = await joined(node, asked)
        expect(await node.rooms.kick(oper.membership, membership.session)).toEqual({ ok: true })
        await node.until(() => node.departed(membership.session) === 'kicked')
        await node.until(() => node.expelled.length === 1)
        expect(node.expelled).toEqual([{ membership, why: 'kicked' }])
        expect(await node.rooms.publish(membership, 1, Buffer.alloc(400))).toEqual({ status: 'not-member' })
        expect(await node.rooms.kick(oper.membership, membership.session)).toEqual({
          ok: false,
          code: 'not-member',
        })
        await joined(node, asked)
      })

      it('reaches only downwards', async () => {
        const { alice, oper, other } = await members()
        const low = await joined(node, asks(bob))
        const kick = (by: Joined, target: Joined) => node.rooms.kick(by.membership, target.membership.session)
        expect(await kick(low, oper)).toEqual(refused)
        expect(await kick(low, low)).toEqual(refused)
        expect(await kick(oper, other)).toEqual(refused)
        expect(await kick(oper, oper)).toEqual(refused)
        expect(await kick(oper, alice)).toEqual(refused)
        expect(await kick(alice, alice)).toEqual(refused)
        expect(await kick(alice, other)).toEqual({ ok: true })
      })

      it('is nobody’s where there is no charter', async () => {
        const alice = await joined(node, asks(owner))
        const { membership } = await joined(node, asks(bob))
        expect(await node.rooms.kick(alice.membership, membership.session)).toEqual(refused)
        expect(await node.rooms.kick(alice.membership, newSession())).toEqual(refused)
      })

      it('reaches members who proved no key, and whom the room only waits for', async () => {
        const patient = await newNode({ graceMs: 15_000 })
        const keyless = await joined(patient, asks(null))
        const alice = await joined(patient, asks(owner))
        await govern(alice, charterPair(owner, room), patient)
        await patient.rooms.leave(keyless.membership, 'lost')
        const { session } = keyless.membership
        expect(await patient.rooms.kick(alice.membership, session)).toEqual({ ok: true })
        await patient.until(() => patient.departed(session) === 'kicked')
      })
    })

    describe('a profile', () => {
      it('may be another one, under another name', async () => {
        const asked = asks(bob)
        const { membership } = await joined(node, asked)
        const [tag, profile] = [newTag(), asks(null).profile]
        expect(await node.rooms.profile(membership, tag, profile)).toEqual({ ok: true })
        const member = { session: asked.session, tag, profile, counter: 0 }
        await node.until(() => node.controls(room).length === 2)
        expect(node.controls(room)[1]).toMatchObject({ t: 'arrived', room, member })
        expect(await node.rooms.member(room, asked.session)).toMatchObject(member)
        // The old name is free, the new one is not.
        await joined(node, request(room, { tag: asked.tag }))
        expect(await node.rooms.join(request(room, { tag }))).toEqual({ ok: false, code: 'name-taken' })
      })

      it('under a name that somebody has changes nothing', async () => {
        const other = asks(carol)
        await joined(node, other)
        const asked = asks(bob)
        const { membership } = await joined(node, asked)
        expect(await node.rooms.profile(membership, other.tag, asked.profile)).toEqual({
          ok: false,
          code: 'name-taken',
        })
        expect(await node.rooms.member(room, asked.session)).toMatchObject({ tag: asked.tag })
      })

      it('is told once, however often it is shown, and not of who is gone', async () => {
        const asked = asks(bob)
        const alice = await joined(node, asks(owner))
        const { membership } = await joined(node, asked)
        const profile = asks(null).profile
        for (let i = 0; i < 3; i += 1) await node.rooms.profile(membership, asked.tag, profile)
        await publish(node, alice, 1)
        await node.until(() => node.seqs(room).length === 1)
        expect(node.controls(room).filter((each) => each.t === 'arrived')).toHaveLength(3)
        await node.rooms.leave(membership, 'left')
        expect(await node.rooms.profile(membership, newTag(), profile)).toEqual({
          ok: false,
          code: 'not-member',
        })
      })

      it('stays with a session that comes back with it', async () => {
        const asked = asks(bob)
        const { membership } = await joined(node, asked)
        const renamed = { ...asked, tag: newTag(), profile: asks(null).profile }
        await node.rooms.profile(membership, renamed.tag, renamed.profile)
        await joined(node, renamed)
        await publish(node, await joined(node, asks(owner)), 1)
        await node.until(() => node.seqs(room).length === 1)
        expect(node.controls(room).filter((each) => each.t === 'arrived')).toHaveLength(3)
      })
    })

    describe('a quiet room', () => {
      const quiet = { above: 4, min: 3 }
      const noise = (at: Node) => at.controls(room).filter((each) => each.t !== 'count')
      const counts = (at: Node) =>
        at.controls(room).flatMap((each) => (each.t === 'count' ? [[each.count, each.quiet]] : []))

      async function crowd(at: Node, size: number, members: (MemberId | null)[] = []): Promise<Joined[]> {
        const all: Joined[] = []
        for (let i = 0; i < size; i += 1) {
          all.push(await joined(at, request(room, { member: members[i] ?? null })))
        }
        return all
      }

      it('begins above its bound, ends below the lower one, and says so', async () => {
        const large = await newNode({ quiet })
        const all = await crowd(large, 6)
        expect(all.map((each) => each.quiet)).toEqual([false, false, false, false, true, true])
        expect(all.at(-1)).toMatchObject({ count: 6 })
        expect(all.at(-1)?.members).toHaveLength(6)
        await large.until(() => counts(large).length === 1)
        expect(counts(large)).toEqual([[5, true]])
        expect(noise(large)).toHaveLength(4)
        for (const { membership } of all.slice(0, 3)) await large.rooms.leave(membership, 'left')
        expect(counts(large)).toHaveLength(1)
        await large.rooms.leave((all[3] as Joined).membership, 'left')
        await large.until(() => counts(large).length === 2)
        expect(counts(large)[1]).toEqual([2, false])
        await joined(large, request(room))
        await large.until(() => noise(large).length === 5)
        expect(noise(large).map((each) => each.t)).toEqual(Array(5).fill('arrived'))
      })

      it('tells how many there are when that has changed', async () => {
        const large = await newNode({ quiet })
        await crowd(large, 6)
        await large.until(() => counts(large).length === 1)
        large.rooms.tick()
        await large.until(() => counts(large).length === 2)
        expect(counts(large)[1]).toEqual([6, true])
        large.rooms.tick()
        const more = await joined(large, request(room))
        await publish(large, more, 1)
        await large.until(() => large.seqs(room).length === 1)
        large.rooms.tick()
        await large.until(() => counts(large).length === 3)
        expect(counts(large)[2]).toEqual([7, true])
      })

      it('tells of another profile only of who has spoken', async () => {
        const large = await newNode({ quiet })
        const all = await crowd(large, 6)
        const before = noise(large).length
        const [silent, speaker] = all as [Joined, Joined]
        await publish(large, speaker, 1)
        await large.rooms.profile(silent.membership, newTag(), request(room).profile)
        const tag = newTag()
        await large.rooms.profile(speaker.membership, tag, request(room).profile)
        await large.until(() => noise(large).length > before)
        expect(noise(large).slice(before)).toMatchObject([
          { t: 'arrived', member: { session: speaker.membership.session, tag, counter: 1 } },
        ])
      })

      it('has its charter, its bans and its kicks', async () => {
        const large = await newNode({ quiet })
        const all = await crowd(large, 6, [owner.id, bob.id, carol.id])
        const [alice, , other] = all as [Joined, Joined, Joined]
        await govern(alice, charterPair(owner, room, { bans: [banned(bob)] }), large)
        await large.until(() => large.expelled.length === 1)
        expect(await large.rooms.kick(alice.membership, other.membership.session)).toEqual({ ok: true })
        await large.until(() => large.expelled.length === 2)
        expect(large.expelled.map((each) => each.why)).toEqual(['banned', 'kicked'])
        expect(noise(large).filter((each) => each.t === 'departed')).toEqual([])
      })
    })
  })
}
