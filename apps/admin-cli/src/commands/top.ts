// top: what nodes and rooms are doing right now, redrawn every two seconds, or once for scripts.
import type { Command } from 'commander'
import { type Api, ApiError } from '../api.ts'
import type { Cli } from '../cli.ts'
import { UsageError } from '../ports.ts'
import { clean } from '../table.ts'
import { fit, frameOf } from '../top/frame.ts'
import { type Look, type Sample, sampleOf } from '../top/sample.ts'

type TopOptions = { once?: boolean; json?: boolean }

const everyMs = 2000
/** The first rates come sooner. */
const firstMs = 500
/** What --once waits between its two looks. */
const onceMs = 1000
const roomsOnce = 20

const help = `
q or Ctrl-C ends it. IN/S and OUT/S are messages a second from and to clients; CPU is of one core; LAG is how late the
event loop was, the 99th percentile. Rates of a node that has just come are "-".

Examples:
  pychat-admin top
  pychat-admin top --once --json | jq '.list[].cpuPercent'
  pychat-admin top --json              one line of JSON every two seconds, until Ctrl-C`

export function addTop(program: Command, cli: Cli): void {
  program
    .command('top')
    .description('show what nodes and busiest rooms are doing, live')
    .option('--once', 'look for one second, print it and end')
    .option('--json', 'print each look as a line of JSON (docs/admin-json.md)')
    .addHelpText('after', help)
    .action((options: TopOptions) => top(cli, options))
}

async function top(cli: Cli, { once, json }: TopOptions): Promise<void> {
  const { ports } = cli
  const api = cli.api()
  if (once) {
    const before = await look(api, ports.now)
    await ports.pause(onceMs, new AbortController().signal)
    const sample = sampleOf(before, await look(api, ports.now))
    cli.print(sample, json, () => `${frameOf(sample, roomsOnce).join('\n')}\n`)
    return
  }
  if (json) {
    const ended = ports.interrupt()
    await follow(cli, api, ended, (sample) => {
      if (typeof sample === 'string') ports.err(`${sample}\n`)
      else ports.out(`${JSON.stringify(sample)}\n`)
    })
    return
  }
  if (ports.openScreen === null) throw new UsageError('top redraws a terminal, and here is none: add --once.')
  // Whoever has no right to look hears so on the terminal as it was.
  await look(api, ports.now)
  const screen = ports.openScreen()
  try {
    await follow(cli, api, screen.ended, (sample) => {
      const rows = screen.rows()
      const lines = typeof sample === 'string' ? [sample] : frameOf(sample, rows)
      screen.draw(fit(lines, screen.columns(), rows))
    })
  } finally {
    screen.close()
  }
}

/** Looks again and again until it is ended; a node that is gone for a moment is no reason to. */
async function follow(
  { ports }: Cli,
  api: Api,
  ended: AbortSignal,
  show: (sample: Sample | string) => void,
): Promise<void> {
  let before: Look | null = null
  let isFirst = true
  while (!ended.aborted) {
    const startedAt = ports.now()
    try {
      const now: Look = await look(api, ports.now, ended)
      if (before !== null) show(sampleOf(before, now))
      else show('Looking...')
      before = now
    } catch (error) {
      if (!(error instanceof ApiError) || error.kind !== 'unreachable') throw error
      if (!ended.aborted) show(clean(error.message))
    }
    await ports.pause(Math.max(0, startedAt + (isFirst ? firstMs : everyMs) - ports.now()), ended)
    isFirst = false
  }
}

async function look(api: Api, now: () => number, signal?: AbortSignal): Promise<Look> {
  const more = signal === undefined ? {} : { signal }
  const [load, servers] = await Promise.all([api.ask('load', more), api.ask('servers', more)])
  return { at: now(), load, servers }
}
