// S1: one room of 100 members, one of them speaks. What does a delivered frame cost the server?
import { roundsOf, runRounds } from '../measure/rounds.js'
import { withClusters } from './clusters.js'

const regimes = {
  sparse: { perTick: 1, everyMs: 5 },
  burst: { perTick: 8, everyMs: 20 },
}

export const fanout = {
  id: 'S1',
  title: 'One room of 100, one member speaks',
  systems: ['bare uWS', 'PyChat (uws)', 'PyChat (ws)', 'bare ws', 'Nchan', 'Centrifugo', 'Socket.IO'],
  async run(names, context) {
    return withClusters(names, { rooms: 1, members: 100 }, context, async (clusters) => {
      const series = []
      for (const [regime, traffic] of Object.entries(regimes)) {
        const label = `S1 ${regime}`
        const result = await runRounds({
          label,
          clusters,
          traffic,
          metrics: { relay: ({ relay }) => relay },
          context,
        })
        series.push({
          name: label,
          unit: 'us per delivery',
          what: `relay CPU per delivered frame, ${regime === 'sparse' ? 'one message' : 'eight messages'} per turn`,
          rounds: roundsOf(result, 'relay'),
          load: result.load,
          refused: result.refused,
        })
      }
      return series
    })
  },
}
