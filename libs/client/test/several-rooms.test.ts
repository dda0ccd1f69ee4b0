// Several rooms over one connection: each has its own session, place and fate, and nothing of one is taken for another.
import { movedRoom, type RoomKeys } from '@pychat/crypto'
import { encodeControl, encodeDelivery, limits, type RoomId, type SessionId } from '@pychat/protocol'
import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ChatRefusal } from '../src/index.ts'
import { type Entered, epochA, Person, testRoom, World } from './world.ts'

let keys: RoomKeys
let dev: RoomKeys
let world: World
beforeAll(async () => {
  keys = await testRoom()
  dev = other(1)
})
beforeEach(() => {
  world = new World(keys)
})

/** Keys of one room more. */
function other(n: number): RoomKeys {
  return movedRoom(new Uint8Array(32).fill(n))
}
const enterBoth = () => {
  const second = world.enterAlso(dev)
  world.client.start()
  world.welcome()
  world.joined([], { room: keys.id })
  world.joined([], { room: dev.id })
  return second
}
const refuse = (
  room: RoomId,
  code: 'name-taken' | 'banned' | 'room-full' | 'unavailable',
  retryMs?: number,
) =>
  world.tell({
    t: 'refused',
    id: world.lastJoin(room).id,
    code,
    message: '',
    ...(retryMs === undefined ? {} : { retryMs }),
  })
const framesOf = (session: SessionId) =>
  world.socket.frames.filter((frame) => Buffer.from(frame.subarray(2, 18)).toString('hex') === session)
const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof ChatRefusal) return error.code
    throw error
  }
  return 'none'
}

