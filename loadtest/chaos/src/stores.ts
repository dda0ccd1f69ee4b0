// The Redis under a run: one server, a primary with replicas and three Sentinels, or a cluster of three primaries with
// a replica each; all real processes on loopback, or one given address that is only spoken to. It says how nodes reach
// it and what can be done to it.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from '../../free-port.js'
import { pause, type Running, run, runFolder, until } from './processes.ts'

export const storeKinds = ['single', 'sentinel', 'cluster'] as const
export type StoreKind = (typeof storeKinds)[number]

const primaryName = 'pychat'

export type Store = {
  kind: StoreKind
  /** As PYCHAT_REDIS_URL takes it. */
  url: string
  /** The one server's port, for a door before it; null where there are several. */
  port: number | null
  /** Whether servers can be killed and frozen. */
  owned: boolean
  /** Those that lead now, in a fixed order. */
  primaries(): Promise<Server[]>
  /** A replica leads in the place of this one. */
  succeeded(old: Server): Promise<boolean>
  servers: readonly Server[]
}

/** One Redis server that this run may speak to, and, if it started it, kill. */
export class Server {
  readonly port: number
  readonly #host: string
  readonly #binary: string | null
  readonly #file: string
  #process: Running | null = null
  #client: Redis | null = null

  constructor(binary: string | null, port: number, lines: readonly string[] = [], host = '127.0.0.1') {
    this.port = port
    this.#host = host
    this.#binary = binary
    const folder = join(runFolder(), `redis-${port}`)
    this.#file = join(folder, 'redis.conf')
    if (binary === null) return
    mkdirSync(folder)
    writeFileSync(
      this.#file,
      [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, 'save ""', ...lines, ''].join('\n'),
    )
  }

  async start(...more: string[]): Promise<void> {
    if (this.#binary === null) return
    const child = run(`redis-${this.port}`, this.#binary, [this.#file, ...more])
    this.#process = child
    if (!(await until(() => this.answers(), 15_000)) || !child.alive) {
      throw new Error(`Redis on port ${this.port} did not start; its log is in ${runFolder()}.`)
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.signal(name)
  }
  /** 0 when somebody else runs it. */
  get pid(): number {
    return this.#process?.pid ?? 0
  }
  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL')
    await this.#process?.exited
  }

  /** @throws Error when it does not answer within two seconds */
  async command(name: string, ...args: (string | number)[]): Promise<unknown> {
    this.#client ??= this.#connect()
    return this.#client.call(name, ...args)
  }
  async answers(): Promise<boolean> {
    return this.command('PING').then(
      () => true,
      (error: Error) => /NOAUTH/.test(error.message),
    )
  }
  async leads(): Promise<boolean> {
    return this.command('ROLE').then(
      (role) => Array.isArray(role) && role[0] === 'master',
      () => false,
    )
  }
  disconnect(): void {
    this.#client?.disconnect()
    this.#client = null
  }

  #connect(): Redis {
    const client = new Redis(this.port, this.#host, {
      maxRetriesPerRequest: 0,
      commandTimeout: 2000,
      connectTimeout: 2000,
      enableReadyCheck: false,
      retryStrategy: () => 100,
    })
    client.on('error', () => {})
    return client
  }
}

/** The server binary of this machine. @throws Error with a sentence that says how to get one */
function serverBinary(): string {
  for (const name of ['redis-server', 'valkey-server']) {
    const found = spawnSync(name, ['--version'], { encoding: 'utf8' })
    const version = /v=(\d+)\./.exec(found.stdout ?? '')
    if (found.status === 0 && Number(version?.[1] ?? 0) >= 7) return name
  }
  throw new Error(
    'This run starts its own Redis: install redis-server 7.0 or newer (Debian: apt-get install redis-server), or give ' +
      '--redis-url ADDRESS, where it leaves Redis alone.',
  )
}

/** One that somebody else runs: only spoken to. @param url redis://host:port */
export function givenStore(url: string): Store {
  const { hostname, port } = new URL(url)
  const server = new Server(null, Number(port || 6379), [], hostname)
  return {
    kind: 'single',
    url,
    port: hostname === '127.0.0.1' || hostname === 'localhost' ? server.port : null,
    owned: false,
    primaries: async () => [server],
    succeeded: async () => true,
    servers: [server],
  }
}

/** @param keeps whether one server's acknowledged state outlives its process, which costs it a write to disk each time */
export async function startStore(kind: StoreKind, { keeps = true } = {}): Promise<Store> {
  const binary = serverBinary()
  if (kind === 'single') return startSingle(binary, keeps)
  return kind === 'sentinel' ? startSentinel(binary) : startCluster(binary)
}

async function startSingle(binary: string, keeps: boolean): Promise<Store> {
  // What Redis acknowledged outlives its process, so a restart may lose nothing.
  const lines = keeps ? ['appendonly yes', 'appendfsync always'] : ['appendonly no']
  const server = new Server(binary, await freePort(), lines)
  await server.start()
  return {
    kind: 'single',
    url: `redis://127.0.0.1:${server.port}`,
    port: server.port,
    owned: true,
    primaries: async () => [server],
    succeeded: async () => true,
    servers: [server],
  }
}

