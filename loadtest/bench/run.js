// npm run bench [-- --quick]: the scenarios that README.md in this folder describes, and their ratios.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { runFanout } from './scenario-fanout.js'
import { runIdle } from './scenario-idle.js'
import { ratios, summary } from './statistics.js'

const quick = process.argv.includes('--quick')
const unknown = process.argv.slice(2).filter((argument) => argument !== '--quick')
if (unknown.length > 0) {
  process.stderr.write(`The benchmark does not know ${unknown.join(' ')}. It takes --quick or nothing.\n`)
  process.exit(2)
}
if (cpus().length < 2 || spawnSync('taskset', ['-cp', '1', String(process.pid)]).status !== 0) {
  process.stderr.write('The benchmark needs Linux, the taskset command (package util-linux) and two cores.\n')
  process.exit(1)
}

const say = (line) => process.stderr.write(`${line}\n`)
const startedAt = new Date()
const fanout = await runFanout(
  quick ? { rounds: 3, windowMs: 1_500, say } : { rounds: 7, windowMs: 3_000, say },
)
const idle = await runIdle(
  quick
    ? { rounds: 1, connections: 2_000, watchMs: 5_000, say }
    : { rounds: 3, connections: 8_000, watchMs: 10_000, say },
)

const ours = ['PyChat (uws)', 'PyChat (ws)']
const peers = ['bare uWS', 'Socket.IO']
const lines = []
const results = { startedAt: startedAt.toISOString(), quick, machine: machine(), scenarios: {} }

function record(scenario, unit, rounds) {
  const figures = Object.fromEntries(
    Object.keys(rounds[0]).map((name) => [name, summary(rounds.map((r) => r[name]))]),
  )
  const compared = {}
  for (const system of ours) {
    for (const peer of peers) {
      const ratio = ratios(rounds, system, peer)
      compared[`${system} / ${peer}`] = ratio
      const [low, high] = ratio.quartiles
      lines.push(
        `| ${scenario} | ${system} / ${peer} | ${ratio.median.toFixed(2)} | ${low.toFixed(2)} .. ${high.toFixed(2)} | ` +
          `${figures[system].median.toFixed(2)} / ${figures[peer].median.toFixed(2)} ${unit} |`,
      )
    }
  }
  results.scenarios[scenario] = { unit, figures, ratios: compared, rounds }
}

function machine() {
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  }
}

const pick = (field) =>
  idle.map((round) => Object.fromEntries(Object.entries(round).map(([k, v]) => [k, v[field]])))
record('S1 sparse', 'us per delivery', fanout.sparse)
record('S1 burst', 'us per delivery', fanout.burst)
record('S4 memory', 'bytes per connection', pick('bytes'))
record('S4 CPU', 'us per connection and second', pick('cpuMicroseconds'))

const folder = new URL('results/', import.meta.url)
mkdirSync(folder, { recursive: true })
const file = new URL(`${startedAt.toISOString().slice(0, 10)}${quick ? '-quick' : ''}.json`, folder)
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)

process.stdout.write(
  `| Scenario | Ratio | Median | Quartiles | Figures |\n|---|---|---|---|---|\n${lines.join('\n')}\n`,
)
say(`Written to ${fileURLToPath(file)}`)
process.exit(0)
