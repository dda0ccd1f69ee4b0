// What governs a room, as one client sees it: only what is signed by who may sign it, and follows from what it trusts
// already, is ever in force; a relay that shows anything else is told of, and changes nothing.
import { movedRoom, publicKeyText, type RoomKeys, verifier } from '@pychat/crypto'
import { type CharterPair, provenMember, type RoomId } from '@pychat/protocol'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { pairOf } from './charters.ts'
import { epochA, keyOf, Person, testRoom, World } from './world.ts'

const alice = keyOf('Alice')
const owner = keyOf('Owner')
const op = keyOf('Op')
const mallory = keyOf('Mallory')

let keys: RoomKeys
let world: World
let root: RoomId
let first: CharterPair
let second: CharterPair
beforeAll(async () => {
  keys = await testRoom()
  root = keys.id
  first = pairOf({ owner, ops: [op], root })
  second = pairOf({ owner, ops: [op], writer: op, root, rules: { version: 2, lock: true } })
})
beforeEach(() => {
  world = new World(keys, 'Alice', { member: alice })
})
const tell = (pair: CharterPair, room: RoomId = root) => world.tell({ t: 'charter', room, ...pair })
const inForce = () => world.room.charter()?.rules.version ?? null
const refusals = () => world.of('charter-refused').map(({ why }) => why)
const lastSent = () => world.socket.sent.at(-1) as { t: string; id: number }
const relayHas = () => world.of('ready').at(-1)?.charter

describe('a charter', () => {
  it('that comes with joined is in force before the room is ready', () => {
    world.enter([], { charter: first })
    const types = world.events.map(({ type }) => type)
    expect(types.indexOf('charter')).toBeLessThan(types.indexOf('ready'))
    expect(world.of('charter')).toMatchObject([{ by: publicKeyText(owner.publicKey) }])
    expect([inForce(), relayHas()]).toEqual([1, 'new'])
  })

  it('that is told to everybody follows the one before, and names who signed what is new', () => {
    world.enter([], { charter: first })
    tell(second)
    tell(second)
    expect(inForce()).toBe(2)
    expect(world.of('charter').map(({ by }) => by)).toEqual(
      [owner, op].map(({ publicKey }) => publicKeyText(publicKey)),
    )
    tell(pairOf({ owner, root, charter: { version: 2 }, rules: { version: 3 } }))
    expect(world.of('charter').at(-1)?.charter.ops).toEqual([])
    expect(refusals()).toEqual([])
  })

  it('that is trusted is in force from the start, and stays over reconnects and without a relay that has it', () => {
    world = new World(keys, 'Alice', { member: alice, trusted: first })
    expect(inForce()).toBe(1)
    world.enter([])
    expect(relayHas()).toBe('none')
    world.lose()
    world.enter([], { charter: first })
    expect([inForce(), relayHas()]).toEqual([1, 'same'])
    expect(world.of('charter')).toEqual([])
  })

  it('that was trusted for the root counts in a channel of it, whose rules are its own', () => {
    const dev = movedRoom(new Uint8Array(32).fill(1))
    world.enter([], { charter: first })
    const channel = world.enterAlso(dev, { member: alice, trusted: first })
    expect(channel.room.charter()).toBeNull()
    const foreign = pairOf({ owner: mallory, root, room: dev.id })
    const good = pairOf({ owner, ops: [op], root, room: dev.id })
    world.joined([], { room: dev.id, charter: foreign })
    expect(channel.of('charter-refused')).toMatchObject([{ why: 'foreign' }])
    world.tell({ t: 'charter', room: dev.id, ...good })
    expect(channel.room.charter()?.rules.room).toBe(dev.id)
  })
})

