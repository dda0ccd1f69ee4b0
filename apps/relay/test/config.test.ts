// The settings table: defaults, ranges, all faults at once, and the page that is printed from it.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ConfigError, configDocs, configHelp, loadConfig } from '../src/config.ts'

const load = (env: Record<string, string | undefined>) => loadConfig(env, 'linux', '/home/someone')

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    load(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('settings', () => {
  test('an empty environment gives one embedded node on the standard ports', () => {
    const config = load({})
    expect(config.listen).toEqual({ host: '0.0.0.0', port: 8765 })
    expect(config.opsListen).toEqual({ host: '127.0.0.1', port: 9765 })
    expect(config.redisUrl).toBeNull()
    expect(config.tls).toBeNull()
    expect(config.framesPerSecond).toBe(20)
    expect(config.stateDir).toBe('/home/someone/.local/state/pychat')
    expect(Object.isFrozen(config)).toBe(true)
  })

  test('an empty value counts as unset', () => {
    expect(load({ PYCHAT_REDIS_URL: '', PYCHAT_LISTEN: ' ' })).toMatchObject({
      redisUrl: null,
      listen: { port: 8765 },
    })
  })

  test('all faults are reported at once, with the settings named', () => {
    const faults = faultsOf({
      PYCHAT_LISTEN: '8765',
      PYCHAT_OPS_LISTEN: 'localhost:99999',
      PYCHAT_TRANSPORT: 'quic',
      PYCHAT_FRAMES_PER_SECOND: '0',
      PYCHAT_REDIS_URL: 'http://x',
      PYCHAT_TRUSTED_PROXIES: '10.0.0.0/40',
      PYCHAT_ORIGINS: 'chat.example.org',
      PYCHAT_ADMIN_TOKEN: 'short',
      PYCHAT_TLS_CERT: '/tmp/cert.pem',
      PYCHAT_LOGLEVEL: 'info',
      PYCHAT_ZEBRA: '1',
    })
    expect(faults.map((fault) => fault.split(' ')[0]).sort()).toEqual([
      'PYCHAT_ADMIN_TOKEN',
      'PYCHAT_FRAMES_PER_SECOND',
      'PYCHAT_LISTEN',
      'PYCHAT_LOGLEVEL',
      'PYCHAT_OPS_LISTEN',
      'PYCHAT_ORIGINS',
      'PYCHAT_REDIS_URL',
      'PYCHAT_TLS_CERT',
      'PYCHAT_TRANSPORT',
      'PYCHAT_TRUSTED_PROXIES',
      'PYCHAT_ZEBRA',
    ])
    expect(faults.join('\n')).toContain('did you mean PYCHAT_LOG_LEVEL?')
  })

  test('a fault never repeats the value of a secret', () => {
    const faults = faultsOf({ PYCHAT_ADMIN_TOKEN: 'hunter2 hunter2', PYCHAT_REDIS_URL: 'http://u:hunter2@h' })
    expect(faults).toHaveLength(2)
    expect(faults.join()).not.toContain('hunter2')
  })

  test('names of sibling commands and of tests are known', () => {
    expect(
      faultsOf({
        PYCHAT_PIN: 'x',
        PYCHAT_ADMIN_URL: 'x',
        PYCHAT_RELAY: 'x',
        PYCHAT_USER: 'x',
        PYCHAT_SERVER: 'x',
      }),
    ).toEqual([])
    expect(faultsOf({ PYCHAT_TEST_FRAMES: '1' })).toEqual([])
  })

  test.each([
    'redis://localhost:6379',
    'rediss://user:secret@redis.example:6380/2',
    'redis+cluster://10.0.0.1:7000,10.0.0.2:7000,10.0.0.3:7000',
    'redis://[::1]:6379',
  ])('takes %s as a Redis address', (url) => {
    expect(load({ PYCHAT_REDIS_URL: url }).redisUrl).toBe(url)
  })

  test('reads IPv6 addresses and CIDRs', () => {
    const config = load({ PYCHAT_LISTEN: '[::]:1', PYCHAT_TRUSTED_PROXIES: '10.0.0.0/8, fd00::/8,192.0.2.1' })
    expect(config.listen).toEqual({ host: '::', port: 1 })
    expect(config.trustedProxies.check('10.200.1.1')).toBe(true)
    expect(config.trustedProxies.check('192.0.2.1')).toBe(true)
    expect(config.trustedProxies.check('192.0.2.2')).toBe(false)
    expect(config.trustedProxies.check('fd12::1', 'ipv6')).toBe(true)
  })

  test('one address for chat and ops is refused, and so are two tokens', () => {
    expect(faultsOf({ PYCHAT_LISTEN: '127.0.0.1:9765' })).toHaveLength(1)
    expect(faultsOf({ PYCHAT_ADMIN_TOKEN: 'x'.repeat(16), PYCHAT_ADMIN_TOKEN_FILE: '/f' })).toHaveLength(1)
  })

  test('docs/configuration.md is what the table prints', () => {
    expect(readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')).toBe(
      configDocs(),
    )
  })

  test('the help names every setting on lines that fit a terminal', () => {
    const help = configHelp()
    const documented = [...configDocs().matchAll(/^\| `(PYCHAT_\w+)`/gm)].map((match) => match[1])
    expect(documented.length).toBeGreaterThan(20)
    for (const name of documented) expect(help).toContain(`  ${name}  (`)
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(120)
  })
})
