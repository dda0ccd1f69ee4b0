// pychat-admin defcon on a real relay: asks, says what it would do, sets for a time, and shows it where nodes are shown.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RelayChild, startRelay } from '../../relay/test/child.ts'
import { parseFor } from '../src/commands/defcon.ts'
import { admin } from './admin-process.ts'

const token = '0123456789abcdef0123456789abcdef'
let relay: RelayChild
let env: Record<string, string>

beforeAll(async () => {
  relay = await startRelay({ PYCHAT_ADMIN_TOKEN: token })
  env = { PYCHAT_ADMIN_URL: relay.opsUrl, PYCHAT_ADMIN_TOKEN: token }
})
afterAll(() => relay?.dispose())

test('sets a level for a time, and shows it', async () => {
  const dry = await admin(['defcon', '3', '--for', '1h', '--dry-run'], env)
  expect(dry).toMatchObject({ code: 0, stdout: '' })
  expect(dry.stderr).toMatch(/^Would set level 3 for 1h \(.*no new rooms.*\)\. Nothing was done\.\n$/)
  const asJson = await admin(['defcon', '3', '--for', '1h', '--dry-run', '--json'], env)
  expect(JSON.parse(asJson.stdout)).toEqual({ schema: 1, dryRun: 'defcon', level: 3, forMs: 3_600_000 })
  expect(JSON.parse((await admin(['defcon', '--json'], env)).stdout).level).toBe(5)
  expect((await admin(['defcon', '3'], env)).code).toBe(2)
  const set = await admin(['defcon', '3', '--for', '1h', '--yes', '--json'], env)
  expect(set.code).toBe(0)
  const reply = JSON.parse(set.stdout)
  expect(reply).toMatchObject({ level: 3, nodes: { asked: 1, answered: 1 } })
  expect(Date.parse(reply.until) - Date.now()).toBeGreaterThan(3_500_000)
  expect((await admin(['defcon'], env)).stdout).toMatch(
    /LEVEL +UNTIL.*\n3 +20\S+Z +1\/1 +that, and no new rooms/,
  )
  expect((await admin(['nodes'], env)).stdout).toMatch(/DEFCON.*\n.* 3 /)
  expect(JSON.parse((await admin(['stats', '--json'], env)).stdout).defcon).toBe(3)
})

test.each([
  [['defcon', '0'], '1 to 5'],
  [['defcon', 'high'], '1 to 5'],
  [['defcon', '3', '--for', 'long', '--yes'], '1s to 30d'],
  [['defcon', '3', '--for', '31d', '--yes'], '1s to 30d'],
  [['defcon', '--for', '1h'], 'needs a level'],
])('refuses %s', async (args, words) => {
  const result = await admin(args, env)
  expect(result.code).toBe(2)
  expect(result.stderr).toContain(words)
})

test('reads times', () => {
  expect(['30s', '10m', '2h', '7d'].map(parseFor)).toEqual([30_000, 600_000, 7_200_000, 604_800_000])
})
