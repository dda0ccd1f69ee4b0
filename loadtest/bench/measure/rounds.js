// Rounds of windows in the order A B C D D C B A: a machine that drifts touches all systems alike, and a ratio is taken
// within one round only. The next round begins with B: who stands at an end comes twice in a row, and finds its caches warm.
import { measureWindow } from './window.js'

/** Compilers are done by then; the first series of a scenario warms up for all. */
const warmUp = { messages: 10_000, secondsMin: 4 }

function warmUpSeconds({ perTick, everyMs }, secondsMax) {
  const enough = (warmUp.messages * everyMs) / perTick / 1000
  return Math.min(Math.max(enough, warmUp.secondsMin), secondsMax)
}

const warm = new WeakSet()

/**
 * @param clusters with open rooms  @param traffic of driver/rooms.js, or a function of the cluster  @param metrics { [metric]: (figures of a window) => number or null }
 * @returns { rounds: [{ [metric]: { [system]: mean of its two windows } }], load: the worst of all windows, refused }
 */
export async function runRounds({ label, clusters, traffic, metrics, context }) {
  const { rounds, seconds, warmSecondsMax, say } = context
  const windowOf = (cluster) => ({ seconds, ...(typeof traffic === 'function' ? traffic(cluster) : traffic) })
  // The first arrivals and the compiler's work do not count: a server that has run for a while is meant.
  for (const cluster of clusters) {
    const window = windowOf(cluster)
    const enough = warm.has(cluster)
      ? Math.min(warmUp.secondsMin, 2 * seconds)
      : warmUpSeconds(window, warmSecondsMax)
    await cluster.driver.ask('window', { ...window, latency: false, seconds: enough })
    warm.add(cluster)
  }
  const result = { rounds: [], load: {}, refused: 0 }
  for (let round = 0; round < rounds; round += 1) {
    const seen = Object.fromEntries(Object.keys(metrics).map((metric) => [metric, {}]))
    const first = round % clusters.length
    const order = [...clusters.slice(first), ...clusters.slice(0, first)]
    for (const cluster of [...order, ...order.toReversed()]) {
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
