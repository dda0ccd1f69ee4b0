// The golden vectors of crypto v1, written by the second implementation (python/README.md): same bytes both ways.
import { readFileSync } from 'node:fs'
import {
  CryptoInputError,
  canonicalPin,
  createOpener,
  createSealer,
  createSession,
  deriveRoom,
  displayName,
  fingerprint,
  firstChain,
  nameTag,
  nextChain,
  normalizeName,
  openProfile,
  type RoomKeys,
  type Session,
  type View,
} from '@pychat/crypto'
import type { Epoch, NameTag } from '@pychat/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { bytes, hex } from './fixtures.ts'

type Verdict = { value: string } | { refused: string }
type Vectors = {
  names: { text: string; normalized: Verdict; display: Verdict }[]
  pins: { text: string; canonical: Verdict }[]
  rooms: Record<'serverName' | 'pin' | 'id' | 'roomKey' | 'nameTagKey' | 'sealKey' | 'shortId', string>[]
  tags: { room: number; username: string; tag: string }[]
  sessions: Record<'id' | 'secret' | 'seed' | 'publicKey' | 'fingerprint', string>[]
  frames: {
    room: number
    session: number
    counter: number
    kind: number
    body: string
    sentAt: number
    view: { epoch: string; seq: number; chain: string } | null
    frame: string
  }[]
  refusedFrames: { why: string; frame: string }[]
  profiles: {
    room: number
    session: number
    username: string
    name: string
    tag: string
    version: number
    extensions: string
    sealed: string
  }[]
  refusedProfiles: { why: string; tag: string; sealed: string }[]
  chain: string[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('vectors/pychat-v1.json', import.meta.url), 'utf8'))

function verdict(run: () => string): Verdict {
  try {
    return { value: run() }
  } catch (error) {
    if (error instanceof CryptoInputError) return { refused: error.code }
    throw error
  }
}

const sessions: Session[] = vectors.sessions.map((row) => {
  // These sessions are older than agreement keys, which nothing here depends on.
  const draws = [row.id, row.secret, '00'.repeat(32), row.seed].map(bytes)
  return createSession(() => draws.shift() as Uint8Array)
})
const rooms: RoomKeys[] = []

beforeAll(async () => {
  for (const row of vectors.rooms) rooms.push(await deriveRoom(row.serverName, row.pin))
})

const at = <T>(list: T[], index: number): T => list[index] as T
const viewOf = (view: Vectors['frames'][number]['view']): View =>
  view && { epoch: view.epoch as Epoch, seq: view.seq, chain: bytes(view.chain) }

describe('names and PINs', () => {
  test.each(vectors.names)('reads the name $text alike', ({ text, normalized, display }) => {
    expect(verdict(() => normalizeName(text))).toEqual(normalized)
    expect(verdict(() => displayName(text))).toEqual(display)
  })

  test.each(vectors.pins)('reads the PIN $text alike', ({ text, canonical }) => {
    expect(verdict(() => canonicalPin(text))).toEqual(canonical)
  })
})

describe('keys', () => {
  test('derives the same rooms', () => {
    const ours = rooms.map((room, i) => ({
      serverName: at(vectors.rooms, i).serverName,
      pin: at(vectors.rooms, i).pin,
      id: room.id,
      roomKey: hex(room.roomKey),
      nameTagKey: hex(room.nameTagKey),
      sealKey: hex(room.sealKey),
      shortId: room.shortId,
    }))
    expect(ours).toEqual(vectors.rooms)
  })

  test('derives the same name tags', () => {
    expect(vectors.tags.map((row) => nameTag(at(rooms, row.room), row.username))).toEqual(
      vectors.tags.map((row) => row.tag),
    )
  })

  test('makes the same sessions', () => {
    const ours = sessions.map((session, i) => ({
      id: session.id,
      secret: session.secret,
      seed: at(vectors.sessions, i).seed,
      publicKey: hex(session.publicKey),
      fingerprint: fingerprint(session.publicKey),
    }))
    expect(ours).toEqual(vectors.sessions)
  })
})

describe('frames', () => {
  test.each(vectors.frames.map((row, i) => [i, row] as const))(
    'seals frame %i to the same bytes',
    (_, row) => {
      const sealer = createSealer(at(rooms, row.room), at(sessions, row.session))
      const frame = sealer.seal(row.counter, row.kind, bytes(row.body), row.sentAt, viewOf(row.view))
      expect(hex(frame)).toBe(row.frame)
    },
  )

  test.each(vectors.frames.map((row, i) => [i, row] as const))('opens frame %i', (_, row) => {
    const session = at(sessions, row.session)
    const opener = createOpener(at(rooms, row.room), session.id, session.publicKey)
    expect(opener.open(bytes(row.frame))).toEqual({
      counter: row.counter,
      kind: row.kind,
      body: bytes(row.body),
      sentAt: row.sentAt,
      view: viewOf(row.view),
    })
  })

  test.each(vectors.refusedFrames)('refuses a frame whose $why', ({ frame }) => {
    const session = at(sessions, 0)
    expect(createOpener(at(rooms, 0), session.id, session.publicKey).open(bytes(frame))).toBeNull()
  })

  test('has the same chain after each frame', () => {
    let chain = firstChain()
    const ours = vectors.frames.map((row) => {
      chain = nextChain(chain, bytes(row.frame))
      return hex(chain)
    })
    expect(ours).toEqual(vectors.chain)
  })
})

// Profiles without the keys of private rooms, as clients before them made: opened here, sealed in people-vectors.test.ts.
describe('profiles', () => {
  test.each(vectors.profiles)('opens the profile of $username, version $version', (row) => {
    const session = at(sessions, row.session)
    expect(openProfile(at(rooms, row.room), session.id, row.tag as NameTag, bytes(row.sealed))).toEqual({
      name: row.name,
      away: null,
      publicKey: session.publicKey,
      boxKey: null,
      version: row.version,
      fingerprint: fingerprint(session.publicKey),
      memberId: session.memberId,
    })
  })

  test.each(vectors.refusedProfiles)('refuses a profile whose $why', ({ tag, sealed }) => {
    expect(openProfile(at(rooms, 0), at(sessions, 0).id, tag as NameTag, bytes(sealed))).toBeNull()
  })
})