describe('two rooms', () => {
  it('have a session each, send each under its own, and are acknowledged each by its own delivery', () => {
    const second = enterBoth()
    const [one, two] = [world.room.session, second.room.session]
    expect(one).not.toBe(two)
    expect(world.lastJoin(keys.id)).toMatchObject({ session: one })
    expect(world.lastJoin(dev.id)).toMatchObject({ session: two })
    world.room.send('here')
    second.room.send('there')
    expect(framesOf(one)).toHaveLength(1)
    expect(framesOf(two)).toHaveLength(1)
    world.deliver(framesOf(two)[0] as Uint8Array, 1, { room: dev.id })
    expect([world.texts(), second.texts()]).toEqual([[], ['Alice: there']])
    world.deliver(framesOf(one)[0] as Uint8Array, 1)
    expect([world.texts(), second.texts()]).toEqual([['Alice: here'], ['Alice: there']])
  })

  it('have each their people, their messages and their place', () => {
    const second = enterBoth()
    const bob = new Person(dev, 'Bob')
    world.tell({ t: 'arrived', room: dev.id, member: bob.member })
    world.deliver(bob.says('hello dev'), 1, { room: dev.id })
    expect(second.room.users().map(({ name }) => name)).toEqual(['Alice', 'Bob'])
    expect(world.room.users().map(({ name }) => name)).toEqual(['Alice'])
    expect([world.texts(), second.texts()]).toEqual([[], ['Bob: hello dev']])
    expect([world.room.position()?.seq, second.room.position()?.seq]).toEqual([0, 1])
  })

  it('may be entered and left while connected, and what a left room still says is passed over', async () => {
    world.enter()
    const second = world.enterAlso(dev, { username: 'Alice in dev' })
    expect(world.lastJoin()).toMatchObject({ room: dev.id })
    world.joined([])
    expect(second.of('ready')).toMatchObject([{ user: 'Alice in dev', first: true }])
    second.room.send('bye')
    const left = second.room.leave()
    const leave = world.socket.sent.at(-1)
    expect(leave).toMatchObject({ t: 'leave', room: dev.id })
    world.tell({ t: 'left', id: (leave as { id: number }).id, room: dev.id })
    await left
    expect(second.of('ended')).toMatchObject([{ code: 'left' }])
    world.deliver(new Person(dev, 'Bob').says('late'), 1, { room: dev.id })
    expect(world.of('unreadable')).toEqual([])
    world.deliver(new Person(other(9), 'Bob').says('never asked for'), 1, { room: other(9).id })
    expect(world.of('unreadable')).toHaveLength(1)
    expect(world.client.rooms()).toEqual([world.room])
    expect(world.client.state).toBe('online')
    const again = world.enterAlso(dev)
    expect(again.room.session).not.toBe(second.room.session)
  })

  it('may be left in the middle of catching up, and nothing of it comes afterwards', async () => {
    const second = enterBoth()
    const bob = new Person(dev, 'Bob')
    world.tell({ t: 'arrived', room: dev.id, member: bob.member })
    world.tell({ t: 'position', room: dev.id, epoch: epochA, seq: 3 })
    const [asked] = world.logRequests()
    if (!asked) throw new Error('no log was asked for')
    world.tell({ ...asked, count: 3, missed: 0, more: false })
    world.deliver(bob.says('one'), 1, { room: dev.id })
    const left = second.room.leave()
    world.pass(1000)
    await left
    world.deliver(bob.says('two'), 2, { room: dev.id })
    world.tell({ t: 'position', room: dev.id, epoch: epochA, seq: 3 })
    expect(second.texts()).toEqual(['Bob: one'])
    expect([world.of('unreadable'), world.logRequests().length]).toEqual([[], 1])
    world.pass(20_000)
    world.socket.handlers.ping()
    expect([world.client.state, world.sockets.length]).toEqual(['online', 1])
  })

  it('are not joined again while they are left', () => {
    const second = enterBoth()
    second.room.send('hello')
    void second.room.leave()
    const session = second.room.session
    world.tell({ t: 'nack', room: dev.id, session, counter: 1, code: 'not-member' })
    expect(world.joins(dev.id)).toHaveLength(1)
  })

  it('are told of a relay in trouble once, and both wait', () => {
    const second = enterBoth()
    world.tell({ t: 'relay', state: 'degraded' })
    world.room.send('one')
    second.room.send('two')
    expect(world.socket.frames).toEqual([])
    expect(world.of('state').filter(({ state }) => state === 'degraded')).toHaveLength(1)
    world.tell({ t: 'relay', state: 'ready' })
    expect(world.socket.frames).toHaveLength(2)
  })

  it('know a nack without a room by its session', () => {
    const second = enterBoth()
    second.room.send('hello')
    const session = second.room.session
    world.tell({ t: 'nack', room: '0'.repeat(32) as RoomId, session, counter: 1, code: 'not-member' })
    expect(world.joins(dev.id)).toHaveLength(2)
    expect(world.joins(keys.id)).toHaveLength(1)
    world.joined([], { room: dev.id })
    expect(framesOf(session)).toHaveLength(2)
  })

  it('never show a frame of one in the other, whatever the relay mixes up', () => {
    const step = fc.record({ from: fc.nat(1), to: fc.nat(1), seq: fc.integer({ min: 1, max: 6 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        world = new World(keys)
        const second = enterBoth()
        const rooms = [keys, dev].map((room) => ({ room, bob: new Person(room, 'Bob') }))
        for (const { room, bob } of rooms) world.tell({ t: 'arrived', room: room.id, member: bob.member })
        const said = rooms.map(({ bob }, i) => Array.from({ length: 6 }, (_, n) => bob.says(`${i}:${n}`)))
        for (const { from, to, seq } of steps) {
          const frame = said[from]?.[seq - 1] as Uint8Array
          const room = rooms[to]?.room.id as RoomId
          world.socket.handlers.binary(encodeDelivery({ room, epoch: epochA, seq, at: 1, frame }))
        }
        expect(world.texts().every((text) => text.startsWith('Bob: 0:'))).toBe(true)
        expect(second.texts().every((text) => text.startsWith('Bob: 1:'))).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})

describe('a room that is refused', () => {
  it.each(['name-taken', 'banned', 'room-full'] as const)('with %s ends alone', (code) => {
    const second = world.enterAlso(dev)
    second.room.send('never sent')
    world.client.start()
    world.welcome()
    world.joined([], { room: keys.id })
    refuse(dev.id, code)
    expect(second.of('failed')).toMatchObject([{ text: 'never sent', retry: false }])
    expect(second.of('ended')).toMatchObject([{ code }])
    expect([second.room.ended, second.room.pending()]).toEqual([true, []])
    expect([world.client.state, world.room.inside]).toEqual(['online', true])
    world.room.send('still here')
    expect(world.socket.frames).toHaveLength(1)
    world.lose()
    world.welcome()
    expect(world.joins().map(({ room }) => room)).toEqual([keys.id])
  })

  it('later is asked for again, while the other one is online', () => {
    const second = world.enterAlso(dev)
    world.client.start()
    world.welcome()
    world.joined([], { room: keys.id })
    refuse(dev.id, 'unavailable', 2000)
    expect(world.client.state).toBe('online')
    world.pass(3000)
    expect(world.joins(dev.id)).toHaveLength(2)
    world.joined([], { room: dev.id })
    expect(second.of('ready')).toHaveLength(1)
  })

  it('as the only one leaves a connection that is in want of none, and another can be entered on it', () => {
    world.client.start()
    world.welcome()
    refuse(keys.id, 'name-taken')
    world.pass(20_000)
    expect([world.client.state, world.sockets.length]).toEqual(['online', 1])
    const second = world.enterAlso(keys, { username: 'Alice 2' })
    world.joined([], { room: keys.id })
    expect(second.of('ready')).toMatchObject([{ user: 'Alice 2' }])
  })

  it('never sends anything more, and refuses what is asked of it', async () => {
    const second = enterBoth()
    world.tell({ t: 'expelled', room: dev.id, why: 'kicked' })
    expect(second.of('expelled')).toMatchObject([{ why: 'kicked' }])
    expect(second.of('ended')).toMatchObject([{ code: 'kicked' }])
    const sent = world.socket.wire.length
    second.room.send('hello?')
    await expect(second.room.rename('Bob')).rejects.toMatchObject({ code: 'stopped' })
    await expect(second.room.kick(world.room.session)).rejects.toMatchObject({ code: 'stopped' })
    await expect(second.room.page(null)).rejects.toMatchObject({ code: 'stopped' })
    await second.room.leave()
    expect(world.socket.wire).toHaveLength(sent)
    expect(second.events.at(-1)).toMatchObject({ type: 'ended' })
  })

  it('is left again when its join succeeds after all', () => {
    world.enter()
    const second = world.enterAlso(dev)
    const join = world.lastJoin(dev.id)
    world.tell({ t: 'expelled', room: dev.id, why: 'banned' })
    expect(second.room.ended).toBe(true)
    const { id, room } = join
    world.tell({ t: 'joined', id, room, epoch: epochA, seq: 0, counter: 0, count: 1, members: [] })
    expect(world.socket.sent.at(-1)).toMatchObject({ t: 'leave', room: dev.id })
  })
})

describe('many rooms', () => {
  const enterMany = (count: number): Entered[] =>
    Array.from({ length: count }, (_, i) => world.enterAlso(other(i + 1)))

  it('come back after a reconnect, each where it was, a few joins at a time', () => {
    const more = enterMany(4)
    const all = [keys, ...more.map(({ room }) => room.keys)]
    world.client.start()
    world.welcome()
    expect(world.joins()).toHaveLength(4)
    for (const room of all) world.joined([], { room: room.id })
    const bobs = all.map((room) => new Person(room, 'Bob'))
    for (const [i, bob] of bobs.entries()) {
      const room = all[i]?.id as RoomId
      world.tell({ t: 'arrived', room, member: bob.member })
      world.deliver(bob.says('before'), 1, { room })
    }
    for (const { room } of more) room.send('mine')
    const sessions = world.client.rooms().map(({ session }) => session)
    world.lose()
    world.welcome()
    expect(world.joins()).toHaveLength(4)
    for (const [i, room] of all.entries()) {
      const bob = bobs[i] as Person
      world.joined([bob.member], { room: room.id, seq: 2 })
      const { id, after, session } = world.lastJoin(room.id)
      expect([after, session]).toEqual([{ epoch: epochA, seq: 1 }, sessions[i]])
      world.tell({
        t: 'log',
        id,
        room: room.id,
        epoch: epochA,
        seq: 1,
        count: 1,
        missed: 0,
        more: false,
      })
      world.deliver(bob.says('meanwhile'), 2, { room: room.id })
    }
    for (const { room } of more) expect(framesOf(room.session)).toHaveLength(1)
    for (const entered of more) expect(entered.texts()).toEqual(['Bob: before', 'Bob: meanwhile'])
    expect(world.texts()).toEqual(['Bob: before', 'Bob: meanwhile'])
    expect(world.client.rooms().map(({ inside }) => inside)).toEqual(Array(5).fill(true))
  })

  it('give the connection up when one of them is not let in or refused in time', () => {
    world.enter()
    world.enterAlso(dev)
    world.pass(14_999)
    expect(world.client.state).toBe('online')
    world.pass(1)
    expect(world.client.state).toBe('offline')
  })

  it('that are left while they wait for their turn are not asked for', async () => {
    const more = enterMany(9)
    world.client.start()
    world.welcome()
    for (const { room } of more.slice(3, 7)) await room.leave()
    for (const join of world.joins()) world.joined([], { room: join.room })
    for (const join of world.joins().slice(4)) world.joined([], { room: join.room })
    const inside = [world.room, ...more.map(({ room }) => room)].map((room) => room.inside)
    expect(inside).toEqual([...Array(4).fill(true), ...Array(4).fill(false), true, true])
    expect(world.joins()).toHaveLength(6)
  })

  it('are bounded, each may be entered once, and nothing is entered under a name that is none', async () => {
    expect(codeOf(() => world.enterAlso(keys))).toBe('already-joined')
    expect(codeOf(() => world.enterAlso(dev, { username: ' ' }))).toBe('bad-input')
    enterMany(limits.roomsPerConnectionMax - 1)
    expect(codeOf(() => world.enterAlso(other(99)))).toBe('too-many-rooms')
    await world.client.stop()
    expect(codeOf(() => world.enterAlso(other(99)))).toBe('stopped')
  })

  it('are all left when the client stops', async () => {
    const second = enterBoth()
    const stopped = world.client.stop()
    const leaves = world.socket.sent.filter(({ t }) => t === 'leave')
    expect(leaves.map((message) => 'room' in message && message.room)).toEqual([keys.id, dev.id])
    world.pass(1000)
    await stopped
    expect(second.of('ended')).toMatchObject([{ code: 'left' }])
    expect(world.of('ended')).toMatchObject([{ code: 'left' }])
    expect(world.of('stopped')).toMatchObject([{ reason: 'quit' }])
    expect([world.socket.closedWith, world.timers()]).toEqual([1000, 0])
  })

  it('end with the client when the relay wants no other connection', () => {
    const second = enterBoth()
    second.room.send('on its way')
    world.socket.handlers.closed(4501, '')
    expect(second.of('failed')).toMatchObject([{ text: 'on its way', retry: false }])
    expect(second.of('ended')).toMatchObject([{ code: 'stopped' }])
    expect(world.of('stopped')).toMatchObject([{ reason: 'refused' }])
    expect(world.timers()).toBe(0)
  })
})

it('is not moved by what is said of rooms that it is not in', () => {
  world.enter()
  const before = world.events.length
  const { member } = new Person(dev, 'Bob')
  for (const message of [
    { t: 'arrived', room: dev.id, member },
    { t: 'expelled', room: dev.id, why: 'banned' },
    { t: 'count', room: dev.id, count: 9, quiet: true },
    { t: 'left', id: 7, room: dev.id },
  ] as const) {
    world.socket.handlers.text(encodeControl(message))
  }
  expect(world.events).toHaveLength(before)
})
