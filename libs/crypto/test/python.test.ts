// The other direction: Python opens what this package sealed a moment ago, with fresh randomness, and writes the same
// golden vectors as are committed. Skips, and says why, where there is no Python or no PyPI.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  callBody,
  channelRoom,
  createIdentity,
  createSealer,
  createSession,
  deriveRoom,
  encodeInvite,
  fingerprint,
  firstChain,
  joinKey,
  memberEntropy,
  memberKey,
  movedRoom,
  nameTag,
  nextChain,
  openProfile,
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
  type View,
  verifyWords,
} from '@pychat/crypto'
import {
  type CharterDoc,
  type Epoch,
  encodeMemberIds,
  type PublicKey,
  type RulesDoc,
  type RulesText,
} from '@pychat/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { roomKeys } from '../src/room-keys.ts'
import { hex, utf8 } from './fixtures.ts'
import { findPython, type Python, pythonDir } from './python.venv.ts'

const run = promisify(execFile)
const here = fileURLToPath(new URL('.', import.meta.url))
const random = (n: number) => new Uint8Array(randomBytes(n))

let python: Python
let workDir: string

beforeAll(async () => {
  workDir = await mkdtemp(join(tmpdir(), 'pychat-vectors-'))
  python = await findPython()
})
afterAll(() => rm(workDir, { recursive: true, force: true }))

test('Python opens frames and profiles that were sealed here', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  const input = { serverName: 'Lobby ｎumber  9', pin: `pin ${hex(random(4))}` }
  const room = await deriveRoom(input.serverName, input.pin)
  const session = createSession(random)
  const sealer = createSealer(room, session)
  let chain = firstChain()
  const bodies = ['', 'hi', 'grüße 👋', 'x'.repeat(157), 'x'.repeat(158), 'é'.repeat(7000)].map(utf8)
  const frames = bodies.map((body, i) => {
    const view: View =
      i % 2 === 0 ? null : { epoch: hex(random(8)) as Epoch, seq: i * 2 ** 40, chain: random(8) }
    const row = { counter: i * 1000 + 1, kind: 1, body: hex(body), sentAt: 1_767_225_600_000 + i }
    const frame = sealer.seal(row.counter, row.kind, body, row.sentAt, view)
    chain = nextChain(chain, frame)
    return { ...row, view: view && { ...view, chain: hex(view.chain) }, frame: hex(frame), chain: hex(chain) }
  })
  const profiles = ['Ana', ' ＡNA  b', 'straße', 'n'.repeat(64)].map((username, i) => {
    const tag = nameTag(room, username)
    const sealed = sealProfile(room, session, { name: username }, i + 1)
    return {
      username,
      tag,
      version: i + 1,
      name: openProfile(room, session.id, tag, sealed)?.name,
      sealed: hex(sealed),
    }
  })
  const publicKey = hex(session.publicKey)
  const file = join(workDir, 'sealed.json')
  await writeFile(
    file,
    JSON.stringify({
      room: { ...input, id: room.id },
      session: { id: session.id, publicKey, fingerprint: fingerprint(session.publicKey) },
      frames,
      profiles,
    }),
  )
  const { stdout } = await run(python.path, ['-B', join(pythonDir, 'check_vectors.py'), file])
  expect(stdout.trim()).toBe('6 frames, 4 profiles')
})

test('Python judges a community that was made here as we do: keys, rooms, charters', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  const prk = random(32)
  const room = roomKeys(prk)
  const people = ['Alice', 'Bob'].map((name, i) => {
    const entropy = memberEntropy(createIdentity(random), room.id)
    const boxSeed = random(32)
    const draws = [random(16), random(16), boxSeed]
    const session = createSession(() => draws.shift() as Uint8Array, memberKey(entropy))
    return { name, away: i === 0 ? null : 'zurück um 14 Uhr', entropy, session, boxSeed }
  })
  const [alice, bob] = people.map((person) => person.session) as [Session, Session]
  const peerOf = ({ id, publicKey, boxPublicKey }: Session) => ({
    session: id,
    publicKey,
    boxKey: boxPublicKey,
  })
  const pair = pairRoom(room, alice, peerOf(bob)) as RoomKeys
  const secret = random(32)
  const text: RulesText = {
    motd: 'Be kind ☕',
    people: { [bob.memberId]: { name: 'Bob', by: 'Alice' } },
    channels: ['dev'],
  }
  const [owner, next] = [alice, bob].map(({ publicKey }) => publicKeyText(publicKey)) as [
    PublicKey,
    PublicKey,
  ]
  const charter: CharterDoc = { schema: 1, root: room.id, version: 1, owner, ops: [], handovers: [] }
  const rules: RulesDoc = {
    schema: 1,
    root: room.id,
    room: room.id,
    version: 1,
    lock: true,
    limit: 9,
    history: true,
    moved: false,
    bans: [],
    muted: [bob.memberId],
    admitted: encodeMemberIds([bob.memberId]),
    sealed: '',
  }
  const handovers = [signHandover(room.id, 2, alice, next)]
  const sealed = sealRules(room, room.id, text, random)
  const charters = [
    { charter: signCharter(charter, alice), rules: signRules(rules, alice) },
    {
      charter: signCharter({ ...charter, version: 2, owner: next, handovers }, bob),
      rules: signRules({ ...rules, version: 2, muted: [], sealed }, bob),
    },
  ]
  const file = join(workDir, 'people.json')
  const data = {
    prk: hex(prk),
    root: room.id,
    members: people.map(({ name, away, entropy, session, boxSeed }) => ({
      name,
      away,
      words: recoveryWords(entropy),
      id: session.memberId,
      session: session.id,
      secret: session.secret,
      boxSeed: hex(boxSeed),
      proof: joinKey(room.id, session).proof,
      profile: hex(sealProfile(room, session, { name, away }, 1)),
    })),
    pair: pair.id,
    call: hex(callBody(room, pair, alice.id, bob.id)),
    channel: { name: 'Dev', id: channelRoom(room, 'Dev').id },
    move: hex(
      sealMove(
        room,
        secret,
        [alice, bob].map((each) => peerOf(each)),
        random,
      )[0] as Uint8Array,
    ),
    moved: movedRoom(secret).id,
    verifyWords: verifyWords(bob.publicKey, alice.publicKey),
    charters,
    rules: text,
    invite: encodeInvite({ v: 1, relays: [], name: 'Lobby', pin: '482133' }),
  }
  await writeFile(file, JSON.stringify(data))
  const { stdout } = await run(python.path, ['-B', join(pythonDir, 'check_people.py'), file])
  expect(stdout.trim()).toBe('2 charters, 2 members')
})

test('the client of a stranger, who read the protocol page alone, derives, opens and refuses as the vectors say', async ({
  skip,
}) => {
  if ('missing' in python) return skip(python.missing)
  const { stdout } = await run(python.path, ['-B', join(pythonDir, 'check_stranger.py')])
  expect(stdout).toMatch(/^1\d\d checks\n$/)
})

test('Python writes the golden vectors that are committed, byte for byte', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  await mkdir(join(workDir, 'vectors'))
  await cp(pythonDir, join(workDir, 'python'), { recursive: true })
  for (const [program, file] of [
    ['make_vectors.py', 'pychat-v1.json'],
    ['make_people_vectors.py', 'pychat-v1-people.json'],
  ] as const) {
    await run(python.path, ['-B', join(workDir, 'python', program)])
    const [made, committed] = await Promise.all(
      [workDir, here].map((root) => readFile(join(root, 'vectors', file), 'utf8')),
    )
    expect(made, file).toBe(committed)
  }
})
