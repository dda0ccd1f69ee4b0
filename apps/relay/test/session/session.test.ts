// One connection's state machine, on fake sockets and the memory rooms or a scripted store.
import { closeTable, type Epoch, encodeDelivery, limits, type RelayControlOf } from '@pychat/protocol'
import { describe, expect, test } from 'vitest'
import { type BanMatcher, createMatcher } from '../../src/bans/ban-matcher.ts'
import { type JoinResult, type PublishResult, type RoomsEvents, StoreError } from '../../src/rooms/rooms.ts'
import { frame, joinMessage, room, session } from '../wire-client.ts'
import { house, settle } from './house.ts'

describe('greeting', () => {
  test('a hello is answered with a welcome', () => {
    expect(house().open().last('welcome')).toMatchObject({ version: 1, frameBytesMax: limits.frameBytesMax })
  })

  test.each([
    ['a join', JSON.stringify(joinMessage(1)), 'hello-first', 4500],
    ['nonsense', 'nonsense', 'bad-message', 4500],
    ['another version', '{"t":"hello","version":2,"software":"x"}', 'unsupported-version', 4501],
  ])('%s before hello is refused and closed', (_, text, code, close) => {
    const peer = house().open(false)
    peer.session.text(text)
    expect(peer.last('refused')?.code).toBe(code)
    expect(peer.closedWith).toBe(close)
  })

  test('a frame before hello is refused and closed', () => {
    const peer = house().open(false)
    peer.session.binary(frame(session(), 1))
    expect(peer.last('refused')?.code).toBe('hello-first')
    expect(peer.closedWith).toBe(4500)
  })

  test('silence for ten seconds is closed, a greeted connection stays', () => {
    const { open, registry, pass } = house()
    const silent = open(false)
    const greeted = open()
    pass(9_999)
    registry.tick()
    expect(silent.closedWith).toBeNull()
    pass(2)
    registry.tick()
    expect(silent.closedWith).toBe(closeTable.helloTimeout.code)
    expect(greeted.closedWith).toBeNull()
    expect(registry.size()).toBe(1)
  })
})

