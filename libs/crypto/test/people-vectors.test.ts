// The golden vectors of members and private rooms, written by the second implementation (python/README.md): same
// bytes both ways. What a charter may say is judged in libs/protocol/test/charter.test.ts, by the same file.
import { readFileSync } from 'node:fs'
import {
  CryptoInputError,
  callBody,
  channelRoom,
  createSession,
  decodeInvite,
  encodeInvite,
  entropyFromWords,
  isCalled,
  joinKey,
  type MemberKey,
  memberEntropy,
  memberKey,
  movedRoom,
  nameTag,
  openMove,
  openProfile,
  openRules,
  pairRoom,
  publicKeyText,
  type RoomKeys,
  recoveryWords,
  type Session,
  sealMove,
  sealProfile,
  sealRules,
  signCharter,
  signHandover,
  signRules,
  verifyWords,
} from '@pychat/crypto'
import type {
  CharterDoc,
  CharterPair,
  Invite,
  NameTag,
  PublicKey,
  RoomId,
  RulesDoc,
  RulesText,
} from '@pychat/protocol'
import { describe, expect, test } from 'vitest'
import { ed25519Keys } from '../src/primitives.ts'
import { roomKeys } from '../src/room-keys.ts'
import { bytes, hex } from './fixtures.ts'

type RoomRow = Record<'id' | 'roomKey' | 'nameTagKey' | 'sealKey' | 'deriveKey', string>
type Vectors = {
  keys: Record<
    'identity' | 'root' | 'entropy' | 'words' | 'seed' | 'publicKey' | 'id' | 'fingerprint',
    string
  >[]
  words: { text: string; entropy: string | null }[]
  sessions: ({ key: number } & Record<'id' | 'secret' | 'boxSeed' | 'boxPublicKey' | 'proof', string>)[]
  profiles: {
    session: number
    name: string
    away: string | null
    version: number
    tag: string
    sealed: string
  }[]
  refusedProfiles: { why: string; tag: string; sealed: string }[]
  verifyWords: { a: number; b: number; words: string }[]
  prk: string
  room: RoomRow
  channels: (RoomRow & { name: string })[]
  refusedChannels: string[]
  moved: RoomRow & { secret: string }
  movedDev: RoomRow
  pairs: (RoomRow & { own: number; other: number })[]
  calls: { caller: number; callee: number; body: string }[]
  lowOrder: string
  move: {
    secret: string
    moveId: string
    ephemeralSeed: string
    to: number[]
    body: string
    refused: { why: string; body: string }[]
  }
  rules: {
    rows: { text: RulesText; salt: string; sealed: string }[]
    refused: { why: string; sealed: string }[]
  }
  charters: { good: { name: string; pair: CharterPair }[] }
  invites: {
    rows: { invite: Invite; text: string }[]
    refused: string[]
    wrapped: { text: string; row: number }
  }
}

const file = new URL('vectors/pychat-v1-people.json', import.meta.url)
const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8'))

const at = <T>(list: T[], index: number): T => list[index] as T
const members: MemberKey[] = vectors.keys.map((row) => memberKey(bytes(row.entropy)))
const sessions: Session[] = vectors.sessions.map((row) => {
  const draws = [row.id, row.secret, row.boxSeed].map(bytes)
  return createSession(() => draws.shift() as Uint8Array, at(members, row.key))
})
const room = roomKeys(bytes(vectors.prk))
const root = room.id
const rowOf = (keys: RoomKeys): RoomRow => ({
  id: keys.id,
  roomKey: hex(keys.roomKey),
  nameTagKey: hex(keys.nameTagKey),
  sealKey: hex(keys.sealKey),
  deriveKey: hex(keys.deriveKey),
})
const pairOf = (own: number, other: number) => {
  const { id, publicKey, boxPublicKey } = at(sessions, other)
  return pairRoom(room, at(sessions, own), { session: id, publicKey, boxKey: boxPublicKey })
}
const orCode = <T>(run: () => T) => {
  try {
    return run()
  } catch (error) {
    if (error instanceof CryptoInputError) return error.code
    throw error
  }
}

describe('member keys', () => {
  test.each(vectors.keys)('makes the key of $id from an identity and a root', (row) => {
    const entropy = memberEntropy(bytes(row.identity), row.root as RoomId)
    const key = memberKey(entropy)
    expect({
      identity: row.identity,
      root: row.root,
      entropy: hex(entropy),
      words: recoveryWords(entropy),
      seed: row.seed,
      publicKey: hex(key.publicKey),
      id: key.id,
      fingerprint: key.fingerprint,
    }).toEqual(row)
    expect(ed25519Keys(bytes(row.seed)).publicKey).toEqual(key.publicKey)
  })

  test.each(vectors.words)('reads the words $text alike', ({ text, entropy }) => {
    const read = orCode(() => entropyFromWords(text))
    expect(typeof read === 'string' ? read : hex(read)).toBe(entropy ?? 'words')
  })

  test.each(vectors.verifyWords)('shows $a and $b the same words: $words', ({ a, b, words }) => {
    expect(verifyWords(at(members, a).publicKey, at(members, b).publicKey)).toBe(words)
  })

  test('makes the same sessions, with the same proof of their key', () => {
    const ours = sessions.map((session, i) => ({
      key: at(vectors.sessions, i).key,
      id: session.id,
      secret: session.secret,
      boxSeed: at(vectors.sessions, i).boxSeed,
      boxPublicKey: hex(session.boxPublicKey),
      proof: joinKey(room.id, session).proof,
    }))
    expect(ours).toEqual(vectors.sessions)
    expect(joinKey(room.id, at(sessions, 0)).public).toBe(at(vectors.keys, 0).publicKey)
  })
})

