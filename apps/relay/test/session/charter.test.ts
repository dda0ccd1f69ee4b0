// What a session does by its room's charter: proofs of keys, its members' deeds, and being put out.
import { type ClientControlOf, limits } from '@pychat/protocol'
import { describe, expect, test } from 'vitest'
import { type PublishResult, StoreError } from '../../src/rooms/rooms.ts'
import { banned, charterPair, newPerson, type Person, proofOf } from '../support/charters.ts'
import { frame, joinMessage } from '../wire-client.ts'
import { house, settle } from './house.ts'

/** A join with a proof of this person's key. */
function joinOf(person: Person, join = joinMessage(1)): ClientControlOf<'join'> {
  return { ...join, key: proofOf(person, join.room, join.session, join.secret) }
}

/** An owner and a member in one room, and the owner's charter in force. */
async function founded(...made: Parameters<typeof house>) {
  const rooms = house(...made)
  const [owner, bob] = [newPerson(), newPerson()]
  const [alice, peer] = [rooms.open(), rooms.open()]
  const first = joinOf(owner)
  const join = joinOf(bob, joinMessage(1, { room: first.room }))
  alice.say(first)
  peer.say(join)
  await settle()
  let version = 0
  const govern = async (fields: Parameters<typeof charterPair>[2] = {}) => {
    version += 1
    const pair = charterPair(owner, first.room, { version, rulesVersion: version, ...fields })
    alice.say({ t: 'charter', id: 100 + version, room: first.room, ...pair })
    await settle()
    return pair
  }
  const pair = await govern()
  return { ...rooms, alice, peer, bob, join, room: first.room, govern, pair }
}

describe('keys', () => {
  test('a proof that is not by the key it names lets nobody in, charter or not', async () => {
    const { open, rooms, figures } = house()
    const peer = open()
    const join = joinOf(newPerson())
    peer.say({ ...join, key: { ...join.key, public: newPerson().public } })
    await settle()
    expect(peer.last('refused')).toMatchObject({ id: 1, code: 'key-needed' })
    expect(rooms.local().size).toBe(0)
    expect(figures.joinsRefused).toMatchObject({ 'key-needed': 1 })
    peer.say({ ...join, id: 2 })
    await settle()
    expect(peer.last('joined')).toMatchObject({ id: 2 })
  })

  test('who comes by its key is told the charter and its rank counts from the moment there is one', async () => {
    const { alice, peer, join, room, pair } = await founded()
    expect(peer.last('charter')).toEqual({ t: 'charter', room, ...pair })
    expect(alice.last('chartered')).toEqual({ t: 'chartered', id: 101, room })
    alice.say({ t: 'kick', id: 7, room, session: join.session })
    await settle()
    expect(alice.last('kicked')).toEqual({ t: 'kicked', id: 7, room })
    peer.say({ ...join, id: 8 })
    await settle()
    expect(peer.last('joined')).toMatchObject({ id: 8, charter: pair })
  })

  test('without one nobody comes into a room that has a charter', async () => {
    const { open, room } = await founded()
    const peer = open()
    peer.say(joinMessage(5, { room }))
    await settle()
    expect(peer.last('refused')).toMatchObject({ id: 5, code: 'key-needed' })
  })
})

describe('deeds', () => {
  test('a charter is answered, or refused with what is wrong with it', async () => {
    const { peer, room, pair, figures } = await founded()
    const say = async (id: number, message: object) => {
      peer.say({ t: 'charter', id, room, ...message })
      await settle()
      return peer.last('refused')?.id === id ? peer.last('refused')?.code : peer.last('chartered')?.id
    }
    expect(await say(2, pair)).toBe(2)
    expect(await say(3, charterPair(newPerson(), room, { version: 9 }))).toBe('charter-invalid')
    expect(await say(4, { ...pair, charter: pair.rules })).toBe('charter-invalid')
    expect(figures.charters).toEqual({ taken: 2, 'charter-invalid': 2 })
  })

  test('five charters may come at once, then one every two seconds; so with profiles', async () => {
    const { peer, pair, join, room, pass, figures } = await founded()
    const { tag, profile } = joinMessage(1)
    const say = (id: number) => {
      peer.say({ t: 'charter', id, room, ...pair })
      peer.say({ t: 'profile', id: 100 + id, room, tag: id % 2 ? tag : join.tag, profile })
      return settle()
    }
    for (let id = 1; id <= 6; id += 1) await say(id)
    const refused = peer.controls.flatMap((each) => (each.t === 'refused' ? [each] : []))
    expect(refused).toMatchObject([
      { id: 6, code: 'too-fast', retryMs: 2000 },
      { id: 106, code: 'too-fast', retryMs: 2000 },
    ])
    pass(2000)
    await say(7)
    expect(peer.last('chartered')?.id).toBe(7)
    expect(peer.last('profiled')?.id).toBe(107)
    // Those that came too fast were not looked at.
    expect(figures.charters).toEqual({ taken: 7 })
  })

  test('a profile is answered; a name that is taken is refused', async () => {
    const { alice, peer, join, room } = await founded()
    const { tag, profile } = joinMessage(1)
    alice.say({ t: 'profile', id: 3, room, tag, profile })
    await settle()
    expect(alice.last('profiled')).toEqual({ t: 'profiled', id: 3, room })
    expect(peer.last('arrived')?.member).toMatchObject({ tag, profile })
    alice.say({ t: 'profile', id: 4, room, tag: join.tag, profile })
    await settle()
    expect(alice.last('refused')).toMatchObject({ id: 4, code: 'name-taken' })
  })

  test.each(['profile', 'charter', 'kick'] as const)('%s is for members alone', async (t) => {
    const { open, room, pair, join } = await founded()
    const stranger = open()
    const { tag, profile, session } = join
    const fields = { profile: { tag, profile }, charter: pair, kick: { session } }[t]
    stranger.say({ t, id: 9, room, ...fields })
    await settle()
    expect(stranger.last('refused')).toMatchObject({ id: 9, code: 'not-member' })
  })

  test.each([
    ['answers that the store is away', async () => ({ ok: false, code: 'unavailable' }) as const],
    ['throws', () => Promise.reject(new StoreError('unreachable', 'away'))],
  ])('a store that %s is named, with a pause', async (_, kick) => {
    const { alice, join, room } = await founded((rooms) => ({ ...rooms, kick }))
    alice.say({ t: 'kick', id: 5, room, session: join.session })
    await settle()
    expect(alice.last('refused')).toMatchObject({ id: 5, code: 'unavailable', retryMs: 1000 })
  })
})

