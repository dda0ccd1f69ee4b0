// What may be said on the command line, and what the benchmark measures with it.
import { parseArgs } from 'node:util'
import { scenarios } from './scenarios/index.js'

const quick = {
  rounds: 2,
  seconds: 0.5,
  warmSecondsMax: 3,
  connections: 1_500,
  idleRounds: 1,
  watchSeconds: 3,
  nodes: [2],
  crowdRounds: 1,
}
const whole = {
  rounds: 7,
  seconds: 3,
  warmSecondsMax: 25,
  connections: 10_000,
  idleRounds: 2,
  watchSeconds: 30,
  nodes: [2, 4],
  crowdRounds: 3,
}
const quickScenarios = ['S1', 'S2', 'S3', 'S4']

export const help = `npm run bench [-- OPTIONS]: measures the relay beside its peers and writes results/ and docs/performance.md.

All of it takes about 75 minutes on an idle machine; --rounds 2 --seconds 2 about 30.

  --quick              S1 to S4 with short windows, in under 5 minutes
  --scenario S3,S4     only these; ${scenarios.map(({ id }) => id).join(', ')}
  --rounds N           rounds of two windows per system (7; quick 2)
  --seconds N          length of a window (3; quick 0.5)
  --connections N      connections of S2 and S4 per system, at most 13000 (10000; quick 1500)
  --nodes 2,4          numbers of nodes in S3 (2,4; quick 2)
  --only NAME,NAME     only these systems, by their names in results
  --any-load           count windows on a busy machine too: for trying things, the result says so
  --profile FOLDER     write CPU profiles of the Node systems there
  --no-report          leave docs/performance.md alone
  --help

PEER_CENTRIFUGO      path of a Centrifugo 6; without it that peer is skipped by name
`

class UsageError extends Error {}

function number(values, name, low, high) {
  const value = Number(values[name])
  if (!(value >= low && value <= high)) {
    throw new UsageError(`--${name} takes a number from ${low} to ${high}, not "${values[name]}".`)
  }
  return value
}

/**
 * @returns { help: true } or everything a run needs
 * @throws UsageError with one sentence
 */
export function readOptions(args) {
  let values
  try {
    ;({ values } = parseArgs({
      args,
      options: {
        quick: { type: 'boolean' },
        scenario: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        connections: { type: 'string' },
        nodes: { type: 'string' },
        only: { type: 'string' },
        'any-load': { type: 'boolean' },
        profile: { type: 'string' },
        'no-report': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }))
  } catch (error) {
    throw new UsageError(`${error.message}. See --help.`)
  }
  if (values.help) return { help: true }
  const options = { ...(values.quick ? quick : whole) }
  if (values.rounds !== undefined) {
    options.rounds = number(values, 'rounds', 1, 100)
    for (const few of ['idleRounds', 'crowdRounds']) options[few] = Math.min(options[few], options.rounds)
  }
  if (values.seconds !== undefined) options.seconds = number(values, 'seconds', 0.1, 600)
  if (values.connections !== undefined) {
    options.connections = Math.floor(number(values, 'connections', 400, 13_000) / 4) * 4
  }
  if (values.nodes !== undefined)
    options.nodes = values.nodes.split(',').map((nodes) => number({ nodes }, 'nodes', 2, 16))
  const asked =
    values.scenario?.toUpperCase().split(',') ??
    (values.quick ? quickScenarios : scenarios.map(({ id }) => id))
  const unknown = asked.filter((id) => !scenarios.some((scenario) => scenario.id === id))
  if (unknown.length > 0) throw new UsageError(`There is no scenario ${unknown.join(', ')}. See --help.`)
  return {
    ...options,
    quick: values.quick ?? false,
    anyLoad: values['any-load'] ?? false,
    report: !values['no-report'],
    profile: values.profile ?? null,
    only: values.only?.split(',') ?? null,
    scenarios: scenarios.filter(({ id }) => asked.includes(id)),
    asked: values.scenario === undefined ? null : asked,
  }
}

export { UsageError }
