// The table of scenarios: sizes that two cores bear, what happens in the middle, and what has to hold. The command line changes
// numbers; what has to hold changes by --threshold alone.
import type { Plan } from '#k6/plan'

/** What this program does to the cluster when half of the messages are sent. */
export type Halfway = 'kill' | 'drain'

export type Scenario = {
  sentence: string
  nodes: number
  vus: number
  rooms: number
  members: number
  rate: number
  trafficMs: number
  joinsPerSecond: number
  halfway: Halfway | null
  spike: Plan['spike']
  /** Parts of the time of the messages. */
  cutsAt: readonly number[]
  /** Beside `always`. */
  thresholds: Readonly<Record<string, string[]>>
}

const size = { nodes: 3, vus: 2, rooms: 40, members: 4, rate: 200, trafficMs: 30_000, joinsPerSecond: 100 }
const quiet = { halfway: null, spike: null, cutsAt: [] }
const unbroken = { pychat_reconnects: ['count==0'], pychat_connect_failures: ['count==0'] }

/** In every scenario. A member is never shown as gone: who reconnects does so within the grace. */
const always: Plan['thresholds'] = {
  checks: ['rate==1'],
  pychat_delivered: ['count>0'],
  pychat_lost: ['count==0'],
  pychat_duplicates: ['count==0'],
  pychat_disordered: ['count==0'],
  pychat_corrupt: ['count==0'],
  pychat_gaps: ['count==0'],
  pychat_departures: ['count==0'],
  pychat_faults: ['count==0'],
  pychat_held_back: ['count==0'],
}

export const scenarios = {
  sanity: {
    sentence: 'a few members for five seconds: does it work at all?',
    ...size,
    nodes: 2,
    rooms: 4,
    members: 3,
    rate: 20,
    trafficMs: 5000,
    ...quiet,
    thresholds: { ...unbroken, pychat_delivery_ms: ['p(99)<1000'], pychat_join_ms: ['p(95)<2000'] },
  },
  load: {
    sentence: 'a steady rate',
    ...size,
    rooms: 50,
    rate: 500,
    ...quiet,
    thresholds: {
      ...unbroken,
      pychat_delivery_ms: ['p(95)<250', 'p(99)<500'],
      pychat_join_ms: ['p(95)<1000'],
    },
  },
  spike: {
    sentence: 'in the middle third five times the rate, and half of the rooms come in at once',
    ...size,
    rate: 100,
    ...quiet,
    spike: { factor: 5, lateRooms: 0.5 },
    thresholds: {
      ...unbroken,
      pychat_delivery_ms: ['p(95)<500', 'p(99)<1000'],
      pychat_join_ms: ['p(95)<3000'],
    },
  },
  soak: {
    sentence: 'a moderate rate for ten minutes, or as long as --duration says',
    ...size,
    rate: 100,
    trafficMs: 600_000,
    ...quiet,
    thresholds: {
      ...unbroken,
      pychat_delivery_ms: ['p(95)<250', 'p(99)<500'],
      pychat_join_ms: ['p(95)<1000'],
    },
  },
  failover: {
    sentence: 'one node is killed in the middle (SIGKILL), its members go on elsewhere',
    ...size,
    ...quiet,
    halfway: 'kill',
    thresholds: {
      pychat_reconnects: ['count>0'],
      pychat_rejoin_ms: ['p(95)<5000'],
      pychat_delivery_ms: ['p(50)<250', 'p(99)<6000'],
    },
  },
  drain: {
    sentence: 'one node is drained in the middle (pychat-admin drain), its members move to the others',
    ...size,
    ...quiet,
    halfway: 'drain',
    thresholds: {
      pychat_reconnects: ['count>0'],
      pychat_connect_failures: ['count==0'],
      pychat_rejoin_ms: ['p(95)<1000'],
      pychat_delivery_ms: ['p(95)<500', 'p(99)<1000'],
    },
  },
  'reconnect-storm': {
    sentence: 'twice, every connection is lost at once and comes back',
    ...size,
    rooms: 100,
    rate: 100,
    ...quiet,
    cutsAt: [1 / 3, 2 / 3],
    thresholds: {
      pychat_reconnects: ['count>0'],
      pychat_rejoin_ms: ['p(95)<5000', 'max<15000'],
      pychat_delivery_ms: ['p(50)<500', 'p(99)<6000'],
    },
  },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios
export const scenarioNames = Object.keys(scenarios) as ScenarioName[]

/** Between the last member's turn to join and the first message. */
const restMs = 2000

export type Sizes = Pick<Scenario, 'vus' | 'rooms' | 'members' | 'rate' | 'trafficMs' | 'joinsPerSecond'>

/** @param more thresholds in place of the scenario's, by metric */
export function planOf(
  name: ScenarioName,
  sizes: Sizes,
  urls: readonly string[],
  { bytes, settleMs, thresholds: more }: Pick<Plan, 'bytes' | 'settleMs' | 'thresholds'>,
): Plan {
  const scenario: Scenario = scenarios[name]
  return {
    scenario: name,
    urls,
    vus: Math.min(sizes.vus, sizes.rooms),
    rooms: sizes.rooms,
    members: sizes.members,
    rate: sizes.rate,
    bytes,
    joinsPerSecond: sizes.joinsPerSecond,
    trafficAtMs: Math.ceil((1000 * sizes.rooms * sizes.members) / sizes.joinsPerSecond) + restMs,
    trafficMs: sizes.trafficMs,
    settleMs,
    spike: scenario.spike,
    cutsAtMs: scenario.cutsAt.map((part) => Math.round(part * sizes.trafficMs)),
    thresholds: {
      // Without it a script that fell over half way would have nothing to complain of.
      pychat_judged_rooms: [`count==${sizes.rooms}`],
      ...always,
      ...scenario.thresholds,
      ...more,
    },
  }
}
