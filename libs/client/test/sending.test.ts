// Sent once, whatever happens: acknowledgement, repeats as the same bytes, and no word shown as sent that was not.
import { frameKinds, type RoomKeys } from '@pychat/crypto'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import { pendingMax } from '../src/index.ts'
import { epochA, Person, testRoom, World } from './world.ts'

let room: RoomKeys
let world: World
beforeAll(async () => {
  room = await testRoom()
})
beforeEach(() => {
  world = new World(room)
})
const nack = (counter: number, more: object) =>
  world.tell({ t: 'nack', room: room.id, session: world.lastJoin().session, counter, ...more } as never)

it('shows an own message when its own frame comes back, with its place and the relay time', () => {
  world.enter()
  const id = world.room.send('hello')
  expect(world.texts()).toEqual([])
  expect(world.room.pending()).toMatchObject([{ id, text: 'hello' }])
  world.deliver(world.socket.frames[0] as Uint8Array, 1, { at: 42 })
  expect(world.of('message')).toMatchObject([{ from: 'Alice', text: 'hello', own: true, id, seq: 1, at: 42 }])
  expect(world.room.pending()).toEqual([])
})

it('sends what was said before and between connections, as the same bytes, from where the relay stands', () => {
  world.room.send('one')
  world.enter()
  world.room.send('two')
  world.room.send('three')
  const before = world.socket.frames
  expect(world.sentCounters()).toEqual([1, 2, 3])
  world.socket.handlers.closed(1006, '')
  world.room.send('four')
  world.pass(30_000)
  world.enter([], { counter: 2, seq: 2 })
  expect(world.sentCounters()).toEqual([3, 4])
  expect(world.of('message')).toEqual([])
  world.answerLog(before.slice(0, 2))
  expect(world.of('message')).toMatchObject([
    { text: 'one', own: true, epoch: epochA, seq: 1, counter: 1 },
    { text: 'two', own: true, epoch: epochA, seq: 2, counter: 2 },
  ])
  expect(world.socket.frames[0]).toEqual(before[2])
  world.echo(3)
  expect(world.texts()).toEqual(['Alice: one', 'Alice: two', 'Alice: three', 'Alice: four'])
})

it('takes an ack for a repeated frame as its acknowledgement, once', () => {
  world.enter()
  world.room.send('hello')
  const ack = { t: 'ack', room: room.id, session: world.lastJoin().session, counter: 1, seq: 7 } as const
  world.tell(ack)
  world.tell(ack)
  world.deliver(world.socket.frames[0] as Uint8Array, 1)
  expect(world.of('message')).toMatchObject([{ text: 'hello', seq: 7 }])
})

it('goes back to the first frame that was not taken, after the pause that the relay asks for', () => {
  world.enter()
  for (const text of ['a', 'b', 'c', 'd']) world.room.send(text)
  world.deliver(world.socket.frames[0] as Uint8Array, 1)
  nack(2, { code: 'too-fast', retryMs: 700 })
  nack(3, { code: 'gap', last: 1 })
  nack(4, { code: 'gap', last: 1 })
  world.pass(699)
  expect(world.sentCounters()).toEqual([1, 2, 3, 4])
  world.pass(1)
  expect(world.sentCounters()).toEqual([1, 2, 3, 4, 2, 3, 4])
  world.echo(2, 4)
  expect(world.texts()).toHaveLength(4)
})

it('waits while the relay is degraded and goes on when it is ready', () => {
  world.enter()
  world.tell({ t: 'relay', state: 'degraded' })
  expect(world.client.state).toBe('degraded')
  world.room.send('hello')
  world.pass(20_000)
  expect(world.socket.frames).toEqual([])
  world.tell({ t: 'relay', state: 'ready' })
  expect(world.client.state).toBe('online')
  expect(world.sentCounters()).toEqual([1])
})

it('sends again what was on its way when the relay became degraded', () => {
  world.enter()
  world.room.send('hello')
  world.tell({ t: 'relay', state: 'degraded' })
  world.pass(20_000)
  world.tell({ t: 'relay', state: 'ready' })
  expect(world.sentCounters()).toEqual([1, 1])
  world.echo(1, 1)
  expect(world.texts()).toEqual(['Alice: hello'])
})

it('takes the word of the relay for an own message that the log does not show any more, without its place', () => {
  world.enter()
  world.room.send('one')
  world.room.send('two')
  const [, two] = world.socket.frames
  world.lose()
  world.enter([], { counter: 2, seq: 9 })
  world.answerLog([two as Uint8Array], { seq: 8, missed: 8 })
  expect(world.of('message')).toMatchObject([
    { text: 'one', epoch: '', seq: 0, counter: 1 },
    { text: 'two', epoch: epochA, seq: 9, counter: 2 },
  ])
})

it('gives a connection up on which frames got no answer for 10 s', () => {
  world.enter()
  world.room.send('hello')
  world.pass(9999)
  expect(world.client.state).toBe('online')
  world.pass(1)
  expect(world.client.state).toBe('offline')
  world.pass(500)
  world.enter()
  expect(world.sentCounters()).toEqual([1])
  expect(world.sockets).toHaveLength(2)
})

it('does not believe that a relay took what was never sent to it', () => {
  world.enter()
  for (let i = 1; i <= 40; i += 1) world.room.send(`${i}`)
  world.tell({ t: 'ack', room: room.id, session: world.lastJoin().session, counter: 40, seq: 40 })
  expect(world.texts()).toHaveLength(32)
  expect(world.room.pending()).toHaveLength(8)
})

it('joins again when the relay says that it is no member', () => {
  world.enter()
  world.room.send('hello')
  nack(1, { code: 'not-member' })
  expect(world.socket.sent.filter(({ t }) => t === 'join')).toHaveLength(2)
  world.joined([])
  expect(world.sentCounters()).toEqual([1, 1])
})

