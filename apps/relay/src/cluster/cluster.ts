// The port by which one node asks all nodes of the cluster, itself included, and says how many answered.
// cluster.memory.ts is one embedded node; cluster.redis.ts asks over Redis pub/sub. The table of questions is also what
// a letter from elsewhere is checked against.
import {
  announcementTextSchema,
  banKindSchema,
  banValueSchema,
  diagnosisAskSchema,
  drainWithinMsSchema,
  type NodeId,
  nodeDiagnosisSchema,
  nodeLoadSchema,
  nodeSchema,
  roomIdSchema,
  sessionIdSchema,
} from '@pychat/protocol'
import { z } from 'zod'

const count = z.int().min(0)

/** Questions a node may be asked: what is asked with each, and its answer. */
export const clusterQuestions = {
  /** How the node is. */
  node: { ask: z.null(), answer: nodeSchema },
  /** Rooms with a member on the node. */
  rooms: {
    ask: z.null(),
    answer: z.array(z.strictObject({ room: roomIdSchema, users: z.int().min(0) })),
  },
  /** What the node is doing. */
  load: { ask: z.null(), answer: nodeLoadSchema },
  /** What the node finds when it looks at itself; takes seconds. */
  diagnosis: { ask: diagnosisAskSchema, answer: nodeDiagnosisSchema },
  /** Stop; answered before the node begins to. */
  shutdown: { ask: z.null(), answer: z.literal('stopping') },
  /** Empty yourself and stop within the time; answered before the node begins to. */
  drain: { ask: z.strictObject({ withinMs: drainWithinMsSchema }), answer: z.literal('draining') },
  /** Which version of the operator's bans the node enforces. */
  bans: { ask: z.null(), answer: count },
  /** How many connections or members on the node a ban would meet. */
  met: { ask: z.strictObject({ kind: banKindSchema, value: banValueSchema }), answer: count },
  /** Put members out of a room for now; answered with how many there are. */
  kick: {
    ask: z.strictObject({ room: roomIdSchema, session: sessionIdSchema.nullable(), dryRun: z.boolean() }),
    answer: count,
  },
  /** Tell clients an operator's word; answered with how many there are. */
  announce: {
    ask: z.strictObject({
      room: roomIdSchema.nullable(),
      text: announcementTextSchema,
      dryRun: z.boolean(),
    }),
    answer: count,
  },
} as const

type Table = typeof clusterQuestions
export type ClusterQuestion = keyof Table
export type ClusterQuestions = {
  [Q in ClusterQuestion]: { ask: z.infer<Table[Q]['ask']>; answer: z.infer<Table[Q]['answer']> }
}

export type ClusterAnswers<Q extends ClusterQuestion> = {
  asked: number
  /** Every node that answered within the time. */
  answers: { node: NodeId; answer: ClusterQuestions[Q]['answer'] }[]
}

export type ClusterHandlers = {
  [Q in ClusterQuestion]: (
    ask: ClusterQuestions[Q]['ask'],
  ) => ClusterQuestions[Q]['answer'] | Promise<ClusterQuestions[Q]['answer']>
}

/** Answers that take longer than others: how long they are waited for. */
export const clusterAnswerMs: Readonly<Partial<Record<ClusterQuestion, number>>> = { diagnosis: 8000 }

export type ClusterCensus = {
  /** Nodes that hold a lease. */
  living: NodeId[]
  /** Nodes whose lease ran out, and whose members are not all taken out yet. */
  lapsed: NodeId[]
}

export interface Cluster {
  start(handlers: ClusterHandlers): Promise<void>
  /**
   * Asks every node that holds a lease, or only one.
   * @returns asked 0 when `only` names no living node  @throws StoreError when the store is away
   */
  ask<Q extends ClusterQuestion>(
    question: Q,
    ask: ClusterQuestions[Q]['ask'],
    only?: NodeId,
  ): Promise<ClusterAnswers<Q>>
  /** @throws StoreError when the store is away */
  census(): Promise<ClusterCensus>
  stop(): Promise<void>
}
