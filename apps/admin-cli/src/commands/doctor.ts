// doctor: asks every node to look at itself, looks at the public way in, and says what is wrong and what to do.
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { type Finding, levels, merge } from '../doctor/finding.ts'
import { lookAtFrontDoor } from '../doctor/front-door.ts'
import { judge } from '../doctor/judge.ts'
import { exitCodes, UsageError } from '../ports.ts'
import { clean } from '../table.ts'

type DoctorOptions = { url?: string; idle: string; json?: boolean }

const diagnosisMs = 15_000
const idleMsMin = 1000
const idleMsMax = 600_000

const help = `
Examples:
  pychat-admin doctor                                     all nodes and their Redis
  pychat-admin doctor --url wss://chat.example.org        and the way in that people have
  pychat-admin doctor --url wss://chat.example.org --idle 90s

Each node sends one real message through itself, which all others have to receive. With --url two clients of doctor's own
exchange one, and a third is held silent: the pause between pings of a relay is 25 s, so --idle should be longer.

Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, 6 nothing but that nodes did not answer,
others as everywhere.`

export function addDoctor(program: Command, cli: Cli): void {
  program
    .command('doctor')
    .description(
      'look for what is wrong: Redis, limits, clocks, TLS, dead nodes, proxies that cut connections',
    )
    .option('--url <url>', 'the address that people chat through, ws:// or wss://: checks it too')
    .option('--idle <time>', 'how long a connection to --url is held silent, 1s to 10m', '30s')
    .option('--json', 'print the findings as JSON (docs/admin-json.md)')
    .addHelpText('after', help)
    .action((options: DoctorOptions) => doctor(cli, options))
}

async function doctor(cli: Cli, options: DoctorOptions): Promise<void> {
  const { ports } = cli
  const url = options.url === undefined ? null : parseUrl(options.url)
  const idleMs = parseIdle(options.idle)
  const api = cli.api()
  ports.err('Asking every node to look at itself...\n')
  const reply = await api.ask('diagnosis', { timeoutMs: diagnosisMs })
  const { nodes } = reply
  ports.err(`${nodes.answered} of ${nodes.asked} nodes answered.\n`)
  if (url !== null)
    ports.err(`Looking at ${clean(url.host)}, with a connection held silent for ${idleMs / 1000} s...\n`)
  const front = url === null ? [] : await lookAtFrontDoor(url, idleMs, ports.now)
  const findings = merge([...judge(reply), ...front])
  if (options.json) ports.out(`${JSON.stringify({ schema: 1, findings, nodes })}\n`)
  else ports.out(show(findings, nodes.answered))
  const partial = nodes.answered < nodes.asked
  if (partial) ports.err(`Partial: ${nodes.answered} of ${nodes.asked} nodes answered.\n`)
  if (findings.some(({ level, check }) => level === 'fail' && check !== 'nodes.answer')) {
    cli.end(exitCodes.failed)
  } else if (partial) cli.end(exitCodes.partial)
}

function show(findings: readonly Finding[], answered: number): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.map(({ level, check, nodes, what, todo }) => {
    // All of them need no naming.
    const whom = nodes.length === 0 || nodes.length === answered ? '' : ` (${nodes.join(', ')})`
    const indent = ' '.repeat(6 + width + 2)
    const head = `${level.toUpperCase().padEnd(6)}${check.padEnd(width)}  ${printable(what)}${whom}\n`
    return todo === null ? head : `${head}${indent}Do: ${printable(todo)}\n`
  })
  const counts = [...levels].reverse().map((level) => {
    const count = findings.filter((each) => each.level === level).length
    return `${count} ${level.toUpperCase()}`
  })
  return `${lines.join('')}\n${counts.join(', ')}.\n`
}

/** Sentences hold what nodes said of themselves. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?')

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^wss?:$/.test(url.protocol)) {
    throw new UsageError('--url wants the address that people chat through, like wss://chat.example.org.')
  }
  return url
}

function parseIdle(text: string): number {
  const match = /^([0-9]{1,6})(ms|s|m)$/.exec(text)
  const ms = Number(match?.[1]) * { ms: 1, s: 1000, m: 60_000 }[(match?.[2] ?? 'ms') as 'ms' | 's' | 'm']
  if (!(ms >= idleMsMin && ms <= idleMsMax))
    throw new UsageError('--idle wants a time from 1s to 10m, like 30s.')
  return ms
}