describe('rooms', () => {
  test('members hear each other and themselves in one order', async () => {
    const { open } = house()
    const [alice, bob] = [open(), open()]
    const there = room()
    const a = joinMessage(1, { room: there })
    const b = joinMessage(2, { room: there })
    alice.say(a)
    await settle()
    bob.say(b)
    await settle()
    expect(alice.last('joined')).toMatchObject({ id: 1, seq: 0, counter: 0, count: 1 })
    expect(bob.last('joined')).toMatchObject({ id: 2, count: 2 })
    expect(alice.last('arrived')?.member.session).toBe(b.session)
    alice.session.binary(frame(a.session, 1))
    bob.session.binary(frame(b.session, 1))
    expect(alice.seqs).toEqual([1, 2])
    expect(bob.seqs).toEqual([1, 2])
    bob.say({ t: 'leave', id: 3, room: there })
    await settle()
    expect(bob.last('left')).toMatchObject({ id: 3 })
    expect(alice.last('departed')).toMatchObject({ session: b.session, why: 'left' })
    alice.session.binary(frame(a.session, 2))
    expect(bob.seqs).toEqual([1, 2])
  })

  test('a vanished connection is lost to the others', async () => {
    const { open } = house()
    const [alice, bob] = [open(), open()]
    const there = room()
    alice.say(joinMessage(1, { room: there }))
    bob.say(joinMessage(1, { room: there }))
    await settle()
    bob.vanish()
    await settle()
    expect(alice.last('departed')?.why).toBe('lost')
  })

  test('a taken name, a full room, a room joined twice and one room too many are refused', async () => {
    const { open } = house()
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    peer.say({ ...join, id: 2 })
    expect(peer.last('refused')).toMatchObject({ id: 2, code: 'already-joined' })
    const other = open()
    other.say(joinMessage(3, { room: join.room, tag: join.tag }))
    await settle()
    expect(other.last('refused')).toMatchObject({ id: 3, code: 'name-taken' })
    expect(other.topics.size).toBe(0)
    peer.say(joinMessage(4, { session: join.session }))
    expect(peer.last('refused')).toMatchObject({ id: 4, code: 'session-taken' })
    for (let i = 1; i < limits.roomsPerConnectionMax; i += 1) peer.say(joinMessage(4 + i))
    await settle()
    peer.say(joinMessage(100))
    expect(peer.last('refused')).toMatchObject({ id: 100, code: 'too-many-rooms' })
    for (let id = 200; id < 203; id += 1) {
      const guest = open()
      guest.say(joinMessage(id, { room: join.room }))
      await settle()
      if (id === 202) expect(guest.last('refused')).toMatchObject({ id, code: 'room-full' })
    }
  })

  test('one address cannot try many rooms', async () => {
    const { open } = house()
    let refusal: RelayControlOf<'refused'> | undefined
    for (let i = 0; i < 3; i += 1) {
      const peer = open()
      for (let id = 1; id <= limits.roomsPerConnectionMax; id += 1) peer.say(joinMessage(id))
      refusal = peer.last('refused')
    }
    expect(refusal).toMatchObject({ code: 'too-fast', retryMs: 60_000 })
  })

  test('what is said while a join is under way comes after joined, and nothing is missed or doubled', async () => {
    let answer: (result: JoinResult) => void = () => {}
    let world: RoomsEvents | undefined
    const { open } = house((rooms, events) => {
      world = events
      return { ...rooms, join: () => new Promise((resolve) => (answer = resolve)) }
    })
    const peer = open()
    const join = joinMessage(1)
    const epoch = '00000000000000aa' as Epoch
    peer.say(join)
    const deliver = (seq: number) => {
      const bytes = encodeDelivery({ room: join.room, epoch, seq, at: 1, frame: frame(session(), 1) })
      world?.deliver(join.room, bytes, true)
    }
    await settle()
    deliver(6)
    deliver(7)
    deliver(8)
    expect(peer.seqs).toEqual([])
    answer({
      ok: true,
      membership: { room: join.room, session: join.session, generation: 1 },
      epoch,
      seq: 6,
      counter: 0,
      count: 1,
      members: [],
      next: null,
      page: null,
      charter: null,
      quiet: false,
    })
    await settle()
    deliver(9)
    expect(peer.order.slice(1)).toEqual(['joined', 'seq 7', 'seq 8', 'seq 9'])
  })

  test('what a returning member missed comes between its joined and what is said afterwards', async () => {
    let arrive: () => void = () => {}
    let waits = false
    const { open, rooms, figures } = house(
      (rooms) => ({
        ...rooms,
        async join(request) {
          const result = await rooms.join(request)
          if (waits) await new Promise<void>((resolve) => (arrive = resolve))
          return result
        },
      }),
      { graceMs: 15_000 },
    )
    const [other, gone] = [open(), open()]
    const there = room()
    const speaker = joinMessage(1, { room: there })
    const join = joinMessage(1, { room: there })
    other.say(speaker)
    gone.say(join)
    await settle()
    const { epoch } = gone.last('joined') as RelayControlOf<'joined'>
    gone.vanish()
    for (let counter = 1; counter <= 2; counter += 1) other.session.binary(frame(speaker.session, counter))
    waits = true
    const back = open()
    back.say({ ...join, id: 7, after: { epoch, seq: 0 } })
    await settle()
    other.session.binary(frame(speaker.session, 3))
    expect(back.order).toEqual(['welcome'])
    arrive()
    await settle()
    other.session.binary(frame(speaker.session, 4))
    expect(back.order).toEqual(['welcome', 'joined', 'log', 'seq 1', 'seq 2', 'seq 3', 'seq 4'])
    expect(back.last('log')).toEqual({
      t: 'log',
      id: 7,
      room: there,
      epoch,
      seq: 0,
      count: 2,
      missed: 0,
      more: false,
    })
    expect([figures.logPages, figures.logDeliveries]).toEqual([1, 2])
    expect(rooms.local().get(there)).toBe(2)
  })

  test('a page for a connection that does not read is refused, the join is not', async () => {
    const { open } = house(undefined, { bufferedBytes: limits.logPageBytesMax + 1 })
    const peer = open()
    peer.say(joinMessage(7, { after: { epoch: '00000000000000aa' as Epoch, seq: 7 } }))
    await settle()
    expect(peer.order.slice(0, 3)).toEqual(['welcome', 'joined', 'refused'])
    expect(peer.last('refused')).toMatchObject({ id: 7, code: 'too-fast', retryMs: expect.any(Number) })
  })

  test('joins of one connection go one after the other, and wait for one that does not read at all', async () => {
    const underWay: (() => void)[] = []
    const { open } = house((rooms) => ({
      ...rooms,
      join: async (request) => {
        await new Promise<void>((resolve) => underWay.push(resolve))
        return rooms.join(request)
      },
    }))
    const peer = open()
    for (let id = 1; id <= 3; id += 1) peer.say(joinMessage(id))
    for (let id = 1; id <= 3; id += 1) {
      await settle()
      expect(underWay).toHaveLength(id)
      underWay[id - 1]?.()
    }
    await settle()
    expect(peer.last('joined')?.id).toBe(3)
    const stuck = house(undefined, { bufferedBytes: 500_000 }).open()
    stuck.say(joinMessage(1))
    await settle()
    expect(stuck.last('refused')).toMatchObject({ id: 1, code: 'too-fast', retryMs: expect.any(Number) })
  })

  test('a join that is refused has no page', async () => {
    const { open } = house()
    const [owner, thief] = [open(), open()]
    const join = joinMessage(1)
    owner.say(join)
    thief.say({ ...join, secret: '0'.repeat(32), after: { epoch: '00000000000000aa', seq: 7 } })
    await settle()
    expect(thief.order).toEqual(['welcome', 'refused'])
  })

  test('a connection that vanishes during its join gives the membership back', async () => {
    const { open, rooms } = house()
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    peer.vanish()
    await settle()
    expect(rooms.local().size).toBe(0)
  })

  test('a client that leaves during its join is not in the room afterwards', async () => {
    const { open, rooms } = house()
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    peer.say({ t: 'leave', id: 2, room: join.room })
    await settle()
    expect(peer.controls.map((each) => each.t)).toEqual(['welcome', 'left', 'refused'])
    expect(peer.topics.size).toBe(0)
    expect(rooms.local().size).toBe(0)
  })

  test('the same session on a new connection takes over, quietly, and the old connection is told to stop', async () => {
    const { open, registry } = house()
    const [old, fresh, other] = [open(), open(), open()]
    const join = joinMessage(1)
    old.say(join)
    other.say(joinMessage(1, { room: join.room }))
    await settle()
    old.session.binary(frame(join.session, 1))
    const heard = other.controls.length
    fresh.say(join)
    await settle()
    expect(fresh.last('joined')).toMatchObject({ counter: 1, seq: 1 })
    expect(old.closedWith).toBe(closeTable.replaced.code)
    expect(other.controls.length).toBe(heard)
    expect(registry.size()).toBe(2)
    fresh.session.binary(frame(join.session, 2))
    expect(other.seqs).toEqual([1, 2])
  })

  test('a session with another secret is somebody else', async () => {
    const { open } = house()
    const [owner, thief] = [open(), open()]
    const join = joinMessage(1)
    owner.say(join)
    thief.say({ ...join, secret: '0'.repeat(32) })
    await settle()
    expect(thief.last('refused')?.code).toBe('session-taken')
    expect(owner.closedWith).toBeNull()
  })
})

