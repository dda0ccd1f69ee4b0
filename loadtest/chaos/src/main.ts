// npm run chaos: reads the command line, runs the scenarios, prints a page for each, and says by its exit code whether
// the promises were kept: 0 kept, 1 broken, 2 not understood or not able to run.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { conduct } from './conduct.ts'
import { crowd } from './crowd/crowd.ts'
import { elsewhere } from './elsewhere.ts'
import { figuresOf } from './figures.ts'
import { judge } from './judge.ts'
import type { Outcome } from './outcome.ts'
import { type PlantableFault, plantableFaults } from './planted.ts'
import { endAll, runFolder } from './processes.ts'
import { outcomeOf } from './report.ts'
import { type Scenario, type ScenarioName, scenarioNames, scenarios } from './scenarios.ts'
import type { FaultName } from './schedule.ts'
import { slow } from './slow.ts'
import { givenStore, type StoreKind, startStore, storeKinds } from './stores.ts'
import { storm } from './storm.ts'

/** Runs without a schedule of faults, which measure what thousands of members or megabytes do. */
const measured = ['storm', 'slow', 'crowd'] as const
const isMeasured = (name: Name): name is (typeof measured)[number] => measured.some((each) => each === name)
const names = [...scenarioNames, ...measured]
type Name = ScenarioName | (typeof measured)[number]

const usage = `npm run chaos -- [--scenario NAME] [options]

Starts real relay nodes and a real Redis on loopback, lets many clients talk, breaks things, and judges what they saw.

  --scenario NAME     ${names.join(', ')}, or all; short unless given
  --seed N            repeats a run's schedule of faults; printed with each result
  --faults N          so many faults in all, in the scenario's proportions
  --duration 60s      goes on with new schedules until then (s, m or h)
  --calm 6s           rest between everybody being well and the next fault
  --nodes N --rooms N --clients N --rate N
                      clients are per room, the rate is messages per second over all rooms
  --members N         of the one room of the crowd: 400 to 9000
  --redis KIND        ${storeKinds.join(', ')}
  --redis-url URL     one Redis that runs already; faults leave it alone
  --ack-replicas N    PYCHAT_ACK_REPLICAS of the nodes
  --at URL            starts and breaks nothing: members at a relay or front door that runs already, ws:// or wss://,
                      until --duration or Ctrl-C, while you do something to it
  --json FILE         writes all results with date and machine
  --plant CLASS       commits one fault in what is recorded, to prove that a run can fail:
                      ${plantableFaults.join(', ')}
  --keep              keeps the logs of all processes
`

class UsageError extends Error {}

type Options = ReturnType<typeof readOptions>

function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: 'string', default: 'short' },
      seed: { type: 'string' },
      faults: { type: 'string' },
      duration: { type: 'string' },
      calm: { type: 'string' },
      nodes: { type: 'string' },
      rooms: { type: 'string' },
      clients: { type: 'string' },
      rate: { type: 'string' },
      members: { type: 'string' },
      redis: { type: 'string' },
      'redis-url': { type: 'string' },
      'ack-replicas': { type: 'string' },
      at: { type: 'string' },
      json: { type: 'string' },
      plant: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const whole = (
    name: 'seed' | 'faults' | 'nodes' | 'rooms' | 'clients' | 'rate' | 'members' | 'ack-replicas',
    min = 1,
    max = 999_999_999,
  ) => {
    const text = values[name]
    if (text === undefined) return null
    if (!/^[0-9]{1,9}$/.test(text) || Number(text) < min || Number(text) > max) {
      throw new UsageError(
        `--${name} has to be a whole number from ${min} ${max < 999_999_999 ? `to ${max}` : 'on'}`,
      )
    }
    return Number(text)
  }
  const oneOf = <T extends string>(
    option: string,
    text: string | undefined,
    words: readonly T[],
  ): T | null => {
    if (text === undefined) return null
    const word = words.find((each) => each === text)
    if (word === undefined) throw new UsageError(`--${option} has to be one of: ${words.join(', ')}`)
    return word
  }
  const time = (name: 'duration' | 'calm') => {
    const text = values[name]
    if (text === undefined) return null
    const match = /^([0-9]{1,6})(ms|s|m|h)$/.exec(text)
    if (!match) throw new UsageError(`--${name} has to be like 700ms, 60s, 5m or 2h`)
    return Number(match[1]) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] ?? 1000)
  }
  return {
    names:
      values.scenario === 'all' ? names : [oneOf('scenario', values.scenario, [...names, 'all']) as Name],
    seed: whole('seed', 0) ?? Math.floor(Math.random() * 1_000_000),
    faults: whole('faults', 0),
    durationMs: time('duration'),
    calmMs: time('calm'),
    nodes: whole('nodes'),
    rooms: whole('rooms'),
    clients: whole('clients', 2),
    rate: whole('rate'),
    members: whole('members', 400, 9000),
    redis: oneOf<StoreKind>('redis', values.redis, storeKinds),
    redisUrl: values['redis-url'] ?? null,
    ackReplicas: whole('ack-replicas', 0),
    at: address(values.at),
    json: values.json ?? null,
    plant: oneOf<PlantableFault>('plant', values.plant, plantableFaults),
    keep: values.keep,
    help: values.help,
    args,
  }
}

function address(text: string | undefined): string | null {
  if (text === undefined) return null
  if (!URL.canParse(text) || !/^wss?:\/\//.test(text)) {
    throw new UsageError('--at has to be an address like ws://127.0.0.1:8765 or wss://chat.example.org')
  }
  return text
}

