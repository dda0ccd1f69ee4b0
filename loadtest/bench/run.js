// npm run bench: runs the scenarios one after the other, keeps what they gave and renews docs/performance.md.
import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine, whyNotHere } from './measure/machine.js'
import { summary } from './measure/statistics.js'
import { VoidRun } from './measure/window.js'
import { help, readOptions, UsageError } from './options.js'
import { writeReport } from './report/report.js'
import { cores, pin } from './servers/processes.js'
import { available } from './systems/index.js'

const say = (line) => process.stderr.write(`${line}\n`)

function fail(sentence, code) {
  say(sentence)
  process.exit(code)
}

let options
try {
  options = readOptions(process.argv.slice(2))
} catch (error) {
  if (error instanceof UsageError) fail(error.message, 2)
  throw error
}
if (options.help) {
  process.stdout.write(help)
  process.exit(0)
}
const obstacle = whyNotHere()
if (obstacle !== null || !pin(process.pid, cores.driver)) fail(obstacle ?? 'taskset refused.', 1)
if (options.profile !== null) {
  const folder = resolve(options.profile)
  mkdirSync(folder, { recursive: true })
  process.env['BENCH_PROFILE_FOLDER'] = folder
}

const startedAt = new Date()
const { rounds, seconds, connections, nodes, watchSeconds, idleRounds, anyLoad } = options
const results = {
  startedAt: startedAt.toISOString(),
  quick: options.quick,
  settings: { rounds, seconds, connections, nodes, watchSeconds, idleRounds, anyLoad },
  machine: machine(),
  skipped: {},
  failed: {},
  scenarios: {},
}

const folder = new URL('results/', import.meta.url)
mkdirSync(folder, { recursive: true })
const parts = [startedAt.toISOString().slice(0, 10), options.quick ? 'quick' : null, ...(options.asked ?? [])]
const file = new URL(`${parts.filter(Boolean).join('-')}.json`, folder)

/** After every scenario: a run takes long, and may be broken off. */
function save() {
  results.seconds = Math.round((Date.now() - startedAt.getTime()) / 1000)
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`)
}

for (const scenario of options.scenarios) {
  const wanted = scenario.systems.filter((name) => options.only === null || options.only.includes(name))
  const { here, skipped } = available(wanted)
  Object.assign(results.skipped, skipped)
  for (const [name, reason] of Object.entries(skipped)) say(`${scenario.id} skips ${name}: ${reason}.`)
  if (here.length === 0) continue
  say(`${scenario.id}: ${scenario.title} (${Math.round((Date.now() - startedAt.getTime()) / 1000)} s gone)`)
  try {
    // Some give their series as they come, so that what is measured stays if the rest fails.
    for await (const series of await scenario.run(here, { ...options, say })) keep(scenario, series)
  } catch (error) {
    // What one scenario lacks does not take the others' results along.
    results.failed[scenario.id] = error.message
    say(error instanceof VoidRun ? `${scenario.id}: ${error.message}` : error.stack)
  }
  save()
}

function keep(scenario, { name, rounds: list, ...about }) {
  const systems = Object.keys(list[0] ?? {})
  const figures = Object.fromEntries(
    systems.map((system) => [system, summary(list.map((round) => round[system]))]),
  )
  results.scenarios[name] = { scenario: scenario.id, ...about, figures, rounds: list }
}

say(`Written to ${fileURLToPath(file)} after ${results.seconds} s.`)
if (options.report) say(`Written to ${writeReport()}.`)
process.exit(Object.keys(results.failed).length > 0 ? 1 : 0)
