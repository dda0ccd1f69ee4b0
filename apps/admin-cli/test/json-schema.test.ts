// The page, the JSON Schema and the program's output say the same about pychat-admin --json.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type RelayChild, startRelay } from '../../relay/test/child.ts'
import { freshPrefix, getRedis } from '../../relay/test/support/redis.ts'
import { connect, frame, joinMessage, type WireClient } from '../../relay/test/wire-client.ts'
import { admin } from './admin-process.ts'
import { outputSchemas, typesAreTheSame } from './output-schemas.ts'

// Each starts whole programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const file = (name: string) => new URL(`../../../docs/${name}`, import.meta.url)
const docs = (name: string) => readFileSync(file(name), 'utf8')
type Name = keyof typeof outputSchemas
const names = Object.keys(outputSchemas) as Name[]

test('is described by a JSON Schema that follows from one source (PYCHAT_WRITE_DOCS=1 writes it anew)', () => {
  expect(typesAreTheSame).toEqual([true, true, true])
  const $defs = Object.fromEntries(
    names.map((name) => {
      const { $schema: _, ...schema } = z.toJSONSchema(outputSchemas[name]) as Record<string, unknown>
      // For readers of later versions, who shall pass over what they do not know.
      return [name, JSON.parse(JSON.stringify(schema).replaceAll(',"additionalProperties":false', ''))]
    }),
  )
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'One line of stdout of pychat-admin --json, by command, schema 1 (docs/admin-json.md)',
    $defs,
  }
  if (process.env['PYCHAT_WRITE_DOCS']) {
    writeFileSync(file('admin-json.schema.json'), `${JSON.stringify(schema, null, 2)}\n`)
  }
  expect(JSON.parse(docs('admin-json.schema.json'))).toEqual(schema)
})

test('is described for every command that has it, on the page too', async () => {
  // The completion script is made from the command table.
  const { stdout } = await admin(['completion', 'bash'], {})
  const having = [...stdout.matchAll(/^ {4}'([a-z ]+)'\) offers='[^']*--json\b/gm)].map(
    ([, name = '']) => name,
  )
  expect([...having].sort()).toEqual([...names].sort())
  const page = docs('admin-json.md')
  for (const name of names) {
    expect(page, name).toMatch(new RegExp(`^\\| \`${name}\` \\|`, 'm'))
  }
})

describe('against two nodes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pychat-admin-json-'))
  const token = '0123456789abcdef0123456789abcdef'
  let relays: RelayChild[]
  let client: WireClient
  let env: Record<string, string>
  const message = joinMessage(1)

  beforeAll(async () => {
    const settings = {
      ...{ PYCHAT_REDIS_URL: getRedis(), PYCHAT_REDIS_PREFIX: freshPrefix() },
      PYCHAT_ADMIN_TOKEN: token,
    }
    relays = await Promise.all([startRelay(settings), startRelay(settings)])
    env = { PYCHAT_ADMIN_URL: relays[0]?.opsUrl ?? '', PYCHAT_ADMIN_TOKEN: token, XDG_CONFIG_HOME: folder }
    client = await connect(relays[0]?.url ?? '')
    client.send(message)
    await client.control('joined')
    client.socket.send(frame(message.session, 1))
    await client.until(() => client.deliveries.length === 1)
  })
  afterAll(async () => {
    client.socket.terminate()
    await Promise.all(relays.map((relay) => relay.dispose()))
    rmSync(folder, { recursive: true, force: true })
  })

  /** Runs it and holds each line of its stdout to the schema. @returns the lines, at least one */
  async function lines(name: Name, ...args: string[]): Promise<unknown[]> {
    const { stdout } = await admin([name, ...args, '--json'], env)
    expect(stdout.endsWith('\n')).toBe(true)
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => outputSchemas[name].parse(JSON.parse(line)))
  }

  test('every read prints one line that fits its schema', async () => {
    await admin(['contexts', 'add', 'here', '--url', env['PYCHAT_ADMIN_URL'] ?? ''], env)
    const all = await Promise.all([
      lines('servers'),
      lines('stats'),
      lines('users', message.room),
      lines('nodes'),
      lines('top', '--once'),
      lines('contexts'),
      lines('doctor', '--url', relays[1]?.url ?? '', '--idle', '1s'),
      lines('bans'),
      lines('defcon'),
      lines('defcon', '3', '--for', '1h', '--dry-run'),
      lines('shutdown', '--dry-run'),
      lines('ban', 'address', '192.0.2.0/24', '--for', '1h', '--dry-run'),
      lines('kick', message.room, '--dry-run'),
      lines('announce', 'Back at ten.', '--dry-run'),
    ])
    for (const each of all) expect(each).toHaveLength(1)
  })

  test('what acts prints lines that fit, in a dry run as in earnest', async () => {
    const [reply] = await lines('nodes')
    const second = outputSchemas.nodes
      .parse(reply)
      .list.find(({ listen }) => relays[1]?.url.endsWith(listen))?.node
    expect(await lines('ban', 'address', '192.0.2.0/24', '--yes')).toMatchObject([{ met: 0 }])
    expect(await lines('unban', 'address', '192.0.2.0/24', '--yes')).toHaveLength(1)
    expect(await lines('drain', second ?? '', '--dry-run')).toMatchObject([{ event: 'dry-run' }])
    const events = await lines('drain', second ?? '', '--within', '2s', '--yes')
    expect(events.at(-1)).toMatchObject({ event: 'drained', node: second })
    expect(await lines('shutdown', '--yes')).toMatchObject([{ stopping: [expect.any(String)] }])
  })
})
