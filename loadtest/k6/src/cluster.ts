// The nodes and the Redis that a run starts for itself, what is done to them in the middle, and what they cost.
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Running, run, runFolder, until } from '#chaos/processes'
import { givenStore, type Store, startStore } from '#chaos/stores'
import { type RelayNode, startTopology, type Topology } from '#chaos/topology'

const adminBin = fileURLToPath(new URL('../../../apps/admin-cli/bin/pychat-admin.js', import.meta.url))
/** How much longer than its drain a node may take to end: docs/configuration.md, PYCHAT_DRAIN_MS. */
const drainSlackMs = 6000

/** What the processes of a cluster used since their start. */
export type Costs = { relayCpuMs: number; redisCpuMs: number; relayMemoryMiB: number }

export type Cluster = {
  urls: readonly string[]
  /** @returns a sentence about what was done */
  kill(): Promise<string>
  /** Empties one node. @returns what happened, and whether it ended by itself in time */
  drain(withinMs: number): Promise<{ sentence: string; inTime: boolean }>
  /** null where the system does not tell, or when a node is gone. */
  costs(): Costs | null
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
    costs() {
      if (topology.nodes.some(({ alive }) => !alive)) return null
      const all = topology.nodes.map(({ pid }) => usedBy(pid))
      const redis = store.servers.map(({ pid }) => (pid === 0 ? { cpuMs: 0, memoryMiB: 0 } : usedBy(pid)))
      if ([...all, ...redis].some((each) => each === null)) return null
      const sum = (each: typeof all, key: 'cpuMs' | 'memoryMiB') =>
        each.reduce((total, used) => total + (used?.[key] ?? 0), 0)
      return {
        relayCpuMs: sum(all, 'cpuMs'),
        redisCpuMs: sum(redis, 'cpuMs'),
        relayMemoryMiB: sum(all, 'memoryMiB'),
      }
    },
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

const ticksPerSecond = 100
const pageBytes = 4096

/** Processor time and resident memory of a process with all its threads; null where the system does not tell. */
function usedBy(pid: number): { cpuMs: number; memoryMiB: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return {
      cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond,
      memoryMiB: (Number(fields[21]) * pageBytes) / 2 ** 20,
    }
  } catch {
    return null
  }
}
