// When the engine connects again: jitter, growing pauses, the relay's wishes, and when it gives up.

import type { RoomKeys } from '@pychat/crypto'
import { closeTable, errorTable } from '@pychat/protocol'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { backoffMs } from '../src/index.ts'
import { Person, testRoom, World } from './world.ts'

let room: RoomKeys
let world: World
beforeAll(async () => {
  room = await testRoom()
})
beforeEach(() => {
  world = new World(room)
})

describe('the pause before the next try', () => {
  it('is spread evenly from nothing to a bound that doubles up to 4 s, and is 30 s after half a minute', () => {
    expect([0, 1, 2, 3, 4, 15, 16, 1000].map((n) => backoffMs(n, 0.999999))).toEqual(
      [500, 1000, 2000, 4000, 4000, 4000, 30_000, 30_000].map((ms) => Math.floor(ms * 0.999999)),
    )
    expect(backoffMs(9, 0)).toBe(0)
    expect(backoffMs(9, 0.5)).toBe(2000)
  })

  it('grows with each failure, and starts small again after 10 s in the room', () => {
    world.client.start()
    const pauses = () =>
      world.of('state').flatMap(({ retryInMs }) => (retryInMs === undefined ? [] : [retryInMs]))
    for (const pause of [250, 500, 1000, 2000]) {
      world.socket.handlers.closed(1006, '')
      expect(pauses().at(-1)).toBe(pause)
      const before = world.sockets.length
      world.pass(pause - 1)
      expect(world.sockets).toHaveLength(before)
      world.pass(1)
      expect(world.sockets).toHaveLength(before + 1)
    }
    world.enter()
    world.pass(9999)
    world.socket.handlers.closed(1006, '')
    expect(pauses().at(-1)).toBe(2000)
    world.pass(2000)
    world.enter()
    world.pass(10_000)
    world.socket.handlers.closed(1006, '')
    expect(pauses().at(-1)).toBe(250)
  })

  it('is the one the relay asks for with goaway, after which the next try comes at once', () => {
    world.enter()
    world.tell({ t: 'goaway', afterMs: 1500 })
    world.pass(1499)
    expect(world.socket.closedWith).toBeNull()
    world.pass(1)
    expect(world.sockets).toHaveLength(2)
    world.enter()
    world.tell({ t: 'goaway', afterMs: 1500 })
    world.pass(500)
    world.socket.handlers.closed(closeTable.draining.code, '')
    expect(world.of('state').at(-1)).toMatchObject({ state: 'offline', retryInMs: 1000 })
    world.pass(999)
    expect(world.sockets).toHaveLength(2)
    world.pass(1)
    expect(world.sockets).toHaveLength(3)
  })
})

describe('a connection', () => {
  it('is given up when nothing was heard for twice the ping interval', () => {
    world.client.start()
    world.welcome(10_000)
    world.joined([])
    world.pass(15_000)
    world.socket.handlers.ping()
    world.pass(19_999)
    expect(world.sockets).toHaveLength(1)
    expect(world.client.state).toBe('online')
    world.pass(1)
    expect(world.client.state).toBe('offline')
    expect(world.of('state').at(-1)?.detail).toBe('The relay went silent.')
  })

  it('is given up when the relay says nothing after it was opened', () => {
    world.client.start()
    world.socket.handlers.open()
    world.pass(15_000)
    expect(world.client.state).toBe('offline')
  })

  it.each(Object.values(closeTable))(
    'that ends with $code acts on its rule alone: $rule',
    ({ code, rule, sentence }) => {
      world.enter()
      world.socket.handlers.closed(code, 'whatever')
      if (rule === 'stop')
        expect(world.of('stopped')).toEqual([{ type: 'stopped', reason: 'refused', sentence }])
      else expect(world.of('state').at(-1)).toMatchObject({ state: 'offline', detail: sentence })
      world.pass(60_000)
      expect(world.sockets.length > 1).toBe(rule === 'reconnect')
    },
  )

  it('that was replaced by a newer one is heard no more', () => {
    world.enter()
    const old = world.socket
    old.handlers.closed(1006, '')
    world.pass(30_000)
    world.enter()
    const before = world.events.length
    old.handlers.text('{"t":"goaway","afterMs":0}')
    old.handlers.closed(4502, '')
    expect(world.events).toHaveLength(before)
    expect(world.client.state).toBe('online')
  })

  it('keeps session and secret, and tells no comings and goings of those who stayed', () => {
    const bob = new Person(room, 'Bob')
    const carol = new Person(room, 'Carol')
    const dave = new Person(room, 'Dave')
    world.enter([bob.member, carol.member])
    const first = world.lastJoin()
    world.socket.handlers.closed(1006, '')
    world.pass(30_000)
    world.enter([bob.member, dave.member])
    expect(world.lastJoin()).toMatchObject({
      session: first.session,
      secret: first.secret,
      profile: first.profile,
    })
    expect(world.of('joined')).toMatchObject([{ user: 'Dave' }])
    expect(world.of('left')).toMatchObject([{ user: 'Carol', why: 'lost' }])
    expect(world.of('ready').map(({ first }) => first)).toEqual([true, false])
  })
})

