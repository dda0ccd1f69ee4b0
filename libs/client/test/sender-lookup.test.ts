// Somebody came, spoke and left while this client was away: the relay is asked who that was, and what was said is shown
// in its order. What a lying relay answers costs it a request, and never shows a wrong word.
import { createSession, type RoomKeys, sealProfile } from '@pychat/crypto'
import { type ErrorCode, encodeBase64url, type Member } from '@pychat/protocol'
import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { epochA, Person, seededRandom, testRoom, World } from './world.ts'

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
const sessionsAsked = () => world.memberRequests().map(({ session }) => session)
const refuse = (code: ErrorCode, retryMs?: number) => {
  const id = world.memberRequests().at(-1)?.id ?? 0
  world.tell({ t: 'refused', id, code, message: '', ...(retryMs === undefined ? {} : { retryMs }) })
}
/** Away while so much was said, and back with the first page of it. */
const comeBackTo = (frames: readonly Uint8Array[]) => {
  world.enter([bob.member])
  world.lose()
  world.enter([bob.member], { seq: frames.length })
  world.answerLog(frames)
}

describe('who came, spoke and left meanwhile', () => {
  it('is asked about by session, shown in the order of the log, and was never in the room for us', () => {
    comeBackTo([bob.says('one'), carol.says('two'), bob.says('three'), carol.says('four')])
    expect(world.texts()).toEqual(['Bob: one'])
    expect(sessionsAsked()).toEqual([carol.session.id])
    world.deliver(bob.says('five'), 5)
    expect(world.texts()).toEqual(['Bob: one'])
    world.answerMember(carol.member)
    expect(world.texts()).toEqual(['Bob: one', 'Carol: two', 'Bob: three', 'Carol: four', 'Bob: five'])
    expect(sessionsAsked()).toHaveLength(1)
    expect(names()).toEqual(['Alice', 'Bob'])
    for (const event of ['joined', 'left', 'gap', 'unreadable', 'keychange'] as const) {
      expect(world.of(event)).toEqual([])
    }
  })

  it('is not asked about again after another reconnect, and joins like anybody else when back', () => {
    comeBackTo([carol.says('one')])
    world.answerMember(carol.member)
    world.lose()
    world.enter([bob.member], { seq: 2 })
    world.answerLog([carol.says('two')])
    expect(world.memberRequests()).toEqual([])
    world.tell({ t: 'arrived', room: room.id, member: carol.member })
    world.deliver(carol.says('three'), 3)
    expect(world.of('joined')).toMatchObject([{ user: 'Carol' }])
    expect(names()).toEqual(['Alice', 'Bob', 'Carol'])
    expect(world.texts()).toEqual(['Carol: one', 'Carol: two', 'Carol: three'])
  })

  it('cannot be replayed later, nor leave a hole unseen', () => {
    const [one, , three] = [carol.says('one'), carol.says('two'), carol.says('three')]
    comeBackTo([one as Uint8Array])
    world.answerMember(carol.member)
    world.deliver(one as Uint8Array, 2)
    expect(world.of('unreadable')).toMatchObject([{ from: 'Carol' }])
    world.deliver(three as Uint8Array, 3)
    expect(world.of('gap')).toMatchObject([{ missed: 1 }])
    expect(world.texts()).toEqual(['Carol: one', 'Carol: three'])
  })

  it('is a change of key when the name was here with another one', () => {
    const other = new Person(room, 'BOB', 'another start')
    comeBackTo([other.says('me again')])
    world.answerMember(other.member)
    expect(world.of('keychange')).toMatchObject([{ user: 'BOB' }])
    expect(world.texts()).toEqual(['BOB: me again'])
    expect(names()).toEqual(['Alice', 'Bob'])
  })

  it('is present when the relay says so meanwhile, whatever it answers then', () => {
    for (const answer of [() => world.answerMember(bob.member), () => refuse('not-member')]) {
      world = new World(room)
      bob = new Person(room, 'Bob')
      world.enter([])
      world.deliver(bob.says('hello'), 1)
      world.tell({ t: 'arrived', room: room.id, member: bob.member })
      answer()
      expect(world.texts()).toEqual(['Bob: hello'])
      expect(names()).toEqual(['Alice', 'Bob'])
      expect(world.of('joined')).toHaveLength(1)
    }
  })
})

