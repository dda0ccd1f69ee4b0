// Members at an address that runs already, while somebody does something to what is behind it: a rollout, a node that is
// killed, more nodes and fewer. Nothing is started and nothing broken here; what the members were shown is judged as in
// any run, and nobody may be told that somebody came or went.
import { type Figures, figuresOf, type Spread } from './figures.ts'
import { History } from './history.ts'
import { faultClasses, judge, type Verdict } from './judge.ts'
import { createMembers, type MemberNode } from './members.ts'
import { type Outcome, type PromiseRow, promiseTable } from './outcome.ts'
import { type PlantableFault, plant } from './planted.ts'
import { pause, until } from './processes.ts'
import { rest } from './rest.ts'
import { startTraffic } from './traffic.ts'

const startWithinMs = 60_000
/** After the end of the time everybody has to be back within. */
const backWithinMs = 30_000
const tellEveryMs = 5000

export type ElsewhereOptions = {
  /** ws:// or wss:// */
  at: string
  rooms: number
  /** Per room. */
  clients: number
  /** Messages per second over all rooms. */
  rate: number
  seed: number
  command: string
  /** null: until `stopped`. */
  durationMs: number | null
  plant: PlantableFault | null
  progress(line: string): void
  stopped(): boolean
}

export async function elsewhere(options: ElsewhereOptions): Promise<Outcome> {
  const startedAt = performance.now()
  const history = new History()
  const node: MemberNode = { url: options.at, connections: 0 }
  const members = await createMembers(
    { pick: () => node },
    history,
    options.plant === null ? history : plant(history, options.plant),
    {
      rooms: options.rooms,
      clients: options.clients,
      run: `${options.seed} ${process.pid} ${Date.now()}`,
      textBytes: 0,
      progress: options.progress,
    },
  )
  if (!(await until(() => members.allWell(), startWithinMs))) {
    members.stop()
    throw new Error(`Not everybody came into their rooms at ${options.at} within ${startWithinMs / 1000} s.`)
  }
  const traffic = startTraffic(members, options.rate, options.seed)
  const teller = setInterval(() => {
    const unwell = members.all.filter(({ well }) => !well).length
    options.progress(
      `${history.messages.length} sent, ${history.acked} acknowledged, ${history.shownRows} shown, ` +
        `${members.pending()} waiting, ${unwell} members away`,
    )
  }, tellEveryMs)
  try {
    await pause(1000)
    history.calmFrom = performance.now()
    const whole = {
      fault: 'elsewhere',
      detail: options.at,
      at: history.calmFrom,
      healedAt: null as number | null,
    }
    history.nemesis.push(whole)
    // Whoever does something to the relays waits for this line.
    options.progress('everybody is in')
    await until(options.stopped, options.durationMs ?? Number.POSITIVE_INFINITY)
    traffic.stop()
    if (await until(() => members.allWell(), backWithinMs)) whole.healedAt = performance.now()
    await rest(history, members, options.clients)
    history.endedAt = performance.now()
  } finally {
    clearInterval(teller)
    traffic.stop()
    members.stop()
  }
  return outcomeOf(options, history, (performance.now() - startedAt) / 1000)
}

function outcomeOf(options: ElsewhereOptions, history: History, seconds: number): Outcome {
  const verdict = judge(history, { gapsAreLoss: true })
  const figures = figuresOf(history)
  const promises: PromiseRow[] = [
    ...(Object.keys(faultClasses) as (keyof typeof faultClasses)[]).map((name) => ({
      promise: `0 ${name}`,
      figure: String(verdict.broken[name]),
      kept: verdict.broken[name] === 0,
    })),
    {
      promise: 'no join or leave line on any screen',
      figure: String(figures.joinedLines + figures.leftLines),
      kept: figures.joinedLines + figures.leftLines === 0,
    },
    {
      promise: 'everybody there at the end',
      figure: figures.faultsNotHealed === 0 ? 'yes' : 'no',
      kept: figures.faultsNotHealed === 0,
    },
    {
      promise: 'the run was real: messages were acknowledged',
      figure: String(figures.acked),
      kept: figures.acked > 0,
    },
  ]
  const kept = promises.every((row) => row.kept)
  return {
    name: 'elsewhere',
    kept,
    page: page(options, promises, figures, verdict, kept, seconds),
    promises,
    seconds,
    seed: options.seed,
    command: options.command,
    figures: { ...figures },
  }
}

function page(
  { at, rooms, clients, rate, seed }: ElsewhereOptions,
  promises: readonly PromiseRow[],
  figures: Figures,
  { examples }: Verdict,
  kept: boolean,
  seconds: number,
): string {
  const row = (name: string, { p50, p95, p99, max, count }: Spread) =>
    `| ${name} | ${[p50, p95, p99, max].map((ms) => (ms === null ? '' : `${ms} ms`)).join(' | ')} | ${count} |`
  const lines = [
    `# elsewhere: ${kept ? 'kept' : 'BROKEN'}`,
    '',
    `Members at ${at}: ${rooms} rooms x ${clients}, ${rate} messages/s, seed ${seed}, ${Math.round(seconds)} s.`,
    '',
    ...promiseTable(promises),
    '',
    '| Figure | p50 | p95 | p99 | longest | of |',
    '|---|---|---|---|---|---|',
    row('resume', figures.resumeMs),
    row('delivery', figures.deliveryMs),
    row('acknowledgement', figures.ackMs),
    row('longest pause of a member', figures.pauseMs),
    '',
    `Sent ${figures.sent}, acknowledged ${figures.acked}, refused ${figures.refused}, shown ${figures.shown}, lost ` +
      `connections ${figures.reconnects}; join lines ${figures.joinedLines}, leave lines ${figures.leftLines}.`,
  ]
  for (const [name, sentences] of Object.entries(examples))
    lines.push('', `${name}:`, ...sentences.map((each) => `- ${each}`))
  if (figures.lineExamples.length > 0) {
    lines.push('', 'Join and leave lines:', ...figures.lineExamples.map((each) => `- ${each}`))
  }
  return `${lines.join('\n')}\n`
}
