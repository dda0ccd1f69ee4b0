// Nothing lost, nothing twice, nothing out of order: how the engine reads what it missed, and what it says of the rest.
import { createOpener, openProfile, type RoomKeys } from '@pychat/crypto'
import { decodeBase64url, type Epoch, encodeControl, limits, type RoomId } from '@pychat/protocol'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { chainOf, epochA, epochB, Person, testRoom, World } from './world.ts'

let room: RoomKeys
let world: World
let bob: Person
beforeAll(async () => {
  room = await testRoom()
})
beforeEach(() => {
  world = new World(room)
  bob = new Person(room, 'Bob')
})

const say = (...texts: string[]) => texts.map((text) => bob.says(text))
const position = (seq: number, epoch: Epoch = epochA) =>
  world.tell({ t: 'position', room: room.id, epoch, seq })
const reset = (seq: number, wasSeq: number, wasEpoch: Epoch = epochA, epoch: Epoch = epochB) =>
  world.tell({ t: 'reset', room: room.id, epoch, seq, was: { epoch: wasEpoch, seq: wasSeq } })
const refuseLog = (code: 'unavailable' | 'not-member' | 'bad-message', retryMs?: number) =>
  world.tell({
    t: 'refused',
    id: world.logRequests().at(-1)?.id ?? 0,
    code,
    message: '',
    ...(retryMs === undefined ? {} : { retryMs }),
  })
const heard = (...texts: string[]) => texts.map((text) => `Bob: ${text}`)
/** Deliveries one after the other. */
const deliver = (frames: readonly Uint8Array[], seq: number, epoch: Epoch = epochA) => {
  for (const [i, frame] of frames.entries()) world.deliver(frame, seq + i, { epoch })
}