describe('a relay with several addresses', () => {
  it('is tried at the next one after each failure, and first where it answered last', () => {
    world = new World(room, 'Alice', { urls: ['ws://a', 'ws://b', 'ws://c'] })
    const tried = () => world.sockets.map(({ url }) => url.slice(-1)).join('')
    world.client.start()
    world.lose()
    world.lose()
    expect(tried()).toBe('abc')
    world.enter()
    world.lose()
    expect(tried()).toBe('abcc')
    world.lose()
    expect(tried()).toBe('abcca')
    world.enter()
    world.tell({ t: 'goaway', afterMs: 100 })
    world.pass(100)
    expect(tried()).toBe('abccab')
  })
})

describe('joining', () => {
  it('ends the room on a taken name with its sentence, and leaves no timer of it behind', async () => {
    world.client.start()
    world.welcome()
    world.tell({ t: 'refused', id: world.lastJoin().id, code: 'name-taken', message: '' })
    const { sentence } = errorTable['name-taken']
    expect(world.of('ended')).toEqual([{ type: 'ended', code: 'name-taken', sentence }])
    expect(world.client.state).toBe('online')
    await world.client.stop()
    expect(world.timers()).toBe(0)
  })

  it('asks again when the relay has no store right now', () => {
    world.client.start()
    world.welcome()
    world.tell({ t: 'refused', id: world.lastJoin().id, code: 'unavailable', message: '', retryMs: 2000 })
    world.pass(1999)
    expect(world.socket.sent.filter(({ t }) => t === 'join')).toHaveLength(1)
    world.pass(1001)
    expect(world.socket.sent.filter(({ t }) => t === 'join')).toHaveLength(2)
    world.joined([])
    expect(world.client.state).toBe('online')
  })

  it('loads every page of the roster before it says ready, and those who left meanwhile are not in it', () => {
    const people = ['Bob', 'Carol', 'Dave', 'Erin'].map((name) => new Person(room, name))
    const [bob, carol, dave, erin] = people.map(({ member }) => member)
    if (!bob || !carol || !dave || !erin) throw new Error('too few people')
    world.client.start()
    world.welcome()
    world.joined([bob], { next: '64', count: 5 })
    expect(world.of('ready')).toEqual([])
    const asked = () => world.socket.sent.filter((message) => message.t === 'members')
    expect(asked().at(-1)).toMatchObject({ after: '64' })
    world.tell({ t: 'departed', room: room.id, session: dave.session, why: 'left' })
    world.tell({ t: 'arrived', room: room.id, member: erin })
    world.tell({ t: 'members', id: asked().at(-1)?.id ?? 0, room: room.id, members: [carol], next: '128' })
    world.tell({ t: 'members', id: asked().at(-1)?.id ?? 0, room: room.id, members: [dave] })
    expect(world.of('ready')).toHaveLength(1)
    expect(
      world.room
        .users()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['Alice', 'Bob', 'Carol', 'Erin'])
  })

  it('leaves and closes when stopped, also when the relay does not answer', async () => {
    world.enter()
    const stopped = world.client.stop()
    expect(world.client.stop()).toBe(stopped)
    expect(world.socket.sent.at(-1)).toMatchObject({ t: 'leave' })
    world.pass(1000)
    await stopped
    expect(world.socket.closedWith).toBe(1000)
    expect(world.of('stopped')).toMatchObject([{ reason: 'quit' }])
    expect(world.timers()).toBe(0)
  })
})
