// The script of "helm test", against real relays: two that share a Redis, and such as do not belong together.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { endAll, startNode } from '../../apps/client/test/e2e/processes.ts'
import { freshPrefix } from '../../apps/relay/test/support/redis.ts'
import { freePort } from '../../loadtest/free-port.js'
import { chartFolder } from './chart.ts'

const script = readFileSync(`${chartFolder}/files/two-pods.js`, 'utf8')

afterEach(endAll)

const bin = fileURLToPath(new URL('../../node_modules/.bin', import.meta.url))

/** As the chart's pod runs it: as text, without a file of its own. */
function helmTest(settings: Record<string, string>): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    env: { PATH: `${bin}${delimiter}${process.env['PATH']}`, HOME: process.env['HOME'], ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      said += String(data)
    })
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })))
}

describe('helm test', { timeout: 120_000 }, () => {
  it('passes when a sealed message goes from one relay to the other', async () => {
    const port = await freePort()
    const shared = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: freshPrefix() }
    await startNode({ ...shared, PYCHAT_LISTEN: `127.0.0.1:${port}` })
    await startNode({ ...shared, PYCHAT_LISTEN: `127.0.0.2:${port}` })
    const { code, said } = await helmTest({ NODES: '127.0.0.1,127.0.0.2', PORT: String(port) })
    expect(said).toContain("Bob got Alice's message through another relay.")
    expect(said).toContain(`Alice goes to ws://127.0.0.1:${port}`)
    expect(said).toContain(`Bob goes to ws://127.0.0.2:${port}`)
    expect(code).toBe(0)
  })

  it('fails when the relays do not know each other', async () => {
    const port = await freePort()
    await startNode({ PYCHAT_LISTEN: `127.0.0.1:${port}` })
    await startNode({ PYCHAT_LISTEN: `127.0.0.2:${port}` })
    const { code, said } = await helmTest({
      NODES: '127.0.0.1,127.0.0.2',
      PORT: String(port),
      WITHIN_MS: '10000',
    })
    expect(said).toContain("FAILED: Bob did not get Alice's message")
    expect(code).toBe(1)
  })

  it('fails when there is one relay and there should be two', async () => {
    const { code, said } = await helmTest({ NODES: '127.0.0.1', WITHIN_MS: '1500' })
    expect(said).toContain('FAILED: 127.0.0.1 has 1 of 2 relays')
    expect(code).toBe(1)
  })
})