describe('coming back', () => {
  it('asks by its join for what was said meanwhile, then page by page, and what comes live waits for its turn', () => {
    world.enter([bob.member])
    const [a, b, c, d, e] = say('a', 'b', 'c', 'd', 'e') as [Uint8Array, ...Uint8Array[]]
    world.deliver(a, 1)
    world.lose()
    world.enter([bob.member], { seq: 4 })
    expect(world.lastJoin().after).toEqual({ epoch: epochA, seq: 1 })
    expect(world.logRequests()).toEqual([])
    world.deliver(e as Uint8Array, 5)
    world.answerLog([b as Uint8Array, c as Uint8Array], { more: true })
    expect(world.texts()).toEqual(heard('a', 'b', 'c'))
    expect(world.logRequests()).toMatchObject([{ epoch: epochA, seq: 3 }])
    world.answerLog([d as Uint8Array])
    expect(world.texts()).toEqual(heard('a', 'b', 'c', 'd', 'e'))
    expect(world.of('gap')).toEqual([])
    expect(world.room.position()).toEqual({ epoch: epochA, seq: 5 })
  })

  it('asks again when the answer ends before the place that it joined at: it was read a moment too early', () => {
    world.enter([bob.member])
    const [a, b] = say('a', 'b') as [Uint8Array, Uint8Array]
    world.lose()
    world.enter([bob.member], { seq: 2 })
    world.answerLog([a])
    expect(world.logRequests()).toMatchObject([{ seq: 1 }])
    world.answerLog([b])
    expect(world.texts()).toEqual(heard('a', 'b'))
    expect(world.of('gap')).toEqual([])
  })

  it('asks for nothing when nothing was said, and nothing at all the first time', () => {
    expect(world.room.position()).toBeNull()
    world.enter([bob.member], { seq: 7 })
    expect(world.lastJoin().after).toBeUndefined()
    expect(world.room.position()).toEqual({ epoch: epochA, seq: 7 })
    world.lose()
    world.enter([bob.member], { seq: 7 })
    expect(world.lastJoin().after).toEqual({ epoch: epochA, seq: 7 })
    expect(world.logRequests()).toEqual([])
    world.pass(15_000)
    expect(world.client.state).toBe('online')
  })

  it('asks again for the page of its join when the relay cannot give it now', () => {
    world.enter([bob.member])
    const frames = say('a', 'b')
    world.lose()
    world.enter([bob.member], { seq: 2 })
    const { id } = world.lastJoin()
    world.tell({ t: 'refused', id, code: 'too-fast', message: '', retryMs: 1000 })
    world.pass(2000)
    expect(world.logRequests()).toMatchObject([{ epoch: epochA, seq: 0 }])
    world.answerLog(frames)
    expect(world.texts()).toEqual(heard('a', 'b'))
    expect(world.client.state).toBe('online')
  })

  it('leaves a relay that owes it the answer of its join for 10 s', () => {
    world.enter([bob.member], { seq: 7 })
    world.lose()
    world.enter([bob.member], { seq: 8 })
    world.pass(9999)
    expect(world.client.state).toBe('online')
    world.pass(1)
    expect(world.client.state).toBe('offline')
  })

  it('hears no answer from before it joined again, and joins from where it stands', () => {
    world.enter([bob.member])
    const [a, b, c] = say('a', 'b', 'c') as [Uint8Array, Uint8Array, Uint8Array]
    world.deliver(a, 1)
    world.room.send('mine')
    position(3)
    const { session } = world.lastJoin()
    world.tell({ t: 'nack', room: room.id, session, counter: 1, code: 'not-member' })
    expect(world.lastJoin().after).toEqual({ epoch: epochA, seq: 1 })
    const [asked] = world.logRequests()
    if (asked === undefined) throw new Error('no log was asked for')
    world.tell({ ...asked, seq: 2, count: 1, missed: 1, more: false })
    world.deliver(c, 3)
    world.joined([bob.member], { seq: 3 })
    world.answerLog([b, c])
    expect(world.texts()).toEqual(heard('a', 'b', 'c'))
    expect(world.of('gap')).toEqual([])
  })

  it('reads the log while the roster is on its way, and shows it when senders are known', () => {
    world.enter([bob.member])
    world.lose()
    world.welcome()
    world.joined([], { seq: 1, next: '64' })
    world.answerLog(say('a'))
    expect(world.texts()).toEqual([])
    const asked = world.socket.sent.find(({ t }) => t === 'members') as { id: number }
    world.tell({ t: 'members', id: asked.id, room: room.id, members: [bob.member] })
    expect(world.texts()).toEqual(heard('a'))
  })

  it('shows what somebody said who has left since', () => {
    world.enter([bob.member])
    world.lose()
    world.enter([], { seq: 1 })
    world.answerLog(say('goodbye'))
    expect(world.of('left')).toMatchObject([{ user: 'Bob' }])
    expect(world.texts()).toEqual(heard('goodbye'))
  })

  it.each([
    [{ missed: 3 }, 3],
    [{ missed: undefined }, null],
  ])('says once that messages are gone for good, with their number if it is known: %j', (told, missed) => {
    world.enter([bob.member])
    world.deliver(bob.says('a'), 1)
    say('b', 'c', 'd')
    world.lose()
    world.enter([bob.member], { seq: 5 })
    // JSON leaves an undefined field out.
    world.answerLog(say('e'), { seq: 4, ...told } as object)
    expect(world.texts()).toEqual(heard('a', 'e'))
    expect(world.of('gap')).toEqual([{ type: 'gap', missed }])
  })

  it('goes on behind what the relay lost, and says so; what is sent again is not shown again', () => {
    world.enter([bob.member])
    const [a, b, c] = say('a', 'b', 'c') as [Uint8Array, Uint8Array, Uint8Array]
    deliver([a, b, c], 1)
    world.lose()
    world.enter([bob.member], { seq: 1 })
    world.answerLog([], { seq: 1 })
    expect(world.of('rewound')).toMatchObject([{ lost: 2 }])
    deliver([b, c], 2)
    world.deliver(bob.says('d'), 4)
    expect(world.texts()).toEqual(heard('a', 'b', 'c', 'd'))
    expect(world.of('unreadable')).toEqual([])
    expect(world.of('gap')).toEqual([])
  })

  it('does not take those for liars who saw what the relay lost', () => {
    world.enter([bob.member])
    const carol = new Person(room, 'Carol')
    const [a, b] = say('a', 'b') as [Uint8Array, Uint8Array]
    world.tell({ t: 'arrived', room: room.id, member: carol.member })
    deliver([a, b], 1)
    world.lose()
    world.enter([bob.member, carol.member], { seq: 1 })
    world.answerLog([], { seq: 1 })
    world.deliver(carol.says('c', { epoch: epochA, seq: 2, chain: chainOf([a, b]) }), 2)
    expect(world.of('fork')).toEqual([])
    world.deliver(carol.says('d', { epoch: epochA, seq: 3, chain: new Uint8Array(8) }), 3)
    expect(world.of('fork')).toHaveLength(1)
  })
})

