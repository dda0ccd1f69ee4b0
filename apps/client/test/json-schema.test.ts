// The page, the JSON Schema and the program's output say the same about --json.
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import type { ChatEvent } from '../src/chat-events.ts'
import { type FakeRelay, startFakeRelay } from './fake-relay.ts'
import { endPrograms, startPiped } from './program.ts'

const name = z.string().min(1)
const fingerprint = z.string().regex(/^[a-z2-7]{4}-[a-z2-7]{4}$/)
const noticeCodes = [
  'alone',
  'weak-pin',
  'insecure',
  'help',
  'not-sent-yet',
  'gap',
  'rewound',
  'unrepaired',
  'fork',
  'key-changed',
  'unreadable',
] as const
const errorCodes = [
  'usage',
  'name-taken',
  'refused',
  'unreachable',
  'not-sent',
  'bad-command',
  'message-refused',
] as const

const eventSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('ready'),
    schema: z.literal(1),
    room: fingerprint,
    user: name,
    users: z.array(name).min(1),
  }),
  z.strictObject({
    type: z.literal('message'),
    from: name,
    text: z.string(),
    seq: z.int().min(0),
    at: z.iso.datetime(),
    own: z.boolean(),
    fingerprint,
  }),
  z.strictObject({ type: z.literal('joined'), user: name, fingerprint }),
  z.strictObject({ type: z.literal('left'), user: name, why: z.enum(['left', 'lost']) }),
  z.strictObject({
    type: z.literal('users'),
    users: z.array(name),
    members: z.array(z.strictObject({ name, fingerprint, own: z.boolean() })),
  }),
  z.strictObject({
    type: z.literal('state'),
    state: z.enum(['connecting', 'online', 'degraded', 'offline']),
    text: z.string(),
    retryInMs: z.int().min(0).optional(),
  }),
  z.strictObject({ type: z.literal('notice'), code: z.enum(noticeCodes), text: z.string() }),
  z.strictObject({ type: z.literal('error'), code: z.enum(errorCodes), text: z.string() }),
])

// The program's own type and this schema have to stay the same, in both directions.
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
const typesAreTheSame: Same<z.infer<typeof eventSchema>['type'], ChatEvent['type']> = true

const docs = (file: string) => readFileSync(new URL(`../../../docs/${file}`, import.meta.url), 'utf8')

let relay: FakeRelay
beforeEach(async () => {
  relay = await startFakeRelay()
})
afterEach(async () => {
  endPrograms()
  await relay.close()
})

it('is described by a JSON Schema that follows from one source', () => {
  expect(typesAreTheSame).toBe(true)
  const { $schema, ...rest } = z.toJSONSchema(eventSchema) as Record<string, unknown>
  const schema = {
    $schema,
    title: 'One line of pychat --json, schema 1 (docs/json-events.md)',
    // For readers of a stream, who shall pass over what they do not know.
    ...(JSON.parse(JSON.stringify(rest).replaceAll(',"additionalProperties":false', '')) as object),
  }
  expect(JSON.parse(docs('json-events.schema.json'))).toEqual(schema)
})

it('is described by a page that names every type and every code', () => {
  const page = docs('json-events.md')
  const types = eventSchema.options.map((option) => option.shape.type.value)
  for (const word of [...types, ...noticeCodes, ...errorCodes]) expect(page).toContain(`\n| \`${word}\` |`)
})

it('is what the program writes, line for line', async () => {
  const start = (user: string) =>
    startPiped(['--relay', relay.url, '--server', 'MyFriends', '--user', user, '--json'], { PYCHAT_PIN: 'a' })
  const alice = start('Alice')
  await alice.until((event) => event.type === 'ready')
  const bob = start('Bob')
  await bob.until((event) => event.type === 'ready')
  for (const line of ['hello', '/users', '/help', '/help quit', '/nonsense', 'x'.repeat(16_000)])
    bob.say(line)
  await bob.until((event) => event['code'] === 'message-refused')
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
  expect([...seen].sort()).toEqual(eventSchema.options.map((option) => option.shape.type.value).sort())
  expect(Object.keys(alice.events().find(({ type }) => type === 'message') ?? {})).not.toContain('schema')
}, 30_000)
