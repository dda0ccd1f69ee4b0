// A member who may not write: what was on its way fails with a sentence and can be tried again, reading goes on, and
// once the mute is over the session goes on behind the counters that nobody took, with no byte sealed twice.
import { createOpener, frameKinds, type RoomKeys } from '@pychat/crypto'
import { errorTable } from '@pychat/protocol'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { pairOf } from './charters.ts'
import { epochA, epochB, keyOf, Person, testRoom, World } from './world.ts'

const alice = keyOf('Alice')
const owner = keyOf('Owner')

let room: RoomKeys
let world: World
beforeAll(async () => {
  room = await testRoom()
})
beforeEach(() => {
  world = new World(room, 'Alice', { member: alice })
})

const pair = (version: number, muted: boolean) =>
  pairOf({ owner, root: room.id, rules: { version }, ...(muted ? { muted: [alice] } : {}) })
const rule = (version: number, muted: boolean) =>
  world.tell({ t: 'charter', room: room.id, ...pair(version, muted) })
const nack = (counter: number) =>
  world.tell({ t: 'nack', room: room.id, session: world.room.session, counter, code: 'muted' })
const send = (...texts: string[]) => texts.map((text) => world.room.send(text))
const failed = () => world.of('failed').map(({ text }) => text)

describe('a message that the relay does not take from a muted member', () => {
  it('fails with all that follow it, and what came before is still acknowledged', () => {
    world.enter()
    const ids = send('one', 'two', 'three')
    nack(2)
    nack(3)
    expect(world.of('failed')).toMatchObject(
      ['two', 'three'].map((text, i) => ({
        id: ids[i + 1],
        kind: frameKinds.text,
        text,
        reason: errorTable.muted.sentence,
        retry: true,
      })),
    )
    expect(world.room.pending()).toMatchObject([{ text: 'one' }])
    world.deliver(world.socket.frames[0] as Uint8Array, 1)
    expect(world.texts()).toEqual(['Alice: one'])
    expect(world.room.pending()).toEqual([])
    world.pass(20_000)
    expect([world.client.state, world.sockets.length]).toEqual(['online', 1])
  })

  it('does not keep the room from being read', () => {
    const bob = new Person(room, 'Bob')
    world.enter([bob.member])
    send('one')
    nack(1)
    world.deliver(bob.says('I can hear you not'), 1)
    expect(world.texts()).toEqual(['Bob: I can hear you not'])
  })

  it('may be tried again under its id, behind the counters that were not taken', () => {
    world.enter()
    const [, two] = send('one', 'two', 'three')
    world.echo(1, 0)
    world.lose()
    world.enter([], { seq: 3, counter: 3 })
    const [four] = send('four', 'five')
    nack(4)
    expect(failed()).toEqual(['four', 'five'])
    expect(world.room.retry(two as number)).toBe(false)
    expect(world.room.retry(four as number)).toBe(true)
    expect(world.room.retry(four as number)).toBe(false)
    expect(world.room.pending()).toMatchObject([{ id: four, text: 'four' }])
    expect(world.client.state).toBe('offline')
    world.pass(2000)
    world.welcome()
    expect(world.lastJoin().counter).toBe(5)
    world.joined([], { seq: 3, counter: 5 })
    expect(world.sentCounters()).toEqual([6])
    world.deliver(world.socket.frames[0] as Uint8Array, 4)
    expect(world.of('message').at(-1)).toMatchObject({ id: four, text: 'four', counter: 6, seq: 4 })
  })

  it('waits for those before it to be settled before the session goes on', () => {
    world.enter()
    send('one', 'two')
    nack(2)
    send('three')
    expect(world.client.state).toBe('online')
    expect(world.room.pending()).toMatchObject([{ text: 'one' }, { text: 'three' }])
    world.deliver(world.socket.frames[0] as Uint8Array, 1)
    expect(world.client.state).toBe('offline')
    world.pass(2000)
    world.welcome()
    expect(world.lastJoin().counter).toBe(2)
    world.joined([], { seq: 1, counter: 2 })
    expect(world.sentCounters()).toEqual([3])
    world.deliver(world.socket.frames[0] as Uint8Array, 2)
    expect(world.texts()).toEqual(['Alice: one', 'Alice: three'])
  })

  it('that was one of several is settled by the next join when the connection is lost', () => {
    world.enter()
    send('one', 'two')
    nack(2)
    world.lose()
    world.welcome()
    expect(world.lastJoin().counter).toBeUndefined()
    world.joined([], { counter: 0 })
    expect(world.sentCounters()).toEqual([1])
    nack(1)
    expect(failed()).toEqual(['two', 'one'])
    send('three')
    world.pass(2000)
    world.welcome()
    expect(world.lastJoin().counter).toBe(2)
  })

  it('leaves its place open until a join was told of it, whatever a join before that is answered', () => {
    for (const taken of [0, 1]) {
      world = new World(room, 'Alice', { member: alice })
      world.enter()
      send('one', 'two')
      nack(2)
      send('three')
      world.lose()
      world.enter([], { counter: taken, seq: taken })
      if (taken === 0) {
        expect(world.sentCounters()).toEqual([1])
        world.deliver(world.socket.frames[0] as Uint8Array, 1)
      } else world.answerLog(world.sockets[0]?.frames.slice(0, 1) ?? [])
      expect([world.texts(), world.client.state]).toEqual([['Alice: one'], 'offline'])
      world.pass(2000)
      world.enter([], { counter: 2, seq: 1 })
      expect(world.lastJoin().counter).toBe(2)
      expect(world.sentCounters()).toEqual([3])
    }
  })

  it('does not cost a relay without a store its connection, until that relay takes messages again', () => {
    world.enter()
    send('one', 'two')
    nack(2)
    send('three')
    world.tell({ t: 'relay', state: 'degraded' })
    world.deliver(world.socket.frames[0] as Uint8Array, 1)
    expect(world.client.state).toBe('degraded')
    world.tell({ t: 'relay', state: 'ready' })
    expect(world.client.state).toBe('offline')
  })

  it('that repairs what the relay lost ends the repair, and says that it does', () => {
    world.enter()
    send('one', 'two')
    world.echo(1)
    world.tell({ t: 'reset', room: room.id, epoch: epochB, seq: 1000, was: { epoch: epochA, seq: 0 } })
    expect(world.sentCounters()).toEqual([1, 2, 2])
    nack(2)
    expect(world.of('unrepaired')).toMatchObject([{ count: 1 }])
    expect(failed()).toEqual([])
    world.pass(20_000)
    expect(world.client.state).toBe('online')
  })

  it('is nothing to a relay that speaks of a counter that never was', () => {
    world.enter()
    send('one')
    nack(2)
    nack(0)
    expect(failed()).toEqual([])
    world.echo(1)
    expect(world.texts()).toEqual(['Alice: one'])
  })
})

