// The roster opens a sealed profile once: a reconnect of a large room must not cost a signature check per member.
import * as crypto from '@pychat/crypto'
import { encodeBase64url } from '@pychat/protocol'
import { beforeEach, expect, it, vi } from 'vitest'
import { Person, testRoom, World } from './world.ts'

vi.mock(import('@pychat/crypto'), async (original) => {
  const real = await original()
  return { ...real, openProfile: vi.fn(real.openProfile) }
})
const opened = vi.mocked(crypto.openProfile)
beforeEach(() => {
  opened.mockClear()
})

it('does not open the same profile of the same session again, also after it was away', async () => {
  const room = await testRoom()
  const world = new World(room)
  const people = ['Bob', 'Carol'].map((name) => new Person(room, name))
  const members = people.map(({ member }) => member)
  world.enter(members)
  expect(opened).toHaveBeenCalledTimes(2)
  world.lose()
  world.enter(members.slice(1))
  world.tell({ t: 'arrived', room: room.id, member: members[0] as (typeof members)[0] })
  expect(opened).toHaveBeenCalledTimes(2)
  expect(world.room.users().map(({ name }) => name)).toEqual(['Alice', 'Carol', 'Bob'])
  const [bob] = people as [Person]
  const profile = encodeBase64url(crypto.sealProfile(room, bob.session, { name: 'BOB' }, 2))
  world.tell({ t: 'arrived', room: room.id, member: { ...bob.member, profile } })
  expect(opened).toHaveBeenCalledTimes(3)
  expect(world.room.users().map(({ name }) => name)).toEqual(['Alice', 'Carol', 'BOB'])
})