function adjusted(scenario: Scenario, options: Options): Scenario {
  const redis = options.redis ?? scenario.redis
  return {
    ...scenario,
    redis,
    ackReplicas: options.ackReplicas ?? scenario.ackReplicas,
    nodes: options.nodes ?? scenario.nodes,
    rooms: options.rooms ?? scenario.rooms,
    clients: options.clients ?? scenario.clients,
    rate: options.rate ?? scenario.rate,
    calmMs: options.calmMs ?? scenario.calmMs,
    faults: options.faults === null ? scenario.faults : inProportion(scenario.faults, options.faults),
  }
}

/** The same mix, with so many in all; the first ones get what rounding leaves. */
function inProportion(faults: Scenario['faults'], total: number): Scenario['faults'] {
  const entries = Object.entries(faults) as [FaultName, number][]
  const sum = entries.reduce((all, [, count]) => all + count, 0)
  const out = entries.map(([name, count]): [FaultName, number] => [name, Math.floor((count * total) / sum)])
  let left = total - out.reduce((all, [, count]) => all + count, 0)
  for (const entry of out) {
    if (left <= 0) break
    entry[1] += 1
    left -= 1
  }
  return Object.fromEntries(out)
}

const say = (text: string) => process.stderr.write(`chaos: ${text}\n`)
let interrupted = false

async function runOne(name: Name, options: Options): Promise<Outcome> {
  const seeded = options.args.includes('--seed')
    ? options.args
    : [...options.args, '--seed', String(options.seed)]
  const command = `npm run chaos -- ${seeded.join(' ')}`
  if (isMeasured(name)) return measure(name, command, options)
  const scenario = adjusted(scenarios[name], options)
  const startedAt = performance.now()
  say(`${name}, seed ${options.seed}: ${scenario.sentence}`)
  const store = options.redisUrl === null ? await startStore(scenario.redis) : givenStore(options.redisUrl)
  const { history, crashes, problems, ownDelayMs } = await conduct(store, {
    scenario,
    seed: options.seed,
    durationMs: options.durationMs,
    plant: options.plant,
    progress: say,
    stopped: () => interrupted,
  })
  for (const server of store.servers) await server.kill()
  say('judging')
  return outcomeOf({
    name,
    scenario,
    seed: options.seed,
    command,
    seconds: (performance.now() - startedAt) / 1000,
    verdict: judge(history, { gapsAreLoss: !scenario.tolerated.some((each) => each === 'told-gap') }),
    figures: figuresOf(history),
    crashes,
    problems,
    ownDelayMs,
  })
}

async function measure(name: (typeof measured)[number], command: string, options: Options): Promise<Outcome> {
  say(`${name}, seed ${options.seed}`)
  const store = options.redisUrl === null ? await startStore('single') : givenStore(options.redisUrl)
  const all = { seed: options.seed, command, progress: say }
  const { clients, rate, nodes, members } = options
  const runs = {
    storm: () => storm(store, { ...all, clients: clients ?? 10_000, rate: rate ?? 1000, nodes: nodes ?? 3 }),
    slow: () => slow(store, { ...all, clients: clients ?? 100, rate: rate ?? 200 }),
    crowd: () => crowd(store, { ...all, members: members ?? 5000 }),
  }
  const outcome = await runs[name]()
  for (const server of store.servers) await server.kill()
  return outcome
}

function runElsewhere(at: string, options: Options): Promise<Outcome> {
  return elsewhere({
    at,
    rooms: options.rooms ?? 8,
    clients: options.clients ?? 4,
    rate: options.rate ?? 40,
    seed: options.seed,
    command: `npm run chaos -- ${options.args.join(' ')}`,
    durationMs: options.durationMs,
    plant: options.plant,
    progress: say,
    stopped: () => interrupted,
  })
}

function asJson(outcomes: readonly Outcome[]): string {
  const [cpu] = cpus()
  const value = {
    date: new Date().toISOString(),
    machine: {
      cpu: cpu?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    runs: Object.fromEntries(
      outcomes.map(({ name, kept, seed, command, seconds, promises, figures }) => [
        name,
        {
          kept,
          seed,
          command,
          seconds: Math.round(seconds),
          promises: Object.fromEntries(
            promises.map(({ promise, figure, kept }) => [promise, { figure, kept }]),
          ),
          figures,
        },
      ]),
    ),
  }
  return `${JSON.stringify(value, null, 2)}\n`
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) {
    process.stdout.write(usage)
    return 0
  }
  const outcomes: Outcome[] = []
  for (const name of options.names) {
    const outcome =
      options.at === null ? await runOne(name, options) : await runElsewhere(options.at, options)
    outcomes.push(outcome)
    process.stdout.write(`${outcome.page}\n`)
    if (interrupted) break
  }
  if (options.json !== null) {
    mkdirSync(dirname(options.json), { recursive: true })
    writeFileSync(options.json, asJson(outcomes))
  }
  if (options.keep) say(`logs are in ${runFolder()}`)
  return outcomes.every(({ kept }) => kept) ? 0 : 1
}

process.on('SIGINT', () => {
  // The first one ends in order and still judges; the second one ends.
  if (!interrupted) {
    interrupted = true
    say('stopping; once more to stop at once')
    return
  }
  void endAll(false).finally(() => process.exit(130))
})
process.on('SIGTERM', () => void endAll(false).finally(() => process.exit(143)))

let code = 2
try {
  code = await main()
} catch (error) {
  const usageFault =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')
  process.stderr.write(
    `chaos: ${error instanceof Error ? error.message : String(error)}\n${usageFault ? `\n${usage}` : ''}`,
  )
}
await endAll(process.argv.includes('--keep'))
process.exit(code)
