// The cluster of one embedded node: it asks itself.
// It answers in the shapes of cluster.redis.ts (test/cluster/contract.ts runs on both).
import type { NodeId } from '@pychat/protocol'
import type { Cluster, ClusterHandlers } from './cluster.ts'

/** @param node the id of the one node there is */
export function createMemoryCluster(node: NodeId): Cluster {
  let handlers: ClusterHandlers | null = null
  return {
    async start(given) {
      handlers = given
    },
    async ask(question, ask, only) {
      if (handlers === null || (only !== undefined && only !== node)) return { asked: 0, answers: [] }
      return { asked: 1, answers: [{ node, answer: await handlers[question](ask) }] }
    },
    async census() {
      return { living: handlers === null ? [] : [node], lapsed: [] }
    },
    async stop() {
      handlers = null
    },
  }
}