describe('frames', () => {
  test('a repeat is acknowledged, a jump is refused with the last counter', async () => {
    const { open } = house()
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    const first = frame(join.session, 1)
    peer.session.binary(first)
    peer.session.binary(first)
    expect(peer.last('ack')).toMatchObject({ counter: 1, session: join.session })
    peer.session.binary(frame(join.session, 5))
    expect(peer.last('nack')).toMatchObject({ counter: 5, code: 'gap', last: 1 })
    expect(peer.seqs).toEqual([1])
  })

  test('a session that is not joined here is not taken, and its old room is named', async () => {
    const { open } = house()
    const peer = open()
    peer.session.binary(frame(session(), 1))
    expect(peer.last('nack')).toMatchObject({ code: 'not-member', counter: 1 })
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    peer.say({ t: 'leave', id: 2, room: join.room })
    peer.session.binary(frame(join.session, 1))
    expect(peer.last('nack')).toMatchObject({ code: 'not-member', room: join.room })
  })

  test('more than the burst is refused with a pause, far more is closed', async () => {
    const { open, pass } = house()
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    for (let counter = 1; counter <= 41; counter += 1) peer.session.binary(frame(join.session, counter))
    expect(peer.seqs.length).toBe(40)
    expect(peer.last('nack')).toMatchObject({ counter: 41, code: 'too-fast', retryMs: 50 })
    pass(50)
    peer.session.binary(frame(join.session, 41))
    expect(peer.seqs.length).toBe(41)
    for (let i = 0; i < 1100 && peer.closedWith === null; i += 1) peer.session.binary(frame(join.session, 42))
    expect(peer.closedWith).toBe(closeTable.tooFast.code)
  })

  test('a client that goes back 256 frames at once is slowed down, not closed', async () => {
    const { open, pass } = house()
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    let sent = 0
    for (let round = 0; round < 20 && sent < 256; round += 1) {
      for (let counter = sent + 1; counter <= 256; counter += 1)
        peer.session.binary(frame(join.session, counter))
      sent = peer.seqs.length
      pass(2000)
    }
    expect(peer.closedWith).toBeNull()
    expect(sent).toBe(256)
  })

  test('bytes count too', async () => {
    const { open } = house()
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    for (let counter = 1; counter <= 20; counter += 1)
      peer.session.binary(frame(join.session, counter, 15_360))
    expect(peer.seqs.length).toBe(17)
    expect(peer.last('nack')?.code).toBe('too-fast')
  })

  test('the third message that makes no sense closes the connection', () => {
    const peer = house().open()
    peer.session.text('{}')
    peer.session.binary(new Uint8Array(3))
    expect(peer.closedWith).toBeNull()
    peer.session.text('[')
    expect(peer.controls.filter((each) => each.t === 'refused').length).toBe(3)
    expect(peer.closedWith).toBe(closeTable.badMessage.code)
    peer.session.text('{"t":"ping","id":1}')
    expect(peer.last('pong')).toBeUndefined()
  })

  test('answers keep the order of the frames, whichever way the store settles', async () => {
    const answers: ((result: PublishResult) => void)[] = []
    const passed: number[] = []
    const { open } = house((rooms) => ({
      ...rooms,
      publish(_, counter) {
        passed.push(counter)
        if (counter === 3) return { status: 'unavailable' }
        return new Promise((resolve) => answers.push(resolve))
      },
    }))
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    for (let counter = 1; counter <= 3; counter += 1) peer.session.binary(frame(join.session, counter))
    expect(passed).toEqual([1, 2, 3])
    answers[1]?.({ status: 'unavailable' })
    await settle()
    expect(peer.last('nack')).toBeUndefined()
    answers[0]?.({ status: 'duplicate', seq: 9 })
    await settle()
    const said = peer.controls.flatMap((each) =>
      'counter' in each && each.t !== 'joined' ? [[each.t, each.counter]] : [],
    )
    expect(said).toEqual([
      ['ack', 1],
      ['nack', 2],
      ['nack', 3],
    ])
    expect(peer.session.publishesInFlight()).toBe(0)
  })

  test('a fence in the store ends the membership, and the client may join again', async () => {
    let fenced = true
    const { open } = house((rooms) => ({
      ...rooms,
      publish: (membership, counter, bytes) =>
        fenced ? { status: 'not-member' } : rooms.publish(membership, counter, bytes),
    }))
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    peer.session.binary(frame(join.session, 1))
    expect(peer.last('nack')).toMatchObject({ code: 'not-member', room: join.room })
    fenced = false
    peer.say({ ...join, id: 2 })
    await settle()
    expect(peer.last('joined')?.id).toBe(2)
    peer.session.binary(frame(join.session, 1))
    expect(peer.seqs).toEqual([1])
  })
})

