// What a relay acknowledged and lost is sent again, and what counts as acknowledged.
import type { RoomKeys } from '@pychat/crypto'
import type { Epoch } from '@pychat/protocol'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { epochA, epochB, testRoom, World } from './world.ts'

let room: RoomKeys
let world: World
beforeAll(async () => {
  room = await testRoom()
})
beforeEach(() => {
  world = new World(room)
})
const session = () => world.lastJoin().session
const ack = (counter: number, seq = 0) =>
  world.tell({ t: 'ack', room: room.id, session: session(), counter, seq })
const gap = (counter: number, last: number) =>
  world.tell({ t: 'nack', room: room.id, session: session(), counter, code: 'gap', last })
const reset = (seq: number, wasSeq: number, wasEpoch: Epoch = epochA, epoch: Epoch = epochB) =>
  world.tell({ t: 'reset', room: room.id, epoch, seq, was: { epoch: wasEpoch, seq: wasSeq } })
const send = (...texts: string[]) => {
  for (const text of texts) world.room.send(text)
}
/** Says and has acknowledged. */
const sent = (...texts: string[]) => {
  const [frames, seq] = [world.socket.frames.length, (world.room.position()?.seq ?? 0) + 1]
  send(...texts)
  world.echo(seq, frames)
}

describe('after the relay lost everything', () => {
  it('the same bytes go out again under the same counters, and nothing is shown twice', () => {
    world.enter()
    sent('a', 'b')
    send('c')
    const before = world.socket.frames
    world.lose()
    world.welcome()
    expect(world.lastJoin().counter).toBeUndefined()
    world.joined([], { epoch: epochB })
    expect(world.sentCounters()).toEqual([1, 2, 3])
    expect(world.socket.frames).toEqual(before)
    world.answerLog([], { epoch: epochB, missed: undefined } as object)
    for (const [i, frame] of before.entries()) world.deliver(frame, i + 1, { epoch: epochB })
    expect(world.of('message')).toMatchObject([
      { text: 'a', epoch: epochA, seq: 1 },
      { text: 'b', epoch: epochA, seq: 2 },
      { text: 'c', epoch: epochB, seq: 3 },
    ])
    expect(world.of('unreadable')).toEqual([])
    world.pass(15_000)
    expect(world.socket.frames).toHaveLength(3)
  })

  it('what is older than 30 s is not sent again: the session goes on behind it', () => {
    world.enter()
    sent('a', 'b')
    world.pass(20_000)
    world.socket.handlers.ping()
    sent('c')
    world.pass(10_000)
    world.lose()
    world.welcome()
    expect(world.lastJoin().counter).toBe(2)
    world.joined([], { epoch: epochB, counter: 2 })
    expect(world.sentCounters()).toEqual([3])
    const old = session()
    world.pass(9000)
    world.deliver(world.socket.frames[0] as Uint8Array, 1, { epoch: epochB })
    world.lose()
    world.welcome()
    expect(world.lastJoin()).toMatchObject({ session: old, counter: 2 })
    world.joined([], { epoch: epochB, seq: 1, counter: 3 })
    world.pass(30_000)
    world.lose()
    world.welcome()
    expect(world.lastJoin().counter).toBe(3)
  })

  it('what the relay is known to miss is kept until it has it', () => {
    world.enter()
    sent('a', 'b')
    world.lose()
    world.enter([], { epoch: epochB })
    world.tell({ t: 'relay', state: 'degraded' })
    world.pass(40_000)
    world.lose()
    world.welcome()
    expect(world.lastJoin().counter).toBeUndefined()
    world.joined([], { epoch: epochB })
    expect(world.sentCounters()).toEqual([1, 2])
  })

  it('no more than the last 256 go out again, 32 at a time', () => {
    world.enter()
    for (let i = 1; i <= 300; i += 1) sent(`${i}`)
    const before = world.socket.frames
    world.lose()
    world.welcome()
    expect(world.lastJoin().counter).toBe(44)
    world.joined([], { counter: 44, seq: 300 })
    expect(world.sentCounters()).toEqual(Array.from({ length: 32 }, (_, i) => 45 + i))
    ack(60)
    expect(world.sentCounters()).toEqual(Array.from({ length: 48 }, (_, i) => 45 + i))
    expect(world.socket.frames).toEqual(before.slice(44, 92))
  })

  it('a relay that does not go on where it is told is left, with growing pauses', () => {
    world.enter()
    sent('a', 'b')
    world.pass(30_000)
    world.lose()
    world.enter()
    expect(world.client.state).toBe('offline')
    expect(world.lastJoin().counter).toBe(2)
  })
})

