// S3: rooms of four spread over two and over four nodes, one Redis per system. What does a delivered frame cost the
// nodes, and a message their Redis? Without a log, as the peers are; ours and Centrifugo's also with one.
import { roundsOf, runRounds } from '../measure/rounds.js'
import { withClusters } from './clusters.js'

/** Burst first: it gives the compilers most to go by. */
const regimes = {
  burst: { perTick: 32, everyMs: 8 },
  sparse: { perTick: 1, everyMs: 1 },
}
const rooms = 1_000
/** Beyond that the nodes that wait for their windows would take a sixth of the core: fewer systems, then. */
const fewNodes = 2
const onFewNodes = ['Centrifugo with history']

export const crossNode = {
  id: 'S3',
  title: 'A thousand rooms of four across nodes, one Redis',
  systems: [
    'bare uWS',
    'PyChat without log',
    'PyChat (uws)',
    'Nchan',
    'Centrifugo',
    'Centrifugo with history',
    'Socket.IO',
  ],
  async *run(names, context) {
    for (const nodes of context.nodes) {
      const series = []
      const systems = nodes > fewNodes ? names.filter((name) => !onFewNodes.includes(name)) : names
      await withClusters(systems, { nodes, rooms, members: 4 }, context, async (clusters) => {
        for (const [regime, traffic] of Object.entries(regimes)) {
          const label = `S3 ${nodes} nodes, ${regime}`
          const metrics = { relay: (figures) => figures.relay, redis: (figures) => figures.redis }
          const result = await runRounds({ label, clusters, traffic, metrics, context })
          const rate = (traffic.perTick * 1000) / traffic.everyMs
          const common = { load: result.load, refused: result.refused }
          series.push(
            {
              name: label,
              unit: 'us per delivery',
              what: `CPU of all nodes per delivered frame, ${rate} messages/s`,
              rounds: roundsOf(result, 'relay'),
              ...common,
            },
            {
              name: `${label}, Redis`,
              unit: 'us per message',
              what: `CPU of Redis per message, ${rate} messages/s`,
              rounds: roundsOf(result, 'redis'),
              ...common,
            },
          )
        }
      })
      yield* series
    }
  },
}
