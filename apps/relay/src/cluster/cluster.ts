// The port by which one node asks all nodes of the cluster, itself included, and says how many answered.
// cluster.memory.ts is one embedded node; cluster.redis.ts asks over Redis pub/sub.
import type { AdminNode, NodeId, RoomId } from '@pychat/protocol'

/** Questions a node may be asked, each with its answer. */
export type ClusterQuestions = {
  /** How the node is. */
  node: { ask: null; answer: AdminNode }
  /** Rooms with a member on the node. */
  rooms: { ask: null; answer: { room: RoomId; users: number }[] }
  /** Stop; answered before the node begins to. */
  shutdown: { ask: null; answer: 'stopping' }
}

export type ClusterAnswers<Q extends keyof ClusterQuestions> = {
  asked: number
  /** Every node that answered within the time. */
  answers: { node: NodeId; answer: ClusterQuestions[Q]['answer'] }[]
}

export type ClusterHandlers = {
  [Q in keyof ClusterQuestions]: (ask: ClusterQuestions[Q]['ask']) => ClusterQuestions[Q]['answer']
}

export interface Cluster {
  start(handlers: ClusterHandlers): Promise<void>
  /**
   * Asks every node that holds a lease, or only one.
   * @returns asked 0 when `only` names no living node  @throws StoreError when the store is away
   */
  ask<Q extends keyof ClusterQuestions>(question: Q, only?: NodeId): Promise<ClusterAnswers<Q>>
  stop(): Promise<void>
}
