// Which of two charters stands, and what a held one decides, without any store.
import type { CharterPair, RoomId } from '@pychat/protocol'
import { readCharter } from '@pychat/protocol'
import { describe, expect, it } from 'vitest'
import {
  admission,
  broughtBack,
  type HeldCharter,
  judge,
  noCharter,
  readStored,
  returnMs,
  stands,
  storedAs,
} from '../../src/rooms/charter.ts'
import { verifier } from '../../src/verifier.ts'
import { charterPair, handover, newPerson, type PairFields, type Person } from '../support/charters.ts'
import { newRoom } from './contract.ts'

const [owner, heir, rival] = [newPerson(), newPerson(), newPerson()]
const room = newRoom()

function held(person: Person, since: number, fields: PairFields = {}, of: RoomId = room): HeldCharter {
  const judgement = judge(null, readCharter(charterPair(person, of, fields), verifier), since)
  if (!judgement.ok || judgement.next === null) throw new Error('refused')
  return judgement.next
}

describe('a charter in a store', () => {
  it('is read as it was written', () => {
    const charter = held(owner, 17, { ops: [heir], lock: true, version: 2 })
    expect(readStored(storedAs(charter), room)).toEqual(charter)
    expect(readStored(noCharter, room)).toBeNull()
    expect(storedAs(null)).toEqual(noCharter)
  })

  it('is refused when it is not what a relay wrote', () => {
    const { stamp, text } = storedAs(held(owner, 17))
    const other = storedAs(held(owner, 17, { version: 2 }))
    for (const stored of [
      { stamp, text: other.text },
      { stamp: 'x', text },
      { stamp: stamp.replace('/17/', '/16x/'), text },
      { stamp, text: '' },
      { stamp, text: 'null' },
      { stamp, text: text.replace(owner.public, rival.public) },
    ]) {
      expect(() => readStored(stored, room)).toThrow(
        expect.objectContaining({ name: 'StoreError', retryable: false }),
      )
    }
    expect(() => readStored({ stamp, text }, newRoom())).toThrow('cannot read')
  })

  it('goes by another name when anything of it is another', () => {
    const names = [
      held(owner, 17),
      held(owner, 18),
      held(owner, 17, { rulesVersion: 2 }),
      held(owner, 17, { rulesVersion: 2, lock: true }),
      broughtBack(held(owner, 17, { rulesVersion: 2, lock: true }), null, 5),
    ].map((each) => each.stamp)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^\S+$/)
  })
})

describe('of two charters', () => {
  const first = held(owner, 1000)
  const second = held(owner, 1000, { version: 2, rulesVersion: 2 })
  const given = held(heir, 1000, { version: 3, rulesVersion: 3, handovers: [handover(room, 3, owner, heir)] })

  it.each([
    ['the newer one', second, first],
    ['the newer one of the new owner', given, second],
    ['the newer one, though it was known for a shorter time', held(owner, 9000, { rulesVersion: 2 }), first],
    ['of two owners the one known for longer', first, held(rival, 1001, { version: 99, rulesVersion: 99 })],
    [
      'of two with one number and one time, always the same',
      ...([held(owner, 5, { lock: true }), held(owner, 5, { history: true })].sort((a, b) =>
        a.stamp < b.stamp ? -1 : 1,
      ) as [HeldCharter, HeldCharter]),
    ],
    [
      'of two that each are newer in one half, the one with the newer ranks',
      held(owner, 5, { version: 2, rulesVersion: 4 }),
      held(owner, 5, { version: 1, rulesVersion: 5 }),
    ],
    ['any before none', first, null],
  ])('stands %s, whichever a node knows first', (_, stronger, weaker) => {
    expect(stands(stronger, weaker)).toBe('mine')
    expect(stands(weaker, stronger)).toBe('other')
  })

  it('a successor is known for as long as who it follows', () => {
    const locked = charterPair(owner, room, { rulesVersion: 2, lock: true })
    const judgement = judge(first, readCharter(locked, verifier), 7777)
    expect(judgement).toMatchObject({ ok: true, next: { since: 1000, lockFrom: 0 } })
  })

  it('stands the one of the store when they are one', () => {
    expect(stands(first, first)).toBe('other')
    expect(stands(null, null)).toBe('other')
  })
})

describe('a lock', () => {
  const join = (charter: HeldCharter, at: number) => admission(charter, rival.id, at, 100).refusal
  const locked = { version: 1, rulesVersion: 2, lock: true }

  it('holds at once where rules are the first ever, or follow others', () => {
    expect(join(held(owner, 1000, { lock: true, version: 7 }), 1000)).toBe('room-locked')
    const open = held(owner, 1000)
    const judgement = judge(open, readCharter(charterPair(owner, room, locked), verifier), 1001)
    expect(judgement.ok && judgement.next !== null && join(judgement.next, 1001)).toBe('room-locked')
  })

  it.each([
    ['a member', (at: number) => held(owner, at, locked)],
    ['a node', (at: number) => broughtBack(held(owner, 1, locked), null, at)],
    ['a node, behind a stranger', (at: number) => broughtBack(held(owner, 1, locked), held(rival, at), at)],
  ])('waits for those who come back where %s brings it to a store that lost it', (_, bring) => {
    const charter = bring(50_000)
    expect(join(charter, 50_000 + returnMs - 1)).toBeNull()
    expect(join(charter, 50_000 + returnMs)).toBe('room-locked')
  })

  it('does not open because a store lost only its newest rules', () => {
    const store = held(owner, 1000, {})
    expect(join(broughtBack(held(owner, 1000, locked), store, 50_000), 50_000)).toBe('room-locked')
  })
})

it('a pair is taken for the one room that its rules name', () => {
  const pair: CharterPair = charterPair(owner, newRoom(), { root: room })
  expect(() => readCharter(pair, verifier, room)).toThrow()
})
