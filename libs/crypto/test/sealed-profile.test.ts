import {
  createSession,
  fingerprint,
  nameTag,
  openProfile,
  sealedProfileBytes,
  sealProfile,
} from '@pychat/crypto'
import { limits, type NameTag, type SessionId } from '@pychat/protocol'
import { describe, expect, test } from 'vitest'
import { bytes, hex, roomFrom, seededRandom, spoilt } from './fixtures.ts'

const room = roomFrom('room')
const alice = createSession(seededRandom('alice'))
const bob = createSession(seededRandom('bob'))
const tag = nameTag(room, 'Alice')
const sealed = sealProfile(room, alice, { name: ' Alice ' }, 1)

describe('openProfile', () => {
  test('shows name, keys, version and fingerprint', () => {
    expect(openProfile(room, alice.id, tag, sealed)).toEqual({
      name: 'Alice',
      away: null,
      publicKey: alice.publicKey,
      boxKey: alice.boxPublicKey,
      version: 1,
      fingerprint: fingerprint(alice.publicKey),
      memberId: alice.memberId,
    })
  })

  test.each(['', 'at lunch', 'zurück um 14 Uhr ☕', 'x'.repeat(57)])(
    'shows that somebody is away: %j',
    (away) => {
      const gone = sealProfile(room, alice, { name: 'n'.repeat(64), away }, 3)
      const opened = openProfile(room, alice.id, nameTag(room, 'n'.repeat(64)), gone)
      expect(opened).toMatchObject({ away, boxKey: alice.boxPublicKey })
      expect(gone.length).toBe(sealedProfileBytes)
    },
  )

  test('refuses a change of any single byte', () => {
    const opened = []
    for (let at = 0; at < sealed.length; at += 1) {
      if (openProfile(room, alice.id, tag, spoilt(sealed, at)) !== null) opened.push(at)
    }
    expect(opened).toEqual([])
  })

  test('refuses every other length', () => {
    for (let length = 0; length < sealed.length; length += 1) {
      expect(openProfile(room, alice.id, tag, sealed.subarray(0, length))).toBeNull()
    }
    expect(openProfile(room, alice.id, tag, Uint8Array.from([...sealed, 0]))).toBeNull()
  })

  test('refuses the profile of another session, under another tag, or of another room', () => {
    expect(openProfile(room, bob.id, tag, sealed)).toBeNull()
    expect(openProfile(room, alice.id, nameTag(room, 'Bob'), sealed)).toBeNull()
    expect(openProfile(roomFrom('elsewhere'), alice.id, tag, sealed)).toBeNull()
    expect(openProfile({ ...room, idBytes: bytes('00'.repeat(16)) }, alice.id, tag, sealed)).toBeNull()
  })

  test('refuses a profile that shows a key without its owner’s signature', () => {
    const stolen = sealProfile(room, { ...bob, publicKey: alice.publicKey }, { name: 'Bob' }, 1)
    expect(openProfile(room, bob.id, nameTag(room, 'Bob'), stolen)).toBeNull()
  })

  test('answers null, not a throw, to a session id or tag that is no hex', () => {
    expect(openProfile(room, 'xyz' as SessionId, tag, sealed)).toBeNull()
    expect(openProfile(room, alice.id, 'xyz' as NameTag, sealed)).toBeNull()
  })

  test('reads a profile that is a view into a bigger buffer', () => {
    const big = new Uint8Array(1000)
    big.set(sealed, 501)
    expect(openProfile(room, alice.id, tag, big.subarray(501, 501 + sealed.length))?.name).toBe('Alice')
  })
})

describe('sealProfile', () => {
  test('has one size for every name, and fits the wire', () => {
    for (const name of ['a', 'x'.repeat(64), 'é'.repeat(32)]) {
      const profile = sealProfile(room, alice, { name }, 1)
      expect(profile.length).toBe(sealedProfileBytes)
      expect(openProfile(room, alice.id, nameTag(room, name), profile)?.name).toBe(name)
    }
    expect(sealedProfileBytes).toBe(292)
    expect(sealedProfileBytes).toBeLessThanOrEqual(limits.profileBytesMax)
  })

  test('gives the same bytes for the same content and others for another version', () => {
    expect(hex(sealProfile(room, alice, { name: 'Alice' }, 1))).toBe(hex(sealed))
    const second = sealProfile(room, alice, { name: 'Alice' }, 2)
    expect(hex(second.subarray(4, 20))).not.toBe(hex(sealed.subarray(4, 20)))
    expect(openProfile(room, alice.id, tag, second)?.version).toBe(2)
  })

  test('away with a text and away without one are two things, and neither shows from outside', () => {
    const here = sealProfile(room, alice, { name: 'Alice', away: null }, 4)
    expect(openProfile(room, alice.id, tag, here)?.away).toBeNull()
    expect(here.length).toBe(sealProfile(room, alice, { name: 'Alice', away: 'x' }, 5).length)
  })

  test.each([
    ['x'.repeat(58), 'The away text is too long'],
    ['\u202eback', 'The away text has an invisible'],
  ])('refuses the away text %j', (away, sentence) => {
    expect(() => sealProfile(room, alice, { name: 'Alice', away }, 1)).toThrow(sentence)
  })

  test('does not show the name', () => {
    expect(Buffer.from(sealed).includes('Alice')).toBe(false)
  })

  test.each([0, -1, 1.5, 2 ** 32])('throws on version %d', (version) => {
    expect(() => sealProfile(room, alice, { name: 'Alice' }, version)).toThrow('version')
  })

  test('refuses a username that is no name', () => {
    expect(() => sealProfile(room, alice, { name: '\u202eecilA' }, 1)).toThrow(
      'The username has an invisible',
    )
  })
})
