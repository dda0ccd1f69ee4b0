// The nodes and the Redis that a run starts for itself, and what is done to them in the middle.
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Running, run, runFolder, until } from '#chaos/processes'
import { givenStore, type Store, startStore } from '#chaos/stores'
import { type RelayNode, startTopology, type Topology } from '#chaos/topology'
import type { Pids } from './costs.ts'

const adminBin = fileURLToPath(new URL('../../../apps/admin-cli/bin/pychat-admin.js', import.meta.url))
/** How much longer than its drain a node may take to end: docs/configuration.md, PYCHAT_DRAIN_MS. */
const drainSlackMs = 6000

export type Cluster = {
  urls: readonly string[]
  /** @returns a sentence about what was done */
  kill(): Promise<string>
  /** Empties one node. @returns what happened, and whether it ended by itself in time */
  drain(withinMs: number): Promise<{ sentence: string; inTime: boolean }>
  /** Of those processes that this run started. */
  pids(): Omit<Pids, 'k6'>
  /** Nodes that ended although nobody asked them to. */
  crashed(): string[]
  stop(): Promise<void>
}

export type ClusterOptions = { nodes: number; redisUrl: string | null; settings: Record<string, string> }

export async function startCluster({ nodes, redisUrl, settings: given }: ClusterOptions): Promise<Cluster> {
  const store = redisUrl === null ? await startStore('single', { keeps: false }) : givenStore(redisUrl)
  const tokenFile = join(runFolder(), 'admin-token')
  writeFileSync(tokenFile, randomBytes(32).toString('hex'), { mode: 0o600 })
  const settings = { PYCHAT_ADMIN_TOKEN_FILE: tokenFile, PYCHAT_LOG_LEVEL: 'warn', ...given }
  const topology = await startTopology(store, { nodes, doors: false, settings })
  return clusterOf(store, topology, tokenFile)
}

function clusterOf(store: Store, topology: Topology, tokenFile: string): Cluster {
  const gone = new Set<RelayNode>()
  const [first] = topology.nodes as [RelayNode]
  return {
    urls: topology.nodes.map(({ url }) => url),
    async kill() {
      gone.add(first)
      await first.kill()
      return `${first.name} of ${topology.nodes.length} was killed (SIGKILL)`
    },
    async drain(withinMs) {
      const beganAt = performance.now()
      const { code, target } = await drainOne(first, withinMs, tokenFile)
      const ended = await until(() => topology.nodes.some(({ alive }) => !alive), drainSlackMs)
      const seconds = ((performance.now() - beganAt) / 1000).toFixed(1)
      for (const node of topology.nodes) if (!node.alive) gone.add(node)
      const said = `pychat-admin drain ${target} --within ${withinMs / 1000}s: exit code ${code}`
      return {
        sentence: `${said}, the node ${ended ? `ended after ${seconds} s` : `was still there after ${seconds} s`}`,
        inTime: ended && code === 0,
      }
    },
    pids: () => ({
      relays: topology.nodes.map(({ pid }) => pid),
      redis: store.servers.map(({ pid }) => pid).filter((pid) => pid !== 0),
    }),
    crashed: () => topology.nodes.filter((node) => !node.alive && !gone.has(node)).map(({ name }) => name),
    async stop() {
      await topology.stop()
      if (store.owned) for (const server of store.servers) await server.kill()
    },
  }
}

/** Asks a node who is there, and drains the first of them. */
async function drainOne(node: RelayNode, withinMs: number, tokenFile: string) {
  const env: NodeJS.ProcessEnv = {}
  for (const [name, value] of Object.entries(process.env)) if (!name.startsWith('PYCHAT_')) env[name] = value
  env['PYCHAT_ADMIN_URL'] = `http://127.0.0.1:${node.opsPort}`
  env['PYCHAT_ADMIN_TOKEN_FILE'] = tokenFile
  const admin = (name: string, args: string[]): Running =>
    run(name, process.execPath, [adminBin, ...args], env)
  await admin('admin-nodes', ['nodes', '--json']).exited
  const line = /"node":\s*"([0-9a-f]{16})"/.exec(readFileSync(join(runFolder(), 'admin-nodes.log'), 'utf8'))
  const target = line?.[1]
  if (target === undefined)
    throw new Error(`pychat-admin found no node to drain; its log is in ${runFolder()}.`)
  const args = ['drain', target, '--within', `${withinMs / 1000}s`, '--yes']
  return { target, code: await admin('admin-drain', args).exited }
}
