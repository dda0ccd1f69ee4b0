// What people show of themselves changes: names and being away follow their key, forwards only; and this client's own
// changes reach the relay once, in order, and never under a version that was used before.
import { openProfile, type Profile, type RoomKeys } from '@pychat/crypto'
import { type ClientControlOf, decodeBase64url, type Member } from '@pychat/protocol'
import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Person, testRoom, World } from './world.ts'

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

const arrived = (member: Member) => world.tell({ t: 'arrived', room: room.id, member })
const names = () => world.room.users().map(({ name }) => name)
/** Lets promises that are settled run on. */
const turn = async () => {
  for (let i = 0; i < 10; i += 1) await Promise.resolve()
}
const profiles = () => world.socket.sent.filter((message) => message.t === 'profile')
const opened = ({
  tag,
  profile,
}: Pick<ClientControlOf<'profile'> | ClientControlOf<'join'>, 'tag' | 'profile'>): Profile => {
  const open = openProfile(room, world.lastJoin().session, tag, decodeBase64url(profile))
  if (!open) throw new Error('not a profile of this session')
  return open
}
const answer = (message: 'profiled' | 'name-taken') => {
  const id = profiles().at(-1)?.id ?? 0
  if (message === 'profiled') world.tell({ t: 'profiled', id, room: room.id })
  else world.tell({ t: 'refused', id, code: message, message: '' })
}

describe('somebody else', () => {
  it('has another name under the same key, and speaks under it from then on', () => {
    world.enter([bob.member])
    world.deliver(bob.says('one'), 1)
    arrived(bob.shows('Robert'))
    world.deliver(bob.says('two'), 2)
    expect(world.of('renamed')).toMatchObject([{ from: 'Bob', to: 'Robert', self: false }])
    expect([world.of('joined'), world.of('left'), world.of('keychange')]).toEqual([[], [], []])
    expect(names()).toEqual(['Alice', 'Robert'])
    expect(world.texts()).toEqual(['Bob: one', 'Robert: two'])
  })

  it('is away and here again, with its key for private rooms', () => {
    world.enter([bob.member])
    arrived(bob.shows('Bob', 'at lunch'))
    expect(world.room.find(bob.session.id)).toMatchObject({ away: 'at lunch' })
    expect(world.room.find(bob.session.id)?.boxKey).toEqual(bob.session.boxPublicKey)
    arrived(bob.shows('Bob'))
    expect(world.of('away').map(({ away }) => away)).toEqual(['at lunch', null])
    expect(world.of('renamed')).toEqual([])
  })

  it('changed while this client was away, which shows when it comes back', () => {
    world.enter([bob.member])
    world.lose()
    world.enter([bob.shows('Robert', '')])
    expect(world.of('renamed')).toMatchObject([{ to: 'Robert' }])
    expect(world.of('away')).toMatchObject([{ user: 'Robert', away: '' }])
  })

  it('only moves forward: an old record, or another one of the same version, changes nothing', () => {
    const old = bob.member
    const now = bob.shows('Robert')
    world.enter([old])
    arrived(now)
    arrived(old)
    expect(names()).toEqual(['Alice', 'Robert'])
    expect(world.of('unreadable')).toEqual([])
    bob.version -= 1
    arrived(bob.shows('Bobby'))
    expect(names()).toEqual(['Alice', 'Robert'])
    expect(world.of('unreadable')).toHaveLength(1)
  })

  it('that takes a name which another key had is a change of key', () => {
    const carol = new Person(room, 'Carol')
    world.enter([bob.member, carol.member])
    world.tell({ t: 'departed', room: room.id, session: carol.session.id, why: 'left' })
    arrived(bob.shows('carol'))
    expect(world.of('keychange')).toMatchObject([{ user: 'carol' }])
  })

  it('is told apart from who left, with key and session', () => {
    world.enter([])
    arrived(bob.member)
    world.tell({ t: 'departed', room: room.id, session: bob.session.id, why: 'kicked' })
    const who = { user: 'Bob', session: bob.session.id, memberId: bob.session.memberId }
    expect(world.of('joined')).toMatchObject([who])
    expect(world.of('left')).toMatchObject([{ ...who, why: 'kicked' }])
  })
})

