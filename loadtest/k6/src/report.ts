// What a run found: a page to read and JSON to keep, both without names of machines.
import { cpus, totalmem } from 'node:os'
import type { K6Summary, Plan } from '#k6/plan'
import type { Spent } from './costs.ts'

export type Found = {
  plan: Plan
  command: string
  k6: K6Summary
  /** While messages were sent, as close as it was looked at. */
  spent: Spent | null
  /** What happened in the middle, and what went wrong beside the thresholds. */
  events: readonly string[]
  problems: readonly string[]
}

const one = (value: number | undefined) =>
  value === undefined ? 'none' : String(Math.round(value * 10) / 10)

/** What a threshold's expression speaks of, as far as k6 tells it. */
function figureOf(values: Record<string, number>, expression: string): string {
  const key = /^(p\([0-9.]+\)|[a-z]+)/.exec(expression)?.[1] ?? ''
  const value = values[key === 'p(50)' ? 'med' : key]
  return value === undefined ? 'see report.html' : String(Math.round(value * 1000) / 1000)
}

export function resultOf({ plan, command, k6, spent, events, problems }: Found) {
  const values = (name: string): Record<string, number> => k6.metrics[name]?.values ?? {}
  const count = (name: string) => values(name)['count'] ?? 0
  const trend = (name: string) => {
    const { count = 0, med, max, 'p(95)': p95, 'p(99)': p99 } = values(name)
    return count === 0 ? null : { count, p50: med, p95, p99, max }
  }
  const thresholds = Object.entries(k6.metrics)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([metric, { values: found, thresholds: all = {} }]) =>
      Object.entries(all).map(([expression, { ok }]) => ({
        metric,
        expression,
        figure: figureOf(found, expression),
        ok,
      })),
    )
  const settleMs = values('pychat_settle_ms')['max'] ?? 0
  const delivered = count('pychat_delivered')
  return {
    scenario: plan.scenario,
    kept: problems.length === 0 && thresholds.every(({ ok }) => ok),
    date: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    command,
    plan: { ...plan, urls: plan.urls.length, thresholds: undefined },
    thresholds,
    events,
    problems,
    figures: {
      sent: count('pychat_sent'),
      delivered,
      expected: count('pychat_expected'),
      lost: count('pychat_lost'),
      duplicates: count('pychat_duplicates'),
      deliveredPerSecond: Math.round((1000 * delivered) / (plan.trafficMs + settleMs)),
      deliveryMs: trend('pychat_delivery_ms'),
      joinMs: trend('pychat_join_ms'),
      rejoinMs: trend('pychat_rejoin_ms'),
      settleMs,
      reconnects: count('pychat_reconnects'),
      connectFailures: count('pychat_connect_failures'),
      refused: count('pychat_refused'),
      checks: { passes: values('checks')['passes'] ?? 0, fails: values('checks')['fails'] ?? 0 },
      spent,
    },
  }
}

export type Result = ReturnType<typeof resultOf>

const row = (...cells: (string | number)[]) => `| ${cells.join(' | ')} |`

export function pageOf({
  scenario,
  kept,
  date,
  machine,
  command,
  plan,
  thresholds,
  events,
  problems,
  figures,
}: Result) {
  const times = ([name, trend]: [string, Result['figures']['deliveryMs']]) =>
    trend === null ? [] : [row(name, one(trend.p50), one(trend.p95), one(trend.p99), one(trend.max))]
  const { spent } = figures
  return [
    `# ${scenario}: ${kept ? 'kept' : 'BROKEN'}`,
    '',
    `${date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}`,
    `${plan.rooms} rooms of ${plan.members}, ${plan.rate} messages a second of ${plan.bytes} bytes for ${plan.trafficMs / 1000} s, to ${plan.urls} ${plan.urls === 1 ? 'address' : 'addresses'}`,
    command,
    '',
    ...events,
    ...problems.map((problem) => `BROKEN: ${problem}`),
    ...(events.length + problems.length > 0 ? [''] : []),
    row('Has to hold', 'Found', ''),
    row('---', '---', '---'),
    ...thresholds.map(({ metric, expression, figure, ok }) =>
      row(`${metric} ${expression}`, figure, ok ? 'kept' : 'BROKEN'),
    ),
    '',
    `${figures.deliveredPerSecond} deliveries a second; ${figures.sent} messages, ${figures.delivered} of ${figures.expected} deliveries, ${figures.lost} lost, ${figures.duplicates} twice`,
    `checks: ${figures.checks.passes} passed, ${figures.checks.fails} failed; ${figures.reconnects} reconnects, ${figures.connectFailures} connections not opened, ${figures.refused} requests or frames not taken at first`,
    ...(spent === null
      ? []
      : [
          `a delivery cost ${spent.relayUsPerDelivery} us of the relays' processors and ${spent.redisUsPerDelivery} us of Redis'; relays' memory ${spent.relayMemoryMiB} MiB`,
          `processors used: relays ${spent.relayCores}, Redis ${spent.redisCores}, k6 ${spent.k6Cores}; relays waited ${spent.relayWaitedPerRun} ms for each ms that they had one`,
        ]),
    '',
    row('milliseconds', 'p50', 'p95', 'p99', 'max'),
    row('---', '---', '---', '---', '---'),
    ...(
      [
        ['from due to delivered', figures.deliveryMs],
        ['from connecting to being in the room', figures.joinMs],
        ['from a lost connection to being back', figures.rejoinMs],
      ] as [string, Result['figures']['deliveryMs']][]
    ).flatMap(times),
    '',
  ].join('\n')
}