describe('a relay that lies about the charter', () => {
  const forged: [string, 'old' | 'foreign' | 'invalid', () => CharterPair][] = [
    ['of another owner', 'foreign', () => pairOf({ owner: mallory, root, charter: { version: 9 } })],
    ['of another root', 'foreign', () => pairOf({ owner, root: 'ab'.repeat(16) as RoomId, room: root })],
    ['with an older version', 'old', () => first],
    [
      'with another text under a number that is taken',
      'old',
      () => pairOf({ owner, ops: [op], root, rules: { version: 2 } }),
    ],
    ['for another room', 'invalid', () => pairOf({ owner, root, room: 'cd'.repeat(16) as RoomId })],
    [
      'whose rules a member signed',
      'invalid',
      () => pairOf({ owner, writer: mallory, root, rules: { version: 3 } }),
    ],
    [
      'with a role written in',
      'invalid',
      () => {
        const { charter, rules } = second
        const added = charter.doc.replace('"ops":[', `"ops":["${publicKeyText(mallory.publicKey)}",`)
        return { charter: { ...charter, doc: added }, rules }
      },
    ],
    [
      'with a signature of another text',
      'invalid',
      () => ({ charter: second.charter, rules: { ...second.rules, signature: first.rules.signature } }),
    ],
    [
      'that bans its own owner',
      'invalid',
      () => ({
        ...first,
        rules: {
          ...first.rules,
          doc: first.rules.doc.replace('"bans":[]', `"bans":[{"id":"${owner.id}","until":0}]`),
        },
      }),
    ],
  ]

  it.each(forged)('%s is told of it once, at join and to everybody, and changes nothing', (_, why, lie) => {
    world = new World(keys, 'Alice', { member: alice, trusted: second })
    world.enter([], { charter: lie() })
    expect([refusals(), inForce(), relayHas()]).toEqual([[why], 2, why])
    tell(lie())
    expect(refusals()).toEqual([why])
    world.lose()
    world.enter([], { charter: second })
    world.pass(6000)
    tell(lie())
    tell(lie())
    expect([refusals(), inForce()]).toEqual([[why, why], 2])
    expect(world.of('charter')).toEqual([])
  })

  it('is not one when an older charter only comes late', () => {
    world.enter([], { charter: first })
    tell(second)
    tell(first)
    expect(refusals()).toEqual([])
    world.pass(6000)
    tell(first)
    expect(refusals()).toEqual(['old'])
  })

  it('may be the first to be heard, but only with what is true in itself and of this root', () => {
    const [, , lie] = forged[6] as (typeof forged)[number]
    world.enter([], { charter: lie() })
    expect([refusals(), inForce()]).toEqual([['invalid'], null])
    tell(pairOf({ owner, root: 'ab'.repeat(16) as RoomId, room: root }))
    expect([refusals(), inForce()]).toEqual([['invalid', 'foreign'], null])
  })

  it('is not heard before it let the client in', () => {
    world.client.start()
    world.welcome()
    tell(first)
    expect(inForce()).toBeNull()
  })
})

describe('publishing', () => {
  it('resolves when the relay has it, and it is in force then', async () => {
    world.enter([], { charter: first })
    const published = world.room.publish(second)
    await Promise.resolve()
    expect(lastSent()).toMatchObject({ t: 'charter', room: root, ...second })
    world.tell({ t: 'chartered', id: lastSent().id, room: root })
    await published
    expect(inForce()).toBe(2)
    tell(second)
    expect(world.of('charter')).toHaveLength(2)
  })

  it('is no lie of the relay when somebody else was faster with the next one', async () => {
    world.enter([], { charter: first })
    const published = world.room.publish(second)
    await Promise.resolve()
    const { id } = lastSent()
    tell(second)
    tell(pairOf({ owner, ops: [op], root, rules: { version: 3 } }))
    world.tell({ t: 'chartered', id, room: root })
    await published
    expect([refusals(), inForce()]).toEqual([[], 3])
  })

  it('gives back what is there already, to a relay that lost it', async () => {
    world = new World(keys, 'Alice', { member: alice, trusted: second })
    world.enter([])
    const published = world.room.publish(second)
    await Promise.resolve()
    world.tell({ t: 'chartered', id: lastSent().id, room: root })
    await published
    expect(world.of('charter')).toEqual([])
  })

  it('is refused here when it is old or false, without asking the relay', async () => {
    world.enter([], { charter: second })
    const before = world.socket.sent.length
    await expect(world.room.publish(first)).rejects.toMatchObject({ code: 'charter-old' })
    const foreign = pairOf({ owner: mallory, root })
    await expect(world.room.publish(foreign)).rejects.toMatchObject({ code: 'charter-invalid' })
    expect(world.socket.sent).toHaveLength(before)
  })

  it.each(['charter-old', 'charter-invalid', 'not-allowed'] as const)(
    'rejects with the relay’s %s, and changes nothing',
    async (code) => {
      world.enter([], { charter: first })
      const published = world.room.publish(second)
      await Promise.resolve()
      world.tell({ t: 'refused', id: lastSent().id, code, message: '' })
      await expect(published).rejects.toMatchObject({ code })
      expect(inForce()).toBe(1)
    },
  )

  it('asks again while the relay has no store, and gives up after 10 s, or when the connection is lost', async () => {
    world.enter([], { charter: first })
    const published = world.room.publish(second)
    const outcome = expect(published).rejects.toMatchObject({ code: 'unavailable' })
    await Promise.resolve()
    for (let turn = 0; turn < 6; turn += 1) {
      if (lastSent().t !== 'charter') break
      world.tell({ t: 'refused', id: lastSent().id, code: 'unavailable', message: '', retryMs: 2000 })
      world.pass(3000)
    }
    await outcome
    expect(world.socket.sent.filter(({ t }) => t === 'charter')).toHaveLength(4)
    const silent = world.room.publish(second)
    const late = expect(silent).rejects.toMatchObject({ code: 'no-answer' })
    await Promise.resolve()
    world.pass(10_000)
    await late
    const lost = world.room.publish(second)
    const offline = expect(lost).rejects.toMatchObject({ code: 'offline' })
    await Promise.resolve()
    world.socket.handlers.closed(1006, '')
    await offline
    await expect(world.room.publish(second)).rejects.toMatchObject({ code: 'offline' })
    expect(world.timers()).toBe(1)
  })
})

