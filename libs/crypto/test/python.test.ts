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
  createSealer,
  createSession,
  deriveRoom,
  fingerprint,
  firstChain,
  nameTag,
  nextChain,
  openProfile,
  sealProfile,
  type View,
} from '@pychat/crypto'
import type { Epoch } from '@pychat/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
    const sealed = sealProfile(room, session, username, i + 1)
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

test('Python writes the golden vectors that are committed, byte for byte', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  await mkdir(join(workDir, 'vectors'))
  await cp(pythonDir, join(workDir, 'python'), { recursive: true })
  await run(python.path, ['-B', join(workDir, 'python', 'make_vectors.py')])
  const [made, committed] = await Promise.all(
    [workDir, here].map((root) => readFile(join(root, 'vectors', 'pychat-v1.json'), 'utf8')),
  )
  expect(made).toBe(committed)
})
