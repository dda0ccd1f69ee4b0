// A whole embedded relay over real WebSockets, on both transports; its program as a child process.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closeTable, drainReplySchema, limits, nodesReplySchema } from '@pychat/protocol'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { createLog } from '../src/ops/log.ts'
import { createRelay, type Relay, type RunningRelay } from '../src/relay.ts'
import { loadUwsBinary } from '../src/transport/uws-binary.ts'
import { type RelayChild, spawnRelay, startRelay } from './child.ts'
import { connect, frame, joinMessage, room } from './wire-client.ts'

const stateDir = mkdtempSync(join(tmpdir(), 'pychat-relay-test-'))
afterAll(() => rmSync(stateDir, { recursive: true, force: true }))

async function startHere(env: Record<string, string>) {
  const lines: string[] = []
  const config = loadConfig(
    {
      PYCHAT_LISTEN: '127.0.0.1:0',
      PYCHAT_OPS_LISTEN: '127.0.0.1:0',
      PYCHAT_STATE_DIR: stateDir,
      PYCHAT_DRAIN_MS: '0',
      ...env,
    },
    'linux',
    stateDir,
  )
  const relay = createRelay({
    config,
    version: '0.0.0',
    log: createLog('trace', false, (line) => lines.push(line)),
    onStop() {},
  })
  return { relay, running: await relay.start(), lines }
}

/** The adapter's own suite says where uWS has to load; here it is tested where it does. */
const transports = (['uws', 'ws'] as const).filter((kind) => kind === 'ws' || loadUwsBinary().ok)

describe.each(transports)('a relay on %s', (transport) => {
  let relay: Relay
  let running: RunningRelay
  let lines: string[]
  let url: string

  beforeAll(async () => {
    ;({ relay, running, lines } = await startHere({
      PYCHAT_TRANSPORT: transport,
      PYCHAT_ORIGINS: 'https://chat.example.org',
      PYCHAT_TRUSTED_PROXIES: '127.0.0.1',
      PYCHAT_CONNECTIONS_PER_ADDRESS_MAX: '2',
      PYCHAT_GRACE_MS: '200',
    }))
    url = `ws://127.0.0.1:${running.port}`
  })
  afterAll(() => relay.stop())

  test('says which transport and store run', () => {
    expect(running).toMatchObject({ transport, store: 'embedded' })
  })

  test('carries frames between members of a room and to nobody else', async () => {
    const [alice, bob, charlie] = [await connect(url), await connect(url), await connect(url)]
    const there = room()
    const [a, b, c] = [joinMessage(1, { room: there }), joinMessage(1, { room: there }), joinMessage(1)]
    alice.send(a)
    await alice.control('joined')
    bob.send(b)
    charlie.send(c)
    await Promise.all([bob.control('joined'), charlie.control('joined'), alice.control('arrived')])
    const sent = Array.from({ length: 30 }, (_, i) => frame(a.session, i + 1))
    for (const each of sent) alice.socket.send(each)
    bob.socket.send(frame(b.session, 1))
    await bob.until(() => bob.deliveries.length === 31, 'deliveries')
    await alice.until(() => alice.deliveries.length === 31, 'deliveries')
    for (const member of [alice, bob]) {
      expect(member.deliveries.map((each) => each.seq)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1))
      const fromAlice = member.deliveries.filter((each) => each.frame.length === sent[0]?.length)
      expect(fromAlice.length).toBe(31)
    }
    const heard = bob.deliveries.map((each) => Buffer.from(each.frame).toString('hex'))
    for (const each of sent) expect(heard).toContain(each.toString('hex'))
    charlie.send({ t: 'ping', id: 9 })
    await charlie.control('pong')
    expect(charlie.deliveries).toEqual([])
    bob.socket.terminate()
    expect(await alice.control('departed')).toMatchObject({ session: b.session, why: 'lost' })
    for (const each of [alice, charlie]) each.socket.close()
    await Promise.all([alice.closed, charlie.closed])
  })

  test('a client that comes back on another connection sends nothing twice', async () => {
    const first = await connect(url)
    const join = joinMessage(1)
    first.send(join)
    await first.control('joined')
    const sent = frame(join.session, 1)
    first.socket.send(sent)
    await first.until(() => first.deliveries.length === 1)
    const second = await connect(url)
    second.send(join)
    expect(await second.control('joined')).toMatchObject({ seq: 1, counter: 1 })
    expect(await first.closed).toBe(closeTable.replaced.code)
    second.socket.send(sent)
    expect(await second.control('ack')).toMatchObject({ counter: 1 })
    second.socket.close()
    await second.closed
  })

  test('refuses other paths, foreign web pages and too many connections of one address', async () => {
    await expect(connect(`${url}/other`)).rejects.toThrow('404')
    await expect(connect(url, true, { origin: 'https://evil.example' })).rejects.toThrow('403')
    const page = await connect(url, true, { origin: 'https://chat.example.org' })
    const far = { 'x-forwarded-for': '198.51.100.7, 192.0.2.1' }
    const [one, two] = [await connect(url, true, far), await connect(url, true, far)]
    await expect(connect(url, true, far)).rejects.toThrow('429')
    one.socket.close()
    await one.closed
    const three = await connect(url, true, far)
    for (const each of [page, two, three]) each.socket.terminate()
  })

  test('a message longer than any allowed one is closed with 1009', async () => {
    const client = await connect(url)
    client.socket.send(Buffer.alloc(limits.charterControlBytesMax + 1))
    expect([1006, 1009]).toContain(await client.closed)
  })

  test('logs nothing of what it carries', () => {
    const text = lines.join('')
    expect(text).not.toMatch(/[0-9a-f]{32}/)
    expect(text).not.toContain('198.51.100.7')
    expect(text).not.toContain('192.0.2.1"')
  })

  test('stop tells clients to go, closes them as draining, and frees the ports', async () => {
    const { relay, running } = await startHere({ PYCHAT_TRANSPORT: transport, PYCHAT_DRAIN_MS: '100' })
    const client = await connect(`ws://127.0.0.1:${running.port}`)
    client.send(joinMessage(1))
    await client.control('joined')
    const stopped = relay.stop()
    expect((await client.control('goaway')).afterMs).toBeLessThanOrEqual(100)
    expect(await client.closed).toBe(closeTable.draining.code)
    await stopped
    for (const port of [running.port, running.opsPort]) {
      const probe = createServer()
      await new Promise<void>((resolve, reject) => {
        probe.once('error', reject)
        probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()))
      })
    }
  })
})

