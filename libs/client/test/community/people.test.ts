// Keys that are known by name: when to warn, and what is remembered.
import type { MemberId, PublicKey, RoomId } from '@pychat/protocol'
import { expect, it } from 'vitest'
import { createPeople, type KeyChange } from '../../src/community/people.ts'
import { createRecords } from '../../src/community/record.ts'
import { Machine } from './people.ts'

const root = '11'.repeat(16) as RoomId
const someone = (name: string, key: string) => ({
  name,
  publicKey: key.repeat(32) as PublicKey,
  memberId: key.repeat(16) as MemberId,
})

function run(machine: Machine) {
  const changes: KeyChange[] = []
  return {
    changes,
    people: createPeople(
      root,
      machine,
      () => 5,
      (change) => void changes.push(change),
    ),
  }
}

it('a name is new once, then known by its key, however it is spelled', () => {
  const machine = new Machine()
  const first = run(machine)
  expect(first.people.meet(someone('Bob', 'aa'))).toBe('new')
  expect(first.people.meet(someone('BOB', 'aa'))).toBe('new')
  const second = run(machine)
  expect(second.people.isKnown(someone('bob', 'aa'))).toBe(true)
  expect(second.people.meet(someone('bob', 'aa'))).toBe('known')
  expect([...first.changes, ...second.changes]).toEqual([])
})

it('another key is told once a run, and stays marked while it runs', () => {
  const machine = new Machine()
  run(machine).people.meet(someone('Bob', 'aa'))
  const { people, changes } = run(machine)
  for (let i = 0; i < 3; i += 1) expect(people.meet(someone('Bob', 'bb'))).toBe('changed')
  expect(changes).toEqual([
    { name: 'Bob', old: expect.any(String), new: expect.any(String), wasVerified: false },
  ])
  expect(run(machine).people.meet(someone('Bob', 'bb'))).toBe('known')
})

it('a key that was compared is given up for no other one before that is compared too', () => {
  const machine = new Machine()
  run(machine).people.setVerified(someone('Bob', 'aa'), true)
  for (let i = 0; i < 2; i += 1) {
    const { people, changes } = run(machine)
    expect(people.meet(someone('Bob', 'bb'))).toBe('changed')
    expect(changes).toEqual([expect.objectContaining({ wasVerified: true })])
    expect(people.isVerified('Bob', someone('Bob', 'aa').publicKey)).toBe(true)
  }
  const { people } = run(machine)
  people.setVerified(someone('Bob', 'bb'), true)
  expect(people.meet(someone('Bob', 'bb'))).toBe('verified')
})

it('keeps the newest rules of so many rooms, and never gives up those of the home', () => {
  const machine = new Machine()
  const records = createRecords(root, machine, () => [root])
  const pair = {
    charter: { doc: '', key: '', signature: '' },
    rules: { doc: '', key: '', signature: '' },
  } as never
  const id = (n: number) => n.toString(16).padStart(32, '0') as RoomId
  records.saveCharter(root, pair)
  for (let n = 1; n <= 40; n += 1) records.saveCharter(id(n), pair)
  expect(machine.record?.charters).toHaveLength(24)
  expect(records.charterOf(root)).not.toBeNull()
  expect(records.charterOf(id(40))).not.toBeNull()
  expect(records.charterOf(id(1))).toBeNull()
})
