// Alert rules and dashboard: judged by promtool, compared with what a relay really exports, and asked of a real Prometheus.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { stringify } from 'yaml'
import { endAll, type Node, startNode } from '../../apps/client/test/e2e/processes.ts'
import { RawMember, randomId } from '../../apps/client/test/e2e/raw-member.ts'
import { freshPrefix } from '../../apps/relay/test/support/redis.ts'
import { freePort } from '../../loadtest/free-port.js'
import { dashboardText } from '../monitoring/dashboard.js'
import { type KubeObject, readYaml } from './chart.ts'

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const alertsFile = path('deploy/helm/files/alerts.yml')
const runbooks = readFileSync(path('docs/operations.md'), 'utf8')

const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const hasPromtool = isInstalled('promtool')
const hasPrometheus = isInstalled('prometheus')

const rules: KubeObject[] = readYaml('deploy/helm/files/alerts.yml').groups.flatMap(
  (group: KubeObject) => group.rules,
)
const dashboard: KubeObject = JSON.parse(readFileSync(path('deploy/helm/files/dashboard.json'), 'utf8'))
const panels: KubeObject[] = dashboard.panels.filter(({ type }: KubeObject) => type !== 'row')
const queries: string[] = panels.flatMap(({ targets }) => targets.map(({ expr }: KubeObject) => expr))

/** A query as Grafana sends it when everything is chosen. */
function filled(expr: string, window: string): string {
  return expr.replaceAll('$__rate_interval', window).replaceAll(/\$(namespace|service|instance)/g, '.*')
}

/** Names that a query asks for. */
function metricsOf(expr: string): string[] {
  return [...expr.matchAll(/\b([a-z0-9_]+)\{/g)].map(([, name = '']) => name)
}

const folders: string[] = []
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pychat-monitoring-'))
  folders.push(folder)
  return folder
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** The folder that Prometheus sees in compose. @param targets in place of Docker's DNS */
function prometheusFolder(targets?: string[]): string {
  const folder = temporaryFolder()
  cpSync(alertsFile, join(folder, 'alerts.yml'))
  const config = readYaml('deploy/monitoring/prometheus.yml')
  if (targets !== undefined) {
    config.global = { scrape_interval: '1s', evaluation_interval: '1s' }
    const [job] = config.scrape_configs
    config.scrape_configs = [{ job_name: job.job_name, static_configs: [{ targets }] }]
  }
  writeFileSync(join(folder, 'prometheus.yml'), stringify(config))
  return folder
}

function promtool(...args: string[]): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' })
  return { code: status, said: stdout + stderr }
}

describe('alert rules', () => {
  it.skipIf(!hasPromtool)('are well formed (skipped where promtool is not installed)', () => {
    const { code, said } = promtool('check', 'rules', alertsFile)
    expect(code, said).toBe(0)
    expect(said).toContain(`${rules.length} rules found`)
  })

  it.skipIf(!hasPromtool)('fire when they should (skipped where promtool is not installed)', () => {
    const { code, said } = promtool('test', 'rules', path('deploy/monitoring/alerts.test.yml'))
    expect(code, said).toBe(0)
  })

  it('each have a case in which they fire and one in which they do not', () => {
    const cases: KubeObject[] = readYaml('deploy/monitoring/alerts.test.yml').tests.flatMap(
      (test: KubeObject) => test.alert_rule_test,
    )
    for (const { alert } of rules) {
      const own = cases.filter(({ alertname }) => alertname === alert)
      expect(own.filter((each) => each.exp_alerts.length > 0).length, `${alert} fires`).toBeGreaterThan(0)
      expect(own.filter((each) => each.exp_alerts.length === 0).length, `${alert} is quiet`).toBeGreaterThan(
        0,
      )
    }
  })

  it.each(rules.map((rule) => [rule.alert, rule]))(
    '%s says how bad, after how long, and what to do',
    (name, rule) => {
      expect(name).toMatch(/^PyChat[A-Z][A-Za-z]+$/)
      expect(rule.for).toMatch(/^[0-9]+[sm]$/)
      expect(['critical', 'warning']).toContain(rule.labels.severity)
      expect(Object.keys(rule.annotations)).toEqual(['summary', 'description', 'runbook_url'])
      expect(rule.annotations['runbook_url']).toBe(`docs/operations.md#${name.toLowerCase()}`)
      expect(runbooks).toContain(`\n### ${name}\n`)
    },
  )

  it('has no runbook without its alert', () => {
    const headings = [...runbooks.matchAll(/^### (PyChat\w+)$/gm)].map(([, name]) => name)
    expect(headings.sort()).toEqual(rules.map(({ alert }) => alert).sort())
  })

  it('ask for our job alone, so that the chart can narrow them to a release', () => {
    for (const { alert, expr } of rules) {
      for (const [selector] of expr.matchAll(/\b[a-z0-9_]+\{[^}]*\}/g)) {
        expect(selector, alert).toMatch(/^[a-z0-9_]+\{job="pychat"[,}]/)
      }
      // No selector hides without braces.
      expect(expr.replaceAll(/\b[a-z0-9_]+\{[^}]*\}/g, ''), alert).not.toMatch(/pychat_relay_|\bup\b/)
    }
  })
})