describe('the relay', () => {
  it('that does not know the session is not asked again on this connection, but on the next one', () => {
    comeBackTo([carol.says('one'), bob.says('two'), carol.says('three')])
    refuse('not-member')
    world.deliver(carol.says('four'), 4)
    expect(world.texts()).toEqual(['Bob: two'])
    expect(world.of('unreadable')).toHaveLength(3)
    expect(world.memberRequests()).toHaveLength(1)
    world.lose()
    world.enter([bob.member], { seq: 5 })
    world.answerLog([carol.says('five')])
    world.answerMember(carol.member)
    expect(world.texts()).toEqual(['Bob: two', 'Carol: five'])
  })

  it('that cannot answer now is asked again after its pause, and nothing overtakes', () => {
    comeBackTo([carol.says('one'), bob.says('two')])
    refuse('unavailable', 2000)
    world.pass(2999)
    expect(world.memberRequests()).toHaveLength(1)
    world.pass(1)
    expect(sessionsAsked()).toEqual([carol.session.id, carol.session.id])
    expect(world.texts()).toEqual([])
    world.answerMember(carol.member)
    expect(world.texts()).toEqual(['Carol: one', 'Bob: two'])
    world.pass(20_000)
    expect(world.client.state).toBe('online')
  })

  it('that does not answer in 10 s is left, and the next connection loses nothing', () => {
    const frames = [carol.says('one'), bob.says('two')]
    comeBackTo(frames)
    world.room.send('mine waits behind that')
    world.pass(9_999)
    expect(world.client.state).toBe('online')
    world.pass(1)
    expect(world.client.state).toBe('offline')
    expect(world.texts()).toEqual([])
    world.pass(world.of('state').at(-1)?.retryInMs ?? 0)
    world.enter([bob.member], { seq: 2 })
    world.answerLog(frames)
    world.answerMember(carol.member)
    expect(world.texts()).toEqual(['Carol: one', 'Bob: two'])
    expect(world.of('unreadable')).toEqual([])
  })

  it('is asked about a live frame too, and about no own frame', () => {
    world.enter([])
    world.room.send('mine')
    world.echo(1)
    world.deliver(carol.says('theirs'), 2)
    expect(sessionsAsked()).toEqual([carol.session.id])
    world.answerMember(carol.member)
    expect(world.texts()).toEqual(['Alice: mine', 'Carol: theirs'])
    expect(world.socket.sent.filter(({ t }) => t === 'members')).toEqual([])
  })

  it('forgets to answer what was asked before the client joined again', () => {
    world.enter([])
    const frame = carol.says('one')
    world.deliver(frame, 1)
    const [asked] = world.memberRequests()
    world.room.send('mine')
    const { session } = world.lastJoin()
    world.tell({ t: 'nack', room: room.id, session, counter: 1, code: 'not-member' })
    world.tell({ t: 'refused', id: asked?.id ?? 0, code: 'not-member', message: '' })
    world.joined([], { seq: 1 })
    world.answerLog([frame])
    world.answerMember(carol.member)
    expect(world.texts()).toEqual(['Carol: one'])
    expect(world.of('unreadable')).toEqual([])
  })
})