describe('another own name', () => {
  it('counts when the relay has it, and is what the next join shows', async () => {
    world.enter()
    const renamed = world.room.rename('  Alicia ')
    await turn()
    expect(world.of('renamed')).toEqual([])
    expect(opened(profiles()[0] as ClientControlOf<'profile'>)).toMatchObject({ name: 'Alicia', version: 2 })
    answer('profiled')
    await renamed
    expect(world.of('renamed')).toMatchObject([{ from: 'Alice', to: 'Alicia', self: true }])
    expect(names()).toEqual(['Alicia'])
    world.room.send('hello')
    world.echo(1)
    expect(world.texts()).toEqual(['Alicia: hello'])
    world.lose()
    world.enter()
    expect(opened(world.lastJoin())).toMatchObject({ name: 'Alicia', version: 2 })
  })

  it('that is taken leaves everything as it was', async () => {
    world.enter([bob.member])
    const first = world.lastJoin().profile
    const renamed = world.room.rename('Bob')
    await turn()
    answer('name-taken')
    await expect(renamed).rejects.toMatchObject({ code: 'name-taken' })
    expect(names()).toEqual(['Alice', 'Bob'])
    const again = world.room.rename('Bobette')
    await turn()
    expect(opened(profiles()[1] as ClientControlOf<'profile'>).version).toBe(3)
    answer('name-taken')
    await expect(again).rejects.toMatchObject({ code: 'name-taken' })
    world.lose()
    world.enter()
    expect(world.lastJoin().profile).toBe(first)
  })

  it('that is none, or is asked for outside the room, is refused at once', async () => {
    await expect(world.room.rename('Bob')).rejects.toMatchObject({ code: 'offline' })
    world.enter()
    await expect(world.room.rename(' ')).rejects.toMatchObject({ code: 'bad-input' })
    await world.room.rename('Alice')
    expect(profiles()).toEqual([])
  })

  it('whose answer is lost is undone by the next join, under a version that nobody saw', async () => {
    world.enter()
    const renamed = world.room.rename('Alicia')
    const outcome = expect(renamed).rejects.toMatchObject({ code: 'offline' })
    await turn()
    world.lose()
    await outcome
    world.enter()
    expect(opened(world.lastJoin())).toMatchObject({ name: 'Alice', version: 3 })
    expect(names()).toEqual(['Alice'])
  })
})

describe('being away', () => {
  it('is shown with the name, and survives a new name', async () => {
    world.enter()
    const away = world.room.away('back at three')
    const renamed = world.room.rename('Alicia')
    await turn()
    expect(profiles()).toHaveLength(1)
    answer('profiled')
    await away
    await turn()
    expect(opened(profiles()[1] as ClientControlOf<'profile'>)).toMatchObject({
      name: 'Alicia',
      away: 'back at three',
      version: 3,
    })
    answer('profiled')
    await renamed
    expect(world.of('away')).toMatchObject([{ user: 'Alice', away: 'back at three', self: true }])
    expect(world.room.users()[0]).toMatchObject({ name: 'Alicia', away: 'back at three' })
  })

  it('is what a client comes with, and what it says while it is nowhere goes out with the next join', async () => {
    world = new World(room, 'Alice', { away: 'asleep' })
    world.client.start()
    world.welcome()
    expect(opened(world.lastJoin())).toMatchObject({ away: 'asleep', version: 1 })
    await world.room.away(null)
    expect(world.of('away')).toMatchObject([{ away: null, self: true }])
    world.joined([])
    await turn()
    expect(opened(profiles()[0] as ClientControlOf<'profile'>)).toMatchObject({ away: null, version: 2 })
    answer('profiled')
    world.lose()
    await world.room.away('gone')
    world.enter()
    expect(opened(world.lastJoin())).toMatchObject({ away: 'gone', version: 3 })
    await turn()
    expect(profiles()).toEqual([])
  })

  it('with more than a profile holds is refused', async () => {
    world.enter()
    await expect(world.room.away('x'.repeat(58))).rejects.toMatchObject({ code: 'bad-input' })
  })
})

it('never shows two contents under one version, whatever becomes of the answers', async () => {
  const step = fc.constantFrom('rename', 'away', 'back', 'lose', 'answer', 'taken', 'later')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      world = new World(room)
      world.enter()
      const shown = new Map<number, string>()
      let served = 0
      const note = () => {
        for (const message of world.sockets.flatMap(({ sent }) => sent)) {
          if (message.t !== 'join' && message.t !== 'profile') continue
          const { version } = opened(message)
          expect(shown.get(version) ?? message.profile).toBe(message.profile)
          shown.set(version, message.profile)
        }
      }
      let turns = 0
      for (const each of steps) {
        turns += 1
        if (each === 'rename') world.room.rename(`Alice ${turns}`).catch(() => {})
        else if (each === 'away') world.room.away(`away ${turns}`).catch(() => {})
        else if (each === 'back') world.room.away(null).catch(() => {})
        else if (each === 'lose') {
          world.lose()
          world.enter()
          served = 0
        } else {
          await turn()
          const asked = profiles()[served]
          if (asked) {
            served += 1
            const { id } = asked
            if (each === 'answer') world.tell({ t: 'profiled', id, room: room.id })
            else if (each === 'taken') world.tell({ t: 'refused', id, code: 'name-taken', message: '' })
            else {
              world.tell({ t: 'refused', id, code: 'unavailable', message: '' })
              world.pass(2000)
            }
          }
        }
        await turn()
        note()
      }
    }),
    { numRuns: 60 },
  )
})