describe('after a reset', () => {
  it('the newest acknowledged frame asks whether something is missing, once', () => {
    world.enter()
    sent('a', 'b', 'c')
    reset(1000, 3)
    expect(world.sentCounters()).toEqual([1, 2, 3, 3])
    ack(3)
    world.pass(15_000)
    expect(world.sentCounters()).toEqual([1, 2, 3, 3])
  })

  it('the relay tells where to begin, and frames on their way follow', () => {
    world.enter()
    sent('a', 'b', 'c')
    send('d')
    const frames = [...world.socket.frames]
    reset(1000, 1)
    expect(world.sentCounters().slice(4)).toEqual([3, 4])
    gap(3, 1)
    gap(4, 1)
    world.pass(100)
    expect(world.sentCounters().slice(6)).toEqual([2, 3, 4])
    for (const [i, frame] of frames.slice(1).entries()) world.deliver(frame, 1001 + i, { epoch: epochB })
    expect(world.texts()).toEqual(['Alice: a', 'Alice: b', 'Alice: c', 'Alice: d'])
    expect(world.of('message').at(-1)).toMatchObject({ epoch: epochB, seq: 1003 })
    world.pass(15_000)
    expect(world.sockets).toHaveLength(1)
    expect(world.sentCounters()).toHaveLength(9)
  })

  it('a delivery from before the loss does not end the repair', () => {
    world.enter()
    sent('a', 'b')
    send('c')
    world.tell({ t: 'position', room: room.id, epoch: epochA, seq: 3 })
    gap(3, 0)
    world.answerLog(world.socket.frames.slice(2))
    expect(world.texts()).toEqual(['Alice: a', 'Alice: b', 'Alice: c'])
    world.pass(100)
    expect(world.sentCounters().slice(3)).toEqual([1, 2, 3])
  })

  it('nothing goes out when nothing is kept', () => {
    world.enter()
    reset(1000, 0)
    expect(world.socket.frames).toEqual([])
    world.room.send('a')
    world.deliver(world.socket.frames[0] as Uint8Array, 1001, { epoch: epochB })
    world.pass(30_000)
    reset(2000, 1001, epochB, 'cc'.repeat(8) as Epoch)
    expect(world.sentCounters()).toEqual([1])
  })

  it('what cannot be mended any more is said, and the relay told to go on', () => {
    world.enter()
    sent('a', 'b', 'c')
    world.pass(29_000)
    sent('d')
    world.pass(1000)
    reset(1000, 0)
    gap(4, 1)
    expect(world.of('unrepaired')).toEqual([{ type: 'unrepaired', count: 2 }])
    expect(world.client.state).toBe('offline')
    world.pass(500)
    world.welcome()
    expect(world.lastJoin().counter).toBe(3)
    world.joined([], { epoch: epochB, seq: 1000, counter: 3 })
    expect(world.sentCounters()).toEqual([4])
  })
})

describe('with replicas', () => {
  beforeEach(() => {
    world.ackReplicas = 1
    world.enter()
  })

  it('only an ack acknowledges, all frames up to it, each with the place that its delivery told', () => {
    send('a', 'b', 'c')
    world.echo(1)
    expect(world.texts()).toEqual([])
    expect(world.room.pending()).toHaveLength(3)
    ack(2, 2)
    expect(world.of('message')).toMatchObject([
      { text: 'a', epoch: epochA, seq: 1, counter: 1 },
      { text: 'b', epoch: epochA, seq: 2, counter: 2 },
    ])
    ack(3, 3)
    expect(world.room.pending()).toEqual([])
  })

  it('an own frame that is not what was sent is dropped', () => {
    send('a')
    const forged = Uint8Array.from(world.socket.frames[0] as Uint8Array)
    forged[60] = (forged[60] as number) ^ 1
    world.deliver(forged, 1)
    expect(world.of('unreadable')).toMatchObject([{ from: 'Alice' }])
    world.deliver(world.socket.frames[0] as Uint8Array, 2)
    ack(1, 2)
    expect(world.of('message')).toMatchObject([{ text: 'a', seq: 2 }])
  })

  it('frames that were delivered, not acknowledged and lost go out again and are shown once', () => {
    send('a', 'b')
    world.echo(1)
    ack(1, 1)
    reset(1000, 1)
    expect(world.of('rewound')).toMatchObject([{ lost: 1 }])
    expect(world.sentCounters()).toEqual([1, 2, 1, 2])
    ack(1)
    world.deliver(world.socket.frames[1] as Uint8Array, 1001, { epoch: epochB })
    ack(2, 1001)
    expect(world.of('message')).toMatchObject([
      { text: 'a', epoch: epochA, seq: 1 },
      { text: 'b', epoch: epochB, seq: 1001 },
    ])
  })

  it('a frame that was delivered and is never acknowledged ends the connection after 10 s', () => {
    send('a')
    world.echo(1)
    world.pass(10_000)
    expect(world.client.state).toBe('offline')
  })

  it('an ack waits for deliveries that came before it and wait themselves', () => {
    send('a')
    world.tell({ t: 'position', room: room.id, epoch: epochA, seq: 1 })
    ack(1, 1)
    expect(world.texts()).toEqual([])
    world.answerLog([world.socket.frames[0] as Uint8Array])
    expect(world.of('message')).toMatchObject([{ text: 'a', epoch: epochA, seq: 1 }])
  })
})
