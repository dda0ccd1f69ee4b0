// `npm run chaos -- --at`: members alone, at a relay that somebody else started.
import { afterEach, describe, expect, it } from 'vitest'
import { endAll, startNode } from '../../apps/client/test/e2e/processes.ts'
import { chaos, withinMs } from './run-chaos.ts'

const few = ['--rooms', '1', '--clients', '3', '--rate', '30']
afterEach(endAll)

describe('npm run chaos -- --at', () => {
  it(
    'judges what members are shown at a relay that runs already, and can fail',
    async () => {
      const { url } = await startNode()
      const [well, doubled] = await Promise.all([
        chaos('--at', url, ...few, '--duration', '2s'),
        chaos('--at', url, ...few, '--duration', '4s', '--plant', 'duplicate'),
      ])
      expect(well.page, well.progress).toContain('# elsewhere: kept')
      expect(well.progress).toContain('chaos: everybody is in\n')
      expect(well.code).toBe(0)
      expect(doubled.page, doubled.progress).toContain('| 0 duplicate | 1 | BROKEN |')
      expect(doubled.code).toBe(1)
    },
    withinMs,
  )

  it('refuses what is no address of a relay', async () => {
    const { code, progress } = await chaos('--at', 'localhost:8765')
    expect(code).toBe(2)
    expect(progress).toContain('--at has to be an address like ws://')
  })
})
