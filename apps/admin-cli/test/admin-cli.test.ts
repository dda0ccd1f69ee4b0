// pychat-admin end to end against a built relay in a child process, and against servers that are no relay.
import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  nodesReplySchema,
  serversReplySchema,
  shortCode,
  statsReplySchema,
  usersReplySchema,
} from '@pychat/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RelayChild, startRelay } from '../../relay/test/child.ts'
import { connect, frame, joinMessage, type WireClient } from '../../relay/test/wire-client.ts'
import { admin } from './admin-process.ts'

describe('against a relay on this machine', () => {
  let relay: RelayChild
  let client: WireClient
  let env: Record<string, string>
  const join = joinMessage(1)
  const short = shortCode(Buffer.from(join.room, 'hex'))

  beforeAll(async () => {
    relay = await startRelay()
    env = { PYCHAT_ADMIN_URL: relay.opsUrl, PYCHAT_STATE_DIR: relay.stateDir }
    client = await connect(relay.url)
    client.send(join)
    await client.control('joined')
    client.socket.send(frame(join.session, 1))
    await client.until(() => client.deliveries.length === 1)
  })
  afterAll(() => relay.dispose())

  test('servers lists the room without any setting but the address', async () => {
    const { code, stdout } = await admin(['servers', '--json'], env)
    expect(code).toBe(0)
    const reply = serversReplySchema.parse(JSON.parse(stdout))
    expect(reply.servers).toMatchObject([{ room: join.room, short, users: 1, nodes: 1, messages: 1 }])
    expect(reply.nodes).toEqual({ asked: 1, answered: 1 })
    const table = await admin(['servers'], env)
    expect(table.stdout.split('\n')[0]).toMatch(/^ROOM {2,}USERS {2}NODES {2}MESSAGES/)
    expect(table.stdout.split('\n')[1]).toMatch(new RegExp(`^${short} {2}1 {6}1 {6}1 `))
  })

  test('stats, nodes and users answer as their schemas say', async () => {
    const [stats, nodes, users] = await Promise.all(
      [['stats'], ['nodes'], ['users', short]].map((args) => admin([...args, '--json'], env)),
    )
    expect(statsReplySchema.parse(JSON.parse(stats?.stdout ?? ''))).toMatchObject({
      servers: 1,
      users: 1,
      connections: 1,
      store: 'embedded',
    })
    expect(nodesReplySchema.parse(JSON.parse(nodes?.stdout ?? '')).list).toMatchObject([
      { state: 'ready', members: 1 },
    ])
    expect(usersReplySchema.parse(JSON.parse(users?.stdout ?? '')).users).toMatchObject([
      { session: join.session, messages: 1 },
    ])
  })

  test('a wrong token is exit code 4 with a hint, and no token too', async () => {
    const wrong = await admin(['servers'], { ...env, PYCHAT_ADMIN_TOKEN: randomBytes(16).toString('hex') })
    expect(wrong.code).toBe(4)
    expect(wrong.stderr).toContain('PYCHAT_ADMIN_TOKEN')
    expect((await admin(['servers'], { ...env, PYCHAT_STATE_DIR: '/nowhere' })).code).toBe(4)
  })

  test('wrong words are exit code 2', async () => {
    const results = await Promise.all(
      [['bogus'], [], ['users'], ['users', 'Alice'], ['users', 'aaaa-aaaa'], ['shutdown', '--node', 'x']].map(
        (args) => admin(args, env),
      ),
    )
    expect(results.map((result) => result.code)).toEqual([2, 2, 2, 2, 2, 2])
    expect((await admin(['servers'], { ...env, PYCHAT_ADMIN_URL: 'ftp://x' })).code).toBe(2)
  })

  test('the help has examples and exit codes, and is no error', async () => {
    const { code, stdout } = await admin(['--help'], {})
    expect(code).toBe(0)
    expect(stdout).toContain('Examples:')
    expect(stdout).toContain('PYCHAT_ADMIN_URL')
  })

  test('shutdown does nothing without --yes when nobody can be asked, and stops the node with it', async () => {
    const refused = await admin(['shutdown'], env)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--yes')
    expect((await admin(['nodes'], env)).code).toBe(0)
    const nodes = nodesReplySchema.parse(JSON.parse((await admin(['nodes', '--json'], env)).stdout))
    const id = nodes.list[0]?.node ?? ''
    const done = await admin(['shutdown', '--node', id, '--yes'], env)
    expect(done).toMatchObject({ code: 0, stdout: `Stopping ${id}.\n` })
    expect(await client.closed).toBe(4000)
    expect(await relay.exited).toBe(0)
    const gone = await admin(['servers'], env)
    expect(gone.code).toBe(7)
    expect(gone.stderr).toContain('No relay answers')
  })
})

describe('against something else', () => {
  let server: Server
  let body = ''
  let status = 200
  let env: Record<string, string>

  beforeAll(async () => {
    server = createServer((_, response) => response.writeHead(status).end(body))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    env = { PYCHAT_ADMIN_URL: `http://127.0.0.1:${port}`, PYCHAT_ADMIN_TOKEN: 'x'.repeat(16) }
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  test('missing nodes are exit code 6, with what is known printed', async () => {
    body = JSON.stringify({ schema: 1, servers: [], nodes: { asked: 3, answered: 2 } })
    const { code, stdout, stderr } = await admin(['servers', '--json'], env)
    expect(code).toBe(6)
    expect(JSON.parse(stdout).nodes).toEqual({ asked: 3, answered: 2 })
    expect(stderr).toContain('2 of 3 nodes answered')
  })

  test('what is no reply of a relay is exit code 7', async () => {
    for (const text of [
      '<html>',
      '{"schema":2}',
      '{"schema":1,"servers":[],"nodes":{"asked":1,"answered":1},"more":1}',
    ]) {
      body = text
      expect((await admin(['servers'], env)).code).toBe(7)
    }
  })

  test('nothing from the network reaches the terminal with control characters', async () => {
    const evil = 'x\u001b]52;c;aGk=\u0007\u009b31m\u202e\r\ny'
    status = 404
    body = JSON.stringify({ schema: 1, error: { code: 'not-found', message: evil } })
    const error = await admin(['servers'], env)
    status = 200
    body = JSON.stringify({
      schema: 1,
      list: [
        {
          node: '1'.repeat(16),
          state: 'ready',
          version: evil,
          transport: 'ws',
          listen: evil,
          startedAt: '2026-01-01T00:00:00.000Z',
          connections: 0,
          rooms: 0,
          members: 0,
          messagesIn: 0,
          messagesOut: 0,
          bytesIn: 0,
          bytesOut: 0,
        },
      ],
      nodes: { asked: 1, answered: 1 },
    })
    const table = await admin(['nodes'], env)
    expect(error.code).toBe(2)
    expect(table.code).toBe(0)
    for (const text of [error.stderr, table.stdout]) {
      expect(text).toContain('x?]52;c;aGk=')
      expect(text).toMatch(/^[\x20-\x7e\n]*$/)
    }
  })
})
