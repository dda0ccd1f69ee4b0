// The whole checker against real nodes and this test run's Redis: a short run with a fixed seed has to be kept, and the
// same run with a fault in what is recorded has to fail. The longer runs are `npm run chaos -- --scenario NAME`.
import { describe, expect, inject, it } from 'vitest'
import type {} from '../../apps/relay/test/support/redis.global.ts'
import { chaos as run, withinMs } from './run-chaos.ts'

/** With this test run's Redis. */
const chaos = (...args: string[]) => run('--redis-url', inject('redisUrl'), ...args)

// Each run is mostly waiting: side by side they take as long as the longest.
describe.concurrent('npm run chaos', () => {
  it(
    'keeps its promises in the short run with seed 4',
    async () => {
      const { code, page, progress } = await chaos('--scenario', 'short', '--seed', '4')
      expect(page, progress).toContain('# short: kept')
      expect(code).toBe(0)
    },
    withinMs + 10_000,
  )

  it.each(['acked-lost', 'duplicate', 'out-of-order', 'different-order', 'corrupt', 'never-settled'])(
    'fails when one fault of class %s is planted in a run',
    { timeout: withinMs },
    async (fault) => {
      // So slow that the run has to go on until its fault is due.
      const small = ['--rooms', '1', '--clients', '3', '--rate', '15', '--faults', '0']
      const { code, page, progress } = await chaos('--scenario', 'short', ...small, '--plant', fault)
      expect(page, progress).toMatch(new RegExp(`\\| 0 ${fault} \\| [12] \\| BROKEN \\|`))
      expect(page.match(/BROKEN \|/g)).toHaveLength(1)
      expect(code).toBe(1)
    },
  )

  it(
    'keeps to honest gaps where the log is short, and fails when one is swallowed',
    async () => {
      const honest = await chaos('--scenario', 'bounds', '--seed', '1', '--faults', '2')
      expect(honest.page, honest.progress).toContain('# bounds: kept')
      const swallowed = await chaos(
        '--scenario',
        'bounds',
        '--seed',
        '1',
        '--faults',
        '2',
        '--plant',
        'skipped-gap',
      )
      expect(swallowed.page, swallowed.progress).toMatch(/\| 0 skipped-gap \| [1-9][0-9]* \| BROKEN \|/)
      expect(swallowed.code).toBe(1)
    },
    withinMs,
  )

  it('says how it is called when it does not understand', async () => {
    const { code, progress } = await chaos('--scenario', 'nonsense')
    expect(code).toBe(2)
    expect(progress).toContain('--scenario NAME')
  })
})
