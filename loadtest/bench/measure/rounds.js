// Rounds of windows in the order A B C D D C B A: a machine that drifts touches all systems alike, and a ratio is taken
// within one round only.
import { measureWindow } from './window.js'

const warmUpSeconds = 4

/**
 * @param clusters with open rooms  @param traffic of driver/rooms.js, or a function of the cluster  @param metrics { [metric]: (figures of a window) => number or null }
 * @returns { rounds: [{ [metric]: { [system]: mean of its two windows } }], load: the worst of all windows, refused }
 */
export async function runRounds({ label, clusters, traffic, metrics, context }) {
  const { rounds, seconds, say } = context
  const windowOf = (cluster) => ({ seconds, ...(typeof traffic === 'function' ? traffic(cluster) : traffic) })
  // The first arrivals and the compiler's work do not count: a server that has run for a while is meant.
  for (const cluster of clusters) {
    await cluster.driver.ask('window', {
      ...windowOf(cluster),
      latency: false,
      seconds: Math.min(warmUpSeconds, 2 * seconds),
    })
  }
  const result = { rounds: [], load: {}, refused: 0 }
  for (let round = 0; round < rounds; round += 1) {
    const seen = Object.fromEntries(Object.keys(metrics).map((metric) => [metric, {}]))
    for (const cluster of [...clusters, ...clusters.toReversed()]) {
      const figures = await measureWindow(cluster, windowOf(cluster), context)
      result.refused += figures.refused
      for (const [name, share] of Object.entries(figures.load)) {
        result.load[name] = Math.max(result.load[name] ?? 0, share)
      }
      for (const [metric, of] of Object.entries(metrics)) {
        const value = of(figures)
        if (value !== null) seen[metric][cluster.name] = (seen[metric][cluster.name] ?? 0) + value / 2
      }
    }
    result.rounds.push(seen)
    for (const metric of Object.keys(metrics)) {
      const figures = Object.entries(seen[metric]).map(([name, value]) => `${name} ${value.toFixed(2)}`)
      say(`${label} ${metric}, round ${round + 1} of ${rounds}: ${figures.join(', ')}`)
    }
  }
  return result
}

/** @returns rounds of one metric: [{ [system]: figure }] */
export const roundsOf = (result, metric) => result.rounds.map((round) => round[metric])
