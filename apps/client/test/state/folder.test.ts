// Files of the state folder under crashes, two programs at once, damage and odd rights; with real processes.
import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { stateFile } from '../../src/state/file.ts'
import { openStateFolder, StateError } from '../../src/state/folder.ts'
import { loadIdentity } from '../../src/state/identity.ts'

const built = (name: string) => new URL(`../../dist/state/${name}`, import.meta.url).href
const isRoot = process.getuid?.() === 0
const windows = process.platform === 'win32'

let path: string
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'pychat-state-')), 'pychat')
})
afterEach(() => rmSync(join(path, '..'), { recursive: true, force: true }))

/** Runs a module in a process of its own. */
function program(source: string): { exited: Promise<number | null>; kill(): void } {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return {
    exited: new Promise((resolve) => child.once('close', (code) => resolve(code))),
    kill: () => void child.kill('SIGKILL'),
  }
}

const mode = (file: string) => statSync(file).mode & 0o777

describe('a file of the state folder', () => {
  it.skipIf(windows)('can be read by its user alone, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      const folder = openStateFolder(path)
      await folder.update('rooms/a.json', () => '{}')
    } finally {
      process.umask(before)
    }
    expect(mode(path)).toBe(0o700)
    expect(mode(join(path, 'rooms'))).toBe(0o700)
    expect(mode(join(path, 'rooms/a.json'))).toBe(0o600)
    expect(readdirSync(join(path, 'rooms'))).toEqual(['a.json'])
  })

  it('keeps what two programs add at the same time', async () => {
    const together = Date.now() + 1500
    const adder = (name: string) =>
      program(`
        const { openStateFolder } = await import(${JSON.stringify(built('folder.js'))})
        const folder = openStateFolder(${JSON.stringify(path)})
        while (Date.now() < ${together});
        for (let i = 0; i < 60; i += 1)
          await folder.update('list', (text) => (text ?? '') + '${name}' + i + '\\n')
      `)
    const [a, b] = [adder('a'), adder('b')]
    expect(await Promise.all([a.exited, b.exited])).toEqual([0, 0])
    const lines = readFileSync(join(path, 'list'), 'utf8').trim().split('\n')
    expect(new Set(lines).size).toBe(120)
    expect(lines.filter((line) => line.startsWith('a'))).toEqual(
      Array.from({ length: 60 }, (_, i) => `a${i}`),
    )
  }, 60_000)

  it('is the old or the new one, whole, when its writer is killed at any moment', async () => {
    const folder = openStateFolder(path)
    const whole = /^(\d+)(,\1){20000}$/
    for (let round = 0; round < 3; round += 1) {
      const writer = program(`
        const { openStateFolder } = await import(${JSON.stringify(built('folder.js'))})
        const folder = openStateFolder(${JSON.stringify(path)})
        for (let i = 0; ; i += 1) await folder.update('big', () => i + (',' + i).repeat(20000))
      `)
      await new Promise((resolve) => setTimeout(resolve, 150 + 37 * round))
      writer.kill()
      await writer.exited
      const text = folder.read('big')
      if (text !== null) expect(whole.test(text)).toBe(true)
      // What the dead one left (a lock, half a file) stops nobody for long.
      await folder.update('big', (before) => before ?? '0'.concat(',0'.repeat(20000)))
    }
    expect(folder.read('big')).toMatch(whole)
  }, 60_000)

  it('is not written by who lost the lock meanwhile', async () => {
    const folder = openStateFolder(path)
    await folder.update('file', () => 'one')
    let runs = 0
    await folder.update('file', (before) => {
      runs += 1
      // As if this program had been asleep, and another one had done its work.
      if (runs === 1) {
        writeFileSync(join(path, 'file.lock'), 'of another program')
        writeFileSync(join(path, 'file'), 'two')
        const longAgo = new Date(Date.now() - 60_000)
        utimesSync(join(path, 'file.lock'), longAgo, longAgo)
      }
      return `${before} and mine`
    })
    expect(folder.read('file')).toBe('two and mine')
    expect(runs).toBe(2)
    expect(readdirSync(path).sort()).toEqual(['file'])
  })

  it('of a folder that cannot be used gives one sentence', () => {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, 'a file in its place')
    expect(() => openStateFolder(path)).toThrow(StateError)
    expect(() => openStateFolder(path)).toThrow(/^The state folder .* cannot be used \(E.*--no-state\.$/)
  })

  it.skipIf(isRoot || windows)('that may not be written gives one sentence', async () => {
    const folder = openStateFolder(path)
    chmodSync(path, 0o500)
    await expect(folder.update('file', () => 'x')).rejects.toThrow(/cannot be used \(EACCES\)/)
  })
})