describe('a relay that lies about senders', () => {
  it.each<[string, () => Member]>([
    ['another session than asked for', () => new Person(room, 'Dave').member],
    [
      'a profile that nobody sealed',
      () => ({ ...carol.member, profile: encodeBase64url(new Uint8Array(292)) }),
    ],
    ['a name tag of somebody else', () => ({ ...carol.member, tag: bob.member.tag })],
    [
      'a key that did not sign the frame',
      () => {
        const other = createSession(seededRandom('another key'))
        const stolen = { ...other, id: carol.session.id, idBytes: carol.session.idBytes }
        return { ...carol.member, profile: encodeBase64url(sealProfile(room, stolen, { name: 'Carol' }, 1)) }
      },
    ],
  ])('shows nothing with %s, and the others are heard', (_, lie) => {
    comeBackTo([carol.says('one'), bob.says('two')])
    world.answerMember(lie())
    expect(world.texts()).toEqual(['Bob: two'])
    expect(world.of('unreadable')).toHaveLength(1)
    world.deliver(carol.says('three'), 3)
    expect(world.memberRequests()).toHaveLength(1)
    expect(names()).toEqual(['Alice', 'Bob'])
  })

  it('is not heard when it answers what was not asked, or twice', () => {
    comeBackTo([carol.says('one')])
    const id = world.memberRequests()[0]?.id ?? 0
    world.tell({ t: 'member', id: id + 1, room: room.id, member: bob.member })
    world.tell({ t: 'refused', id: id + 1, code: 'not-member', message: '' })
    expect(world.of('unreadable')).toEqual([])
    world.answerMember(carol.member)
    world.answerMember(new Person(room, 'Dave').member)
    expect(world.texts()).toEqual(['Carol: one'])
    expect([names(), world.of('unreadable')]).toEqual([['Alice', 'Bob'], []])
  })

  it('gets one request at a time for a page of 256 strangers, and the room goes on', () => {
    const strangers = Array.from({ length: 255 }, (_, i) => new Person(room, `Nobody ${i}`))
    comeBackTo([...strangers.map((person) => person.says('boo')), bob.says('at last')])
    for (let turn = 1; turn <= 255; turn += 1) {
      expect(world.memberRequests()).toHaveLength(turn)
      refuse('not-member')
    }
    expect(world.memberRequests()).toHaveLength(255)
    expect(world.of('unreadable')).toHaveLength(255)
    expect(world.texts()).toEqual(['Bob: at last'])
    expect(world.client.state).toBe('online')
  })

  it('never makes the engine ask twice at once, stall, lose the order, or believe a false sender', () => {
    const liar = new Person(room, 'Liar').member
    const script = fc.record({
      said: fc.array(fc.nat(4), { maxLength: 12 }),
      answers: fc.array(fc.constantFrom('other', 'forged', 'unknown', 'later', 'silent', 'true'), {
        maxLength: 12,
      }),
      live: fc.boolean(),
    })
    const run = ({ said, answers, live }: { said: number[]; answers: string[]; live: boolean }) => {
      world = new World(room)
      const people = Array.from({ length: 5 }, (_, i) => new Person(room, `Person ${i}`))
      const frames = said.map((who, i) => (people[who] as Person).says(`${i}`))
      const missing = () => frames.slice(world.room.position()?.seq)
      world.enter([])
      if (live) for (const [i, frame] of frames.entries()) world.deliver(frame, i + 1)
      else {
        world.tell({ t: 'position', room: room.id, epoch: epochA, seq: frames.length })
        if (frames.length > 0) world.answerLog(frames)
      }
      const believed = new Set<number>()
      let lied = false
      let answered = 0
      for (let turn = 0; world.memberRequests().length > answered; turn += 1) {
        expect(world.memberRequests()).toHaveLength(answered + 1)
        answered += 1
        const asked = world.memberRequests().at(-1)?.session
        const who = people.findIndex(({ session }) => session.id === asked)
        const { member } = people[who] as Person
        const answer = answers[turn] ?? 'true'
        lied ||= answer === 'other' || answer === 'forged' || answer === 'unknown'
        if (answer === 'other') world.answerMember(liar)
        else if (answer === 'forged') world.answerMember({ ...member, profile: liar.profile })
        else if (answer === 'unknown') refuse('not-member')
        else if (answer === 'later') {
          refuse('too-fast')
          world.pass(1500)
        } else if (answer === 'silent') {
          world.pass(10_000)
          expect(world.client.state).toBe('offline')
          world.pass(world.of('state').at(-1)?.retryInMs ?? 0)
          world.enter([], { seq: frames.length })
          world.answerLog(missing())
          answered = 0
        } else {
          believed.add(who)
          world.answerMember(member)
        }
      }
      expect(missing()).toEqual([])
      const shown = world.of('message').map(({ text }) => Number(text))
      expect(shown).toEqual([...new Set(shown)].sort((a, b) => a - b))
      for (const i of shown) expect(believed).toContain(said[i])
      expect(shown.length + world.of('unreadable').length).toBe(said.length)
      if (!lied) expect(shown).toHaveLength(said.length)
      expect(world.room.users()).toHaveLength(1)
    }
    fc.assert(fc.property(script, run), { numRuns: 100 })
  })
})
