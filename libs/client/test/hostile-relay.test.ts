// A relay that lies: nothing it does makes the engine throw, show a wrong word, or hide a missing one.
import { createSession, nameTag, type RoomKeys, sealProfile } from '@pychat/crypto'
import {
  encodeBase64url,
  encodeControl,
  encodeDelivery,
  type NameTag,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { pairOf } from './charters.ts'
import { chainOf, epochA, epochB, keyOf, Person, seededRandom, testRoom, World } from './world.ts'

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

describe('a hostile relay', () => {
  it('cannot replay a message, at the same place or a new one', () => {
    world.enter([bob.member])
    const frame = bob.says('pay 10')
    world.deliver(frame, 1)
    world.deliver(frame, 1)
    world.deliver(frame, 2)
    expect(world.texts()).toEqual(['Bob: pay 10'])
    expect(world.of('unreadable')).toMatchObject([{ from: 'Bob' }])
  })

  it('cannot replay after Bob left and came back, nor after a reconnect, nor from an ended log', () => {
    world.enter([bob.member])
    const frame = bob.says('pay 10')
    world.deliver(frame, 1)
    world.tell({ t: 'departed', room: room.id, session: bob.session.id, why: 'left' })
    world.tell({ t: 'arrived', room: room.id, member: bob.member })
    world.deliver(frame, 2)
    world.socket.handlers.closed(1006, '')
    world.pass(30_000)
    world.enter([bob.member], { seq: 2 })
    world.deliver(frame, 3)
    world.deliver(frame, 1, { epoch: epochB })
    world.deliver(bob.says('new'), 4, { epoch: epochA })
    expect(world.texts()).toEqual(['Bob: pay 10'])
  })

  it('cannot reorder messages', () => {
    world.enter([bob.member])
    const [first, second] = [bob.says('first'), bob.says('second')]
    world.deliver(second, 1)
    world.deliver(first, 2)
    expect(world.texts()).toEqual(['Bob: second'])
  })

  it('cannot leave a message out unseen, whether it keeps its place or closes the gap', () => {
    world.enter([bob.member])
    const frames = ['a', 'b', 'c', 'd', 'e'].map((text) => bob.says(text))
    world.deliver(frames[0] as Uint8Array, 1)
    world.deliver(frames[2] as Uint8Array, 3)
    // Asked for what lies between, it says that it has none, and that nothing is missing.
    world.answerLog([frames[2] as Uint8Array], { seq: 2 })
    expect(world.of('gap')).toMatchObject([{ missed: 1 }])
    world.deliver(frames[4] as Uint8Array, 4)
    expect(world.of('gap')).toMatchObject([{ missed: 1 }, { missed: 1 }])
  })

  it('has to tell how much was said while we were away', () => {
    world.enter([bob.member], { seq: 5 })
    expect(world.of('gap')).toEqual([])
    world.socket.handlers.closed(1006, '')
    world.pass(30_000)
    world.enter([bob.member], { seq: 9 })
    world.answerLog([], { seq: 9, missed: 4 })
    expect(world.of('gap')).toMatchObject([{ missed: 4 }])
  })

  it('cannot splice in a frame of another room, or deliver ours under another', () => {
    world.enter([bob.member])
    const elsewhere = { ...room, idBytes: new Uint8Array(16), id: '00'.repeat(16) as RoomId }
    const stranger = new Person(elsewhere, 'Bob')
    world.deliver(stranger.says('from elsewhere'), 1)
    world.deliver(bob.says('hi'), 2, { room: elsewhere.id })
    expect(world.texts()).toEqual([])
  })

  it('cannot change a byte of a message', () => {
    world.enter([bob.member])
    const frame = bob.says('hello')
    let seq = 0
    for (const at of [18, 25, 26, 41, 42, 60, frame.length - 1]) {
      const forged = Uint8Array.from(frame)
      forged[at] = (forged[at] as number) ^ 1
      // A counter out of range is no frame at all, and takes no place.
      const isFrame = at > 25
      world.deliver(forged, seq + 1)
      if (isFrame) seq += 1
    }
    expect(world.texts()).toEqual([])
    world.deliver(frame, seq + 1)
    expect(world.texts()).toEqual(['Bob: hello'])
  })

  it('cannot put words into our own mouth', () => {
    world.enter([bob.member])
    world.room.send('mine')
    const forged = Uint8Array.from(world.socket.frames[0] as Uint8Array)
    forged[60] = (forged[60] as number) ^ 1
    world.deliver(forged, 1)
    expect(world.texts()).toEqual([])
    expect(world.room.pending()).toHaveLength(1)
  })

  it('cannot give a session another name or another key', () => {
    const { profile } = carol.member
    world.enter([
      { ...bob.member, profile },
      { ...bob.member, tag: carol.member.tag },
      { ...carol.member, profile: encodeBase64url(new Uint8Array(292)) },
      { ...carol.member, tag: '00'.repeat(16) as NameTag },
    ])
    expect(world.room.users().map(({ name }) => name)).toEqual(['Alice'])
    expect(world.of('unreadable').length).toBeGreaterThan(0)
    world.deliver(bob.says('hi'), 1)
    expect(world.texts()).toEqual([])
  })

  it('cannot give a session that is here another key, even with the help of a member', () => {
    world.enter([bob.member])
    const other = createSession(seededRandom('other key'))
    const stolen = { ...other, id: bob.session.id, idBytes: bob.session.idBytes }
    const profile = encodeBase64url(sealProfile(room, stolen, { name: 'Bobby' }, 2))
    world.tell({
      t: 'arrived',
      room: room.id,
      member: { ...bob.member, tag: nameTag(room, 'Bobby'), profile },
    })
    expect(world.room.users().map(({ name }) => name)).toEqual(['Alice', 'Bob'])
    expect(world.of('unreadable')).toHaveLength(1)
  })

  it('cannot show two members different logs: the next message tells', () => {
    world.enter([bob.member, carol.member])
    const toUs = carol.says('to us')
    world.deliver(toUs, 1)
    world.deliver(bob.says('same log', { epoch: epochA, seq: 1, chain: chainOf([toUs]) }), 2)
    expect(world.of('fork')).toEqual([])
    const toBob = new Person(room, 'Carol', 'other').says('to Bob')
    world.deliver(bob.says('other log', { epoch: epochA, seq: 1, chain: chainOf([toBob]) }), 3)
    expect(world.of('fork')).toMatchObject([{ from: 'Bob' }])
  })

  it('is found out by a late joiner too, who learns the chain from the first message', () => {
    const early = [carol.says('a'), carol.says('b')]
    world.enter([bob.member, carol.member], { seq: 2 })
    const third = carol.says('c', { epoch: epochA, seq: 2, chain: chainOf(early) })
    world.deliver(third, 3)
    world.deliver(bob.says('d', { epoch: epochA, seq: 3, chain: chainOf([...early, third]) }), 4)
    expect(world.of('fork')).toEqual([])
    world.deliver(bob.says('e', { epoch: epochA, seq: 3, chain: new Uint8Array(8).fill(7) }), 5)
    expect(world.of('fork')).toHaveLength(1)
    expect(world.texts()).toHaveLength(3)
  })

  it('shows the change when a name comes with another key', () => {
    world.enter([bob.member])
    const impostor = new Person(room, 'BOB', 'impostor')
    world.tell({ t: 'departed', room: room.id, session: bob.session.id, why: 'lost' })
    world.tell({ t: 'arrived', room: room.id, member: impostor.member })
    expect(world.of('keychange')).toMatchObject([{ user: 'BOB' }])
    const { old, new: now } = world.of('keychange')[0] as { old: string; new: string }
    expect(old).not.toBe(now)
  })

  it('passes over kinds of messages that are not known yet', () => {
    world.enter([bob.member])
    world.deliver(bob.says('future', null, 9), 1)
    world.deliver(bob.says('text'), 2)
    expect(world.texts()).toEqual(['Bob: text'])
    expect(world.of('gap')).toEqual([])
  })

  it('never makes the engine throw or speak wrongly with garbage, before or after joining', () => {
    const { session } = bob
    const forged = pairOf({ owner: keyOf('Mallory'), root: room.id })
    const fieldsOf: Record<string, string[] | undefined> = {
      charter: ['room', 'charter', 'rules'],
      expelled: ['room', 'why'],
      announcement: ['room', 'text'],
      departed: ['room', 'session', 'why'],
      arrived: ['room', 'member'],
      count: ['room', 'count', 'quiet'],
      nack: ['room', 'session', 'counter', 'code'],
      position: ['room', 'epoch', 'seq'],
      reset: ['room', 'epoch', 'seq', 'was'],
    }
    const only = (value: object, fields: string[] = []) =>
      Object.fromEntries(Object.entries(value).filter(([name]) => name === 't' || fields.includes(name)))
    const anyBytes = fc.uint8Array({ maxLength: 600 })
    const anyText = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({
          t: fc.constantFrom(
            'welcome',
            'joined',
            'members',
            'member',
            'left',
            'pong',
            'refused',
            'arrived',
            'departed',
            'ack',
            'nack',
            'log',
            'reset',
            'position',
            'relay',
            'charter',
            'expelled',
            'announcement',
            'count',
            'profiled',
            'chartered',
            'kicked',
          ),
          id: fc.option(fc.nat(5), { nil: undefined }),
          room: fc.constant(room.id),
          session: fc.constant(session.id),
          member: fc.constant(bob.member),
          counter: fc.nat(9),
          seq: fc.nat(9),
          epoch: fc.constantFrom(epochA, epochB),
          was: fc.record({ epoch: fc.constant(epochA), seq: fc.nat(9) }),
          count: fc.nat(3),
          more: fc.boolean(),
          code: fc.constantFrom('gap', 'too-fast', 'not-member', 'muted', 'banned'),
          why: fc.constantFrom('left', 'kicked', 'room-banned'),
          text: fc.string({ maxLength: 20 }),
          quiet: fc.boolean(),
          charter: fc.constantFrom(forged.charter, forged.rules),
          rules: fc.constantFrom(forged.rules, forged.charter),
        })
        // Most are read only with just the fields that they have.
        .map((value) => JSON.stringify(fieldsOf[value.t] ? only(value, fieldsOf[value.t]) : value)),
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(anyBytes, anyText), { maxLength: 40 }), fc.boolean(), (noise, enter) => {
        const target = new World(room)
        target.client.start()
        if (enter) target.enter([bob.member])
        else target.socket.handlers.open()
        target.room.rename('Alicia').catch(() => {})
        target.room.page(null).catch(() => {})
        for (const piece of noise) {
          if (typeof piece === 'string') target.socket.handlers.text(piece)
          else target.socket.handlers.binary(piece)
        }
        target.pass(120_000)
        expect(target.texts()).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('never gets a wrong word shown by delivering true frames mutated, repeated and shuffled', () => {
    const frames = ['a', 'b', 'c'].map((text) => bob.says(text))
    const step = fc.record({
      which: fc.nat(2),
      seq: fc.integer({ min: 1, max: 12 }),
      epoch: fc.constantFrom(epochA, epochB),
      flip: fc.option(fc.nat(313), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const target = new World(room)
        target.enter([bob.member])
        for (const { which, seq, epoch, flip } of steps) {
          const delivery = encodeDelivery({
            room: room.id,
            epoch,
            seq,
            at: 1,
            frame: frames[which] as Uint8Array,
          })
          if (flip !== undefined) delivery[42 + flip] = (delivery[42 + flip] as number) ^ 4
          target.socket.handlers.binary(delivery)
        }
        const heard = target.of('message').map(({ text }) => text)
        expect(['a', 'b', 'c'].filter((text) => heard.includes(text))).toEqual(heard)
      }),
      { numRuns: 60 },
    )
  })

  it('is left when all that it sends cannot be read', () => {
    world.enter()
    for (let i = 0; i < 32; i += 1) world.socket.handlers.text('garbage')
    expect(world.client.state).toBe('offline')
  })

  it('cannot speak for a session by an unknown id in control messages', () => {
    world.enter([bob.member])
    world.room.send('hello')
    const session = 'ff'.repeat(16) as SessionId
    world.socket.handlers.text(encodeControl({ t: 'ack', room: room.id, session, counter: 1, seq: 1 }))
    world.tell({ t: 'departed', room: room.id, session, why: 'left' })
    expect(world.texts()).toEqual([])
    expect(world.of('left')).toEqual([])
  })
})
