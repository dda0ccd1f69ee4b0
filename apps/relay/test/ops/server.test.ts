// The ops port over real sockets: probes, metrics, and the admin API's door, against a scripted cluster.
import { spawnSync } from 'node:child_process'
import {
  type AdminNode,
  adminErrorSchema,
  drainReplySchema,
  type NodeId,
  nodesReplySchema,
  type RoomId,
  type SessionId,
  serversReplySchema,
  shutdownReplySchema,
  statsReplySchema,
  usersReplySchema,
} from '@pychat/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countByKind } from '../../src/bans/ban-list.ts'
import { createFileBanStore } from '../../src/bans/bans.file.ts'
import { createBans } from '../../src/bans/bans.ts'
import type { Cluster, ClusterQuestions } from '../../src/cluster/cluster.ts'
import { runConsoleLine } from '../../src/console.ts'
import { type Emergency, neverSet } from '../../src/emergency/emergency.ts'
import { roomShort } from '../../src/ops/admin-context.ts'
import { createHealth, readyAfterMs, unreadyAfterMs } from '../../src/ops/health.ts'
import { createMetrics } from '../../src/ops/metrics.ts'
import { createOpsServer, type OpsServer } from '../../src/ops/server.ts'
import { noTracing } from '../../src/ops/tracing.ts'
import { type Rooms, StoreError } from '../../src/rooms/rooms.ts'
import { createFigures } from '../../src/session/figures.ts'
import { createLatency } from '../../src/session/latency.ts'

const token = 'a-token-of-twenty-characters'
const roomA = 'a'.repeat(32) as RoomId
const roomB = 'b'.repeat(32) as RoomId
const nodeIds = ['1'.repeat(16), '2'.repeat(16), '3'.repeat(16)] as NodeId[]

const describeNode = (node: NodeId): AdminNode => ({
  node,
  state: 'ready',
  version: '0.1.0',
  transport: 'uws',
  listen: '0.0.0.0:8765',
  startedAt: '2026-01-01T00:00:00.000Z',
  connections: 2,
  rooms: 1,
  members: 2,
  messagesIn: 10,
  messagesOut: 20,
  bytesIn: 100,
  bytesOut: 200,
})

