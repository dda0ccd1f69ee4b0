import type { NodeId } from '@pychat/protocol'
import { createMemoryCluster } from '../../src/cluster/cluster.memory.ts'
import { clusterContract } from './contract.ts'

clusterContract('memory', async () => {
  const node = '0123456789abcdef' as NodeId
  return { node, cluster: createMemoryCluster(node), stop: async () => {} }
})
