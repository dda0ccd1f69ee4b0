// The metrics page follows Prometheus' own rules, as its promtool judges them.
import { spawnSync } from 'node:child_process'
import { afterEach, expect, it } from 'vitest'
import { endAll, startNode } from './processes.ts'
import { RawMember, randomId } from './raw-member.ts'

afterEach(endAll)

const promtool = spawnSync('promtool', ['--version']).status === 0

it.skipIf(!promtool)(
  'is clean for promtool check metrics (skipped where promtool is not installed)',
  async () => {
    const node = await startNode()
    const member = await RawMember.connect(node.url)
    await member.join(randomId(), randomId())
    const metrics = await (await fetch(`${node.opsUrl}/metrics`)).text()
    const verdict = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' })
    expect(verdict.stdout + verdict.stderr).toBe('')
    expect(verdict.status).toBe(0)
    expect(metrics).toMatch(/^pychat_relay_connections 1$/m)
    member.close()
  },
)
