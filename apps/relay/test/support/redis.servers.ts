// Starts what the tests need: one Redis, and a Redis Cluster of three primaries. Providers, in this order:
// PYCHAT_TEST_REDIS_URL (and PYCHAT_TEST_REDIS_CLUSTER_URL), Docker through testcontainers, a redis-server or
// valkey-server binary, the Debian package. Which one serves is said once on stderr; when none does it fails with a
// sentence. Everything started here is ended by `stop`. With PYCHAT_TEST_REDIS_ACL=1 a binary serves, and the addresses
// carry the user of deploy/helm/files/pychat.acl: relays may do no more than that, tests sign in as default (adminUrl).

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../../loadtest/free-port.js'
import { clusterArguments, clusterUrlOf, formCluster, localBinary, RedisProcess } from './redis.processes.ts'

export { clusterArguments, clusterUrlOf, formCluster, localBinary, RedisProcess }

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

/** The documented ACL file, with the hash of a password in place of the one that nobody has. */
export function aclLines(password: string): string {
  const file = new URL('../../../../deploy/helm/files/pychat.acl', import.meta.url)
  const hash = createHash('sha256').update(password).digest('hex')
  return readFileSync(file, 'utf8').replace(/#0{64}/, `#${hash}`)
}

const aclPassword = 'least-privilege'

/** Tests keep apart by prefixes of their own, so here the first part of a key or channel may be any. */
function writeAcl(): { folder: string; extra: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'pychat-acl-'))
  const file = join(folder, 'users.acl')
  writeFileSync(file, aclLines(aclPassword).replaceAll(/([~&])pychat:\*/g, '$1*:*'))
  return { folder, extra: ['--aclfile', file] }
}

const asRelay = (url: string): string => url.replace('://', `://pychat:${aclPassword}@`)

async function startLocal(binary: string): Promise<RedisServers> {
  const acl = process.env['PYCHAT_TEST_REDIS_ACL'] === '1' ? writeAcl() : null
  const extra = acl?.extra ?? []
  const single = new RedisProcess(binary, await freePort(), extra)
  const primaries: RedisProcess[] = []
  for (let i = 0; i < 3; i += 1)
    primaries.push(new RedisProcess(binary, await freePort(), [...clusterArguments(), ...extra]))
  const all = [single, ...primaries]
  const stop = async () => {
    await Promise.all(all.map((each) => each.remove()))
    if (acl !== null) rmSync(acl.folder, { recursive: true, force: true })
  }
  try {
    await Promise.all(all.map((each) => each.start()))
    const ports = primaries.map(({ port }) => port)
    await formCluster(ports)
    const urls = { url: single.url, clusterUrl: clusterUrlOf(ports) }
    if (acl === null) return { ...urls, provider: binary, stop }
    return {
      url: asRelay(urls.url),
      clusterUrl: asRelay(urls.clusterUrl),
      provider: `${binary}, with the ACL`,
      stop,
    }
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
  if (process.env['PYCHAT_TEST_REDIS_ACL'] !== '1' && dockerAnswers()) {
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
