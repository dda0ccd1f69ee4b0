// Questions between nodes over Redis: each node hears one sharded channel of its own, for questions and answers both.
// Who is asked: every node that holds a lease. Who does not answer in time is counted as asked and left out.
// Whoever can write to Redis can write here, so a letter that is not exactly one of ours is dropped.
import { encodeHex, type NodeId, nodeIdSchema } from '@pychat/protocol'
import { z } from 'zod'
import { type Connections, storeAway } from '../redis/connections.ts'
import { nodeChannel } from '../redis/keys.ts'
import type { Lease } from '../redis/lease.ts'
import {
  type Cluster,
  type ClusterAnswers,
  type ClusterHandlers,
  type ClusterQuestion,
  type ClusterQuestions,
  clusterAnswerMs,
  clusterQuestions,
} from './cluster.ts'

export type RedisClusterOptions = {
  connections: Connections
  lease: Lease
  keyPrefix: string
  random(bytes: number): Uint8Array
  /** How long `ask` waits for answers, but for those of `clusterAnswerMs`. */
  answerMs: number
}

const letterId = z.string().regex(/^[0-9a-f]{16}$/)
/** What is asked and answered is checked by the row of the question. */
const letterSchema = z.union([
  z.strictObject({
    id: letterId,
    from: nodeIdSchema,
    question: z.enum(Object.keys(clusterQuestions) as ClusterQuestion[]),
    ask: z.unknown(),
  }),
  z.strictObject({ id: letterId, from: nodeIdSchema, answer: z.unknown() }),
])
type Letter = z.infer<typeof letterSchema>
type Waiting = { left: Set<NodeId>; answer(from: NodeId, answer: unknown): void }

export function createRedisCluster(options: RedisClusterOptions): Cluster {
  const { connections, lease, keyPrefix } = options
  const { commands, subscriptions } = connections
  const waiting = new Map<string, Waiting>()
  let handlers: ClusterHandlers | null = null
  let channel: string | null = null

  /** @returns how many connections heard it */
  function send(to: NodeId, letter: Letter): Promise<number> {
    return commands.spublish(nodeChannel(keyPrefix, to), JSON.stringify(letter)) as Promise<number>
  }

  function receive(message: Buffer): void {
    const letter = readLetter(message)
    if (letter === null) return
    const { id, from } = letter
    if (!('question' in letter)) {
      waiting.get(id)?.answer(from, letter.answer)
      return
    }
    void answerTo(letter.question, letter.ask)
      .then((answer) => (answer === null ? 0 : send(from, { id, from: lease.node, answer })))
      .catch(() => {})
  }

  /** @returns null when nothing of this kind can be asked here */
  async function answerTo<Q extends ClusterQuestion>(
    question: Q,
    asked: unknown,
  ): Promise<ClusterQuestions[Q]['answer'] | null> {
    const ask = clusterQuestions[question].ask.safeParse(asked)
    if (handlers === null || !ask.success) return null
    return handlers[question](ask.data as ClusterQuestions[Q]['ask'])
  }

  async function listen(): Promise<void> {
    if (handlers === null) return
    if (channel !== null) subscriptions.unsubscribe(channel)
    channel = nodeChannel(keyPrefix, lease.node)
    await subscriptions.subscribe(channel, { message: receive, resumed() {} })
  }

  lease.listeners.push({ lost() {}, taken: () => void listen().catch(() => {}) })

  return {
    async start(given) {
      handlers = given
      await listen()
    },
    async ask<Q extends ClusterQuestion>(
      question: Q,
      ask: ClusterQuestions[Q]['ask'],
      only?: NodeId,
    ): Promise<ClusterAnswers<Q>> {
      type Answer = ClusterQuestions[Q]['answer']
      const answers: { node: NodeId; answer: Answer }[] = []
      const id = encodeHex(options.random(8))
      try {
        const living = await lease.nodes()
        const asked = only === undefined ? living : living.filter((node) => node === only)
        if (asked.length === 0) return { asked: 0, answers }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, clusterAnswerMs[question] ?? options.answerMs)
          const left = new Set(asked)
          const done = (node: NodeId) => {
            left.delete(node)
            if (left.size > 0) return
            clearTimeout(timer)
            resolve()
          }
          waiting.set(id, {
            left,
            answer(node, answer) {
              const read = clusterQuestions[question].answer.safeParse(answer)
              if (!left.has(node) || !read.success) return
              answers.push({ node, answer: read.data as Answer })
              done(node)
            },
          })
          for (const node of asked) {
            // Nobody heard it: the node is gone although its lease stands.
            send(node, { id, from: lease.node, question, ask }).then(
              (heard) => (heard === 0 ? done(node) : undefined),
              () => done(node),
            )
          }
        })
        return { asked: asked.length, answers }
      } catch (error) {
        throw storeAway(error)
      } finally {
        waiting.delete(id)
      }
    },
    async census() {
      try {
        return await lease.census()
      } catch (error) {
        throw storeAway(error)
      }
    },
    async stop() {
      handlers = null
      if (channel !== null) subscriptions.unsubscribe(channel)
      channel = null
    },
  }
}

/** @returns null for what no node has written */
function readLetter(message: Buffer): Letter | null {
  try {
    return letterSchema.parse(JSON.parse(message.toString()))
  } catch {
    return null
  }
}
