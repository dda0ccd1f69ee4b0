// The named runs: what is started, which faults come how often, and what has to hold. Numbers follow the promises of
// docs/reliability.md; the command line may change all of them but the promises.
import type { Figures } from './figures.ts'
import type { FaultClass } from './judge.ts'
import type { FaultName } from './schedule.ts'
import type { StoreKind } from './stores.ts'

/** One figure that a run has to keep. `value` null: nothing was measured, which keeps no promise and breaks none. */
export type Bound = {
  sentence: string
  unit: 'ms' | 'count'
  value(figures: Figures): number | null
  /** At most so much; with `atLeast`, at least. */
  limit: number
  atLeast?: true
}

const resumeP95: Bound = {
  sentence: 'resume after a lost connection, p95',
  unit: 'ms',
  value: ({ resumeMs }) => resumeMs.p95,
  limit: 3000,
}
/** Where the store fails too, nobody can resume before it is back: that time has its own bound. */
const resumeAfterKillP95: Bound = {
  ...resumeP95,
  sentence: 'resume after the death of a node, p95',
  value: ({ byFault }) => byFault['node-kill']?.resumeMs.p95 ?? null,
}
const ghosts: Bound = {
  sentence: 'a dead member is shown as gone, longest',
  unit: 'ms',
  value: ({ ghostMs }) => ghostMs.max,
  limit: 25_000,
}
const noLines: Bound = {
  sentence: 'join and leave lines on any screen',
  unit: 'count',
  value: ({ joinedLines, leftLines }) => joinedLines + leftLines,
  limit: 0,
}
const pauseP99 = (limit: number): Bound => ({
  sentence: 'delivery pause of a client during a fault, p99',
  unit: 'ms',
  value: ({ pauseMs }) => pauseMs.p99,
  limit,
})
const pauseMax = (limit: number): Bound => ({
  sentence: 'delivery pause of a client during a fault, longest',
  unit: 'ms',
  value: ({ pauseMs }) => pauseMs.max,
  limit,
})
const gapsShown: Bound = {
  sentence: 'gap markers shown',
  unit: 'count',
  value: ({ gapMarkers }) => gapMarkers,
  limit: 1,
  atLeast: true,
}
const writeOutage: Bound = {
  sentence: 'write outage of a fault, longest',
  unit: 'ms',
  value: ({ writeOutageMs }) => writeOutageMs.max,
  limit: 10_000,
}

export type Scenario = {
  sentence: string
  redis: StoreKind
  ackReplicas: number
  nodes: number
  rooms: number
  clients: number
  /** Messages per second over all rooms. */
  rate: number
  /** Rest between everybody being well and the next fault. */
  calmMs: number
  /** Sockets go through doors that can be cut. */
  doors: boolean
  faults: Partial<Record<FaultName, number>>
  /** Classes that this run only counts. Nothing else may occur. */
  tolerated: readonly FaultClass[]
  bounds: readonly Bound[]
  /** Some members die with the nodes, and their left lines are waited for. */
  ghosts: boolean
  /** Further settings of the nodes. */
  settings?: Record<string, string>
}

const base = {
  redis: 'single',
  ackReplicas: 0,
  nodes: 3,
  rooms: 50,
  clients: 20,
  rate: 500,
  calmMs: 700,
  doors: false,
  tolerated: [],
  ghosts: false,
} satisfies Partial<Scenario>

export const scenarios = {
  short: {
    ...base,
    sentence: 'a little of everything that one Redis and three nodes can suffer, in about a minute',
    rooms: 4,
    clients: 4,
    rate: 60,
    doors: true,
    faults: {
      'node-kill': 3,
      rolling: 1,
      'subscriber-kill': 1,
      'subscriber-drop': 1,
      'redis-cut': 1,
      'clients-cut': 2,
    },
    // How long things take is the longer runs' business: this one has to hold on a busy machine.
    bounds: [],
    settings: { PYCHAT_DRAIN_MS: '1000' },
  },
  kills: {
    ...base,
    sentence: 'SIGKILLs of nodes',
    calmMs: 6000,
    faults: { 'node-kill': 200 },
    ghosts: true,
    bounds: [resumeP95, ghosts, noLines],
  },
  rolling: {
    ...base,
    sentence: 'rolling restarts of all nodes by SIGTERM',
    faults: { rolling: 20 },
    bounds: [resumeP95, noLines, pauseP99(2000)],
  },
  sentinel: {
    ...base,
    sentence: 'SIGKILLs of the primary under Sentinel, acknowledged by one replica',
    redis: 'sentinel',
    ackReplicas: 1,
    rooms: 20,
    clients: 10,
    rate: 200,
    faults: { failover: 15, 'failover-behind': 15 },
    bounds: [writeOutage],
  },
  'sentinel-async': {
    ...base,
    sentence: 'SIGKILLs of the primary under Sentinel, acknowledged by the primary alone',
    redis: 'sentinel',
    rooms: 20,
    clients: 10,
    rate: 200,
    faults: { failover: 15, 'failover-behind': 15 },
    tolerated: ['acked-lost', 'told-gap'],
    bounds: [writeOutage],
  },
  cluster: {
    ...base,
    sentence: 'SIGKILLs of nodes and of primaries over a Redis Cluster, acknowledged by one replica',
    redis: 'cluster',
    ackReplicas: 1,
    rooms: 20,
    clients: 10,
    rate: 200,
    calmMs: 6000,
    faults: { 'node-kill': 30, failover: 3, 'failover-behind': 2 },
    bounds: [resumeAfterKillP95, writeOutage],
  },
  subscriber: {
    ...base,
    sentence: 'subscribers cut off: killed, overflowed, silently deaf',
    rooms: 10,
    clients: 10,
    rate: 100,
    doors: true,
    faults: { 'subscriber-kill': 10, 'subscriber-overflow': 5, 'subscriber-drop': 10 },
    bounds: [pauseMax(10_000), noLines],
  },
  network: {
    ...base,
    sentence:
      'cuts, delays and swallowed bytes between clients, nodes and Redis; frozen nodes and a frozen Redis',
    rooms: 10,
    clients: 10,
    rate: 100,
    doors: true,
    faults: {
      'redis-cut': 6,
      'redis-silence': 6,
      'redis-delay': 4,
      'redis-freeze': 6,
      'redis-restart': 6,
      'node-freeze': 6,
      'clients-cut': 6,
      'clients-silence': 6,
      'clients-delay': 4,
    },
    bounds: [],
  },
  bounds: {
    ...base,
    sentence: 'a log of five messages: who was away longer is shown a gap, and its right size',
    rooms: 2,
    clients: 4,
    rate: 80,
    doors: true,
    faults: { 'clients-cut': 4 },
    tolerated: ['told-gap'],
    bounds: [gapsShown],
    settings: { PYCHAT_LOG_MESSAGES_MAX: '5' },
  },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios
export const scenarioNames = Object.keys(scenarios) as ScenarioName[]
