// Named clusters: what the file holds and who may read it, which relay is asked, and that no token goes astray.

import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { admin } from './admin-process.ts'

// Each starts whole programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const folder = mkdtempSync(join(tmpdir(), 'pychat-contexts-'))
const file = join(folder, 'pychat', 'admin.json')
const env = { XDG_CONFIG_HOME: folder, PYCHAT_STATE_DIR: '/nowhere' }
const asked: (string | undefined)[] = []
const server = createServer((request, response) => {
  asked.push(request.headers.authorization)
  response.end(JSON.stringify({ schema: 1, servers: [], nodes: { asked: 1, answered: 1 } }))
})
let url: string

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  writeFileSync(join(folder, 'token'), 'of-the-context-prod\n')
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  asked.length = 0
  rmSync(join(folder, 'pychat'), { recursive: true, force: true })
})

const add = (name: string, ...more: string[]) => admin(['contexts', 'add', name, '--url', url, ...more], env)

test("are added, used, listed and removed; the file is its owner's alone and holds no token", async () => {
  expect((await admin(['contexts'], env)).stdout).toContain('No contexts')
  expect((await add('prod', '--token-file', join(folder, 'token'))).stdout).toBe(
    'Added prod, which is in use now.\n',
  )
  expect((await add('test')).stdout).toBe('Added test.\n')
  expect((await admin(['contexts', 'use', 'test'], env)).stdout).toBe('Using test.\n')
  expect(JSON.parse((await admin(['contexts', '--json'], env)).stdout)).toEqual({
    schema: 1,
    current: 'test',
    contexts: [
      { name: 'prod', url: `${url}/`, tokenFile: join(folder, 'token') },
      { name: 'test', url: `${url}/`, tokenFile: null },
    ],
  })
  expect((await admin(['contexts'], env)).stdout).toMatch(/^\* {7}test {2}http/m)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(file, 'utf8')).not.toContain('of-the-context')
  expect((await admin(['contexts', 'remove', 'test'], env)).code).toBe(0)
  expect(JSON.parse(readFileSync(file, 'utf8')).current).toBeNull()
})

test('--context goes before the environment, the environment before the one in use, each with its own token', async () => {
  await add('prod', '--token-file', join(folder, 'token'))
  const elsewhere = {
    ...env,
    PYCHAT_ADMIN_URL: 'http://127.0.0.1:1',
    PYCHAT_ADMIN_TOKEN: 'of-the-environment',
  }
  expect((await admin(['servers'], env)).code).toBe(0)
  expect((await admin(['servers', '--context', 'prod'], elsewhere)).code).toBe(0)
  expect((await admin(['--context', 'prod', 'servers'], elsewhere)).code).toBe(0)
  expect(asked).toEqual(Array(3).fill('Bearer of-the-context-prod'))
  expect((await admin(['servers'], elsewhere)).code).toBe(7)
  expect((await admin(['servers'], { ...elsewhere, PYCHAT_ADMIN_URL: url })).code).toBe(0)
  expect(asked[3]).toBe('Bearer of-the-environment')
})

test('what is not there, not readable or not well formed is exit code 2 with a sentence', async () => {
  await add('prod', '--token-file', join(folder, 'gone'))
  const said = await Promise.all(
    [
      ['servers'],
      ['servers', '--context', 'nix'],
      ['contexts', 'use', '__proto__'],
      ['contexts', 'remove', 'nix'],
      ['contexts', 'add', '../x', '--url', url],
      ['contexts', 'add', 'x', '--url', 'ftp://x'],
      ['contexts', 'add', 'x', '--url', 'http://user:secret@x'],
      ['contexts', 'add', 'x'],
    ].map((args) => admin(args, env)),
  )
  expect(said.map(({ code }) => code)).toEqual(Array(8).fill(2))
  expect(said[0]?.stderr).toContain('of the context cannot be read')
  expect(said[1]?.stderr).toContain('"pychat-admin contexts" lists them')
  writeFileSync(file, '{"schema":1,"current":null,"contexts":{"a":{"url":"x"}}}')
  expect((await admin(['servers'], env)).stderr).toContain('mend it or move it away')
  chmodSync(file, 0o600)
})