describe('trouble', () => {
  test('our own fault closes that one connection and is counted', async () => {
    const { open, faults } = house((rooms) => ({
      ...rooms,
      join: () => Promise.reject(new TypeError('ours')),
    }))
    const [peer, other] = [open(), open()]
    peer.say(joinMessage(1))
    await settle()
    expect(peer.closedWith).toBe(closeTable.internal.code)
    expect(other.closedWith).toBeNull()
    expect(faults.length).toBe(1)
  })

  test('a roster page that the store cannot give is refused as unavailable', async () => {
    const { open } = house((rooms) => ({
      ...rooms,
      members: () => Promise.reject(new StoreError('unreachable', 'away')),
    }))
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    peer.say({ t: 'members', id: 2, room: join.room, after: '0' })
    await settle()
    expect(peer.last('refused')).toMatchObject({ id: 2, code: 'unavailable' })
  })

  test('clients are told when the store goes and comes, also those that greet meanwhile', () => {
    const { open, events } = house()
    const peer = open()
    events.availability(false)
    expect(peer.last('relay')?.state).toBe('degraded')
    expect(open().last('relay')?.state).toBe('degraded')
    events.availability(true)
    expect(peer.last('relay')?.state).toBe('ready')
  })

  test('a lost lease closes everybody with a code that means reconnect', () => {
    const { open, events, registry } = house()
    const peers = [open(), open()]
    events.leaseLost()
    for (const peer of peers) expect(peer.closedWith).toBe(closeTable.leaseLost.code)
    expect(registry.size()).toBe(0)
  })

  test('a reader that the transport cut off is counted', () => {
    const { open, figures } = house()
    open().session.closed(closeTable.slowReader.code)
    open().vanish()
    expect(figures.closed).toMatchObject({ slowReader: 1, draining: 0 })
  })

  test('a drain spreads the reconnects over its time', () => {
    const { open, registry } = house()
    const peers = Array.from({ length: 10 }, () => open())
    registry.goaway(3000)
    expect(peers.map((peer) => peer.last('goaway')?.afterMs)).toEqual([
      0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700,
    ])
  })
})

