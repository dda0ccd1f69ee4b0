// Redis servers as processes of one's own, on loopback: one, a primary with replicas and Sentinels, a Redis Cluster.
// They can be killed, frozen and brought back. For tests and for the fault runs under loadtest/ alike, hence no import
// of a test runner; which of them a test run needs is up to redis.servers.ts. Every process ends with this one.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from '../../../../loadtest/free-port.js'

const settleMsMax = 30_000

/** The server binary of this machine, or null. */
export function localBinary(): string | null {
  for (const name of ['redis-server', 'valkey-server']) {
    const found = spawnSync(name, ['--version'], { encoding: 'utf8' })
    const version = /v=(\d+)\./.exec(found.stdout ?? '')
    if (found.status === 0 && Number(version?.[1] ?? 0) >= 7) return name
  }
  return null
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** One server process of one's own, on 127.0.0.1, in a directory of its own. */
export class RedisProcess {
  readonly port: number
  readonly #binary: string
  readonly #arguments: string[]
  readonly directory: string
  #child: ChildProcess | null = null

  /** @param sentinel lines of a Sentinel's file, when it is to be one */
  constructor(binary: string, port: number, extra: readonly string[] = [], sentinel?: readonly string[]) {
    this.port = port
    this.#binary = binary
    this.directory = mkdtempSync(join(tmpdir(), 'pychat-redis-'))
    if (sentinel === undefined) {
      const basic = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', this.directory]
      this.#arguments = [...basic, ...extra]
    } else {
      // A Sentinel keeps what it learns in its file.
      const file = join(this.directory, 'sentinel.conf')
      const basic = [`port ${port}`, 'bind 127.0.0.1', `dir ${this.directory}`, 'protected-mode no']
      writeFileSync(file, [...basic, ...sentinel, ''].join('\n'))
      this.#arguments = [file, '--sentinel', ...extra]
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get running(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** @param more arguments for this start alone  @returns once it answers */
  async start(more: readonly string[] = []): Promise<void> {
    if (this.running) throw new Error('This server is running already.')
    const child = spawn(this.#binary, [...this.#arguments, ...more], { stdio: 'ignore' })
    this.#child = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    const client = new Redis(this.port, '127.0.0.1', { maxRetriesPerRequest: null, retryStrategy: () => 20 })
    client.on('error', () => {})
    const gone = new Promise<never>((_, reject) => {
      child.once('exit', () => reject(new Error(`${this.#binary} ended at once; run it by hand to see why.`)))
      child.once('error', reject)
    })
    const answered = client.ping().catch((error: Error) => {
      // It runs, and wants a password.
      if (!/NOAUTH/.test(error.message)) throw error
    })
    await Promise.race([answered, gone]).finally(() => client.disconnect())
  }

  /** Asks it one thing. @returns null when it does not answer, or with an error */
  async ask(...command: [string, ...(string | number)[]]): Promise<unknown> {
    if (!this.running) return null
    const client = new Redis(this.port, '127.0.0.1', {
      retryStrategy: () => null,
      connectTimeout: 1000,
      commandTimeout: 1000,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
    })
    client.on('error', () => {})
    try {
      return await client.call(...command)
    } catch {
      return null
    } finally {
      client.disconnect()
    }
  }

  /** Stops it without ending it, as a machine that hangs. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    // A frozen process takes no other signal than SIGKILL before it is thawed.
    child.kill(signal)
    child.kill('SIGCONT')
    await ended
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }
}

async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + settleMsMax
  while (!(await probe())) {
    if (Date.now() > deadline)
      throw new Error(`Redis: ${what} did not happen within ${settleMsMax / 1000} s.`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function startAll(processes: readonly RedisProcess[]): Promise<void> {
  await Promise.all(processes.map((each) => each.start()))
}

async function removeAll(processes: readonly RedisProcess[]): Promise<void> {
  await Promise.all(processes.map((each) => each.remove()))
}

async function replicationOf(server: RedisProcess): Promise<string> {
  return String(await server.ask('INFO', 'replication'))
}

/**
 * Waits until a replica holds what its primary has now, and the primary knows: after a full copy it takes up to a
 * second until the primary sends what came later, and a WAIT fails meanwhile.
 */
async function inStepWith(primary: RedisProcess, replica: RedisProcess): Promise<void> {
  // Something that comes later: there are no functions here, and it belongs to no slot.
  await primary.ask('FUNCTION', 'FLUSH')
  const wanted = Number(/^master_repl_offset:(\d+)/m.exec(await replicationOf(primary))?.[1] ?? 0)
  const held = new RegExp(`port=${replica.port},state=online,offset=(\\d+)`)
  await until('a replica in step', async () => {
    const info = await replicationOf(replica)
    const offset = Number(held.exec(await replicationOf(primary))?.[1] ?? -1)
    return offset >= wanted && /^role:slave/m.test(info) && info.includes('master_link_status:up')
  })
}

/** Replicas join at once, and go on where they were after a short absence. */
const replicationArguments = [
  '--repl-diskless-sync-delay',
  '0',
  '--repl-backlog-size',
  '32mb',
  '--replica-announce-ip',
  '127.0.0.1',
]

export type ReplicatedOptions = {
  replicas: number
  sentinels: number
  downAfterMs: number
  /** Further arguments of every server, such as --requirepass; 0 Sentinels then, since these sign in nowhere. */
  extra: readonly string[]
}

/** A primary, its replicas, and Sentinels that look after them. */
export type ReplicatedRedis = {
  /** As PYCHAT_REDIS_URL takes it: by the Sentinels; by the primary's own address when there are none. */
  url: string
  name: string
  /** All servers, in no order of rank: see `primary`. */
  servers: readonly RedisProcess[]
  sentinels: readonly RedisProcess[]
  /** The server that most Sentinels hold to be the primary, once it says so too. */
  primary(): Promise<RedisProcess>
  /** @returns the server that was killed */
  killPrimary(): Promise<RedisProcess>
  /**
   * Brings a killed server back as a replica; of one that was thawed the Sentinels make a replica.
   * @returns once it is in step and most Sentinels would promote it
   */
  rejoin(server: RedisProcess): Promise<void>
  stop(): Promise<void>
}

/** @throws Error when this machine has no server binary, or when it does not come up */
export async function startReplicated(options: Partial<ReplicatedOptions> = {}): Promise<ReplicatedRedis> {
  const { replicas = 1, sentinels: sentinelCount = 3, downAfterMs = 1000, extra = [] } = options
  const name = 'pychat'
  const binary = binaryOrThrow()
  const servers: RedisProcess[] = []
  for (let i = 0; i <= replicas; i += 1) {
    servers.push(new RedisProcess(binary, await freePort(), [...replicationArguments, ...extra]))
  }
  const [first] = servers as [RedisProcess]
  const sentinels: RedisProcess[] = []
  const majority = Math.floor(sentinelCount / 2) + 1

  async function named(): Promise<RedisProcess | null> {
    if (sentinelCount === 0) return first
    const votes = new Map<number, number>()
    for (const reply of await Promise.all(
      sentinels.map((each) => each.ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)),
    )) {
      const port = Number((reply as string[] | null)?.[1] ?? 0)
      votes.set(port, (votes.get(port) ?? 0) + 1)
    }
    return servers.find(({ port }) => (votes.get(port) ?? 0) >= majority) ?? null
  }

  async function primary(): Promise<RedisProcess> {
    let found: RedisProcess | null = null
    await until('agreeing on a primary', async () => {
      found = await named()
      return found !== null && /^role:master/m.test(await replicationOf(found))
    })
    return found as unknown as RedisProcess
  }

  /** Whether a Sentinel sees every running server as it should be. */
  async function seesAll(sentinel: RedisProcess): Promise<boolean> {
    const others = (await sentinel.ask('SENTINEL', 'SENTINELS', name)) as string[][] | null
    const seen = ((await sentinel.ask('SENTINEL', 'REPLICAS', name)) as string[][] | null) ?? []
    const well = seen.filter(
      (fields) => fieldOf(fields, 'flags') === 'slave' && fieldOf(fields, 'master-link-status') === 'ok',
    )
    return (
      (others?.length ?? 0) === sentinelCount - 1 &&
      well.length === servers.filter(({ running }) => running).length - 1
    )
  }

  async function inStep(): Promise<void> {
    const now = await primary()
    for (const server of servers) {
      if (server === now || !server.running) continue
      await inStepWith(now, server)
    }
    await until('the Sentinels seeing all servers', async () => {
      const seen = await Promise.all(sentinels.map(seesAll))
      return sentinelCount === 0 || seen.filter(Boolean).length >= majority
    })
  }

  const stop = () => removeAll([...servers, ...sentinels])
  try {
    await first.start()
    await Promise.all(
      servers.slice(1).map((each) => each.start(['--replicaof', '127.0.0.1', `${first.port}`])),
    )
    for (const server of servers.slice(1)) await inStepWith(first, server)
    for (let i = 0; i < sentinelCount; i += 1) {
      const lines = [
        `sentinel monitor ${name} 127.0.0.1 ${first.port} ${majority}`,
        `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
        `sentinel failover-timeout ${name} 3000`,
        `sentinel parallel-syncs ${name} 5`,
        'sentinel announce-ip 127.0.0.1',
      ]
      sentinels.push(new RedisProcess(binary, await freePort(), [], lines))
    }
    await startAll(sentinels)
    // How they find each other and what came back; what they do about a dead primary keeps its own times.
    for (const each of sentinels) {
      await each.ask('SENTINEL', 'DEBUG', 'INFO-PERIOD', 500, 'PUBLISH-PERIOD', 250)
    }
    await inStep()
  } catch (error) {
    await stop()
    throw error
  }

  return {
    url:
      sentinelCount === 0
        ? first.url
        : `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${name}`,
    name,
    servers,
    sentinels,
    primary,
    async killPrimary() {
      const victim = await primary()
      await victim.stop('SIGKILL')
      return victim
    },
    async rejoin(server) {
      const now = await primary()
      if (!server.running) {
        await server.start(now === server ? [] : ['--replicaof', '127.0.0.1', `${now.port}`])
      }
      await inStep()
    },
    stop,
  }
}

function fieldOf(fields: readonly string[], name: string): string {
  return fields[fields.indexOf(name) + 1] ?? ''
}

function binaryOrThrow(): string {
  const binary = localBinary()
  if (binary === null) throw new Error('This needs redis-server or valkey-server 7.0 or later; install it.')
  return binary
}

export function clusterArguments(nodeTimeoutMs = 2000): string[] {
  return [
    '--cluster-enabled',
    'yes',
    '--cluster-node-timeout',
    String(nodeTimeoutMs),
    '--cluster-announce-ip',
    '127.0.0.1',
  ]
}

export function clusterUrlOf(ports: readonly number[]): string {
  return `redis+cluster://${ports.map((port) => `127.0.0.1:${port}`).join(',')}`
}

/** Makes one cluster of servers that were started with cluster-enabled. */
export async function formCluster(ports: readonly number[]): Promise<void> {
  const clients = ports.map((port) => new Redis(port, '127.0.0.1', { maxRetriesPerRequest: null }))
  try {
    const [first] = ports
    for (const [i, client] of clients.entries()) {
      const from = Math.floor((i * 16_384) / ports.length)
      const to = Math.floor(((i + 1) * 16_384) / ports.length) - 1
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
      if (i > 0 && first !== undefined) await client.call('CLUSTER', 'MEET', '127.0.0.1', first)
    }
    await until('forming a cluster', async () => {
      const infos = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO')))
      return infos.every(
        (info) =>
          String(info).includes('cluster_state:ok') && String(info).includes(`known_nodes:${ports.length}`),
      )
    })
  } finally {
    for (const client of clients) client.disconnect()
  }
}

export type ClusterOptions = {
  primaries: number
  replicasEach: number
  nodeTimeoutMs: number
}

export type ClusteredRedis = {
  /** As PYCHAT_REDIS_URL takes it. */
  url: string
  /** All servers, in no order of rank: see `primaryOf`. */
  servers: readonly RedisProcess[]
  /** The server that says it serves the slot; waits until there is one, as after a kill. */
  primaryOf(slot: number): Promise<RedisProcess>
  /**
   * Brings a killed or thawed server back. Without a replica it comes back empty, in its old place; with one this waits for the
   * promotion first, or its empty log would replace what the replica holds.
   * @returns once the cluster is whole again and every replica in step
   */
  rejoin(server: RedisProcess): Promise<void>
  stop(): Promise<void>
}

/** @throws Error when this machine has no server binary, or when it does not come up */
export async function startCluster(options: Partial<ClusterOptions> = {}): Promise<ClusteredRedis> {
  const { primaries = 3, replicasEach = 1, nodeTimeoutMs = 2000 } = options
  const binary = binaryOrThrow()
  const servers: RedisProcess[] = []
  const extra = [...replicationArguments.slice(0, 4), ...clusterArguments(nodeTimeoutMs)]
  for (let i = 0; i < primaries * (1 + replicasEach); i += 1) {
    servers.push(new RedisProcess(binary, await freePort(), extra))
  }
  const heads = servers.slice(0, primaries)

  /** The server that serves a slot according to itself. */
  async function serving(slot: number): Promise<RedisProcess | null> {
    for (const server of servers) {
      const ranges = (await server.ask('CLUSTER', 'SLOTS')) as [number, number, [string, number]][] | null
      const range = ranges?.find(([from, to]) => from <= slot && slot <= to)
      if (range?.[2][1] !== server.port) continue
      if (/^role:master/m.test(await replicationOf(server))) return server
    }
    return null
  }

  async function primaryOf(slot: number): Promise<RedisProcess> {
    let found: RedisProcess | null = null
    await until(`a primary for slot ${slot}`, async () => {
      found = await serving(slot)
      return found !== null
    })
    return found as unknown as RedisProcess
  }

  async function whole(): Promise<boolean> {
    const states = await Promise.all(
      servers.map(async (server) => {
        const info = String(await server.ask('CLUSTER', 'INFO'))
        const nodes = String(await server.ask('CLUSTER', 'NODES'))
        const replication = await replicationOf(server)
        return (
          info.includes('cluster_state:ok') &&
          info.includes(`cluster_known_nodes:${servers.length}`) &&
          info.includes(`cluster_size:${primaries}`) &&
          !/\b(?:fail\??|handshake)\b/.test(nodes) &&
          nodes.split(' slave ').length + nodes.split(',slave ').length - 2 === primaries * replicasEach &&
          (/^role:master/m.test(replication) || replication.includes('master_link_status:up'))
        )
      }),
    )
    return !states.includes(false)
  }

  async function settle(): Promise<void> {
    await until('a whole cluster', whole)
    for (const replica of servers) {
      const port = Number(/^master_port:(\d+)/m.exec(await replicationOf(replica))?.[1] ?? 0)
      const primary = servers.find((each) => each.port === port)
      if (primary !== undefined) await inStepWith(primary, replica)
    }
  }

  const stop = () => removeAll(servers)
  try {
    await startAll(servers)
    await formCluster(heads.map(({ port }) => port))
    for (const [i, replica] of servers.slice(primaries).entries()) {
      const head = heads[i % primaries] as RedisProcess
      const id = String(await head.ask('CLUSTER', 'MYID'))
      await replica.ask('CLUSTER', 'MEET', '127.0.0.1', head.port)
      await until('a replica meeting its primary', async () => {
        return String(await replica.ask('CLUSTER', 'REPLICATE', id)) === 'OK'
      })
    }
    await settle()
  } catch (error) {
    await stop()
    throw error
  }

  return {
    url: clusterUrlOf(servers.map(({ port }) => port)),
    servers,
    primaryOf,
    async rejoin(server) {
      if (replicasEach > 0) {
        for (let i = 0; i < primaries; i += 1) await primaryOf(Math.floor((i * 16_384) / primaries))
      }
      if (!server.running) await server.start()
      await settle()
    },
    stop,
  }
}
