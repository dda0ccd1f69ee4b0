// The command line of `npm run load`. All that is not understood is named with what would be.
import { parseArgs } from 'node:util'
import { paddingBucketsBytes } from '@pychat/protocol'
import { type ScenarioName, type Sizes, scenarioNames, scenarios } from './scenarios.ts'

const rows = scenarioNames.map((name) => `  ${name.padEnd(17)} ${scenarios[name].sentence}`)

export const usage = `npm run load -- SCENARIO [options]

Puts members into rooms with k6, lets them talk at a fixed rate, and checks that everybody gets every message once, in order and
in time. Without --url it starts relay nodes and a Redis on loopback for it, and ends them again.

${rows.join('\n')}
  fetch             only gets k6 ready, where it is not: it is built with Go into the user's cache

  --url URL         ws:// or wss:// of a relay or a front door, instead of nodes of its own; may be given several times
  --nodes N         so many nodes of its own
  --redis-url URL   they use this Redis
  --setting NAME=VALUE
                    of theirs, as in docs/configuration.md; several times
  --rooms N --members N --rate N
                    members are per room, the rate is messages a second over all rooms
  --bytes N         of padded text: ${paddingBucketsBytes.join(', ')}
  --duration 30s    how long messages are sent (s, m or h)
  --joins N         members that come in a second
  --vus N           k6's virtual users, each one thread of JavaScript
  --threshold 'METRIC=EXPRESSION'
                    in place of the scenario's for that metric, like 'pychat_delivery_ms=p(99)<50'; several times
  --halfway COMMAND run by the shell when half of the messages are sent; failover and drain need it with --url
  --within 15s      of the drain
  --settle 30s      how long may be waited for what is missing when all is said
  --out FOLDER      for report.html, summary.json, summary.txt, k6.log, and script.js with plan.json to run it again
  --keep            keeps the logs of all processes
  --help

Exit codes: 0 all held, 99 a threshold did not, 1 the run itself failed, 2 not understood or not able to run, 130 stopped.
`

export class UsageError extends Error {}

export type Options = {
  scenario: ScenarioName | 'fetch'
  urls: string[]
  nodes: number
  redisUrl: string | null
  settings: Record<string, string>
  sizes: Sizes
  bytes: number
  thresholds: Record<string, string[]>
  halfway: string | null
  withinMs: number
  settleMs: number
  out: string | null
  keep: boolean
}

/** @returns null when help was asked for  @throws UsageError, or what parseArgs throws */
export function readOptions(args: string[]): Options | null {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      url: { type: 'string', multiple: true },
      nodes: text,
      'redis-url': text,
      setting: { type: 'string', multiple: true },
      rooms: text,
      members: text,
      rate: text,
      bytes: text,
      duration: text,
      joins: text,
      vus: text,
      threshold: { type: 'string', multiple: true },
      halfway: text,
      within: text,
      settle: text,
      out: text,
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const [given, extra] = positionals
  const scenario = [...scenarioNames, 'fetch' as const].find((name) => name === given)
  if (scenario === undefined || extra !== undefined) {
    throw new UsageError(`Name one scenario: ${scenarioNames.join(', ')}.`)
  }
  const whole = (
    name: 'nodes' | 'rooms' | 'members' | 'rate' | 'joins' | 'vus',
    otherwise: number,
    max: number,
  ) => {
    const value = values[name]
    if (value === undefined) return otherwise
    if (!/^[0-9]{1,7}$/.test(value) || Number(value) < 1 || Number(value) > max) {
      throw new UsageError(`--${name} has to be a whole number from 1 to ${max}.`)
    }
    return Number(value)
  }
  const time = (name: 'duration' | 'within' | 'settle', otherwise: number) => {
    const value = values[name]
    if (value === undefined) return otherwise
    const match = /^([0-9]{1,5})(s|m|h)$/.exec(value)
    const ms = Number(match?.[1]) * ({ s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? ''] ?? Number.NaN)
    if (!(ms >= 1000 && ms <= 86_400_000))
      throw new UsageError(`--${name} has to be like 30s, 5m or 2h, at most 24h.`)
    return ms
  }
  const usual = scenarios[scenario === 'fetch' ? 'sanity' : scenario]
  const urls = (values.url ?? []).map(webSocketUrl)
  const bytes = Number(values.bytes ?? paddingBucketsBytes[0])
  if (!(paddingBucketsBytes as readonly number[]).includes(bytes)) {
    throw new UsageError(`--bytes has to be one of: ${paddingBucketsBytes.join(', ')}.`)
  }
  const halfway = values.halfway ?? null
  if (urls.length > 0 && usual.halfway !== null && halfway === null) {
    throw new UsageError(
      `${scenario} with --url needs --halfway: the command that ${usual.halfway}s one of those nodes.`,
    )
  }
  const nodes = whole('nodes', usual.nodes, 16)
  if (urls.length === 0 && usual.halfway !== null && halfway === null && nodes < 2) {
    throw new UsageError(`${scenario} takes one node away: give it at least two (--nodes).`)
  }
  return {
    scenario,
    urls,
    nodes,
    redisUrl: values['redis-url'] ?? null,
    settings: settingsOf(values.setting ?? []),
    sizes: {
      vus: whole('vus', usual.vus, 64),
      rooms: whole('rooms', usual.rooms, 100_000),
      members: whole('members', usual.members, 250),
      rate: whole('rate', usual.rate, 1_000_000),
      trafficMs: time('duration', usual.trafficMs),
      joinsPerSecond: whole('joins', usual.joinsPerSecond, 100_000),
    },
    bytes,
    thresholds: thresholdsOf(values.threshold ?? []),
    halfway,
    withinMs: time('within', 15_000),
    settleMs: time('settle', 30_000),
    out: values.out ?? null,
    keep: values.keep,
  }
}

function webSocketUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : null
  if (url === null || !/^wss?:$/.test(url.protocol) || url.username || url.password || url.hash) {
    throw new UsageError('--url has to be like ws://relay.example.org:8765 or wss://chat.example.org.')
  }
  return url.href
}

function settingsOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map((each) => /^(PYCHAT_[A-Z_]{1,64})=(.{0,256})$/.exec(each))
  if (pairs.includes(null)) throw new UsageError('--setting has to be like PYCHAT_FRAMES_PER_SECOND=100.')
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']))
}

function thresholdsOf(given: readonly string[]): Record<string, string[]> {
  const out: Record<string, string[]> = {}
  for (const each of given) {
    const match = /^([a-z_]{1,64})=((?:p\([0-9.]{1,6}\)|[a-z]{3,5})(?:[<>]=?|==)[0-9.]{1,12})$/.exec(each)
    if (!match) throw new UsageError("--threshold has to be like 'pychat_delivery_ms=p(99)<50'.")
    const [, metric = '', expression = ''] = match
    out[metric] = [...(out[metric] ?? []), expression]
  }
  return out
}