describe('being put out', () => {
  test('ends the membership, not the connection, and the others hear of it', async () => {
    const { alice, peer, bob, join, room, govern, registry } = await founded()
    await govern({ bans: [banned(bob)] })
    expect(peer.last('expelled')).toEqual({ t: 'expelled', room, why: 'banned' })
    // It hears first who signed that, and why.
    expect(peer.order.slice(-2)).toEqual(['charter', 'expelled'])
    expect(peer.closedWith).toBeNull()
    expect(peer.topics.size).toBe(0)
    expect(peer.last('departed')).toBeUndefined()
    expect(alice.last('departed')).toMatchObject({ session: join.session, why: 'banned' })
    peer.session.binary(frame(join.session, 1))
    expect(peer.last('nack')).toMatchObject({ room, code: 'not-member' })
    peer.say({ ...join, id: 9 })
    await settle()
    expect(peer.last('refused')).toMatchObject({ id: 9, code: 'banned' })
    expect(registry.size()).toBe(2)
  })

  test('while a frame is on its way does not end the membership that comes after it', async () => {
    const answers: ((result: PublishResult) => void)[] = []
    const { alice, peer, join, room, rooms } = await founded((rooms) => ({
      ...rooms,
      publish: () => new Promise((resolve) => answers.push(resolve)),
    }))
    peer.session.binary(frame(join.session, 1))
    alice.say({ t: 'kick', id: 5, room, session: join.session })
    await settle()
    peer.say({ ...join, id: 6 })
    await settle()
    expect(peer.last('joined')).toMatchObject({ id: 6 })
    answers[0]?.({ status: 'not-member' })
    await settle()
    expect(peer.last('nack')).toMatchObject({ counter: 1, code: 'not-member' })
    expect(peer.topics).toEqual(new Set([room]))
    expect(rooms.local().get(room)).toBe(2)
  })
})

describe('mutes and quiet rooms', () => {
  test('a muted member is told so frame by frame, and its counter waits', async () => {
    const { alice, peer, bob, join, govern } = await founded()
    await govern({ muted: [bob.id] })
    peer.session.binary(frame(join.session, 1))
    peer.session.binary(frame(join.session, 2))
    const nacks = peer.controls.flatMap((each) => (each.t === 'nack' ? [[each.counter, each.code]] : []))
    expect(nacks).toEqual([
      [1, 'muted'],
      [2, 'muted'],
    ])
    await govern()
    peer.session.binary(frame(join.session, 1))
    expect(alice.seqs).toEqual([1])
  })

  test('who comes into a quiet room is told that it is one', async () => {
    const { open } = house(undefined, { quiet: { above: 1, min: 1 } })
    const [alice, bob] = [open(), open()]
    const join = joinMessage(1)
    alice.say(join)
    bob.say(joinMessage(1, { room: join.room }))
    await settle()
    expect(alice.last('joined')?.quiet).toBeUndefined()
    expect(bob.last('joined')?.quiet).toBe(true)
    expect(alice.last('count')).toEqual({ t: 'count', room: join.room, count: 2, quiet: true })
  })

  test('who comes back to all its rooms may ask all of them at once', async () => {
    const { open, figures } = house()
    const peer = open()
    for (let id = 1; id <= limits.roomsPerConnectionMax; id += 1) peer.say(joinMessage(id))
    for (let id = 101; id <= 100 + limits.roomsPerConnectionMax; id += 1) peer.say({ t: 'ping', id })
    await settle()
    expect(figures.joins).toBe(limits.roomsPerConnectionMax)
    expect(new Set(Object.values(figures.refused))).toEqual(new Set([0]))
  })
})
