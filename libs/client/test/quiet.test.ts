// A room so large that nobody is told who comes and goes: a client knows the first page and whoever speaks, asks the
// relay for the rest, and knows everybody again when the room is small again.
import type { RoomKeys } from '@pychat/crypto'
import type { Member } from '@pychat/protocol'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Person, testRoom, World } from './world.ts'

let room: RoomKeys
let world: World
let bob: Person
let carol: Person
beforeAll(async () => {
  room = await testRoom()
})
beforeEach(() => {
  world = new World(room)
  bob = new Person(room, 'Bob')
  carol = new Person(room, 'Carol')
})

const names = () => world.room.users().map(({ name }) => name)
const asked = () => world.socket.sent.filter((message) => message.t === 'members')
const count = (number: number, quiet: boolean) =>
  world.tell({ t: 'count', room: room.id, count: number, quiet })
const page = (members: Member[], next?: string) =>
  world.tell({
    t: 'members',
    id: asked().at(-1)?.id ?? 0,
    room: room.id,
    members,
    ...(next === undefined ? {} : { next }),
  })
const enterQuiet = () => world.enter([bob.member], { next: '64', count: 5000, quiet: true })

describe('a quiet room', () => {
  it('is ready with its first page, however many there are', () => {
    enterQuiet()
    expect(asked()).toEqual([])
    expect(world.of('ready')).toMatchObject([{ count: 5000, quiet: true, alone: false }])
    expect([names(), world.room.count, world.room.quiet]).toEqual([['Alice', 'Bob'], 5000, true])
  })

  it('learns who speaks, once, and counts as the relay does', () => {
    enterQuiet()
    world.deliver(carol.says('hello'), 1)
    world.answerMember(carol.member)
    world.deliver(carol.says('again'), 2)
    expect(world.memberRequests()).toHaveLength(1)
    expect(world.texts()).toEqual(['Carol: hello', 'Carol: again'])
    expect(names()).toEqual(['Alice', 'Bob', 'Carol'])
    expect(world.of('joined')).toEqual([])
    count(4999, true)
    expect(world.of('count')).toMatchObject([{ count: 4999, quiet: true }])
    expect(world.room.count).toBe(4999)
  })

  it('does not take those for present whom it only read of in the log', () => {
    enterQuiet()
    world.tell({ t: 'position', room: room.id, epoch: world.room.position()?.epoch as never, seq: 1 })
    world.answerLog([carol.says('earlier')])
    world.answerMember(carol.member)
    expect(world.texts()).toEqual(['Carol: earlier'])
    expect(names()).toEqual(['Alice', 'Bob'])
  })

  it('comes back after a reconnect without a word of who came and went', () => {
    enterQuiet()
    world.deliver(carol.says('hello'), 1)
    world.answerMember(carol.member)
    world.lose()
    const dave = new Person(room, 'Dave')
    world.enter([dave.member], { next: '64', count: 5001, quiet: true, seq: 1 })
    expect([world.of('joined'), world.of('left')]).toEqual([[], []])
    expect(names()).toEqual(['Alice', 'Dave'])
    world.deliver(carol.says('still known'), 2)
    expect(world.memberRequests()).toEqual([])
    expect(world.texts().at(-1)).toBe('Carol: still known')
  })

  it('is paged by the relay, each profile opened, what is none left out', async () => {
    enterQuiet()
    const first = world.room.page(null)
    await Promise.resolve()
    expect(asked()).toMatchObject([{ after: '0' }])
    const forged = { ...carol.member, tag: bob.member.tag }
    const { session, tag, profile } = world.lastJoin()
    page([{ session, tag, profile, counter: 0, since: 1 }, carol.member, forged], '64')
    expect(await first).toMatchObject({
      users: [
        { name: 'Alice', self: true },
        { name: 'Carol', self: false, session: carol.session.id, memberId: carol.session.memberId },
      ],
      count: 5000,
      next: '64',
    })
    const second = world.room.page('64')
    await Promise.resolve()
    expect(asked().at(-1)).toMatchObject({ after: '64' })
    page([bob.member])
    expect(await second).toMatchObject({ users: [{ name: 'Bob' }], next: null })
    expect(names()).toEqual(['Alice', 'Bob'])
  })

  it('becomes whole again when it is small: loaded anew, without a word of who came meanwhile', () => {
    enterQuiet()
    count(191, false)
    expect(asked()).toMatchObject([{ after: '0' }])
    expect(world.room.count).toBe(191)
    const dave = new Person(room, 'Dave')
    world.tell({ t: 'arrived', room: room.id, member: dave.member })
    page([carol.member], '64')
    page([])
    expect(names()).toEqual(['Alice', 'Dave', 'Carol'])
    expect(world.of('count').at(-1)).toMatchObject({ count: 3, quiet: false })
    expect([world.of('joined'), world.of('left'), world.of('ready').length]).toEqual([[], [], 1])
    world.tell({ t: 'arrived', room: room.id, member: bob.member })
    expect(world.of('joined')).toMatchObject([{ user: 'Bob' }])
    expect(world.room.count).toBe(4)
  })

  it('that grew quiet keeps whom it knows, and gives a connection up that does not load it again', () => {
    world.enter([bob.member])
    count(300, true)
    expect([world.room.quiet, world.room.count, names()]).toEqual([true, 300, ['Alice', 'Bob']])
    world.tell({ t: 'departed', room: room.id, session: bob.session.id, why: 'kicked' })
    expect(world.of('left')).toMatchObject([{ user: 'Bob', why: 'kicked' }])
    count(190, false)
    page([carol.member])
    expect(names()).toEqual(['Alice', 'Carol'])
    expect(world.of('joined')).toEqual([])
    count(300, true)
    count(100, false)
    world.pass(9999)
    expect(world.client.state).toBe('online')
    world.pass(1)
    expect(world.client.state).toBe('offline')
  })
})

it('gives all at once as one page where everybody is known', async () => {
  world.enter([bob.member])
  expect(await world.room.page(null)).toMatchObject({
    users: [{ name: 'Alice' }, { name: 'Bob' }],
    count: 2,
    next: null,
  })
  expect(asked()).toEqual([])
})
