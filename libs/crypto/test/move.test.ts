// Alice gives the room new keys and takes Bob along; Mallory is left behind.
import { bodyBytesMax, createSession, openMove, type Session, sealMove } from '@pychat/crypto'
import { limits, type SessionId } from '@pychat/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hex, roomFrom, seededRandom, spoilt } from './fixtures.ts'

const room = roomFrom('room')
const secret = seededRandom('secret')(32)
const [bob, mallory] = ['bob', 'mallory'].map((name) => createSession(seededRandom(name))) as [
  Session,
  Session,
]
const toBob = { session: bob.id, boxKey: bob.boxPublicKey }
const sealed = (members: { session: SessionId; boxKey: Uint8Array }[], seed = 'move') =>
  sealMove(room, secret, members, seededRandom(seed))
const [body] = sealed([toBob]) as [Uint8Array]

describe('a move', () => {
  test('takes Bob along and nobody else', () => {
    expect(openMove(room, bob, body)).toEqual(secret)
    expect(openMove(room, mallory, body)).toBeNull()
    expect(hex(body)).not.toContain(hex(secret).slice(0, 16))
  })

  test('means nothing in another room, or to another session of Bob', () => {
    expect(openMove(roomFrom('elsewhere'), bob, body)).toBeNull()
    const again = createSession(seededRandom('bob again'))
    expect(openMove(room, { ...again, idBytes: bob.idBytes }, body)).toBeNull()
  })

  test('with any byte changed takes nobody along', () => {
    const opened = []
    for (let at = 0; at < body.length; at += 1)
      if (openMove(room, bob, spoilt(body, at)) !== null) opened.push(at)
    expect(opened).toEqual([])
  })

  test('is wrapped with a new key each time', () => {
    const [again] = sealed([toBob], 'another move') as [Uint8Array]
    expect(hex(again).slice(0, 96)).not.toBe(hex(body).slice(0, 96))
    expect(openMove(room, bob, again)).toEqual(secret)
  })

  test('of more members than one frame holds comes in several, each member in one of them', () => {
    const crowd = Array.from({ length: limits.moveMembersMax + 1 }, (_, i) =>
      createSession(seededRandom(`m${i}`)),
    )
    const bodies = sealed(crowd.map(({ id, boxPublicKey }) => ({ session: id, boxKey: boxPublicKey })))
    expect(bodies.map((each) => (each.length - 48) / 64)).toEqual([230, 1])
    for (const each of bodies) expect(each.length).toBeLessThanOrEqual(bodyBytesMax)
    for (const [i, member] of crowd.entries()) {
      const found = bodies.map((each) => openMove(room, member, each))
      expect(found).toEqual(i < 230 ? [secret, null] : [null, secret])
    }
  })

  test('leaves out who shows a key that agrees with everybody', () => {
    const bodies = sealed([{ session: mallory.id, boxKey: new Uint8Array(32) }, toBob])
    expect(bodies.map((each) => each.length)).toEqual([48 + 64])
    expect(openMove(room, bob, bodies[0] as Uint8Array)).toEqual(secret)
    expect(sealed([]).map((each) => each.length)).toEqual([48])
  })

  test('is null for whatever a member sends, and never a throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => openMove(room, bob, bytes) === null))
    for (let length = 0; length < body.length; length += 1) {
      expect(openMove(room, bob, body.subarray(0, length))).toBeNull()
    }
  })

  test('wants a secret of 32 bytes', () => {
    expect(() => sealMove(room, secret.subarray(1), [], seededRandom('x'))).toThrow('32 bytes')
  })
})
