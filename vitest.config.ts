import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

const source = ['@pychat/source']

export default defineConfig({
  resolve: { conditions: source },
  ssr: { resolve: { conditions: source } },
  test: {
    include: [
      'libs/*/test/**/*.test.ts',
      'apps/*/test/**/*.test.ts',
      'loadtest/test/**/*.test.ts',
      'deploy/test/**/*.test.ts',
    ],
    globalSetup: ['apps/relay/test/support/redis.global.ts'],
    // Tests of real processes mostly wait: two cores bear two files at once.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 120_000,
    reporters: ['default', './.ci/summary-reporter.ts'],
  },
})
