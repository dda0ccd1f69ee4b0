// The one description of --json's lines: docs/json-events.schema.json is made from it, and every test that reads lines
// holds them to it.
import { z } from 'zod'
import { type ChatEvent, errorCodes, noticeCodes } from '../src/chat/events.ts'

const name = z.string().min(1)
const view = z.string().regex(/^(room|#.+|@.+)$/s)
const fingerprint = z.string().regex(/^[a-z2-7]{4}-[a-z2-7]{4}$/)
const memberId = z.string().regex(/^[0-9a-f]{32}$/)
const rank = z.enum(['owner', 'op', 'member'])
const count = z.int().min(0)
const time = z.iso.datetime()
const id = z.int().min(1)
const member = z.strictObject({
  name,
  fingerprint,
  memberId,
  rank,
  muted: z.boolean(),
  away: z.string().nullable(),
  since: time,
  verified: z.boolean(),
  own: z.boolean(),
})
const ban = z.strictObject({ id: memberId, name, until: time.nullable(), reason: z.string(), by: name })

export const eventSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('ready'),
    schema: z.literal(2),
    room: fingerprint,
    user: name,
    users: z.array(name).min(1),
    count,
  }),
  z.strictObject({ type: z.literal('entered'), view, room: fingerprint, users: z.array(name), count }),
  z.strictObject({
    type: z.literal('message'),
    view,
    from: name,
    text: z.string(),
    seq: count,
    at: time,
    own: z.boolean(),
    fingerprint,
    memberId,
    key: z.enum(['known', 'new', 'changed', 'verified']),
    mention: z.boolean(),
    id: id.optional(),
  }),
  z.strictObject({ type: z.literal('pending'), view, id, text: z.string(), waiting: z.string().nullable() }),
  z.strictObject({
    type: z.literal('failed'),
    view,
    id,
    text: z.string(),
    reason: z.string(),
    retry: z.boolean(),
  }),
  z.strictObject({ type: z.literal('joined'), view, user: name, fingerprint, memberId, rank }),
  z.strictObject({
    type: z.literal('left'),
    view,
    user: name,
    why: z.enum(['left', 'lost', 'kicked', 'banned']),
    by: name.optional(),
    reason: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('renamed'), view, from: name, to: name }),
  z.strictObject({ type: z.literal('away'), view, user: name, away: z.string().nullable() }),
  z.strictObject({ type: z.literal('count'), view, count, quiet: z.boolean() }),
  z.strictObject({
    type: z.literal('users'),
    view,
    users: z.array(name),
    members: z.array(member),
    count,
    page: z.int().min(1),
    more: z.boolean(),
  }),
  z.strictObject({
    type: z.literal('charter'),
    motd: z.string(),
    rank,
    lock: z.boolean(),
    limit: count,
    history: z.boolean(),
    changed: z.array(z.enum(['motd', 'lock', 'limit', 'history', 'rank', 'bans', 'mutes', 'owner'])),
    by: name.nullable(),
  }),
  z.strictObject({ type: z.literal('owner'), founded: z.boolean() }),
  z.strictObject({ type: z.literal('recovery'), words: z.string() }),
  z.strictObject({ type: z.literal('offered'), from: name }),
  z.strictObject({
    type: z.literal('act'),
    what: z.enum(['kick', 'ban', 'unban', 'mute', 'unmute', 'op', 'deop']),
    target: name,
    by: name,
    reason: z.string(),
    until: time.nullable(),
  }),
  z.strictObject({
    type: z.literal('expelled'),
    view,
    why: z.enum(['kicked', 'banned']),
    by: name.nullable(),
    reason: z.string(),
  }),
  z.strictObject({ type: z.literal('channel'), channel: view }),
  z.strictObject({
    type: z.literal('channels'),
    channels: z.array(z.strictObject({ channel: view, open: z.boolean(), unread: count })),
  }),
  z.strictObject({ type: z.literal('opened'), view }),
  z.strictObject({ type: z.literal('closed'), view, reason: z.string() }),
  z.strictObject({ type: z.literal('view'), view, unread: count }),
  z.strictObject({
    type: z.literal('bans'),
    bans: z.array(ban),
    muted: z.array(z.strictObject({ id: memberId, name })),
  }),
  z.strictObject({ type: z.literal('verify'), user: name, words: z.string(), verified: z.boolean() }),
  z.strictObject({ type: z.literal('moving'), by: name }),
  z.strictObject({ type: z.literal('moved'), room: fingerprint, carried: count }),
  z.strictObject({ type: z.literal('knock'), user: name, fingerprint, known: z.boolean() }),
  z.strictObject({ type: z.literal('invite'), line: z.string().regex(/^pychat:/) }),
  z.strictObject({
    type: z.literal('state'),
    state: z.enum(['connecting', 'online', 'degraded', 'offline']),
    text: z.string(),
    retryInMs: count.optional(),
  }),
  z.strictObject({ type: z.literal('notice'), code: z.enum(noticeCodes), text: z.string() }),
  z.strictObject({ type: z.literal('error'), code: z.enum(errorCodes), text: z.string() }),
])

// The program's own type and this schema stay the same, in both directions: this file does not compile else.
type Described = z.infer<typeof eventSchema>
type FieldsOf<E extends { type: string }> = { [T in E['type']]: Required<Extract<E, { type: T }>> }
const described: FieldsOf<Described> = null as unknown as FieldsOf<ChatEvent>
const written: FieldsOf<ChatEvent> = null as unknown as FieldsOf<Described>
export const typesAreTheSame = described === written
