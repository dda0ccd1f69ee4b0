// `npm run load` as it is built, with real nodes and this test run's Redis. Without k6 there is nothing to run it with:
// `npm run load -- fetch` gets it, where Go is.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, inject, it } from 'vitest'
import type {} from '../../apps/relay/test/support/redis.global.ts'
import { installedK6 } from '../k6/src/k6.ts'
import { readOptions } from '../k6/src/options.ts'
import { type Ended, runProgram } from './run-program.ts'

const program = fileURLToPath(new URL('../k6/dist/main.js', import.meta.url))
/** A run takes less than 20 s; a machine that does other work too gets longer before it counts as hung. */
const withinMs = 90_000
const folder = mkdtempSync(join(tmpdir(), 'pychat-load-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function load(name: string, args: string[], env = process.env): Promise<Ended & { out: string }> {
  const out = join(folder, name)
  return { ...(await runProgram(program, [...args, '--out', out], withinMs, env)), out }
}

const missing = installedK6() === null ? ' (skipped: no k6 here; "npm run load -- fetch" gets it)' : ''

// Each run is mostly waiting: side by side they take as long as the longest.
describe.concurrent(`npm run load${missing}`, () => {
  const small = ['--rooms', '2', '--members', '3', '--redis-url', inject('redisUrl')]

  it.skipIf(missing)(
    'finds nothing wrong in the sanity scenario, and leaves page, JSON and HTML',
    async () => {
      // How fast a busy machine is, is not the question here.
      const calm = [
        '--threshold',
        'pychat_delivery_ms=p(99)<20000',
        '--threshold',
        'pychat_join_ms=p(95)<20000',
      ]
      const { code, page, progress, out } = await load('sanity', ['sanity', ...small, ...calm])
      expect(page, progress).toContain('# sanity: kept')
      expect(code).toBe(0)
      const { figures, kept } = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
      expect(kept).toBe(true)
      expect(figures.sent).toBeGreaterThan(50)
      expect(figures.delivered).toBe(3 * figures.sent)
      expect(figures.deliveryMs.count).toBe(figures.delivered)
      expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('</html>')
    },
    withinMs + 10_000,
  )

  it.skipIf(missing)(
    'ends with 99 and says what broke when relays that keep no log lose what members missed',
    async () => {
      const forgetful = [
        '--setting',
        'PYCHAT_LOG_MESSAGES_MAX=0',
        '--rate',
        '40',
        '--duration',
        '4s',
        '--settle',
        '2s',
      ]
      const { code, page, progress } = await load('lost', ['reconnect-storm', ...small, ...forgetful])
      expect(page, progress).toContain('# reconnect-storm: BROKEN')
      expect(page).toMatch(/\| pychat_lost count==0 \| [1-9][0-9]* \| BROKEN \|/)
      expect(page).toMatch(/\| pychat_duplicates count==0 \| 0 \| kept \|/)
      expect(code).toBe(99)
    },
    withinMs + 10_000,
  )

  it('says how k6 comes when neither it nor Go is there', async () => {
    const { code, progress } = await load('nothing', ['sanity'], { PATH: '/nonexistent', HOME: folder })
    expect(code).toBe(2)
    expect(progress).toContain('install k6')
  })

  it.each([
    [['nonsense'], 'Name one scenario'],
    [['drain', '--url', 'ws://127.0.0.1:1'], 'needs --halfway'],
    [['failover', '--nodes', '1'], 'at least two'],
    [['sanity', '--bytes', '300'], '--bytes has to be one of'],
    [['sanity', '--url', 'http://127.0.0.1:1'], '--url has to be like'],
    [['sanity', '--threshold', 'pychat_lost'], '--threshold has to be like'],
    [['sanity', '--setting', 'PATH=/tmp'], '--setting has to be like'],
    [['sanity', '--duration', '30'], '--duration has to be like'],
  ])('refuses %j in one sentence', (args, sentence) => {
    expect(() => readOptions(args)).toThrow(sentence)
  })
})
