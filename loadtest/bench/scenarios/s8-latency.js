// S8: how long a message takes at half of what a system can do, on one node and across two. Each system has its own load:
// the rate is raised until its nodes are half busy; the driver's own bound is named where it came first.

import { watchLoad } from '../measure/load.js'
import { roundsOf, runRounds } from '../measure/rounds.js'
import { withClusters } from './clusters.js'

const rooms = 250
const everyMs = 2
/** Messages per second: what one driver core delivers to rooms of four without measuring itself. */
const rateMax = 2_500
const half = 0.5
const probes = 4

/** @returns messages per tick at which the nodes are about half busy */
async function halfLoad(cluster, context) {
  let perTick = 1
  for (let probe = 0; probe < probes; probe += 1) {
    const watched = watchLoad(cluster, cluster.driver)
    await cluster.driver.ask('window', { perTick, everyMs, seconds: 0.7 })
    const { servers, driver } = watched()
    // A driver that is half busy has no more to give either.
    const busiest = Math.max(servers, driver)
    const wanted = Math.min((rateMax * everyMs) / 1000, Math.max(1, Math.round((perTick * half) / busiest)))
    // Many at once cost less each, so the next rate is a guess again; twice as much is far enough.
    perTick = Math.max(1, Math.min(wanted, perTick * 2))
  }
  context.say(`  ${cluster.name}: ${(perTick * 1000) / everyMs} messages/s`)
  return perTick
}

const where = { 'one node': 1, '2 nodes': 2 }

export const latency = {
  id: 'S8',
  title: 'Latency at half of what each can do',
  systems: ['bare uWS', 'PyChat (uws)', 'PyChat (ws)', 'Nchan', 'Centrifugo', 'Socket.IO'],
  async *run(names, context) {
    for (const [place, nodes] of Object.entries(where)) {
      const series = []
      await withClusters(names, { nodes, rooms, members: 4 }, context, async (clusters) => {
        const rates = {}
        for (const cluster of clusters) rates[cluster.name] = await halfLoad(cluster, context)
        const metrics = Object.fromEntries(
          ['p50', 'p99', 'p999'].map((each) => [each, (f) => f.latency[each]]),
        )
        const result = await runRounds({
          label: `S8 ${place}`,
          clusters,
          traffic: ({ name }) => ({ perTick: rates[name], everyMs, latency: true }),
          metrics,
          context,
        })
        for (const [metric, what] of Object.entries({
          p50: 'median',
          p99: '99th percentile',
          p999: '99.9th percentile',
        })) {
          const speeds = names.map((name) => `${name} ${(rates[name] * 1000) / everyMs}`).join(', ')
          series.push({
            name: `S8 ${place}, ${metric}`,
            unit: 'ms',
            what: `${what} of the time from when a message should have left to its delivery; messages/s: ${speeds}`,
            rounds: roundsOf(result, metric),
            load: result.load,
            refused: result.refused,
          })
        }
      })
      yield* series
    }
  },
}
