// Questions between nodes over Redis: each node hears one sharded channel of its own, for questions and answers both.
// Who is asked: every node that holds a lease. Who does not answer in time is counted as asked and left out.
import { encodeHex, type NodeId } from '@pychat/protocol'
import { type Connections, storeAway } from '../redis/connections.ts'
import { nodeChannel } from '../redis/keys.ts'
import type { Lease } from '../redis/lease.ts'
import type { Cluster, ClusterAnswers, ClusterHandlers, ClusterQuestions } from './cluster.ts'

export type RedisClusterOptions = {
  connections: Connections
  lease: Lease
  keyPrefix: string
  random(bytes: number): Uint8Array
  /** How long `ask` waits for answers. */
  answerMs: number
}

type Question = keyof ClusterQuestions
type Letter = { id: string; from: NodeId } & ({ question: Question } | { answer: unknown })
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
    const letter = JSON.parse(message.toString()) as Letter
    if ('answer' in letter) {
      waiting.get(letter.id)?.answer(letter.from, letter.answer)
      return
    }
    const handler = handlers?.[letter.question]
    if (handler === undefined) return
    send(letter.from, { id: letter.id, from: lease.node, answer: handler(null) }).catch(() => {})
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
    async ask<Q extends Question>(question: Q, only?: NodeId): Promise<ClusterAnswers<Q>> {
      type Answer = ClusterQuestions[Q]['answer']
      const answers: { node: NodeId; answer: Answer }[] = []
      const id = encodeHex(options.random(8))
      try {
        const living = await lease.nodes()
        const asked = only === undefined ? living : living.filter((node) => node === only)
        if (asked.length === 0) return { asked: 0, answers }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, options.answerMs)
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
              if (!left.has(node)) return
              answers.push({ node, answer: answer as Answer })
              done(node)
            },
          })
          for (const node of asked) {
            // Nobody heard it: the node is gone although its lease stands.
            send(node, { id, from: lease.node, question }).then(
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
    async stop() {
      handlers = null
      if (channel !== null) subscriptions.unsubscribe(channel)
      channel = null
    },
  }
}