describe('a mute that the client knows of', () => {
  it('keeps everything here, and when it is over all goes on without a new connection', () => {
    world.enter([], { charter: pair(1, true) })
    send('one')
    world.room.sendBody(frameKinds.notice, new Uint8Array([1]))
    expect(world.socket.frames).toEqual([])
    expect(world.of('failed')).toMatchObject([
      { text: 'one', kind: frameKinds.text, retry: true },
      { text: '', kind: frameKinds.notice, retry: true },
    ])
    rule(2, false)
    for (const { id } of world.of('failed')) world.room.retry(id)
    expect(world.sentCounters()).toEqual([1, 2])
    world.echo(1)
    expect(world.texts()).toEqual(['Alice: one'])
    expect(world.of('body')).toMatchObject([{ kind: frameKinds.notice, own: true, counter: 2 }])
    expect(world.sockets).toHaveLength(1)
  })

  it('that comes between the message and its refusal skips what was refused when it is over', () => {
    world.enter([], { charter: pair(1, false) })
    send('one')
    rule(2, true)
    nack(1)
    send('two')
    expect(failed()).toEqual(['one', 'two'])
    expect(world.client.state).toBe('online')
    rule(3, false)
    send('three')
    world.pass(2000)
    world.enter([], { counter: 1, charter: pair(3, false) })
    expect(world.lastJoin().counter).toBe(1)
    const opener = createOpener(room, world.room.session, alice.publicKey)
    expect(world.sentCounters()).toEqual([2])
    expect(opener.open(world.socket.frames[0] as Uint8Array)?.counter).toBe(2)
  })
})

it('is no gap for the others, who know that what a muted member had on its way was not taken', () => {
  const key = keyOf('Bob')
  const bob = new Person(room, 'Bob', 'Bob', key)
  const rules = (version: number, muted: boolean) =>
    pairOf({ owner, root: room.id, rules: { version }, ...(muted ? { muted: [key] } : {}) })
  world.enter([bob.member], { charter: rules(1, false) })
  world.deliver(bob.says('one'), 1)
  world.tell({ t: 'charter', room: room.id, ...rules(2, true) })
  world.deliver(bob.says('taken just before'), 2)
  bob.counter += 2
  world.tell({ t: 'charter', room: room.id, ...rules(3, false) })
  world.deliver(bob.says('again'), 3)
  expect(world.of('gap')).toEqual([])
  bob.counter += 2
  world.deliver(bob.says('later'), 4)
  expect(world.of('gap')).toMatchObject([{ missed: 2 }])
})
