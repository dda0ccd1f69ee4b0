// doctor against real relays and real Redis servers with ten faults planted in them, and its judgement of what cannot be
// planted on one machine. No old Redis can be had here, and no second clock: a wire in front of Redis says both.
import { createServer, connect as dial, type Server } from 'node:net'
import type { DiagnosisReply, NodeDiagnosis, NodeId } from '@pychat/protocol'
import { reachOf } from '@pychat/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import { freePort } from '../../../loadtest/free-port.js'
import { type RelayChild, startRelay } from '../../relay/test/child.ts'
import { localBinary, RedisProcess } from '../../relay/test/support/redis.processes.ts'
import { RedisWire } from '../../relay/test/support/wire.ts'
import type { Finding } from '../src/doctor/finding.ts'
import { judge } from '../src/doctor/judge.ts'
import { admin, type Result } from './admin-process.ts'

const token = '0123456789abcdef0123456789abcdef'
const idleCutMs = 10_000
const skewSeconds = 120

const ends: (() => unknown)[] = []
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function startRedis(): Promise<RedisProcess> {
  const redis = new RedisProcess(localBinary() ?? 'redis-server', await freePort())
  ends.push(() => redis.remove())
  await redis.start()
  return redis
}

async function relayWith(settings: Record<string, string>, openFilesMax?: number): Promise<RelayChild> {
  const relay = await startRelay({ PYCHAT_ADMIN_TOKEN: token, ...settings }, openFilesMax)
  ends.push(() => relay.dispose())
  return relay
}