describe('catching up', () => {
  async function room3() {
    const world = house(undefined, { graceMs: 15_000 })
    const peer = world.open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    for (let counter = 1; counter <= 3; counter += 1) peer.session.binary(frame(join.session, counter))
    return { ...world, peer, join, joined: peer.last('joined') }
  }

  test('a log page is announced, then comes in order, before anything that is said afterwards', async () => {
    const { peer, join, joined } = await room3()
    const before = peer.order.length
    peer.say({ t: 'log', id: 2, room: join.room, epoch: joined?.epoch, seq: 1 })
    await settle()
    peer.session.binary(frame(join.session, 4))
    expect(peer.order.slice(before)).toEqual(['log', 'seq 2', 'seq 3', 'seq 4'])
    const { epoch } = joined ?? {}
    expect(peer.last('log')).toEqual({
      t: 'log',
      id: 2,
      room: join.room,
      epoch,
      seq: 1,
      count: 2,
      missed: 0,
      more: false,
    })
  })

  test('a member that was lost for a moment finds everything, and nobody heard of it', async () => {
    const { open, peer, join, joined } = await room3()
    const other = open()
    const others = joinMessage(1, { room: join.room })
    other.say(others)
    await settle()
    const heard = other.controls.length
    peer.vanish()
    other.session.binary(frame(others.session, 1))
    const back = open()
    back.say({ ...join, counter: 0 })
    await settle()
    expect(back.last('joined')).toMatchObject({ seq: 4, counter: 3, count: 2 })
    back.say({ t: 'log', id: 2, room: join.room, epoch: joined?.epoch, seq: 3 })
    await settle()
    expect(back.seqs).toEqual([4])
    expect(other.controls.length).toBe(heard)
  })

  test('a log is read to members alone, and not to one that does not read', async () => {
    const { peer, join, joined, open } = await room3()
    const stranger = open()
    const ask = { t: 'log', id: 2, room: join.room, epoch: joined?.epoch, seq: 0 }
    stranger.say(ask)
    await settle()
    expect(stranger.last('refused')).toMatchObject({ id: 2, code: 'not-member' })
    peer.say({ t: 'leave', id: 3, room: join.room })
    peer.say(ask)
    await settle()
    expect(peer.last('refused')).toMatchObject({ id: 2, code: 'not-member' })

    const full = house(undefined, { bufferedBytes: limits.logPageBytesMax + 1 })
    const stuck = full.open()
    const again = joinMessage(1)
    stuck.say(again)
    await settle()
    stuck.say({ ...ask, room: again.room })
    await settle()
    expect(stuck.last('refused')).toMatchObject({ id: 2, code: 'too-fast', retryMs: expect.any(Number) })
  })

  test('a member may ask who somebody was, a stranger may not', async () => {
    const { peer, join, open } = await room3()
    const other = open()
    other.say({ t: 'member', id: 2, room: join.room, session: join.session })
    await settle()
    expect(other.last('refused')).toMatchObject({ id: 2, code: 'not-member' })
    other.say(joinMessage(3, { room: join.room }))
    await settle()
    peer.say({ t: 'leave', id: 4, room: join.room })
    other.say({ t: 'member', id: 5, room: join.room, session: join.session })
    await settle()
    const { tag, profile } = join
    expect(other.last('member')).toMatchObject({ id: 5, member: { session: join.session, tag, profile } })
    other.say({ t: 'member', id: 6, room: join.room, session: 'f'.repeat(32) })
    await settle()
    expect(other.last('refused')).toMatchObject({ id: 6, code: 'not-member' })
  })

  test('a log that the store cannot give is refused as unavailable', async () => {
    const { open } = house((rooms) => ({
      ...rooms,
      log: () => Promise.reject(new StoreError('unreachable', 'away')),
    }))
    const peer = open()
    const join = joinMessage(1)
    peer.say(join)
    await settle()
    peer.say({ t: 'log', id: 2, room: join.room, epoch: '00000000000000aa', seq: 0 })
    await settle()
    expect(peer.last('refused')).toMatchObject({ id: 2, code: 'unavailable' })
  })

  test('where replicas have to hold a frame, each one is acknowledged with its place', async () => {
    const { open } = house(undefined, { ackReplicas: 1 })
    const peer = open()
    const join = joinMessage(1)
    expect(peer.last('welcome')).toMatchObject({ ackReplicas: 1 })
    peer.say(join)
    await settle()
    peer.session.binary(frame(join.session, 1))
    expect(peer.last('ack')).toMatchObject({ room: join.room, session: join.session, counter: 1, seq: 1 })
  })

  test('a join waits for its turn', async () => {
    let go: () => void = () => {}
    const { open } = house(undefined, { joinTurn: () => new Promise<void>((resolve) => (go = resolve)) })
    const peer = open()
    peer.say(joinMessage(1))
    await settle()
    expect(peer.last('joined')).toBeUndefined()
    go()
    await settle()
    expect(peer.last('joined')).toBeDefined()
  })
})

