// `pychat-admin drain`: tells one node to empty itself, and watches until it is gone. The node keeps the time by itself
// (docs/protocol.md, section 14): whoever stops watching stops nothing.
import { type AdminNode, drainWithinMsMax, drainWithinMsMin, type NodeId } from '@pychat/protocol'
import { type Api, ApiError } from './api.ts'
import type { ActingOptions, Cli } from './cli.ts'
import { exitCodes, type Ports, UsageError } from './ports.ts'
import { clean } from './table.ts'

export type DrainOptions = ActingOptions & { within: string; json?: boolean }

const pollMs = 500
const pollTimeoutMs = 4000
/** What a node may be late before that is said. */
const lateMs = 5000
/** A line that is not redrawn comes no more often than this. */
const lineEveryMs = 2000

export const drainHelp = `
Example:
  pychat-admin drain 1a2b --within 2m      empty the node whose id begins with 1a2b, before it is updated

The node takes no new clients from then on, tells those it has when to move to other nodes, and ends within the time.
Nobody is shown as leaving, and no message is lost. Progress is on stderr. A supervisor that restarts what ends (compose,
Kubernetes) then starts a fresh node. Ctrl-C stops watching, not the drain. A second drain can make it sooner, never later.

With --json every change is one line on stdout, and the last line is "drained" or "unfinished":
  {"schema":1,"event":"progress","node":"1a2b3c4d5e6f7081","connections":212,"of":412,"leftMs":18000}
  {"schema":1,"event":"drained","node":"1a2b3c4d5e6f7081","clients":412,"ms":21000}
  {"schema":1,"event":"unfinished","node":"1a2b3c4d5e6f7081","connections":3,"ms":35000}

Exit codes: 0 the node is gone, 6 it is not gone in time or that is not certain, 130 Ctrl-C, others as everywhere.`

/** "45s", "2m", "1500ms" in milliseconds. @throws UsageError for anything else, and out of range */
export function parseWithin(text: string): number {
  const match = /^([0-9]{1,6})(ms|s|m)$/.exec(text)
  const ms = Number(match?.[1]) * { ms: 1, s: 1000, m: 60_000 }[(match?.[2] ?? 'ms') as 'ms' | 's' | 'm']
  if (!(ms >= drainWithinMsMin && ms <= drainWithinMsMax)) {
    throw new UsageError('--within wants a time from 1s to 10m, like 45s, 2m or 1500ms.')
  }
  return ms
}

/** @returns the exit code */
export async function drain(api: Api, cli: Cli, given: string, options: DrainOptions): Promise<number> {
  const { ports } = cli
  const withinMs = parseWithin(options.within)
  if (!/^[0-9a-f]{4,16}$/.test(given)) {
    throw new UsageError(
      'NODE is 16 hex digits or the first 4 or more of them, as "pychat-admin nodes" shows them.',
    )
  }
  cli.mayAct('drain', options)
  const { list, nodes } = await api.ask('nodes')
  const found = list.filter(({ node }) => node.startsWith(given))
  const [target, another] = found
  if (another !== undefined) {
    throw new UsageError(`${found.length} nodes begin with ${given}; give more digits.`)
  }
  if (target === undefined) {
    if (nodes.answered === nodes.asked) {
      throw new UsageError(`No node begins with ${given}; "pychat-admin nodes" lists them.`)
    }
    ports.err(
      `No node that answers begins with ${given}; ${nodes.asked - nodes.answered} of ${nodes.asked} did not answer.\n`,
    )
    return exitCodes.partial
  }
  const alone = !list.some(({ node, state }) => node !== target.node && state !== 'draining')
  if (alone) ports.err('No other node takes clients: they will wait until one does.\n')
  const clients = counted(target.connections, 'connection')
  if (options.dryRun && options.json) {
    ports.out(jsonLine({ event: 'dry-run', node: target.node, connections: target.connections, withinMs }))
    return exitCodes.ok
  }
  const deed = {
    would: `drain node ${target.node} (${clients}) within ${seconds(withinMs)}.`,
    question: `Drain node ${target.node} (${clients})?`,
    nothing: 'Nothing was drained.',
  }
  if (!(await cli.agree('drain', deed, options))) return exitCodes.ok
  const beganAt = ports.now()
  const reply = await api.ask('drain', { body: { node: target.node, withinMs } })
  if (reply.nodes.answered === 0) {
    ports.err(`Node ${target.node} did not react: it may hang. Look at it on its machine.\n`)
    return exitCodes.partial
  }
  return watch(api, ports, { target, alone, beganAt, withinMs, json: options.json === true })
}

type Drained = { target: AdminNode; alone: boolean; beganAt: number; withinMs: number; json: boolean }

/** Why the node was not in the last reply, or that it was. */
type Sight =
  | { kind: 'there'; connections: number }
  | { kind: 'gone'; askedIt: boolean }
  | { kind: 'silent'; why: string; code: number }

