// Starts the systems of a scenario side by side, opens their rooms, and ends them whatever happens.
import { setTimeout as wait } from 'node:timers/promises'
import { startCluster } from '../servers/cluster.js'

const settleMs = 700

/**
 * @param names systems  @param shape { nodes, rooms, members, redis }
 * @param work gets the clusters with open rooms
 */
export async function withClusters(names, { rooms, members, ...shape }, context, work) {
  const clusters = []
  try {
    let quietMs = settleMs
    for (const name of names) {
      const cluster = await startCluster(name, shape)
      clusters.push(cluster)
      context.say(`  ${name}: opening ${rooms * members} connections`)
      await cluster.open(rooms, members)
      quietMs = Math.max(quietMs, cluster.system.dialect.settleMs ?? 0)
    }
    await wait(quietMs)
    return await work(clusters)
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()))
  }
}