describe('bans of the operator', () => {
  const none = createMatcher([])
  /** Bans that a test changes on the way. */
  function changing() {
    let now: BanMatcher = none
    const bans: BanMatcher = {
      address: (address) => now.address(address),
      member: (id, member) => now.member(id, member),
    }
    return { bans, become: (next: BanMatcher) => (now = next) }
  }
  const banOf = (kind: 'room' | 'address', value: string) => createMatcher([{ kind, value }])

  test('a join that was under way when the room was banned is refused, and nobody stays in it', async () => {
    for (const moment of ['before the turn', 'while the store is asked']) {
      const { bans, become } = changing()
      let go: () => void = () => {}
      const wait = (): Promise<void> => new Promise((resolve) => (go = resolve))
      const early = moment === 'before the turn'
      const { open, rooms, figures } = house(
        (rooms) => (early ? rooms : { ...rooms, join: (request) => wait().then(() => rooms.join(request)) }),
        { bans, joinTurn: early ? wait : async () => {} },
      )
      const peer = open()
      const join = joinMessage(1)
      peer.say(join)
      await settle()
      become(banOf('room', join.room))
      go()
      await settle()
      expect(peer.last('refused'), moment).toMatchObject({ id: 1, code: 'room-banned' })
      expect(peer.last('joined')).toBeUndefined()
      expect(rooms.local().size).toBe(0)
      expect(peer.topics.size).toBe(0)
      expect(figures.banRefusals).toEqual({ room: 1, address: 0, key: 0 })
    }
  })

  test('an address that was banned after its handshake is closed at its greeting', () => {
    const { bans, become } = changing()
    const { open, registry } = house(undefined, { bans })
    const peer = open(false)
    become(banOf('address', '192.0.2.0/24'))
    peer.say({ t: 'hello', version: 1, software: 'test/1' })
    expect(peer.closedWith).toBe(closeTable.addressBanned.code)
    expect(peer.controls).toEqual([])
    expect(registry.size()).toBe(0)
  })

  test('a banned room ends for its members alone, whose connection and other rooms stay', async () => {
    const { open, registry, rooms, figures } = house()
    const [alice, bob] = [open(), open()]
    const [a, b] = [joinMessage(1), joinMessage(2)]
    alice.say(a)
    alice.say(b)
    bob.say({ ...joinMessage(3), room: b.room })
    await settle()
    expect(registry.meet(banOf('room', a.room), false)).toBe(1)
    expect(alice.last('expelled')).toBeUndefined()
    expect(registry.meet(banOf('room', a.room), true)).toBe(1)
    await settle()
    expect(alice.last('expelled')).toEqual({ t: 'expelled', room: a.room, why: 'room-banned' })
    expect([alice.closedWith, bob.closedWith]).toEqual([null, null])
    expect(bob.last('expelled')).toBeUndefined()
    expect(alice.topics).toEqual(new Set([b.room]))
    expect([...rooms.local().keys()]).toEqual([b.room])
    expect(figures.expelled['room-banned']).toBe(1)
    alice.session.binary(frame(a.session, 1))
    expect(alice.last('nack')).toMatchObject({ room: a.room, code: 'not-member' })
    expect(registry.announce(a.room, 'x', true)).toBe(0)
    expect(registry.announce(b.room, 'x', true)).toBe(2)
    expect(registry.meet(banOf('address', '192.0.2.1'), true)).toBe(2)
    expect([alice.closedWith, bob.closedWith]).toEqual([4503, 4503])
  })
})