describe('in the room', () => {
  it('reads the log when a delivery is further ahead, and misses nothing', () => {
    world.enter([bob.member])
    const frames = say('a', 'b', 'c')
    world.deliver(frames[2] as Uint8Array, 3)
    expect(world.texts()).toEqual([])
    expect(world.logRequests()).toMatchObject([{ epoch: epochA, seq: 0 }])
    world.answerLog(frames)
    expect(world.texts()).toEqual(heard('a', 'b', 'c'))
    expect(world.of('gap')).toEqual([])
  })

  it('reads the log when the relay names a place further on, after what came before that word', () => {
    world.enter([])
    const frames = say('a', 'b', 'c')
    // Bob is not known yet: his frames wait until he is, and so does the position.
    world.deliver(frames[0] as Uint8Array, 1)
    position(1)
    expect(world.logRequests()).toEqual([])
    world.answerMember(bob.member)
    expect(world.logRequests()).toEqual([])
    position(3)
    expect(world.logRequests()).toMatchObject([{ seq: 1 }])
    world.answerLog(frames.slice(1))
    position(2)
    position(3)
    expect(world.logRequests()).toHaveLength(1)
    expect(world.texts()).toEqual(heard('a', 'b', 'c'))
  })

  it('reads the log when a delivery or a position is of an epoch that it does not know', () => {
    for (const tell of [
      () => world.deliver(bob.says('x'), 9, { epoch: epochB }),
      () => position(9, epochB),
    ]) {
      world = new World(room)
      bob = new Person(room, 'Bob')
      world.enter([bob.member])
      tell()
      expect(world.logRequests()).toMatchObject([{ epoch: epochA, seq: 0 }])
      world.answerLog([bob.says('y')], { epoch: epochB, seq: 8 })
      expect(world.room.position()).toEqual({ epoch: epochB, seq: 9 })
      expect(world.of('gap')).toEqual([])
    }
  })

  it('drops what comes of an ended epoch, unless the log says so itself', () => {
    world.enter([bob.member])
    reset(10, 0)
    world.deliver(bob.says('old'), 1)
    position(5, epochA)
    expect(world.logRequests()).toEqual([])
    expect(world.texts()).toEqual([])
    position(12, epochB)
    world.answerLog(say('kept'), { epoch: epochA, seq: 1, more: true })
    expect(world.texts()).toEqual(heard('kept'))
    expect(world.logRequests().at(-1)).toMatchObject({ epoch: epochA, seq: 2 })
    world.answerLog(say('x', 'y'), { epoch: epochB, seq: 10 })
    expect(world.texts()).toEqual(heard('kept', 'x', 'y'))
  })

  it('asks once at a time, and asks again when the relay cannot answer now', () => {
    world.enter([bob.member])
    const frames = say('a', 'b', 'c')
    deliver(frames.slice(1), 2)
    position(3)
    expect(world.logRequests()).toHaveLength(1)
    refuseLog('unavailable', 2000)
    world.pass(2999)
    expect(world.logRequests()).toHaveLength(1)
    world.pass(1)
    expect(world.logRequests()).toHaveLength(2)
    world.answerLog(frames)
    expect(world.texts()).toEqual(heard('a', 'b', 'c'))
    world.pass(15_000)
    expect(world.client.state).toBe('online')
  })

  it('joins again when the relay does not know it as a member, and gives up when it refuses for good', () => {
    world.enter([bob.member])
    position(3)
    refuseLog('not-member')
    expect(world.socket.sent.filter(({ t }) => t === 'join')).toHaveLength(2)
    world.joined([bob.member], { seq: 3 })
    const { id, after } = world.lastJoin()
    expect(after).toEqual({ epoch: epochA, seq: 0 })
    world.tell({ t: 'refused', id, code: 'bad-message', message: '' })
    expect(world.client.state).toBe('offline')
  })

  it('drops what waits when it is too much, and reads it from the log instead', () => {
    world.enter([bob.member])
    const frames = Array.from({ length: 4300 }, (_, i) => bob.says(`${i}`))
    // The first is lost on its way, so all the others wait.
    deliver(frames.slice(1), 2)
    expect(world.client.state).toBe('online')
    for (let turn = 0; turn < 40; turn += 1) {
      const { seq } = world.logRequests().at(-1) as { seq: number }
      const page = frames.slice(seq, seq + 256)
      if (page.length === 0) break
      world.answerLog(page, { more: seq + page.length < frames.length })
    }
    expect(world.of('message').map(({ text }) => text)).toEqual(frames.map((_, i) => `${i}`))
    expect(world.of('gap')).toEqual([])
  }, 30_000)

  it('reads on when the log was read before what was dropped came', () => {
    world.enter([bob.member])
    // With the position, one more than may wait: nothing is left that would tell of them.
    const frames = Array.from({ length: 4097 }, (_, i) => bob.says(`${i}`))
    position(1)
    deliver(frames.slice(1), 2)
    world.answerLog(frames.slice(0, 1))
    expect(world.logRequests().at(-1)).toMatchObject({ seq: 1 })
    expect(world.room.position()?.seq).toBe(1)
  })

  it('lets a host open the frames', () => {
    const seen: number[] = []
    world = new World(room, 'Alice', {
      createOpener(...args) {
        const opener = createOpener(...args)
        return {
          open(frame) {
            seen.push(frame.length)
            return opener.open(frame)
          },
        }
      },
    })
    world.enter([bob.member])
    deliver(say('a', 'b'), 1)
    expect(seen).toHaveLength(2)
    expect(world.of('message')).toMatchObject([
      { epoch: epochA, seq: 1, counter: 1 },
      { epoch: epochA, seq: 2, counter: 2 },
    ])
  })
})