async function watch(api: Api, ports: Ports, drained: Drained): Promise<number> {
  const { target, alone, beganAt, withinMs, json } = drained
  const { node } = target
  const interrupt = ports.interrupt()
  const progress = createProgress(ports, node, json)
  const endsAt = beganAt + withinMs
  let most = target.connections
  let left: number | null = target.connections

  for (;;) {
    const sight = await look(api, node, interrupt)
    const now = ports.now()
    const ms = now - beganAt
    if (interrupt.aborted) {
      progress.end()
      ports.err(`Stopped watching. The drain of ${node} goes on; "pychat-admin nodes" shows how far it is.\n`)
      return exitCodes.interrupted
    }
    if (sight.kind === 'gone') {
      progress.end()
      if (json) ports.out(jsonLine({ event: 'drained', node, clients: most, ms }))
      else {
        const clients = counted(most, 'client')
        const did = alone ? `${clients} sent away in ${seconds(ms)}.` : `${clients} moved in ${seconds(ms)}.`
        const self = sight.askedIt ? ' It was the node asked through, and it answers no more.' : ''
        ports.out(`Drained: ${did}${self}\n`)
      }
      return exitCodes.ok
    }
    left = sight.kind === 'there' ? sight.connections : null
    if (left !== null) {
      most = Math.max(most, left)
      progress.show(left, most, Math.max(0, endsAt - now))
    }
    if (now >= endsAt + lateMs) {
      progress.end()
      if (json) ports.out(jsonLine({ event: 'unfinished', node, connections: left, ms }))
      if (sight.kind === 'silent') {
        ports.err(sight.why)
        return sight.code
      }
      ports.err(
        `Node ${node} is still there after ${seconds(ms)}, with ${counted(sight.connections, 'connection')}: it may hang. Kill it on its machine; its clients reconnect by themselves.\n`,
      )
      return exitCodes.partial
    }
    await ports.pause(pollMs, interrupt)
  }
}

async function look(api: Api, node: NodeId, signal: AbortSignal): Promise<Sight> {
  try {
    const { list, nodes } = await api.ask('nodes', { timeoutMs: pollTimeoutMs, signal })
    const row = list.find((each) => each.node === node)
    if (row !== undefined) return { kind: 'there', connections: row.connections }
    if (nodes.answered === nodes.asked) return { kind: 'gone', askedIt: false }
    return {
      kind: 'silent',
      why: `Node ${node} does not answer any more, but neither do ${nodes.asked - nodes.answered} of ${nodes.asked} nodes: whether it is gone is not certain.\n`,
      code: exitCodes.partial,
    }
  } catch (error) {
    if (!(error instanceof ApiError) || error.kind !== 'unreachable') throw error
    const askedIt = api.answeredBy() === node
    if (askedIt && error.refusedConnection) return { kind: 'gone', askedIt }
    return askedIt
      ? {
          kind: 'silent',
          why: `Node ${node}, which was asked through, does not answer any more; whether its process has ended is not certain.\n`,
          code: exitCodes.partial,
        }
      : {
          kind: 'silent',
          why: `${clean(error.message)} Node ${node} was told to drain; whether it is gone is not known.\n`,
          code: exitCodes.unreachable,
        }
  }
}

type Progress = {
  show(left: number, of: number, leftMs: number): void
  /** Clears a line that was redrawn, so that the next text stands alone. */
  end(): void
}

function createProgress(ports: Ports, node: NodeId, json: boolean): Progress {
  let lineAt = Number.NEGATIVE_INFINITY
  let shown = -1
  let drawn = false
  return {
    show(left, of, leftMs) {
      const columns = json ? null : ports.columns()
      const line = `Draining ${node.slice(0, 8)}...: ${left} of ${counted(of, 'connection')} left, ${seconds(leftMs)} to go`
      if (columns !== null) {
        ports.err(`\r\u001b[K${line.slice(0, Math.max(0, columns - 1))}`)
        drawn = true
        return
      }
      if (left === shown || ports.now() - lineAt < lineEveryMs) return
      shown = left
      lineAt = ports.now()
      if (json) ports.out(jsonLine({ event: 'progress', node, connections: left, of, leftMs }))
      else ports.err(`${line}\n`)
    },
    end() {
      if (drawn) ports.err('\r\u001b[K')
      drawn = false
    },
  }
}

export type DrainEvent =
  | { event: 'dry-run'; node: NodeId; connections: number; withinMs: number }
  | { event: 'progress'; node: NodeId; connections: number; of: number; leftMs: number }
  | { event: 'drained'; node: NodeId; clients: number; ms: number }
  | { event: 'unfinished'; node: NodeId; connections: number | null; ms: number }

const jsonLine = (event: DrainEvent): string => `${JSON.stringify({ schema: 1, ...event })}\n`

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`

const seconds = (ms: number): string => `${Math.max(ms > 0 ? 1 : 0, Math.round(ms / 1000))} s`