async function startSentinel(binary: string): Promise<Store> {
  const primary = new Server(binary, await freePort(), ['repl-diskless-sync-delay 0'])
  const replicas: Server[] = []
  for (let i = 0; i < 2; i += 1) {
    replicas.push(
      new Server(binary, await freePort(), [
        'repl-diskless-sync-delay 0',
        `replicaof 127.0.0.1 ${primary.port}`,
      ]),
    )
  }
  const servers = [primary, ...replicas]
  for (const server of servers) await server.start()
  const linked = await until(async () => {
    const info = String(await primary.command('INFO', 'replication').catch(() => ''))
    return (info.match(/state=online/g) ?? []).length === replicas.length
  }, 20_000)
  if (!linked) throw new Error('The replicas did not follow their primary within 20 s.')
  const sentinels: Server[] = []
  for (let i = 0; i < 3; i += 1) {
    const sentinel = new Server(binary, await freePort(), [
      `sentinel monitor ${primaryName} 127.0.0.1 ${primary.port} 2`,
      `sentinel down-after-milliseconds ${primaryName} 1500`,
      `sentinel failover-timeout ${primaryName} 6000`,
      `sentinel parallel-syncs ${primaryName} 2`,
    ])
    sentinels.push(sentinel)
    await sentinel.start('--sentinel')
  }
  const leader = async (): Promise<number> => {
    const [asked] = sentinels as [Server]
    const answer = await asked.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', primaryName)
    return Array.isArray(answer) ? Number(answer[1]) : 0
  }
  const met = await until(async () => {
    const all = await Promise.all(
      sentinels.map((each) => each.command('SENTINEL', 'CKQUORUM', primaryName).catch(() => '')),
    )
    return all.every((answer) => String(answer).startsWith('OK 3'))
  }, 20_000)
  if (!met) throw new Error('The Sentinels did not find each other within 20 s.')
  return {
    kind: 'sentinel',
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${primaryName}`,
    port: null,
    owned: true,
    async primaries() {
      const port = await leader()
      return servers.filter((server) => server.port === port)
    },
    succeeded: (old) =>
      until(async () => {
        const port = await leader().catch(() => old.port)
        const next = servers.find((server) => server.port === port)
        return next !== undefined && next !== old && (await next.leads())
      }, 30_000),
    servers,
  }
}

async function startCluster(binary: string): Promise<Store> {
  const servers: Server[] = []
  for (let i = 0; i < 6; i += 1) {
    servers.push(
      new Server(binary, await freePort(), [
        'cluster-enabled yes',
        'cluster-node-timeout 2000',
        'cluster-announce-ip 127.0.0.1',
        'cluster-replica-validity-factor 0',
        'repl-diskless-sync-delay 0',
      ]),
    )
  }
  for (const server of servers) await server.start()
  const [first] = servers as [Server]
  const ids: string[] = []
  for (const [i, server] of servers.entries()) {
    if (i < 3) {
      const from = Math.floor((i * 16_384) / 3)
      await server.command('CLUSTER', 'ADDSLOTSRANGE', from, Math.floor(((i + 1) * 16_384) / 3) - 1)
    }
    await server.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
    ids.push(String(await server.command('CLUSTER', 'MYID')))
    if (i > 0) await server.command('CLUSTER', 'MEET', '127.0.0.1', first.port)
  }
  const knowing = async (text: string) => {
    const all = await Promise.all(servers.map((server) => server.command('CLUSTER', 'INFO').catch(() => '')))
    return all.every((info) => String(info).includes('cluster_state:ok') && String(info).includes(text))
  }
  if (!(await until(() => knowing('known_nodes:6'), 30_000))) {
    throw new Error('The Redis Cluster did not form within 30 s.')
  }
  for (const [i, server] of servers.entries()) {
    if (i < 3) continue
    const followed = await until(
      () =>
        server.command('CLUSTER', 'REPLICATE', ids[i - 3] ?? '').then(
          () => true,
          () => false,
        ),
      10_000,
      200,
    )
    if (!followed) throw new Error('A replica of the Redis Cluster found no primary within 10 s.')
  }
  const linked = await until(async () => {
    const all = await Promise.all(
      servers.slice(0, 3).map((server) => server.command('INFO', 'replication').catch(() => '')),
    )
    return all.every((info) => String(info).includes('state=online'))
  }, 30_000)
  if (!linked) throw new Error('The replicas of the Redis Cluster did not follow within 30 s.')
  const leading = async () => {
    const leads = await Promise.all(servers.map((server) => server.leads()))
    return servers.filter((_, i) => leads[i])
  }
  return {
    kind: 'cluster',
    url: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    port: null,
    owned: true,
    primaries: leading,
    async succeeded(old) {
      const done = await until(async () => {
        const now = await leading()
        return now.length === 3 && !now.includes(old)
      }, 30_000)
      await pause(200)
      return done
    },
    servers,
  }
}
