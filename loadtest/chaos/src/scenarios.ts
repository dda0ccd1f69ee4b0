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
  max: number
}

const resumeP95: Bound = {
  sentence: 'resume after a lost connection, p95',
  unit: 'ms',
  value: ({ resumeMs }) => resumeMs.p95,
  max: 3000,
}
const ghosts: Bound = {
  sentence: 'a dead member is shown as gone, longest',
  unit: 'ms',
  value: ({ ghostMs }) => ghostMs.max,
  max: 25_000,
}
const noLines: Bound = {
  sentence: 'join and leave lines on any screen',
  unit: 'count',
  value: ({ joinedLines, leftLines }) => joinedLines + leftLines,
  max: 0,
}
const pauseP99 = (max: number): Bound => ({
  sentence: 'delivery pause of a client during a fault, p99',
  unit: 'ms',
  value: ({ pauseMs }) => pauseMs.p99,
  max,
})
const pauseMax = (max: number): Bound => ({
  sentence: 'delivery pause of a client during a fault, longest',
  unit: 'ms',
  value: ({ pauseMs }) => pauseMs.max,
  max,
})
const writeOutage: Bound = {
  sentence: 'write outage of a fault, longest',
  unit: 'ms',
  value: ({ writeOutageMs }) => writeOutageMs.max,
  max: 10_000,
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
      'node-kill': 4,
      rolling: 1,
      'subscriber-kill': 1,
      'subscriber-drop': 1,
      'redis-cut': 1,
      'clients-cut': 2,
      'clients-silence': 0,
    },
    bounds: [resumeP95],
  },
  kills: {
    ...base,
    sentence: '200 SIGKILLs of nodes',
    faults: { 'node-kill': 200 },
    ghosts: true,
    bounds: [resumeP95, ghosts, noLines],
  },
  rolling: {
    ...base,
    sentence: '20 rolling restarts of three nodes by SIGTERM',
    faults: { rolling: 20 },
    bounds: [resumeP95, noLines, pauseP99(2000)],
  },
  sentinel: {
    ...base,
    sentence: '30 SIGKILLs of the primary under Sentinel, acknowledged by one replica',
    redis: 'sentinel',
    ackReplicas: 1,
    rooms: 20,
    clients: 10,
    rate: 200,
    faults: { failover: 30 },
    bounds: [writeOutage],
  },
  'sentinel-async': {
    ...base,
    sentence: '30 SIGKILLs of the primary under Sentinel, acknowledged by the primary alone',
    redis: 'sentinel',
    rooms: 20,
    clients: 10,
    rate: 200,
    faults: { failover: 30 },
    tolerated: ['acked-lost', 'told-gap'],
    bounds: [writeOutage],
  },
  cluster: {
    ...base,
    sentence: '30 SIGKILLs of nodes and 5 of primaries over a Redis Cluster, acknowledged by one replica',
    redis: 'cluster',
    ackReplicas: 1,
    rooms: 20,
    clients: 10,
    rate: 200,
    faults: { 'node-kill': 30, failover: 5 },
    bounds: [resumeP95, writeOutage],
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
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios
export const scenarioNames = Object.keys(scenarios) as ScenarioName[]