describe('the program', () => {
  const children: RelayChild[] = []
  const keep = (child: RelayChild): RelayChild => {
    children.push(child)
    return child
  }
  afterEach(async () => {
    for (const child of children.splice(0)) await child.dispose()
  })

  test('prints one ready line on stdout that names both addresses, engine, store and the next command', async () => {
    const child = keep(await startRelay({ PYCHAT_TRANSPORT: 'ws' }))
    expect(child.stdout()).toMatch(
      /^PyChat relay ready: ws:\/\/127\.0\.0\.1:\d+ \(ws, embedded\), ops http:\/\/127\.0\.0\.1:\d+\. Chat with: npx pychat --relay ws:\/\/localhost:\d+\n$/,
    )
  })

  test('SIGTERM ends it with 0 in time; its clients are told first, and its token file is gone', async () => {
    const child = keep(await startRelay())
    const files = readdirSync(child.stateDir)
    expect(files.length).toBe(1)
    expect(statSync(join(child.stateDir, files[0] ?? '')).mode & 0o777).toBe(0o600)
    const client = await connect(child.url)
    client.send(joinMessage(1))
    await client.control('joined')
    const began = Date.now()
    child.process.kill('SIGTERM')
    await client.control('goaway')
    const ready = await fetch(`${child.opsUrl}/readyz`)
    expect(ready.status).toBe(503)
    expect(await client.closed).toBe(closeTable.draining.code)
    expect(await child.exited).toBe(0)
    expect(Date.now() - began).toBeLessThan(10_000)
    expect(readdirSync(child.stateDir)).toEqual([])
    expect(child.stdout().split('\n').length).toBe(2)
  })

  async function drainThrough(child: RelayChild, withinMs: number): Promise<void> {
    const [file = ''] = readdirSync(child.stateDir)
    const headers = { authorization: `Bearer ${readFileSync(join(child.stateDir, file), 'utf8').trim()}` }
    const nodes = await (await fetch(`${child.opsUrl}/admin/v1/nodes`, { headers })).json()
    const { node } = nodesReplySchema.parse(nodes).list[0] ?? {}
    const body = JSON.stringify({ node, withinMs })
    const reply = await fetch(`${child.opsUrl}/admin/v1/drain`, { method: 'POST', headers, body })
    expect(drainReplySchema.parse(await reply.json())).toMatchObject({ draining: node, withinMs })
  }

  test('an operator drains it: newcomers are refused, who stays is closed, it ends with 0 in time', async () => {
    const child = keep(await startRelay())
    const client = await connect(child.url)
    client.send(joinMessage(1))
    await client.control('joined')
    const began = Date.now()
    await drainThrough(child, 6000)
    expect((await client.control('goaway')).afterMs).toBeLessThanOrEqual(3000)
    expect(await (await fetch(`${child.opsUrl}/readyz`)).text()).toBe('This node is draining.\n')
    await expect(connect(child.url)).rejects.toThrow()
    expect(await client.closed).toBe(closeTable.draining.code)
    expect(Date.now() - began).toBeGreaterThan(2900)
    expect(await child.exited).toBe(0)
    // On time by the node's own clock; a busy machine starts and ends processes later than that.
    expect(Date.now() - began).toBeLessThan(8000)
  })

  test('the first signal hurries a drain that an operator began', async () => {
    const child = keep(await startRelay({ PYCHAT_DRAIN_MS: '0' }))
    const [one, two] = [await connect(child.url), await connect(child.url)]
    await drainThrough(child, 600_000)
    expect((await one.control('goaway')).afterMs).toBe(0)
    const began = Date.now()
    child.process.kill('SIGTERM')
    expect((await two.control('goaway')).afterMs).toBe(0)
    expect(await two.closed).toBe(closeTable.draining.code)
    expect(await child.exited).toBe(0)
    expect(Date.now() - began).toBeLessThan(5000)
  })

  test('a second signal ends it at once', async () => {
    const child = keep(await startRelay({ PYCHAT_DRAIN_MS: '5000' }))
    const client = await connect(child.url)
    const began = Date.now()
    child.process.kill('SIGINT')
    await client.control('goaway')
    child.process.kill('SIGTERM')
    expect(await child.exited).toBe(1)
    expect(Date.now() - began).toBeLessThan(3000)
  })

  test.each(['PYCHAT_LISTEN', 'PYCHAT_OPS_LISTEN'])(
    'a taken port of %s is one sentence and exit code 1',
    async (name) => {
      const blocker = createServer()
      await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
      const { port } = blocker.address() as { port: number }
      const child = keep(spawnRelay({ PYCHAT_TRANSPORT: 'ws', [name]: `127.0.0.1:${port}` }))
      expect(await child.exited).toBe(1)
      expect(child.stdout()).toBe('')
      expect(child.stderr().trim().split('\n')).toEqual([
        expect.stringContaining(`already listens on 127.0.0.1:${port}`),
      ])
      await new Promise((resolve) => blocker.close(resolve))
    },
  )

  test('a Redis that is not there, and TLS files that are not there, are one sentence each', async () => {
    const noRedis = keep(
      spawnRelay({ PYCHAT_TRANSPORT: 'ws', PYCHAT_REDIS_URL: 'redis://:sesame@127.0.0.1:1' }),
    )
    const noTls = keep(
      spawnRelay({
        PYCHAT_TRANSPORT: 'ws',
        PYCHAT_TLS_CERT: '/nowhere/cert.pem',
        PYCHAT_TLS_KEY: '/nowhere/key.pem',
      }),
    )
    expect(await noRedis.exited).toBe(1)
    expect(noRedis.stderr().trim().split('\n')).toEqual([expect.stringContaining('127.0.0.1:1')])
    expect(noRedis.stderr()).not.toContain('sesame')
    expect(await noTls.exited).toBe(1)
    expect(noTls.stderr().trim().split('\n')).toEqual([expect.stringContaining('/nowhere/cert.pem')])
  })

  test('wrong settings are named together with exit code 78', async () => {
    const child = keep(spawnRelay({ PYCHAT_LISTEN: 'x', PYCHAT_COLOUR: 'blue' }, ['--check-config']))
    expect(await child.exited).toBe(78)
    expect(child.stderr()).toContain('PYCHAT_LISTEN')
    expect(child.stderr()).toContain('PYCHAT_COLOUR')
  })

  test('an unknown option is refused with exit code 2, --version and --check-config are answered', async () => {
    const [wrong, versionOf, check] = [['--port'], ['--version'], ['--check-config']].map((args) =>
      keep(spawnRelay({}, args)),
    )
    expect(await wrong?.exited).toBe(2)
    expect(await versionOf?.exited).toBe(0)
    expect(versionOf?.stdout()).toMatch(/^pychat-relay \d+\.\d+\.\d+\n$/)
    expect(await check?.exited).toBe(0)
  })
})
