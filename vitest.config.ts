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
    testTimeout: 20_000,
    hookTimeout: 120_000,
    reporters: ['default', './.ci/summary-reporter.ts'],
  },
})