describe('a damaged file', () => {
  const schema = z.strictObject({ schema: z.literal(1), n: z.number() })

  it.each(['', '{', '[]', '{"schema":1}', '{"schema":2,"n":1}', '{"schema":1,"n":1,"more":1}'])(
    '(%j) is set aside and said once, and never overwritten',
    async (text) => {
      const folder = openStateFolder(path)
      writeFileSync(join(path, 'n.json'), text)
      const said: (string | null)[] = []
      const file = stateFile(folder, 'n.json', schema, (aside) => said.push(aside))
      expect(await file.read()).toBeNull()
      await file.update(() => ({ schema: 1, n: 7 }))
      expect(await file.read()).toEqual({ schema: 1, n: 7 })
      expect(said).toEqual(['n.json.broken-1'])
      expect(readFileSync(join(path, 'n.json.broken-1'), 'utf8')).toBe(text)
    },
  )

  it('does not take the place of an older damaged one', async () => {
    const folder = openStateFolder(path)
    const said: (string | null)[] = []
    const file = stateFile(folder, 'n.json', schema, (aside) => said.push(aside))
    for (const text of ['first', 'second']) {
      writeFileSync(join(path, 'n.json'), text)
      await file.read()
    }
    expect(said).toEqual(['n.json.broken-1', 'n.json.broken-2'])
    expect(readFileSync(join(path, 'n.json.broken-1'), 'utf8')).toBe('first')
    expect(existsSync(join(path, 'n.json'))).toBe(false)
  })
})

describe('the identity', () => {
  const random = (bytes: number) => new Uint8Array(bytes).fill(7)
  const silent = () => {
    throw new Error('nothing to say')
  }

  it('is made once and stays', async () => {
    const folder = openStateFolder(path)
    expect(await loadIdentity(folder, random, silent)).toEqual(random(32))
    const again = await loadIdentity(openStateFolder(path), () => new Uint8Array(32), silent)
    expect(again).toEqual(random(32))
    if (!windows) expect(mode(join(path, 'identity'))).toBe(0o600)
  })

  it('is one for programs that start together for the first time', async () => {
    const together = Date.now() + 2000
    const starter = () =>
      program(`
        const { openStateFolder } = await import(${JSON.stringify(built('folder.js'))})
        const { loadIdentity } = await import(${JSON.stringify(built('identity.js'))})
        const { randomBytes } = await import('node:crypto')
        const { appendFileSync } = await import('node:fs')
        while (Date.now() < ${together});
        const identity = await loadIdentity(openStateFolder(${JSON.stringify(path)}), randomBytes, () => {})
        appendFileSync(${JSON.stringify(join(path, 'seen'))}, Buffer.from(identity).toString('hex') + '\\n')
      `)
    const starters = Array.from({ length: 5 }, starter)
    expect(await Promise.all(starters.map(({ exited }) => exited))).toEqual([0, 0, 0, 0, 0])
    const seen = readFileSync(join(path, 'seen'), 'utf8').trim().split('\n')
    expect(seen).toHaveLength(5)
    expect(new Set(seen).size).toBe(1)
  }, 60_000)

  it.skipIf(windows)('that others could read is shut, and that is said once', async () => {
    const said: string[] = []
    const start = () => loadIdentity(openStateFolder(path), random, (sentence) => said.push(sentence))
    await start()
    chmodSync(join(path, 'identity'), 0o644)
    await start()
    await start()
    expect(mode(join(path, 'identity'))).toBe(0o600)
    expect(said).toEqual([expect.stringContaining('could be read by others')])
  })

  it('that is damaged is set aside, and its loss is said', async () => {
    const folder = openStateFolder(path)
    writeFileSync(join(path, 'identity'), '{"schema":1,"identity":"00"}')
    const said: string[] = []
    await loadIdentity(folder, random, (sentence) => said.push(sentence))
    expect(said).toEqual([expect.stringMatching(/now identity\.broken-1.*pychat recover/)])
    expect(JSON.parse(readFileSync(join(path, 'identity'), 'utf8'))).toEqual({
      schema: 1,
      identity: '07'.repeat(32),
    })
  })
})