describe('the dashboard', () => {
  it('is what its script writes', () => {
    expect(readFileSync(path('deploy/helm/files/dashboard.json'), 'utf8')).toBe(dashboardText())
  })

  it('has a name that stays, panels that differ, and no data source of anybody’s', () => {
    expect(dashboard.uid).toBe('pychat-relays')
    const ids = dashboard.panels.map(({ id }: KubeObject) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const titles = panels.map(({ title }) => title)
    for (const title of titles) expect(title).not.toBe('')
    const sources = JSON.stringify(dashboard).match(/"uid":"(?!pychat-relays)[^"]*"/g)
    expect(new Set(sources)).toEqual(new Set(['"uid":"$datasource"']))
  })

  it('shows panels that neither overlap nor leave the page', () => {
    const taken = new Set<string>()
    for (const { title, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken, title).not.toContain(`${x},${y}`)
          taken.add(`${x},${y}`)
        }
      }
    }
  })
})

describe('a live relay', () => {
  let exported: Set<string>
  let closeReasons: string
  beforeAll(async () => {
    const node = await startNode()
    const text = await (await fetch(`${node.opsUrl}/metrics`)).text()
    exported = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name))
    closeReasons = readFileSync(path('libs/protocol/src/close-codes.ts'), 'utf8')
    await endAll()
  })

  it('exports every metric that an alert or a panel asks for', () => {
    const variables: string[] = dashboard.templating.list.flatMap(
      ({ definition }: KubeObject) => definition ?? [],
    )
    const asked = [...rules.map(({ expr }) => expr), ...queries, ...variables].flatMap(metricsOf)
    expect(asked.length).toBeGreaterThan(40)
    const missing = asked.filter((name) => name !== 'up' && !exported.has(name.replace(/_bucket$/, '')))
    expect([...new Set(missing)]).toEqual([])
  })

  it('knows the close reasons and codes that alerts name', () => {
    const text = rules.map(({ expr }) => expr).join('\n')
    const reasons = [...text.matchAll(/reason="(\w+)"/g)].map(([, reason]) => reason)
    expect(reasons).toEqual(['slowReader', 'slowReader'])
    for (const reason of reasons) expect(closeReasons).toContain(`  ${reason}: {`)
    const codes = [...text.matchAll(/code=~"([^"]+)"/g)].flatMap(([, list = '']) => list.split('|'))
    const errors = readFileSync(path('libs/protocol/src/error-codes.ts'), 'utf8')
    expect(codes).toHaveLength(3)
    for (const code of codes) expect(errors).toMatch(new RegExp(`^  '?${code}'?: \\{`, 'm'))
  })
})

describe.skipIf(!hasPrometheus || !hasPromtool)('Prometheus (skipped where it is not installed)', () => {
  let server: ChildProcess | null = null
  afterEach(async () => {
    const { exitCode } = server ?? { exitCode: 0 }
    if (server !== null && exitCode === null) {
      const gone = new Promise((resolve) => server?.once('exit', resolve))
      server.kill('SIGKILL')
      await gone
    }
    server = null
    await endAll()
  })

  it('takes the configuration of compose', () => {
    const { code, said } = promtool('check', 'config', join(prometheusFolder(), 'prometheus.yml'))
    expect(code, said).toBe(0)
    expect(said).toContain('1 rule files found')
  })

  it('has data for every panel, and sees a relay that is killed', async () => {
    const shared = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: freshPrefix() }
    const nodes = (await Promise.all([startNode(shared), startNode(shared)])) as [Node, Node]
    const [, second] = nodes
    const port = await freePort()
    const folder = prometheusFolder(nodes.map(({ opsUrl }) => new URL(opsUrl).host))
    server = spawn(
      'prometheus',
      [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    )
    const api = async (at: string, parameters: Record<string, string> = {}): Promise<KubeObject> => {
      const url = `http://127.0.0.1:${port}/api/v1/${at}?${new URLSearchParams(parameters)}`
      const answer = await fetch(url).catch(() => null)
      return answer === null ? null : await answer.json()
    }
    const member = await RawMember.connect(nodes[0].url)
    const seen = (expr: string) => async (): Promise<KubeObject> =>
      (await api('query', { query: expr }))?.data
    // Three scrapes of both, with somebody in a room between them.
    await expect
      .poll(seen('count(up == 1)'), { timeout: 20_000 })
      .toMatchObject({ result: [{ value: [expect.anything(), '2'] }] })
    await member.join(randomId(), randomId())
    await expect
      .poll(seen('sum(pychat_relay_joins_total)'), { timeout: 10_000 })
      .toMatchObject({ result: [{ value: [expect.anything(), '1'] }] })
    await expect
      .poll(seen('min(count_over_time(up[10s]))'), { timeout: 10_000 })
      .toMatchObject({ result: [{ value: [expect.anything(), expect.stringMatching(/^([3-9]|1\d)$/)] }] })

    const empty: string[] = []
    for (const expr of queries) {
      const answer = await api('query', { query: filled(expr, '10s') })
      expect(answer.status, `${expr}: ${answer.error}`).toBe('success')
      if (answer.data.result.length === 0) empty.push(expr)
    }
    expect(empty).toEqual([])

    const loaded = await api('rules', { type: 'alert' })
    const [group] = loaded.data.groups
    expect(group.rules).toHaveLength(rules.length)
    for (const { name, health } of group.rules) expect([name, health]).toEqual([name, 'ok'])
    const pending = async (): Promise<string[]> =>
      (await api('alerts')).data.alerts.map(
        ({ labels }: KubeObject) => `${labels.alertname} ${labels.instance}`,
      )
    expect(await pending()).toEqual([])
    second.process.kill('SIGKILL')
    await second.exited
    await expect
      .poll(pending, { timeout: 10_000 })
      .toContain(`PyChatNodeUnreachable ${new URL(second.opsUrl).host}`)
    member.close()
  }, 60_000)
})
