// Starts what the tests need: one Redis, and a Redis Cluster of three primaries. Providers, in this order:
// PYCHAT_TEST_REDIS_URL (and PYCHAT_TEST_REDIS_CLUSTER_URL), Docker through testcontainers, a redis-server or
// valkey-server binary, the Debian package. Which one serves is said once on stderr; when none does it fails with a
// sentence. Everything started here is ended by `stop`.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

export type RedisServers = {
  url: string
  /** As PYCHAT_REDIS_URL takes it. */
  clusterUrl: string
  provider: string
  stop(): Promise<void>
}

const image = 'redis:8.0'
const containerSecondsMax = 3600

function say(text: string): void {
  process.stderr.write(`redis for tests: ${text}\n`)
}

/** A free port whose cluster bus port (10,000 above) exists too. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await new Promise<number>((resolve, reject) => {
      const server = createServer()
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
      })
    })
    if (port > 0 && port < 55_000) return port
  }
}

/** One server process of the test's own, on 127.0.0.1. */
export class RedisProcess {
  readonly port: number
  readonly #binary: string
  readonly #arguments: string[]
  readonly #directory: string
  #child: ChildProcess | null = null

  constructor(binary: string, port: number, extra: readonly string[] = []) {
    this.port = port
    this.#binary = binary
    this.#directory = mkdtempSync(join(tmpdir(), 'pychat-redis-'))
    this.#arguments = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--dir',
      this.#directory,
      ...extra,
    ]
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    const child = spawn(this.#binary, this.#arguments, { stdio: 'ignore' })
    this.#child = child
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
    child.kill('SIGCONT')
    child.kill(signal)
    await ended
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The server binary of this machine, or null. */
export function localBinary(): string | null {
  for (const name of ['redis-server', 'valkey-server']) {
    const found = spawnSync(name, ['--version'], { encoding: 'utf8' })
    const version = /v=(\d+)\./.exec(found.stdout ?? '')
    if (found.status === 0 && Number(version?.[1] ?? 0) >= 7) return name
  }
  return null
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
    const deadline = Date.now() + 30_000
    for (;;) {
      const infos = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO')))
      const formed = infos.every(
        (info) =>
          String(info).includes('cluster_state:ok') && String(info).includes(`known_nodes:${ports.length}`),
      )
      if (formed) return
      if (Date.now() > deadline) throw new Error('The Redis Cluster for tests did not form within 30 s.')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  } finally {
    for (const client of clients) client.disconnect()
  }
}

export function clusterArguments(): string[] {
  return ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-announce-ip', '127.0.0.1']
}

export function clusterUrlOf(ports: readonly number[]): string {
  return `redis+cluster://${ports.map((port) => `127.0.0.1:${port}`).join(',')}`
}

async function startLocal(binary: string): Promise<RedisServers> {
  const single = new RedisProcess(binary, await freePort())
  const primaries: RedisProcess[] = []
  for (let i = 0; i < 3; i += 1)
    primaries.push(new RedisProcess(binary, await freePort(), clusterArguments()))
  const all = [single, ...primaries]
  const stop = async () => {
    await Promise.all(all.map((each) => each.remove()))
  }
  try {
    await Promise.all(all.map((each) => each.start()))
    const ports = primaries.map(({ port }) => port)
    await formCluster(ports)
    return { url: single.url, clusterUrl: clusterUrlOf(ports), provider: binary, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** All four servers in one container on the host's network, so that the cluster's addresses hold outside too. */
async function startDocker(): Promise<RedisServers> {
  // Ryuk is one more image to fetch; instead the container ends by itself should this process be killed.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
  const { GenericContainer, Wait } = await import('testcontainers')
  const ports: number[] = []
  for (let i = 0; i < 4; i += 1) ports.push(await freePort())
  const [single = 0, ...primaries] = ports
  const commands = [
    `redis-server --port ${single} --bind 127.0.0.1 --save '' &`,
    ...primaries.map(
      (port) =>
        `mkdir -p /tmp/${port} && redis-server --port ${port} --bind 127.0.0.1 --save '' --dir /tmp/${port} ` +
        `${clusterArguments().join(' ')} &`,
    ),
    'wait',
  ]
  const container = await new GenericContainer(image)
    .withNetworkMode('host')
    .withCommand(['timeout', String(containerSecondsMax), 'sh', '-c', commands.join('\n')])
    .withAutoRemove(true)
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/, 4))
    .withStartupTimeout(60_000)
    .start()
  try {
    await formCluster(primaries)
  } catch (error) {
    await container.stop()
    throw error
  }
  return {
    url: `redis://127.0.0.1:${single}`,
    clusterUrl: clusterUrlOf(primaries),
    provider: `Docker (${image})`,
    stop: async () => {
      await container.stop()
    },
  }
}

function dockerAnswers(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 5000 }).status === 0
}

function installPackage(): string | null {
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0)
    return null
  try {
    say('no engine and no server binary; installing the package redis-server')
    execFileSync('apt-get', ['update', '-q'], { stdio: 'ignore', timeout: 120_000 })
    execFileSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'redis-server'], {
      stdio: 'ignore',
      timeout: 180_000,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  } catch {
    say('the package could not be installed')
  }
  return localBinary()
}

/** @throws Error with a sentence that says what to do */
export async function startRedisServers(): Promise<RedisServers> {
  const url = process.env['PYCHAT_TEST_REDIS_URL']
  const clusterUrl = process.env['PYCHAT_TEST_REDIS_CLUSTER_URL']
  if (url && clusterUrl) {
    say('using PYCHAT_TEST_REDIS_URL and PYCHAT_TEST_REDIS_CLUSTER_URL')
    return { url, clusterUrl, provider: 'environment', stop: async () => {} }
  }
  const servers = await startOwn()
  say(`using ${servers.provider}${url ? ' for the cluster, PYCHAT_TEST_REDIS_URL for the rest' : ''}`)
  return url ? { ...servers, url } : servers
}

async function startOwn(): Promise<RedisServers> {
  if (dockerAnswers()) {
    try {
      return await startDocker()
    } catch (error) {
      say(
        `Docker answers, but ${image} did not start (${error instanceof Error ? error.message : 'unknown'})`,
      )
    }
  }
  const binary = localBinary() ?? installPackage()
  if (binary !== null) return startLocal(binary)
  throw new Error(
    'The tests need a real Redis 7.0 or later: start Docker, install redis-server, or set PYCHAT_TEST_REDIS_URL ' +
      'and PYCHAT_TEST_REDIS_CLUSTER_URL.',
  )
}