describe('the key', () => {
  it('is proven to the relay for this room and session, and is the one that signs', () => {
    world.enter()
    const { key, session, secret } = world.lastJoin()
    if (!key) throw new Error('no key was shown')
    expect(key.public).toBe(publicKeyText(alice.publicKey))
    expect(provenMember({ room: root, session, secret, key }, verifier)).toBe(alice.id)
    const elsewhere = movedRoom(new Uint8Array(32)).id
    expect(provenMember({ room: elsewhere, session, secret, key }, verifier)).toBeNull()
    expect(world.room.users()).toMatchObject([{ memberId: alice.id, fingerprint: alice.fingerprint }])
  })

  it('is not shown where nobody shall know who is here', () => {
    world = new World(keys, 'Alice', { member: alice, provesKey: false })
    world.enter()
    expect(world.lastJoin().key).toBeUndefined()
  })
})

describe('kicking', () => {
  it('asks the relay, and says what it answers', async () => {
    const bob = new Person(keys, 'Bob')
    world.enter([bob.member], { charter: first })
    const kicked = world.room.kick(bob.session.id)
    await Promise.resolve()
    expect(lastSent()).toMatchObject({ t: 'kick', room: root, session: bob.session.id })
    world.tell({ t: 'kicked', id: lastSent().id, room: root })
    await kicked
    world.tell({ t: 'departed', room: root, session: bob.session.id, why: 'kicked' })
    expect(world.of('left')).toMatchObject([{ user: 'Bob', why: 'kicked' }])
    const refused = world.room.kick(bob.session.id)
    await Promise.resolve()
    world.tell({ t: 'refused', id: lastSent().id, code: 'not-allowed', message: '' })
    await expect(refused).rejects.toMatchObject({ code: 'not-allowed', name: 'ChatRefusal' })
  })

  it('puts out who hears it: nothing is sent any more, the room is not joined again', () => {
    world.enter([], { charter: first })
    world.room.send('on its way')
    world.tell({ t: 'expelled', room: root, why: 'banned' })
    expect(world.of('expelled')).toMatchObject([{ why: 'banned' }])
    expect(world.of('failed')).toMatchObject([{ text: 'on its way', retry: false }])
    expect(world.of('ended')).toMatchObject([{ code: 'banned' }])
    const session = world.room.session
    world.tell({ t: 'nack', room: root, session, counter: 1, code: 'not-member' })
    world.lose()
    world.welcome()
    expect(world.joins()).toEqual([])
  })
})

describe('what was said before a newcomer came', () => {
  const bob = () => new Person(keys, 'Bob')

  it.each([
    ['rules give it to everybody', () => pairOf({ owner, root, rules: { history: true } })],
    ['the newcomer was admitted', () => pairOf({ owner, root, admitted: [alice] })],
  ])('is asked for when %s, and its lost beginning is no gap', (_, pair) => {
    const speaker = bob()
    const frames = ['a', 'b', 'c'].map((text) => speaker.says(text))
    world.enter([speaker.member], { charter: pair(), seq: 3 })
    expect(world.logRequests()).toHaveLength(1)
    world.answerLog(frames.slice(1), { epoch: epochA, seq: 1, missed: undefined } as object)
    expect(world.texts()).toEqual(['Bob: b', 'Bob: c'])
    expect([world.of('gap'), world.of('rewound')]).toEqual([[], []])
    expect(world.room.position()).toEqual({ epoch: epochA, seq: 3 })
    world.lose()
    world.enter([speaker.member], { charter: pair(), seq: 5 })
    world.answerLog([], { seq: 5, missed: 2 })
    expect(world.of('gap')).toMatchObject([{ missed: 2 }])
  })

  it('has no holes of its own, where a sender was muted, say; what comes afterwards has', () => {
    const speaker = bob()
    const [one, , three] = ['1', '2', '3'].map((text) => speaker.says(text)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const [, five] = ['4', '5'].map((text) => speaker.says(text)) as [Uint8Array, Uint8Array]
    world.enter([speaker.member], { charter: pairOf({ owner, root, rules: { history: true } }), seq: 2 })
    world.answerLog([one, three], { epoch: epochA, seq: 0 })
    expect([world.texts(), world.of('gap')]).toEqual([['Bob: 1', 'Bob: 3'], []])
    world.deliver(five, 3)
    expect(world.of('gap')).toMatchObject([{ missed: 1 }])
  })

  it('is asked for again when the connection was lost before it came', () => {
    const speaker = bob()
    const pair = pairOf({ owner, root, rules: { history: true } })
    world.enter([speaker.member], { charter: pair, seq: 1 })
    world.lose()
    world.enter([speaker.member], { charter: pair, seq: 1 })
    world.answerLog([speaker.says('a')], { epoch: epochA, seq: 0 })
    expect(world.texts()).toEqual(['Bob: a'])
  })

  it('is not asked for otherwise', () => {
    world.enter([], { charter: first, seq: 3 })
    expect(world.logRequests()).toEqual([])
    expect(world.room.position()?.seq).toBe(3)
  })
})
