// Alice, Bob and Mallory in one room: channels, private conversations and calls. Exact bytes are compared with the
// second implementation in people-vectors.test.ts.
import {
  callBody,
  channelRoom,
  createOpener,
  createSealer,
  createSession,
  deriveRoom,
  frameKinds,
  isCalled,
  movedRoom,
  nameTag,
  openProfile,
  type Peer,
  pairRoom,
  type RoomKeys,
  type Session,
  sealProfile,
} from '@pychat/crypto'
import { describe, expect, test } from 'vitest'
import { fromUtf8, hex, roomFrom, seededRandom, spoilt, utf8 } from './fixtures.ts'

const room = roomFrom('room')
const [alice, bob, mallory] = ['alice', 'bob', 'mallory'].map((name) =>
  createSession(seededRandom(name)),
) as [Session, Session, Session]

/** What the others learn of a session: its opened profile. */
function peer(session: Session, name: string): Peer {
  const tag = nameTag(room, name)
  const profile = openProfile(room, session.id, tag, sealProfile(room, session, { name }, 1))
  return {
    session: session.id,
    publicKey: profile?.publicKey as Uint8Array,
    boxKey: profile?.boxKey as Uint8Array,
  }
}
const [toAlice, toBob, toMallory] = [peer(alice, 'Alice'), peer(bob, 'Bob'), peer(mallory, 'Mallory')]
const pair = (own: Session, other: Peer) => pairRoom(room, own, other) as RoomKeys

describe('a private conversation', () => {
  test('is one room for both, whoever begins', () => {
    expect(pair(alice, toBob)).toEqual(pair(bob, toAlice))
    expect(pair(alice, toBob).id).not.toBe(room.id)
  })

  test('carries what Alice writes to Bob, and Mallory, who has the PIN, opens none of it', () => {
    const frame = createSealer(pair(alice, toBob), alice).seal(1, frameKinds.text, utf8('psst'), 1000, null)
    const opened = createOpener(pair(bob, toAlice), alice.id, alice.publicKey).open(frame)
    expect(fromUtf8(opened?.body as Uint8Array)).toBe('psst')
    for (const keys of [room, pair(mallory, toAlice), pair(mallory, toBob)]) {
      expect(createOpener(keys, alice.id, alice.publicKey).open(frame)).toBeNull()
    }
  })

  test('is another one between any other two, in any other room, and with any other session', () => {
    const bobAgain = createSession(seededRandom('bob again'))
    const rooms = [
      pair(alice, toBob),
      pair(alice, toMallory),
      pair(bob, toMallory),
      pair(alice, peer(bobAgain, 'Bob')),
      pairRoom(roomFrom('elsewhere'), alice, toBob) as RoomKeys,
      // Mallory shows Bob's agreement key as her own: what comes out is nobody's room.
      pair(alice, { ...toMallory, boxKey: bob.boxPublicKey }),
      pair(alice, { ...toBob, publicKey: mallory.publicKey }),
    ]
    expect(new Set(rooms.map((keys) => keys.id)).size).toBe(rooms.length)
    expect(new Set(rooms.map((keys) => hex(keys.roomKey))).size).toBe(rooms.length)
  })

  test('is none with oneself, or with a key that agrees with everybody', () => {
    expect(pairRoom(room, alice, toAlice)).toBeNull()
    const one = Uint8Array.of(1, ...new Uint8Array(31))
    for (const boxKey of [new Uint8Array(32), one])
      expect(pairRoom(room, alice, { ...toBob, boxKey })).toBeNull()
  })
})

describe('a call', () => {
  const body = callBody(room, pair(alice, toBob), alice.id, bob.id)

  test('is understood by whom it means, and tells the others nothing', () => {
    expect(body.length).toBe(16)
    expect(isCalled(room, pair(bob, toAlice), alice.id, bob.id, body)).toBe(true)
    expect(isCalled(room, pair(mallory, toAlice), alice.id, mallory.id, body)).toBe(false)
  })

  test('is not the answer of the other one, and cannot be said again by somebody else', () => {
    expect(hex(callBody(room, pair(bob, toAlice), bob.id, alice.id))).not.toBe(hex(body))
    expect(isCalled(room, pair(bob, toMallory), mallory.id, bob.id, body)).toBe(false)
  })

  test.each([0, 15, 17, 32])('of %i bytes is none', (length) => {
    expect(isCalled(room, pair(bob, toAlice), alice.id, bob.id, new Uint8Array(length))).toBe(false)
  })

  test('with a byte changed is none', () => {
    for (let at = 0; at < body.length; at += 1) {
      expect(isCalled(room, pair(bob, toAlice), alice.id, bob.id, spoilt(body, at))).toBe(false)
    }
  })
})

describe('channels', () => {
  test('are the same for names that read alike', () => {
    expect(channelRoom(room, ' #Dev')).toEqual(channelRoom(room, 'dev'))
  })

  test('have nothing in common with their parent, with each other, and with the same name elsewhere', () => {
    const rooms = [
      room,
      channelRoom(room, 'dev'),
      channelRoom(room, 'ops'),
      channelRoom(roomFrom('elsewhere'), 'dev'),
      channelRoom(channelRoom(room, 'dev'), 'dev'),
    ]
    const keys = rooms.flatMap((each) =>
      [each.roomKey, each.nameTagKey, each.sealKey, each.deriveKey].map(hex),
    )
    expect(new Set(keys).size).toBe(4 * rooms.length)
    expect(new Set(rooms.map((each) => each.id)).size).toBe(rooms.length)
  })

  test('follow when their room moves', () => {
    const moved = movedRoom(new Uint8Array(32).fill(7))
    expect(channelRoom(moved, 'dev').id).not.toBe(channelRoom(room, 'dev').id)
  })

  test('cannot be found by their name as a server', async () => {
    const server = await deriveRoom('dev', '1111')
    expect(channelRoom(await deriveRoom('lobby', '1111'), 'dev').id).not.toBe(server.id)
  })
})

test('a secret of another length moves nowhere', () => {
  expect(() => movedRoom(new Uint8Array(31))).toThrow('32 bytes')
})
