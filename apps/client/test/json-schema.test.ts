// The page, the JSON Schema and the program's output say the same about --json.
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { errorCodes, noticeCodes } from '../src/chat/events.ts'
import { commandTable } from '../src/commands/table.ts'
import { jsonLine } from '../src/sanitise.ts'
import { eventSchema, typesAreTheSame } from './event-schema.ts'
import { type FakeRelay, startFakeRelay } from './fake-relay.ts'
import { hostile } from './hostile-strings.ts'
import { endPrograms, startPiped } from './program.ts'
import { everyChatEvent } from './ui/text/every-event.ts'

const file = (name: string) => new URL(`../../../docs/${name}`, import.meta.url)
const docs = (name: string) => readFileSync(file(name), 'utf8')
const types = eventSchema.options.map((option) => option.shape.type.value)

let relay: FakeRelay
beforeEach(async () => {
  relay = await startFakeRelay()
})
afterEach(async () => {
  endPrograms()
  await relay.close()
})

it('is described by a JSON Schema that follows from one source (PYCHAT_WRITE_DOCS=1 writes it anew)', () => {
  expect(typesAreTheSame).toBe(true)
  const { $schema, ...rest } = z.toJSONSchema(eventSchema) as Record<string, unknown>
  const schema = {
    $schema,
    title: 'One line of pychat --json, schema 2 (docs/json-events.md)',
    // For readers of a stream, who shall pass over what they do not know.
    ...(JSON.parse(JSON.stringify(rest).replaceAll(',"additionalProperties":false', '')) as object),
  }
  if (process.env['PYCHAT_WRITE_DOCS']) {
    writeFileSync(file('json-events.schema.json'), `${JSON.stringify(schema, null, 2)}\n`)
  }
  expect(JSON.parse(docs('json-events.schema.json'))).toEqual(schema)
})

it('is described by a page that names every type with its fields, every code and every command', () => {
  const page = docs('json-events.md')
  for (const option of eventSchema.options) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${option.shape.type.value}\` |`)) ?? ''
    for (const field of Object.keys(option.shape)) {
      if (field !== 'type') expect(row, option.shape.type.value).toContain(`\`${field}\``)
    }
  }
  for (const word of [...types, ...noticeCodes, ...errorCodes]) expect(page).toContain(`\n| \`${word}\` |`)
  for (const { name } of commandTable) expect(page).toContain(`/${name}`)
})

it('covers every event that there is', () => {
  expect([...new Set(everyChatEvent('x').map(({ type }) => type))].sort()).toEqual([...types].sort())
})

it('writes hostile text as escapes, and as the same value', () => {
  for (const text of [...hostile, `e${'\u0301'.repeat(10_000)}`, 'x'.repeat(1_000_000)]) {
    for (const event of everyChatEvent(text)) {
      const line = jsonLine(event)
      expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/)
      expect(JSON.parse(line)).toEqual(event)
    }
  }
})

it('is what the program writes, line for line', async () => {
  const start = (user: string) =>
    startPiped(['--relay', relay.url, '--server', 'MyFriends', '--user', user, '--json'], { PYCHAT_PIN: 'a' })
  const alice = start('Alice')
  await alice.until((event) => event.type === 'ready')
  const bob = start('Bob')
  await bob.until((event) => event.type === 'ready')
  const lines = [
    'hello',
    '/users',
    '/help',
    '/channels',
    '/bans',
    '/verify Alice',
    '/recovery',
    '/invite',
    '/nonsense',
    'x'.repeat(16_000),
    '/join #dev',
    'in dev',
    '/msg Alice psst',
    '/part #dev',
  ]
  for (const line of lines) bob.say(line)
  await bob.until((event) => event.type === 'failed')
  await alice.until((event) => event['view'] === '@Bob' && event.type === 'message')
  await bob.until((event) => event.type === 'closed')
  relay.cut()
  await bob.until((event) => event['state'] === 'offline')
  const online = () => bob.events().filter((event) => event['state'] === 'online')
  await bob.until(() => online().length > 1)
  relay.tellAll({ t: 'relay', state: 'degraded' })
  bob.say('/quit')
  await bob.exited
  await alice.until((event) => event.type === 'left')
  const seen = new Set<string>()
  for (const event of [...alice.events(), ...bob.events()]) {
    eventSchema.parse(event)
    seen.add(event.type)
  }
  for (const type of 'ready entered message pending failed joined left users channel channels bans verify recovery invite opened closed view state notice error'.split(
    ' ',
  )) {
    expect([...seen]).toContain(type)
  }
}, 60_000)
