// PyChat nodes with a crowd of members who go by the book, for what the peers have no like of: deaths, drains, outages.

import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startCluster } from '../servers/cluster.js'

const program = fileURLToPath(new URL('../driver/crowd.js', import.meta.url))

/** @param shape { nodes, rooms, members, redis, env, bytes }  @param work gets the cluster with everybody joined */
export async function withCrowd(name, { rooms, members, bytes, ...shape }, context, work) {
  const cluster = await startCluster(name, { ...shape, program })
  try {
    context.say(`  ${name}: ${rooms * members} members come in`)
    await cluster.open(rooms, members, { bytes })
    await wait(500)
    return await work(cluster, (deed, request) => cluster.driver.ask(deed, request))
  } finally {
    await cluster.stop()
  }
}

/** Talks for so long. @returns latencies in ms */
export async function talkFor(ask, seconds) {
  await ask('latencies')
  await wait(seconds * 1000)
  return ask('latencies')
}

/**
 * Waits until nothing is on its way.
 * @returns { settled: whether that came, ms: after how long }
 */
export async function settle(ask, everybody, timeoutMs) {
  const startedAt = performance.now()
  for (;;) {
    const { joined, unacknowledged } = await ask('state')
    const ms = performance.now() - startedAt
    if (joined === everybody && unacknowledged === 0) return { settled: true, ms }
    if (ms > timeoutMs) return { settled: false, ms }
    await wait(50)
  }
}

/** Who stayed behind learns of it by a beacon, some seconds after the room fell silent. */
const beaconMs = 7_000

/** @returns what driver/crowd.js judges once everybody could hear where the logs end */
export async function judged(ask) {
  await wait(beaconMs)
  return ask('judge')
}

/** Series of single figures, one system wide. @param rounds [{ [series]: figure }]  @param about { [series]: [unit, what] } */
export function seriesOf(id, system, rounds, about) {
  return Object.entries(about).map(([name, [unit, what]]) => ({
    name: `${id} ${name}`,
    unit,
    what,
    rounds: rounds.map((round) => ({ [system]: round[name] })),
  }))
}
