// defcon: shows or sets how much the cluster lets in. What each level does is in docs/operations.md.
import { type DefconReply, defconForMsMax, defconLevelSchema } from '@pychat/protocol'
import type { Command } from 'commander'
import type { ActingOptions, Cli } from '../cli.ts'
import { UsageError } from '../ports.ts'
import { renderTable } from '../table.ts'

type DefconOptions = ActingOptions & { for?: string; json?: boolean }

const meanings = {
  5: 'calm: everybody comes in',
  4: 'half the handshakes and half the different rooms of each address',
  3: 'that, and no new rooms: only rooms with somebody in them can be joined',
  2: 'that, and no strangers: only sessions that were in the room come back',
  1: 'that, and no new connections at all',
} as const

const help = `
Levels, each with what the one above it does:
${Object.entries(meanings)
  .reverse()
  .map(([level, meaning]) => `  ${level}  ${meaning}\n`)
  .join('')}
Who is connected stays connected on every level. It holds on all nodes, and outlives their restarts. Exit code 6: not all
nodes have it in force yet; those that run take it up within seconds.`

export function addDefcon(program: Command, cli: Cli): void {
  program
    .command('defcon')
    .description('show the emergency level, or set it: 5 is calm, each lower one lets less in')
    .argument('[level]', '1 to 5')
    .option('--for <time>', 'back to 5 after that: 30s, 10m, 1h or 7d; without it until another one is set')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'say what would be set, ask nothing and set nothing')
    .option('--json', 'print the reply as JSON (docs/admin-json.md)')
    .addHelpText('after', help)
    .action((level: string | undefined, options: DefconOptions) => defcon(cli, level, options))
}

async function defcon(cli: Cli, given: string | undefined, options: DefconOptions): Promise<void> {
  const forMs = options.for === undefined ? undefined : parseFor(options.for)
  if (given === undefined) {
    if (forMs !== undefined) throw new UsageError('--for needs a level to set, like defcon 3 --for 1h.')
    show(cli, await cli.api().ask('defcon'), options)
    return
  }
  const parsed = defconLevelSchema.safeParse(/^[1-5]$/.test(given) ? Number(given) : null)
  if (!parsed.success) throw new UsageError('The level has to be 1 to 5; 5 is calm.')
  const level = parsed.data
  cli.mayAct('defcon', options)
  if (options.dryRun && options.json) {
    cli.ports.out(`${JSON.stringify({ schema: 1, dryRun: 'defcon', level, forMs: forMs ?? null })}\n`)
    return
  }
  const during = options.for === undefined ? '' : ` for ${options.for}`
  const deed = {
    would: `set level ${level}${during} (${meanings[level]}).`,
    question: `Set level ${level}${during} (${meanings[level]})?`,
    nothing: 'Nothing was set.',
  }
  if (!(await cli.agree('defcon', deed, options))) return
  const body = { level, ...(forMs === undefined ? {} : { forMs }) }
  show(cli, await cli.api().ask('setDefcon', { body }), options)
}

function show(cli: Cli, reply: DefconReply, { json }: DefconOptions): void {
  const { asked } = reply.nodes
  cli.print({ ...reply, nodes: { asked, answered: reply.inForce.length } }, json, () =>
    renderTable(
      ['LEVEL', 'UNTIL', 'NODES', 'WHAT IT DOES'],
      [[String(reply.level), reply.until ?? '-', `${reply.inForce.length}/${asked}`, meanings[reply.level]]],
    ),
  )
}

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** @returns milliseconds  @throws UsageError */
export function parseFor(text: string): number {
  const match = /^([1-9][0-9]{0,5})([smhd])$/.exec(text)
  const ms = Number(match?.[1]) * units[(match?.[2] ?? 's') as keyof typeof units]
  if (!(ms <= defconForMsMax))
    throw new UsageError('--for wants a time from 1s to 30d, like 30s, 10m, 1h or 7d.')
  return ms
}
