// S2: thousands of rooms of four on one node, all of them alive. What does a delivered frame cost when hardly two in a
// row go to the same sockets?
import { roundsOf, runRounds } from '../measure/rounds.js'
import { withClusters } from './clusters.js'

const regimes = {
  sparse: { perTick: 1, everyMs: 2 },
  burst: { perTick: 16, everyMs: 8 },
}

export const smallRooms = {
  id: 'S2',
  title: 'Thousands of rooms of four on one node',
  systems: ['bare uWS', 'PyChat (uws)', 'PyChat (ws)', 'bare ws', 'Nchan', 'Centrifugo', 'Socket.IO'],
  async run(names, context) {
    const rooms = context.connections / 4
    return withClusters(names, { rooms, members: 4 }, context, async (clusters) => {
      const series = []
      for (const [regime, traffic] of Object.entries(regimes)) {
        const label = `S2 ${regime}`
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
          what: `relay CPU per delivered frame, ${rooms} rooms of 4, ${(traffic.perTick * 1000) / traffic.everyMs} messages/s`,
          rounds: roundsOf(result, 'relay'),
          load: result.load,
          refused: result.refused,
        })
      }
      return series
    })
  },
}