describe('after a reset', () => {
  it('goes on in the new epoch from where the old one ended', () => {
    world.enter([bob.member])
    deliver(say('a', 'b'), 1)
    reset(1000, 2)
    expect(world.room.position()).toEqual({ epoch: epochB, seq: 1000 })
    deliver(say('c'), 1001, epochB)
    expect(world.texts()).toEqual(heard('a', 'b', 'c'))
    expect([world.logRequests(), world.of('gap'), world.of('rewound')]).toEqual([[], [], []])
  })

  it('reads first what it missed of the old one', () => {
    world.enter([bob.member])
    const frames = say('a', 'b', 'c')
    world.deliver(frames[0] as Uint8Array, 1)
    reset(1000, 2)
    deliver(frames.slice(2), 1001, epochB)
    expect(world.logRequests()).toMatchObject([{ epoch: epochA, seq: 1 }])
    world.answerLog([frames[1] as Uint8Array])
    expect(world.texts()).toEqual(heard('a', 'b', 'c'))
    expect(world.room.position()).toEqual({ epoch: epochB, seq: 1001 })
  })

  it('says how much of what it saw was lost, and does not show the repaired messages twice', () => {
    world.enter([bob.member])
    const frames = say('a', 'b', 'c')
    deliver(frames, 1)
    reset(1000, 1)
    expect(world.of('rewound')).toMatchObject([{ lost: 2 }])
    deliver([...frames.slice(1), bob.says('d')], 1001, epochB)
    expect(world.texts()).toEqual(heard('a', 'b', 'c', 'd'))
    expect(world.of('unreadable')).toEqual([])
  })

  it('asks when another epoch ended than its own, and passes over a reset that it knows from the log', () => {
    world.enter([bob.member])
    reset(1000, 7, 'cc'.repeat(8) as Epoch)
    expect(world.logRequests()).toMatchObject([{ epoch: epochA, seq: 0 }])
    world.answerLog(say('a'), { epoch: epochB, seq: 1000, missed: 2 })
    expect(world.of('gap')).toMatchObject([{ missed: 2 }])
    reset(1000, 7)
    expect(world.room.position()).toEqual({ epoch: epochB, seq: 1001 })
    expect(world.logRequests()).toHaveLength(1)
  })

  it('tells in its messages where it stands, once it has seen something of the new epoch', () => {
    world.enter([bob.member])
    const { session, tag, profile } = world.lastJoin()
    const own = openProfile(room, session, tag, decodeBase64url(profile))
    const opener = createOpener(room, session, own?.publicKey ?? new Uint8Array(32))
    const view = () => {
      world.room.send('mine')
      return opener.open(world.socket.frames.at(-1) ?? new Uint8Array())?.view
    }
    reset(1000, 0)
    expect(view()).toBeNull()
    const first = bob.says('a')
    world.deliver(first, 1001, { epoch: epochB })
    expect(view()).toEqual({ epoch: epochB, seq: 1001, chain: chainOf([first]) })
  })

  it('still finds out a relay that shows others another log: the chain begins with the epoch', () => {
    world.enter([bob.member])
    reset(1000, 0)
    const first = bob.says('a')
    world.deliver(first, 1001, { epoch: epochB })
    world.deliver(bob.says('b', { epoch: epochB, seq: 1001, chain: chainOf([first]) }), 1002, {
      epoch: epochB,
    })
    expect(world.of('fork')).toEqual([])
    world.deliver(bob.says('c', { epoch: epochB, seq: 1002, chain: chainOf([first]) }), 1003, {
      epoch: epochB,
    })
    expect(world.of('fork')).toHaveLength(1)
  })
})