describe('the ops port', () => {
  let now = 0
  let silent = 0
  let storeAway = false
  let server: OpsServer
  let url: string
  const shutDown: (NodeId | undefined)[] = []
  const drained: unknown[] = []
  const health = createHealth(() => now)
  const figures = createFigures()
  const latency = createLatency(1)
  const faults: unknown[] = []

  const cluster: Cluster = {
    async start() {},
    async stop() {},
    async census() {
      return { living: nodeIds, lapsed: [] }
    },
    async ask(question, ask, only) {
      if (question === 'load' || question === 'diagnosis') throw new Error('not in this script')
      if (storeAway) throw new StoreError('unreachable', 'away')
      const asked = only === undefined ? nodeIds : nodeIds.filter((id) => id === only)
      if (question === 'shutdown') shutDown.push(only)
      if (question === 'drain') drained.push([only, ask])
      const answers = {
        node: (id: NodeId) => ({ ...describeNode(id), defcon: held.level }),
        rooms: (id: NodeId) =>
          id === nodeIds[0]
            ? [{ room: roomA, users: 1 }]
            : [
                { room: roomA, users: 1 },
                { room: roomB, users: 3 },
              ],
        shutdown: () => 'stopping' as const,
        drain: () => 'draining' as const,
        bans: () => bans.version(),
        met: () => 2,
        kick: () => 1,
        announce: () => 3,
      }
      return {
        asked: asked.length,
        answers: asked.slice(0, asked.length - silent).map((node) => ({
          node,
          answer: answers[question](node) as ClusterQuestions[typeof question]['answer'],
        })),
      }
    },
  }
  const bans = createBans(createFileBanStore(null), Date.now, () => {})
  const stats = { messages: 5, bytes: 500, createdAt: 1000, lastActiveAt: 2000 }
  const rooms = {
    kind: 'redis',
    node: nodeIds[0],
    stats: async (ids: readonly RoomId[]) =>
      ids.map((room) => ({ room, users: room === roomA ? 3 : 6, ...stats })),
    roomMembers: async (room: RoomId) =>
      room === roomA
        ? [{ session: 'c'.repeat(32) as SessionId, node: nodeIds[0], joinedAt: 1000, counter: 7 }]
        : null,
  } as unknown as Rooms

  let held: Emergency = neverSet
  const emergency = {
    level: () => held.level,
    state: () => held,
    async set(level: Emergency['level']) {
      held = { level, setAt: 1000, until: null }
      return held
    },
  }
  const admin = {
    cluster,
    rooms,
    bans,
    emergency,
    now: Date.now,
    diagnose: () => Promise.reject(new Error('not in this script')),
  }

  beforeAll(async () => {
    await bans.start()
    server = createOpsServer({
      listen: { host: '127.0.0.1', port: 0 },
      health,
      metrics: createMetrics({
        figures,
        latency,
        connectionsMax: 1000,
        defcon: () => 4,
        version: '0.1.0',
        transport: 'uws',
        store: 'redis',
        rooms: () => 2,
        members: () => 4,
        ready: () => health.unready() === null,
        storeAvailable: health.storeAvailable,
        draining: () => false,
        bans: () => countByKind(bans.list()),
      }),
      admin,
      tracing: noTracing,
      token: () => token,
      fault: (error) => faults.push(error),
    })
    url = `http://127.0.0.1:${await server.listen()}`
  })
  afterAll(() => server.close())

  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
  const askJson = async (path: string, init?: RequestInit): Promise<unknown> => (await ask(path, init)).json()
  const status = async (path: string): Promise<number> => (await fetch(url + path)).status

  test('is alive at once, and ready when started', async () => {
    expect(await status('/livez')).toBe(200)
    expect(await status('/readyz')).toBe(503)
    health.started()
    expect(await status('/readyz')).toBe(200)
  })

  test('a store that is away only for a moment does not make it unready', async () => {
    health.storeChanged(false)
    expect(await status('/readyz')).toBe(200)
    now += unreadyAfterMs
    expect(await status('/readyz')).toBe(503)
    health.storeChanged(true)
    expect(await status('/readyz')).toBe(503)
    now += readyAfterMs
    expect(await status('/readyz')).toBe(200)
    expect(await status('/livez')).toBe(200)
  })

  test('the metrics tell the figures in base units', async () => {
    figures.messagesIn = 17
    figures.refused['too-fast'] = 3
    figures.banRefusals.room = 4
    const text = await (await fetch(`${url}/metrics`)).text()
    expect(text).toContain('pychat_relay_messages_received_total 17')
    expect(text).toContain('pychat_relay_refusals_total{code="too-fast"} 3')
    expect(text).toContain('pychat_relay_ban_refusals_total{kind="room"} 4')
    expect(text).toContain('pychat_relay_ban_refusals_total{kind="address"} 0')
    expect(text).toContain('pychat_relay_bans{kind="key"} 0')
    expect(text).toMatch(
      /pychat_relay_build_info\{version="0\.1\.0",transport="uws",store="redis",node_version="[^"]+"\} 1/,
    )
    const names = [...text.matchAll(/^([a-z_0-9]+)[{ ]/gm)].map((match) => match[1])
    for (const name of names) expect(name).toMatch(/^pychat_relay_/)
    expect(text).not.toContain(roomA)
    expect(text).toContain('pychat_relay_connections_limit 1000')
    for (const zero of [
      'closes_total{reason="slowReader"}',
      'handshakes_refused_total{status="429"}',
      'limited_total{limit="address-joins"}',
      'delivery_seconds_bucket{le="+Inf"}',
    ]) {
      expect(text).toContain(`pychat_relay_${zero} 0\n`)
    }
    const sent = Buffer.alloc(300)
    latency.came(sent, 0)
    latency.goes(Buffer.concat([Buffer.alloc(42), sent]), () => 3)
    const after = await (await fetch(`${url}/metrics`)).text()
    expect(after).toMatch(/delivery_seconds_bucket\{le="0.0025"\} 0\n.*le="0.005"\} 1\n/)
    expect(after).toContain('pychat_relay_delivery_seconds_bucket{le="+Inf"} 1\n')
    expect(after).toContain('pychat_relay_delivery_seconds_sum 0.003\n')
    expect(after).toContain('pychat_relay_delivery_seconds_count 1\n')
  })

  const promtool = spawnSync('promtool', ['--version']).status === 0
  test.skipIf(!promtool)('promtool finds nothing to say about the metrics', async () => {
    const input = await (await fetch(`${url}/metrics`)).text()
    const result = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })
    expect(result.stderr + result.stdout).toBe('')
    expect(result.status).toBe(0)
  })

  test('the admin API is closed without the token', async () => {
    for (const authorization of ['', 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`]) {
      const response = await fetch(`${url}/admin/v1/servers`, { headers: { authorization } })
      expect(response.status).toBe(401)
      expect(adminErrorSchema.parse(await response.json()).error.code).toBe('unauthorized')
    }
    expect((await fetch(`${url}/admin/v1/shutdown`, { method: 'POST' })).status).toBe(401)
    expect(shutDown).toEqual([])
  })

  test('rooms of all nodes are merged, with figures of the store', async () => {
    const reply = serversReplySchema.parse(await askJson('/admin/v1/servers'))
    expect(reply.nodes).toEqual({ asked: 3, answered: 3 })
    expect(reply.servers.map(({ room, users, nodes }) => ({ room, users, nodes }))).toEqual([
      { room: roomB, users: 6, nodes: 2 },
      { room: roomA, users: 3, nodes: 3 },
    ])
    expect(reply.servers[0]?.createdAt).toBe('1970-01-01T00:00:01.000Z')
  })

  test('missing nodes are said', async () => {
    silent = 1
    const reply = nodesReplySchema.parse(await askJson('/admin/v1/nodes'))
    silent = 0
    expect(reply.nodes).toEqual({ asked: 3, answered: 2 })
    expect(reply.list.map((node) => node.node)).toEqual(nodeIds.slice(0, 2))
  })

  test('stats sum up the nodes', async () => {
    expect(statsReplySchema.parse(await askJson('/admin/v1/stats'))).toMatchObject({
      servers: 2,
      users: 6,
      connections: 6,
      messagesIn: 30,
      messagesOut: 60,
      store: 'redis',
    })
  })

  test('users are found by hash and by short form, and not otherwise', async () => {
    const whole = usersReplySchema.parse(await askJson(`/admin/v1/servers/${roomA}/users`))
    const short = usersReplySchema.parse(await askJson(`/admin/v1/servers/${roomShort(roomA)}/users`))
    expect(whole.users).toEqual(short.users)
    expect(whole.users[0]).toMatchObject({ node: nodeIds[0], messages: 7 })
    expect((await ask(`/admin/v1/servers/${'d'.repeat(32)}/users`)).status).toBe(404)
    expect((await ask('/admin/v1/servers/abcd-efgh/users')).status).toBe(404)
    expect((await ask('/admin/v1/servers/..%2f..%2fetc/users')).status).toBe(400)
  })

  test('shutdown takes all nodes or one that exists', async () => {
    const all = shutdownReplySchema.parse(await askJson('/admin/v1/shutdown', { method: 'POST' }))
    expect(all.stopping).toEqual(nodeIds)
    const body = JSON.stringify({ node: nodeIds[1] })
    const one = shutdownReplySchema.parse(await askJson('/admin/v1/shutdown', { method: 'POST', body }))
    expect(one.stopping).toEqual([nodeIds[1]])
    expect(shutDown).toEqual([undefined, nodeIds[1]])
    const post = async (text: string) =>
      (await ask('/admin/v1/shutdown', { method: 'POST', body: text })).status
    expect(await post(JSON.stringify({ node: '9'.repeat(16) }))).toBe(404)
    expect(await post('{"node":"all"}')).toBe(400)
    expect(await post('x'.repeat(5000))).toBe(400)
    expect((await ask('/admin/v1/shutdown')).status).toBe(400)
  })

  test('drain takes one node that exists and a time, and every reply says who gave it', async () => {
    const post = (body: unknown) => ask('/admin/v1/drain', { method: 'POST', body: JSON.stringify(body) })
    const response = await post({ node: nodeIds[1], withinMs: 30_000 })
    expect(response.headers.get('pychat-node')).toBe(nodeIds[0])
    expect(drainReplySchema.parse(await response.json())).toEqual({
      schema: 1,
      draining: nodeIds[1],
      withinMs: 30_000,
      nodes: { asked: 1, answered: 1 },
    })
    expect(drained).toEqual([[nodeIds[1], { withinMs: 30_000 }]])
    const unknown = await post({ node: '9'.repeat(16), withinMs: 30_000 })
    expect(unknown.status).toBe(404)
    expect(unknown.headers.get('pychat-node')).toBe(nodeIds[0])
    drained.length = 0
    for (const body of [
      {},
      { node: nodeIds[1] },
      { withinMs: 30_000 },
      { node: 'all', withinMs: 30_000 },
      { node: nodeIds[1], withinMs: 999 },
      { node: nodeIds[1], withinMs: 600_001 },
      { node: nodeIds[1], withinMs: 1000.5 },
      { node: nodeIds[1], withinMs: '30s' },
      { node: nodeIds[1], withinMs: 30_000, force: true },
    ]) {
      const refused = await post(body)
      expect(refused.status, JSON.stringify(body)).toBe(400)
      expect(adminErrorSchema.parse(await refused.json()).error.message).toContain('withinMs')
    }
    expect((await ask('/admin/v1/drain')).status).toBe(400)
    const stranger = await fetch(`${url}/admin/v1/drain`, { method: 'POST', body: '{}' })
    expect(stranger.status).toBe(401)
    expect(stranger.headers.get('pychat-node')).toBeNull()
    expect(drained).toEqual([])
  })

  test('a ban, a kick and an announcement want what they say they want', async () => {
    const post = async (path: string, body: unknown) => {
      const response = await ask(`/admin/v1/${path}`, { method: 'POST', body: JSON.stringify(body) })
      return { status: response.status, reply: (await response.json()) as Record<string, never> }
    }
    const dry = await post('ban', { kind: 'address', value: '192.0.2.9', forMs: 60_000, dryRun: true })
    expect(dry.reply).toMatchObject({ dryRun: 'ban', ban: { value: '192.0.2.9' }, met: 6, replaced: false })
    expect(bans.list()).toEqual([])
    for (const [path, body] of [
      ['ban', {}],
      ['ban', { kind: 'user', value: 'x' }],
      ['ban', { kind: 'address', value: '0.0.0.0/0' }],
      ['ban', { kind: 'address', value: '300.1.1.1' }],
      ['ban', { kind: 'key', value: 'abcd' }],
      ['ban', { kind: 'room', value: 'Lobby' }],
      ['ban', { kind: 'address', value: '192.0.2.9', forMs: 999 }],
      ['ban', { kind: 'address', value: '192.0.2.9', reason: 'x'.repeat(201) }],
      ['ban', { kind: 'address', value: '192.0.2.9', force: true }],
      ['kick', { room: roomA, session: 'c' }],
      ['announce', { text: '\u0007' }],
      ['announce', { text: 'x'.repeat(501) }],
    ] as const) {
      expect((await post(path, body)).status, JSON.stringify(body)).toBe(400)
    }
    expect((await post('ban', { kind: 'room', value: 'abcd-efgh' })).status).toBe(404)
    expect((await post('unban', { kind: 'address', value: '192.0.2.9' })).status).toBe(404)
    expect((await post('kick', { room: 'd'.repeat(32) })).status).toBe(404)
    const said = await post('announce', { text: ' \u001b[2Jwartet\tbis\n\u202e12 Uhr, grüße ' })
    expect(said.reply).toMatchObject({ room: null, text: '[2Jwartet bis 12 Uhr, grüße', told: 9 })
    expect(bans.list()).toEqual([])
  })

  test('a store that is away is unavailable, not a fault', async () => {
    storeAway = true
    const response = await ask('/admin/v1/servers')
    storeAway = false
    expect(response.status).toBe(503)
    expect(adminErrorSchema.parse(await response.json()).error.code).toBe('unavailable')
    expect(faults).toEqual([])
  })

  test('other paths and methods are refused', async () => {
    expect(await status('/')).toBe(404)
    expect((await ask('/admin/v1/other')).status).toBe(404)
    expect((await fetch(`${url}/metrics`, { method: 'DELETE' })).status).toBe(405)
  })

  test('the console types the same commands', async () => {
    const line = (text: string) => runConsoleLine(admin, text)
    expect(await line('/servers')).toContain(`${roomShort(roomB)}  6 users`)
    expect(await line('/stats')).toContain('2 rooms, 6 users')
    expect(await line(`/users ${roomShort(roomA)}`)).toContain('7 messages')
    expect(await line('/users')).toContain('Usage: /users ROOM')
    expect(await line('/nodes')).toContain(nodeIds[2])
    expect(await line('/help')).toContain('/exit')
    expect(await line('/help')).toContain('/ban room|address|key VALUE [1h] [REASON]')
    expect(await line('/ban')).toContain('Usage: /ban room|address|key VALUE')
    expect(await line('/ban planet earth')).toContain('Usage: /ban')
    expect(await line('/ban address 203.0.113.77/24 1h too much spam')).toMatch(
      /^Banned address 203\.0\.113\.0\/24, until .*: too much spam\. It met 6\.\n$/,
    )
    expect(await line(`/ban room ${roomShort(roomA)}`)).toContain(`(${roomA}), until lifted`)
    expect((await line('/bans'))?.split('\n')).toHaveLength(3)
    expect(await line('/unban address 203.0.113.0/24')).toBe('Lifted the ban of address 203.0.113.0/24.\n')
    expect(await line('/unban address 203.0.113.0/24')).toContain('no such ban')
    expect(await line(`/unban room ${roomShort(roomA)}`)).toContain('Lifted')
    expect(await line('/bans')).toBe('Nobody is banned.\n')
    expect(await line(`/kick ${roomShort(roomA)} ${'c'.repeat(8)}`)).toBe('Put out 3 members.\n')
    expect(await line(`/kick ${roomShort(roomA)} ${'d'.repeat(8)}`)).toContain('no such session')
    expect(await line('/kick')).toContain('Usage: /kick ROOM [SESSION]')
    expect(await line('/announce back at noon')).toBe('Told 9 connections.\n')
    expect(await line('/defcon')).toBe('  level 5, in force on 3 of 3 nodes\n')
    expect(await line('/defcon 3')).toBe('  level 3, in force on 3 of 3 nodes\n')
    for (const level of ['0', '6', 'x', '3 4']) {
      expect(await line(`/defcon ${level}`)).toBe('Usage: /defcon [LEVEL]\n')
    }
    expect(await line('/defcon 5')).toContain('level 5')
    expect(await line('/bogus')).toContain('/help')
    expect(await line('/exit')).toBeNull()
    silent = 2
    expect(await line('/servers')).toContain('Only 1 of 3 nodes answered.')
    silent = 0
    storeAway = true
    expect(await line('/nodes')).toContain('cannot be asked')
    storeAway = false
  })
})