/** A proxy that closes what was silent for so long, in both directions, without a word. */
async function startIdleCutter(target: URL): Promise<string> {
  const server: Server = createServer((near) => {
    const far = dial(Number(target.port), target.hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.pipe(to)
    }
    let timer = setTimeout(() => near.destroy(), idleCutMs)
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => near.destroy(), idleCutMs)
    }
    near.on('data', heard)
    far.on('data', heard)
    near.on('close', () => clearTimeout(timer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => server.close())
  const address = server.address()
  return `ws://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

type Examined = Result & { of(check: string): Finding | undefined; bad: string[] }

async function examine(relay: RelayChild, args: string[] = []): Promise<Examined> {
  const env = { PYCHAT_ADMIN_URL: relay.opsUrl, PYCHAT_ADMIN_TOKEN: token }
  const result = await admin(['doctor', '--json', ...args], env)
  const { findings } = JSON.parse(result.stdout) as { findings: Finding[] }
  return {
    ...result,
    of: (check) => findings.find((finding) => finding.check === check),
    bad: [...new Set(findings.filter(({ level }) => level === 'fail').map(({ check }) => check))].sort(),
  }
}

/** What a wire changes of the answers that pass it; each answer keeps its length. */
function rewriting(change: (text: string) => string): (answer: Buffer) => Buffer {
  return (answer) => Buffer.from(change(answer.toString('latin1')), 'latin1')
}

test('finds each of ten planted faults, names nothing else, and says what to do', {
  timeout: 90_000,
}, async () => {
  const [redis, other] = await Promise.all([startRedis(), startRedis()])
  await other.ask('ACL', 'SETUSER', 'relay', 'on', '>secret', '~*', '&*', '+@all')
  const wire = new RedisWire(redis.url)
  ends.push(() => wire.cut())
  await wire.open()
  // Enough files for all, but for the one that is to have too few.
  const enough = { PYCHAT_CONNECTIONS_MAX: '100' }
  const [first, second, dead, alone] = await Promise.all([
    relayWith({ PYCHAT_REDIS_URL: wire.url, PYCHAT_LISTEN: '0.0.0.0:0' }, 256),
    relayWith({ PYCHAT_REDIS_URL: redis.url, ...enough }),
    relayWith({ PYCHAT_REDIS_URL: redis.url, ...enough }),
    relayWith({ PYCHAT_REDIS_URL: other.url.replace('//', '//relay:secret@'), ...enough }),
  ])
  const proxy = await startIdleCutter(new URL(second.url))

  const before = await examine(alone, ['--url', alone.url, '--idle', '1s'])
  expect(before).toMatchObject({ code: 0, bad: [] })
  expect(before.of('url.idle')?.what).toContain('was held for 1 s')
  expect(before.of('message')?.level).toBe('ok')

  wire.rewrite = rewriting((text) =>
    text
      .replace(/redis_version:7/, 'redis_version:6')
      .replace(/(server_time_usec:)(\d{10})/g, (_, head, at) => `${head}${Number(at) - skewSeconds}`),
  )
  await redis.ask('CONFIG', 'SET', 'maxmemory', '1gb', 'maxmemory-policy', 'allkeys-lru')
  await other.ask('ACL', 'SETUSER', 'relay', 'resetchannels')
  await other.ask('CONFIG', 'SET', 'maxmemory', '100kb')
  dead.process.kill('SIGKILL')

  const [sick, full, stranger] = await Promise.all([
    examine(first, ['--url', proxy, '--idle', '20s']),
    examine(alone),
    admin(['doctor'], { PYCHAT_ADMIN_URL: first.opsUrl, PYCHAT_ADMIN_TOKEN: `${token}x` }),
  ])

  expect(sick.bad.filter((check) => check !== 'node.tls')).toEqual([
    'clock',
    'node.files',
    'nodes.answer',
    'redis.eviction',
    'redis.version',
    'url.idle',
  ])
  expect(sick.code).toBe(1)
  expect(sick.stderr).toContain('Partial: 2 of 3 nodes answered.')
  expect(sick.of('redis.version')).toMatchObject({
    what: expect.stringContaining('version 6.'),
    todo: 'Update to Redis 7.0 or Valkey 7.2, or later.',
  })
  expect(sick.of('redis.eviction')).toMatchObject({
    what: expect.stringContaining('maxmemory-policy allkeys-lru'),
    todo: expect.stringContaining('CONFIG SET maxmemory-policy noeviction'),
  })
  expect(sick.of('node.files')).toMatchObject({
    what: 'The node may hold 50000 connections and open only 256 files, one for each.',
    todo: expect.stringContaining('LimitNOFILE'),
  })
  expect(sick.of('clock')?.what).toMatch(/are 1(19|20)\.\d s apart/)
  expect(sick.of('clock')?.todo).toContain('chrony')
  expect(sick.of('nodes.answer')?.todo).toContain('Look at its process')
  expect(sick.of('node.tls')).toMatchObject({
    level: expect.stringMatching(/warn|fail/),
    todo: expect.stringContaining('PYCHAT_TLS_CERT'),
  })
  const cut = /cuts a silent connection after ([\d.]+) s/.exec(sick.of('url.idle')?.what ?? '')?.[1]
  expect(Number(cut)).toBeGreaterThan(9)
  expect(Number(cut)).toBeLessThan(20)
  expect(sick.of('url.idle')?.todo).toContain('60 s or more')

  expect(full.code).toBe(1)
  expect(full.of('redis.memory')).toMatchObject({
    level: 'fail',
    what: expect.stringContaining('is full'),
    todo: expect.stringContaining('maxmemory'),
  })
  expect(full.of('redis.pubsub')).toMatchObject({
    level: 'fail',
    todo: expect.stringContaining('ACL SETUSER'),
  })
  expect(full.of('redis.rights')).toMatchObject({
    level: 'fail',
    what: expect.stringContaining('may not use the channels &pychat:*'),
    todo: expect.stringContaining('ACL LOAD'),
  })

  expect(stranger.code).toBe(4)
  expect(stranger.stderr).toContain('The admin token is missing or wrong.')
  expect(stranger.stderr).toContain('PYCHAT_ADMIN_TOKEN_FILE')
})

describe('judgement', () => {
  const [nodeA, nodeB] = ['a'.repeat(16), 'b'.repeat(16)] as [NodeId, NodeId]
  const healthy = (node: NodeId, more: Partial<NodeDiagnosis> = {}): NodeDiagnosis => ({
    ...{ node, version: '0.1.0', state: 'ready', listen: '0.0.0.0:8765', reach: 'private', tls: true },
    ...{ trustedProxies: false, connections: 1, connectionsMax: 100, openFiles: 20, openFilesMax: 20_000 },
    ...{ graceMs: 15_000, loopLagMs: 1, probe: { failed: null, ownMs: 3, heard: [nodeA, nodeB] } },
    redis: {
      ...{ kind: 'single', available: true, tls: false, password: true, pubsub: true, ackReplicas: 0 },
      servers: [
        {
          ...{ place: '10.0.0.5:6379', reach: 'private', product: 'redis', version: '8.0.1' },
          ...{ memoryBytes: 1e6, memoryBytesMax: 0, eviction: 'noeviction', replicas: 0 },
          ...{ clockOffsetMs: 3, pings: 50, pingP50Ms: 0.2, pingP99Ms: 1, missingRight: null },
        },
      ],
    },
    ...more,
  })
  const withRedis = (node: NodeId, redis: object, server: object = {}): NodeDiagnosis => {
    const base = healthy(node)
    const servers = (base.redis?.servers ?? []).map((each) => ({ ...each, ...server }))
    return { ...base, redis: { ...(base.redis as NonNullable<NodeDiagnosis['redis']>), servers, ...redis } }
  }
  const reply = (list: NodeDiagnosis[], more: Partial<DiagnosisReply> = {}): DiagnosisReply => ({
    ...{ schema: 1, list, silent: [], lapsed: [] },
    nodes: { asked: list.length, answered: list.length },
    ...more,
  })
  const found = (list: NodeDiagnosis[], more: Partial<DiagnosisReply> = {}) =>
    judge(reply(list, more))
      .filter(({ level }) => level !== 'ok')
      .map(({ level, check }) => `${level} ${check}`)

  test('two nodes in order are in order', () => {
    expect(found([healthy(nodeA), healthy(nodeB)])).toEqual([])
  })

  test.each([
    ['fail node.tls', healthy(nodeA, { tls: false, reach: 'public' })],
    ['warn node.tls', healthy(nodeA, { tls: false })],
    ['warn node.files', healthy(nodeA, { openFiles: 19_000 })],
    ['warn node.files', healthy(nodeA, { connectionsMax: 50_000 })],
    ['warn node.lag', healthy(nodeA, { loopLagMs: 900 })],
    ['warn node.state', healthy(nodeA, { state: 'draining' })],
    ['warn nodes.version', healthy(nodeA, { version: '0.2.0' })],
    ['fail message', healthy(nodeA, { probe: { failed: null, ownMs: 3, heard: [nodeA] } })],
    ['fail message', healthy(nodeA, { probe: { failed: 'No greeting came.', ownMs: null, heard: [] } })],
    ['fail redis.version', withRedis(nodeA, {}, { product: 'valkey', version: '7.0.15' })],
    ['warn redis.eviction', withRedis(nodeA, {}, { eviction: 'volatile-lru' })],
    ['warn redis.memory', withRedis(nodeA, {}, { memoryBytesMax: 1.1e6 })],
    ['fail redis.network', withRedis(nodeA, { tls: true, password: false }, { reach: 'public' })],
    ['warn redis.network', withRedis(nodeA, { password: false })],
    ['fail redis.replicas', withRedis(nodeA, { ackReplicas: 1 })],
    ['warn redis.latency', withRedis(nodeA, {}, { pingP99Ms: 80 })],
    ['fail redis.latency', withRedis(nodeA, {}, { pingP50Ms: 600, pingP99Ms: 900 })],
    ['warn clock', withRedis(nodeA, {}, { clockOffsetMs: null })],
    ['warn clock', withRedis(nodeA, {}, { clockOffsetMs: -1500 })],
    ['fail clock', withRedis(nodeA, {}, { clockOffsetMs: 6000 })],
  ])('%s', (finding, node) => {
    expect(found([node, healthy(nodeB)])).toEqual([finding])
  })

  test('nodes that went without a word, and those that only hang, are told apart', () => {
    expect(found([healthy(nodeA)], { lapsed: [nodeB] })).toEqual(['warn nodes.lapsed'])
    expect(found([healthy(nodeA)], { silent: [nodeB] })).toEqual(['fail nodes.answer'])
  })

  test.each([
    ['127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['localhost', 'loopback'],
    ['10.1.2.3', 'private'],
    ['172.31.0.1', 'private'],
    ['172.32.0.1', 'public'],
    ['::ffff:8.8.8.8', 'public'],
    ['[fd00::1]', 'private'],
    ['2001:db8::1', 'public'],
    ['redis', 'private'],
    ['redis.pychat.svc.cluster.local', 'private'],
    ['chat.example.org', 'public'],
  ])('%s is %s', (host, reach) => expect(reachOf(host)).toBe(reach))
})