describe('a sender', () => {
  it('whose frame comes again is repairing in a later epoch, and replayed in the same one', () => {
    world.enter([bob.member])
    const [a] = say('a') as [Uint8Array]
    world.deliver(a, 1)
    reset(10, 1)
    world.deliver(a, 11, { epoch: epochB })
    expect(world.of('unreadable')).toEqual([])
    const [b] = say('b') as [Uint8Array]
    world.deliver(b, 12, { epoch: epochB })
    world.deliver(b, 13, { epoch: epochB })
    expect(world.of('unreadable')).toMatchObject([{ from: 'Bob' }])
    expect(world.texts()).toEqual(heard('a', 'b'))
  })

  it('whose counter jumps has said something that nobody gets', () => {
    world.enter([bob.member])
    const frames = say('a', 'b', 'c', 'd')
    world.deliver(frames[0] as Uint8Array, 1)
    world.deliver(frames[3] as Uint8Array, 2)
    expect(world.of('gap')).toMatchObject([{ missed: 2 }])
  })
})

describe('a relay that lies about its log', () => {
  const online = () => expect(world.client.state).toBe('online')
  const givenUp = () => expect(world.client.state).toBe('offline')
  beforeEach(() => {
    world.enter([bob.member])
    position(3)
  })

  it('is given up when it announces more than a page holds, or a place that is no number', () => {
    const frames = say('a')
    world.tell({
      t: 'log',
      id: world.logRequests()[0]?.id ?? 0,
      room: room.id,
      epoch: epochA,
      seq: 0,
      count: limits.logPageFramesMax + 1,
      missed: 0,
      more: false,
    })
    deliver(frames, 1)
    givenUp()
    world.pass(500)
    world.enter([bob.member], { seq: 3 })
    world.answerLog([], { seq: Number.MAX_SAFE_INTEGER, count: 1 })
    givenUp()
    expect(world.texts()).toEqual([])
  })

  it('is not heard when it answers what was never asked, or for another room', () => {
    const id = world.logRequests()[0]?.id ?? 0
    const other = '00'.repeat(16) as RoomId
    const answer = { t: 'log', epoch: epochA, seq: 2, count: 0, missed: 2, more: false } as const
    world.socket.handlers.text(encodeControl({ ...answer, id: id + 1, room: room.id }))
    world.socket.handlers.text(encodeControl({ ...answer, id, room: other }))
    world.deliver(bob.says('a'), 1, { room: other })
    expect(world.room.position()).toEqual({ epoch: epochA, seq: 0 })
    expect(world.of('gap')).toEqual([])
    online()
    world.pass(10_000)
    givenUp()
  })

  it('is not heard when it answers a join that had nothing to ask', () => {
    world.answerLog(say('a', 'b', 'c'))
    world.lose()
    world.enter([bob.member], { seq: 3 })
    world.answerLog([], { seq: 5, missed: 2 })
    expect(world.room.position()).toEqual({ epoch: epochA, seq: 3 })
    expect(world.of('gap')).toEqual([])
    online()
  })

  it('cannot bring a page out of order', () => {
    const [a, b, c] = say('a', 'b', 'c') as [Uint8Array, Uint8Array, Uint8Array]
    world.answerLog([], { count: 3 })
    world.deliver(c, 3)
    world.deliver(b, 2)
    world.deliver(a, 1)
    expect(world.texts()).toEqual(heard('a'))
    world.pass(19_999)
    online()
    world.pass(1)
    givenUp()
    expect(world.texts()).toEqual(heard('a'))
  })

  it('cannot hide how many places it leaves out', () => {
    world.answerLog([], { seq: 3, missed: 0 })
    expect(world.of('gap')).toEqual([{ type: 'gap', missed: 3 }])
  })

  it('is given up when it says that there is more, and does not give it', () => {
    world.answerLog([], { more: true })
    givenUp()
  })

  it('is given up when it goes back and forth', () => {
    for (let turn = 0; turn < 100 && world.client.state === 'online'; turn += 1) {
      world.answerLog([], { epoch: turn % 2 === 0 ? epochB : epochA, seq: 1, more: true })
    }
    givenUp()
    expect(world.logRequests().length).toBeLessThan(30)
  })

  it('is given up, each time after a longer pause, when it names places that it does not have', () => {
    const pauses: number[] = []
    for (let turn = 0; turn < 6; turn += 1) {
      world.answerLog([])
      givenUp()
      const pause = world.of('state').at(-1)?.retryInMs ?? 0
      pauses.push(pause)
      world.pass(pause)
      world.enter([bob.member])
      position(3)
    }
    expect(pauses).toEqual([250, 500, 1000, 2000, 2000, 2000])
  })

  it('stays harmless with a storm of resets', () => {
    world.answerLog(say('a', 'b', 'c'))
    world.room.send('mine')
    world.echo(4)
    const before = world.socket.frames.length
    let epoch = epochA
    for (let turn = 1; turn <= 2000; turn += 1) {
      const next = turn.toString(16).padStart(16, '0') as Epoch
      reset(4, 4, epoch, next)
      epoch = next
    }
    online()
    expect(world.room.position()).toEqual({ epoch, seq: 4 })
    expect(world.socket.frames.length - before).toBe(1)
    world.pass(999)
    expect(world.socket.frames.length - before).toBe(1)
    world.pass(1)
    expect(world.socket.frames.length - before).toBe(2)
    expect(world.of('rewound')).toEqual([])
  })
})
