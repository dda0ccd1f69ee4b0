// What S1 and S2 share: CPU of one node per delivered frame, in each regime of traffic.
import { roundsOf, runRounds } from '../measure/rounds.js'
import { withClusters } from './clusters.js'

export const oneNodeSystems = [
  'bare uWS',
  'PyChat (uws)',
  'PyChat (ws)',
  'bare ws',
  'Nchan',
  'Centrifugo',
  'Socket.IO',
]

/**
 * @param crowd { rooms, members }  @param regimes name -> { perTick, everyMs }
 * @param describe says of a regime's name and traffic what was said
 */
export function measureOneNode(id, names, crowd, regimes, describe, context) {
  return withClusters(names, crowd, context, async (clusters) => {
    const series = []
    for (const [regime, traffic] of Object.entries(regimes)) {
      const label = `${id} ${regime}`
      const metrics = { relay: ({ relay }) => relay }
      const result = await runRounds({ label, clusters, traffic, metrics, context })
      series.push({
        name: label,
        unit: 'us per delivery',
        what: `relay CPU per delivered frame, ${describe(regime, traffic)}`,
        rounds: roundsOf(result, 'relay'),
        load: result.load,
        refused: result.refused,
      })
    }
    return series
  })
}
