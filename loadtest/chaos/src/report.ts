// What a run comes to: kept or broken, and a page in Markdown that says so with the figures. Pure.
import type { Figures, Spread } from './figures.ts'
import { type FaultClass, faultClasses, type Verdict } from './judge.ts'
import { type Outcome, type PromiseRow, promiseTable } from './outcome.ts'
import type { Bound, Scenario } from './scenarios.ts'

export type Result = {
  name: string
  scenario: Scenario
  seed: number
  /** How to run it again. */
  command: string
  seconds: number
  verdict: Verdict
  figures: Figures
  crashes: number
  problems: readonly string[]
  ownDelayMs: number
}

function promisesOf({ scenario, verdict, figures, crashes }: Result): PromiseRow[] {
  const { broken } = verdict
  const tolerated = new Set<FaultClass>(scenario.tolerated)
  const classes = (Object.keys(faultClasses) as FaultClass[]).map((name) => ({
    promise: tolerated.has(name) ? `${name} (counted only)` : `0 ${name}`,
    figure: String(broken[name]),
    kept: broken[name] === 0 || tolerated.has(name),
  }))
  const bounds = scenario.bounds.map((bound: Bound) => {
    const value = bound.value(figures)
    return {
      promise: `${bound.sentence}: ${bound.atLeast ? 'at least' : 'at most'} ${shown(bound.limit, bound.unit)}`,
      figure: value === null ? 'not measured' : shown(value, bound.unit),
      kept: value === null || (bound.atLeast ? value >= bound.limit : value <= bound.limit),
    }
  })
  return [
    ...classes,
    ...bounds,
    { promise: 'no node ends by itself', figure: String(crashes), kept: crashes === 0 },
    {
      promise: 'everybody well again after each fault',
      figure: `${figures.faults - figures.faultsNotHealed} of ${figures.faults}`,
      kept: figures.faultsNotHealed === 0,
    },
    {
      promise: 'the run was real: messages were acknowledged',
      figure: String(figures.acked),
      kept: figures.acked > 0,
    },
  ]
}

export function outcomeOf(result: Result): Outcome {
  const promises = promisesOf(result)
  const { name, seconds, seed, command, figures, ownDelayMs, verdict } = result
  const kept = promises.every((row) => row.kept)
  return {
    name,
    kept,
    page: page(result, promises, kept),
    promises,
    seconds,
    seed,
    command,
    figures: { ...figures, ownDelayMs, missingBehindGapMarkers: verdict.toldMissing },
  }
}

function page(result: Result, promises: readonly PromiseRow[], kept: boolean): string {
  const { scenario, verdict, figures } = result
  const lines = [
    `# ${result.name}: ${kept ? 'kept' : 'BROKEN'}`,
    '',
    `${scenario.sentence}. ${scenario.nodes} nodes, ${scenario.rooms} rooms x ${scenario.clients} clients, ` +
      `${scenario.rate} messages/s, Redis ${scenario.redis}, PYCHAT_ACK_REPLICAS=${scenario.ackReplicas}, seed ` +
      `${result.seed}, ${Math.round(result.seconds)} s. Again: \`${result.command}\``,
    '',
    ...promiseTable(promises),
    '',
    '| Figure | p50 | p95 | p99 | longest | of |',
    '|---|---|---|---|---|---|',
    spreadRow('resume', figures.resumeMs),
    spreadRow('delivery pause of a client in a fault', figures.pauseMs),
    spreadRow('write outage of a fault', figures.writeOutageMs),
    spreadRow('delivery', figures.deliveryMs),
    spreadRow('acknowledgement', figures.ackMs),
    spreadRow('dead member shown as gone', figures.ghostMs),
    '',
    '| Fault | times | resume p95 | pause p99 | pause longest | write outage longest | all well again, longest |',
    '|---|---|---|---|---|---|---|',
    ...Object.entries(figures.byFault).map(
      ([name, { count, resumeMs, pauseMs, writeOutageMs, healMs }]) =>
        `| ${name} | ${count} | ${[resumeMs.p95, pauseMs.p99, pauseMs.max, writeOutageMs.max, healMs.max]
          .map(cell)
          .join(' | ')} |`,
    ),
    '',
    `Sent ${figures.sent}, acknowledged ${figures.acked}, refused ${figures.refused}, shown ` +
      `${figures.shown}, lost connections ${figures.reconnects}. Gap markers ${figures.gapMarkers} (size unknown ` +
      `${figures.gapMarkersUnknown}), messages missing behind them ${verdict.toldMissing}; rewound ` +
      `${figures.rewound}, repaired by their senders ${figures.repaired}, unrepaired ${figures.unrepaired}; join ` +
      `lines ${figures.joinedLines}, leave lines ${figures.leftLines}; forks ${figures.forks}, unreadable ` +
      `${figures.unreadable}; the run's own process was late by ${result.ownDelayMs} ms (p99); deaths without a line somewhere ${figures.ghostsLeft}.`,
  ]
  for (const [name, sentences] of Object.entries(verdict.examples)) {
    lines.push('', `${name}: ${faultClasses[name as FaultClass]}`, ...sentences.map((each) => `- ${each}`))
  }
  if (figures.lineExamples.length > 0) {
    lines.push('', 'Join and leave lines:', ...figures.lineExamples.map((each) => `- ${each}`))
  }
  if (result.problems.length > 0) {
    const more = result.problems.length - 10
    lines.push('', 'Problems of the run:', ...result.problems.slice(0, 10).map((each) => `- ${each}`))
    if (more > 0) lines.push(`- and ${more} more`)
  }
  return `${lines.join('\n')}\n`
}

const shown = (value: number, unit: 'ms' | 'count') => (unit === 'ms' ? `${value} ms` : String(value))

const cell = (value: number | null) => (value === null ? '' : `${value} ms`)

function spreadRow(name: string, { count, ...values }: Spread): string {
  const cells = [values.p50, values.p95, values.p99, values.max].map(cell)
  return `| ${name} | ${cells.join(' | ')} | ${count} |`
}