it('becomes a new session when the old one is used up, and goes on', () => {
  const short = new World(room, 'Alice', { framesPerSessionMax: 2 })
  short.enter()
  for (const text of ['one', 'two', 'three']) short.room.send(text)
  expect(short.of('failed')).toMatchObject([{ text: 'three' }])
  const old = short.lastJoin().session
  short.echo(1)
  const leave = short.socket.sent.at(-1)
  expect(leave).toMatchObject({ t: 'leave' })
  short.tell({ t: 'left', id: (leave as { id: number }).id, room: room.id })
  expect(short.lastJoin().session).not.toBe(old)
  expect(short.lastJoin().counter).toBeUndefined()
  short.joined([], { seq: 2 })
  short.room.send('four')
  expect(short.sentCounters()).toEqual([1, 2, 1])
  short.deliver(short.socket.frames[2] as Uint8Array, 3)
  expect(short.texts()).toEqual(['Alice: one', 'Alice: two', 'Alice: four'])
})

it('refuses a text that is too long and a message too many, each with a sentence', () => {
  world.room.send('x'.repeat(15_262))
  expect(world.of('failed')[0]?.reason).toMatch(/too long/)
  for (let i = 0; i <= pendingMax; i += 1) world.room.send(`${i}`)
  expect(world.of('failed')).toHaveLength(2)
  expect(world.room.pending()).toHaveLength(pendingMax)
  world.enter()
  expect(world.socket.frames.length).toBeLessThanOrEqual(32)
})

it('carries other kinds than texts, in one order with them, and gives them back as bodies', () => {
  world.enter()
  const text = world.room.send('one')
  const body = world.room.sendBody(frameKinds.notice, new Uint8Array([1, 2, 3]))
  expect(world.room.pending()).toMatchObject([
    { id: text, kind: frameKinds.text, text: 'one' },
    { id: body, kind: frameKinds.notice, text: '' },
  ])
  world.echo(1)
  expect(world.of('body')).toMatchObject([
    { id: body, kind: frameKinds.notice, body: new Uint8Array([1, 2, 3]), seq: 2, own: true, from: 'Alice' },
  ])
  const bob = new Person(room, 'Bob')
  world.tell({ t: 'arrived', room: room.id, member: bob.member })
  world.deliver(bob.says('body', null, frameKinds.call), 3)
  world.tell({ t: 'position', room: room.id, epoch: epochA, seq: 4 })
  world.answerLog([bob.says('read later', null, frameKinds.call)])
  const { session } = bob
  expect(world.of('body').slice(1)).toMatchObject([
    { from: 'Bob', session: session.id, memberId: session.memberId, own: false, live: true, seq: 3 },
    { from: 'Bob', session: session.id, memberId: session.memberId, own: false, live: false, seq: 4 },
  ])
  expect(world.texts()).toEqual(['Alice: one'])
})

it('tries a message once more that found no place, and not one that is too long', () => {
  for (let i = 0; i <= pendingMax; i += 1) world.room.send(`${i}`)
  const tooLong = world.room.send('x'.repeat(15_262))
  expect(world.of('failed')).toMatchObject([
    { text: `${pendingMax}`, retry: true },
    { id: tooLong, retry: false },
  ])
  const id = world.of('failed')[0]?.id as number
  expect(world.room.retry(tooLong)).toBe(false)
  expect(world.room.retry(id)).toBe(true)
  expect(world.of('failed')).toHaveLength(3)
  world.enter()
  world.echo(1)
  expect(world.room.retry(id)).toBe(true)
  expect(world.room.pending().at(-1)).toMatchObject({ id, text: `${pendingMax}` })
})

it('takes back what was said between connections, and goes on as if it never had been', () => {
  world.enter()
  world.room.send('one')
  world.echo(1)
  world.lose()
  const notice = world.room.sendBody(frameKinds.notice, new Uint8Array([1]))
  const two = world.room.send('two')
  expect(world.room.withdraw()).toEqual([two])
  expect(world.room.withdraw()).toEqual([])
  expect(world.room.pending()).toMatchObject([{ id: notice }])
  world.enter([], { seq: 1, counter: 1 })
  world.room.send('three')
  expect(world.sentCounters()).toEqual([2, 3])
  world.echo(2)
  expect(world.texts()).toEqual(['Alice: one', 'Alice: three'])
  expect(world.of('failed')).toEqual([])
})

it('takes back what was on its way only once the relay has said that it does not have it', () => {
  world.enter()
  const ids = ['one', 'two', 'three'].map((text) => world.room.send(text))
  expect(world.room.withdraw()).toEqual([])
  const before = world.socket.frames
  world.lose()
  expect(world.room.withdraw()).toEqual([])
  const back: number[][] = []
  world.room.on('ready', () => void (back.length === 0 && back.push(world.room.withdraw())))
  world.enter([], { seq: 1, counter: 1 })
  expect(back).toEqual([ids.slice(1)])
  expect(world.sentCounters()).toEqual([])
  expect(world.room.pending()).toMatchObject([{ text: 'one' }])
  expect(world.room.withdraw()).toEqual([])
  world.answerLog(before.slice(0, 1))
  expect(world.texts()).toEqual(['Alice: one'])

  // No counter is used twice: the session goes on behind them, on another connection.
  const four = world.room.send('four')
  expect(world.client.state).toBe('offline')
  world.pass(2000)
  world.welcome()
  expect(world.lastJoin().counter).toBe(3)
  world.joined([], { seq: 1, counter: 3 })
  expect(world.sentCounters()).toEqual([4])
  expect(world.room.pending()).toMatchObject([{ id: four }])
})