describe('profiles', () => {
  test.each(vectors.profiles)('seals and opens the one of $name, version $version', (row) => {
    const session = at(sessions, row.session)
    const { name, away, version } = row
    expect(nameTag(room, name)).toBe(row.tag)
    expect(hex(sealProfile(room, session, { name, away }, version))).toBe(row.sealed)
    expect(openProfile(room, session.id, row.tag as NameTag, bytes(row.sealed))).toEqual({
      name,
      away,
      version,
      publicKey: session.publicKey,
      boxKey: session.boxPublicKey,
      memberId: session.memberId,
      fingerprint: at(members, row.session).fingerprint,
    })
  })

  test.each(vectors.refusedProfiles)('refuses one whose $why', ({ tag, sealed }) => {
    expect(openProfile(room, at(sessions, 0).id, tag as NameTag, bytes(sealed))).toBeNull()
  })
})

describe('rooms out of rooms', () => {
  test('gives a room the same keys', () => {
    expect(rowOf(room)).toEqual(vectors.room)
  })

  test.each(vectors.channels)('derives the channel $name', ({ name, ...row }) => {
    expect(rowOf(channelRoom(room, name))).toEqual(row)
  })

  test.each(vectors.refusedChannels)('knows that %j names no channel', (name) => {
    expect(orCode(() => channelRoom(room, name))).toBe('channel-name')
  })

  test('derives where a room moves to, and a channel there', () => {
    const { secret, ...row } = vectors.moved
    const moved = movedRoom(bytes(secret))
    expect(rowOf(moved)).toEqual(row)
    expect(rowOf(channelRoom(moved, 'dev'))).toEqual(vectors.movedDev)
  })

  test.each(vectors.pairs)('derives the room of $own and $other', ({ own, other, ...row }) => {
    expect(rowOf(pairOf(own, other) as RoomKeys)).toEqual(row)
  })

  test('has no room for a key of low order', () => {
    const { id, publicKey } = at(sessions, 1)
    const peer = { session: id, publicKey, boxKey: bytes(vectors.lowOrder) }
    expect(pairRoom(room, at(sessions, 0), peer)).toBeNull()
  })

  test.each(vectors.calls)('calls from $caller to $callee', ({ caller, callee, body }) => {
    const [from, to] = [at(sessions, caller).id, at(sessions, callee).id]
    const pair = pairOf(caller, callee) as RoomKeys
    expect(hex(callBody(room, pair, from, to))).toBe(body)
    expect(isCalled(room, pairOf(callee, caller) as RoomKeys, from, to, bytes(body))).toBe(true)
  })
})

describe('moves', () => {
  const { move } = vectors

  test('wraps a secret to the same bytes', () => {
    const draws = [move.moveId, move.ephemeralSeed].map(bytes)
    const to = move.to.map((i) => ({ session: at(sessions, i).id, boxKey: at(sessions, i).boxPublicKey }))
    const bodies = sealMove(room, bytes(move.secret), to, () => draws.shift() as Uint8Array)
    expect(bodies.map(hex)).toEqual([move.body])
  })

  test.each([0, 1, 2, 3])('session %i finds what is there for it', (i) => {
    const secret = openMove(room, at(sessions, i), bytes(move.body))
    expect(secret && hex(secret)).toBe(move.to.includes(i) ? move.secret : null)
  })

  test.each(move.refused)('refuses a body that $why', ({ body }) => {
    expect(openMove(room, at(sessions, 0), bytes(body))).toBeNull()
  })
})

describe('sealed rules', () => {
  test.each(vectors.rules.rows)('seals and opens $sealed.length characters', ({ text, salt, sealed }) => {
    expect(sealRules(room, root, text, () => bytes(salt))).toBe(sealed)
    expect(openRules(room, root, sealed)).toEqual(text)
  })

  test.each(vectors.rules.refused)('refuses those whose $why', ({ sealed }) => {
    expect(openRules(room, root, sealed)).toBeNull()
  })
})

describe('charters', () => {
  const signers = new Map(members.map((member) => [publicKeyText(member.publicKey), member]))

  test('signs the same documents and handovers to the same bytes', () => {
    let signed = 0
    for (const { pair } of vectors.charters.good) {
      const [charter, rules] = [JSON.parse(pair.charter.doc), JSON.parse(pair.rules.doc)]
      const [owner, writer] = [signers.get(pair.charter.key), signers.get(pair.rules.key)]
      if (owner === undefined || writer === undefined) continue
      for (const { version, from, to, signature } of (charter as CharterDoc).handovers) {
        const giver = signers.get(from) as MemberKey
        expect(signHandover(root, version, giver, to as PublicKey)).toEqual({ version, from, to, signature })
      }
      expect(signCharter(charter as CharterDoc, owner)).toEqual(pair.charter)
      expect(signRules(rules as RulesDoc, writer)).toEqual(pair.rules)
      signed += 1
    }
    expect(signed).toBe(12)
  })
})

describe('invites', () => {
  test.each(vectors.invites.rows)('writes and reads $text', ({ invite, text }) => {
    expect(encodeInvite(invite)).toBe(text)
    expect(decodeInvite(text)).toEqual(invite)
  })

  test('reads one however it was wrapped', () => {
    const { text, row } = vectors.invites.wrapped
    expect(decodeInvite(text)).toEqual(at(vectors.invites.rows, row).invite)
  })

  test.each(vectors.invites.refused)('refuses %j', (text) => {
    expect(orCode(() => decodeInvite(text))).toBe('invite')
  })
})
