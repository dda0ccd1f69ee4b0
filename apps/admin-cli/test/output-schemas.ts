// What each command prints with --json: docs/admin-json.schema.json is made from it, and the tests hold real output to it.
// The replies of the admin API are its own; what pychat-admin makes itself is described here, and compared with its types.
import {
  announceReplySchema,
  banReplySchema,
  bansReplySchema,
  defconLevelSchema,
  defconReplySchema,
  kickReplySchema,
  loadReplySchema,
  nodeIdSchema,
  nodesReplySchema,
  roomIdSchema,
  serversReplySchema,
  shutdownReplySchema,
  statsReplySchema,
  unbanReplySchema,
  usersReplySchema,
} from '@pychat/protocol'
import { z } from 'zod'
import { type Finding, levels } from '../src/doctor/finding.ts'
import type { DrainEvent } from '../src/drain.ts'
import type { Sample } from '../src/top/sample.ts'

const count = z.number().min(0)
const nodes = z.strictObject({ asked: count, answered: count })
const state = loadReplySchema.shape.list.element.shape.state

const findingSchema = z.strictObject({
  check: z.string(),
  level: z.enum(levels),
  nodes: z.array(nodeIdSchema),
  what: z.string(),
  todo: z.string().nullable(),
})

const drainEventSchema = z.discriminatedUnion('event', [
  z.strictObject({
    schema: z.literal(1),
    event: z.literal('dry-run'),
    node: nodeIdSchema,
    connections: count,
    withinMs: count,
  }),
  z.strictObject({
    schema: z.literal(1),
    event: z.literal('progress'),
    node: nodeIdSchema,
    connections: count,
    of: count,
    leftMs: count,
  }),
  z.strictObject({
    schema: z.literal(1),
    event: z.literal('drained'),
    node: nodeIdSchema,
    clients: count,
    ms: count,
  }),
  z.strictObject({
    schema: z.literal(1),
    event: z.literal('unfinished'),
    node: nodeIdSchema,
    connections: count.nullable(),
    ms: count,
  }),
])

const topSchema = z.strictObject({
  schema: z.literal(1),
  overMs: count,
  list: z.array(
    z.strictObject({
      node: nodeIdSchema,
      state,
      connections: count,
      rooms: count,
      members: count,
      messagesInPerSecond: count.nullable(),
      messagesOutPerSecond: count.nullable(),
      bytesInPerSecond: count.nullable(),
      bytesOutPerSecond: count.nullable(),
      cpuPercent: count.nullable(),
      memoryBytes: count,
      loopLagMs: count,
    }),
  ),
  busiest: z.array(
    z.strictObject({
      room: roomIdSchema,
      short: z.string(),
      users: count,
      nodes: count,
      messagesPerSecond: count.nullable(),
    }),
  ),
  nodes,
})

const contextsSchema = z.strictObject({
  schema: z.literal(1),
  current: z.string().nullable(),
  contexts: z.array(z.strictObject({ name: z.string(), url: z.string(), tokenFile: z.string().nullable() })),
})

/** By command: one line of its stdout with --json. */
export const outputSchemas = {
  servers: serversReplySchema,
  stats: statsReplySchema,
  users: usersReplySchema,
  nodes: nodesReplySchema,
  shutdown: z.union([
    shutdownReplySchema,
    shutdownReplySchema.extend({ dryRun: z.literal('shutdown') }).strict(),
  ]),
  drain: drainEventSchema,
  doctor: z.strictObject({ schema: z.literal(1), findings: z.array(findingSchema), nodes }),
  top: topSchema,
  contexts: contextsSchema,
  bans: bansReplySchema,
  ban: banReplySchema,
  unban: unbanReplySchema,
  kick: kickReplySchema,
  announce: announceReplySchema,
  defcon: z.union([
    defconReplySchema,
    z.strictObject({
      schema: z.literal(1),
      dryRun: z.literal('defcon'),
      level: defconLevelSchema,
      forMs: z.number().nullable(),
    }),
  ]),
} as const

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
/** The compiler says so: what is written above is what the program makes. */
export const typesAreTheSame: [
  Same<z.infer<typeof findingSchema>, Finding>,
  Same<z.infer<typeof topSchema>, Sample>,
  Same<z.infer<typeof drainEventSchema>, DrainEvent & { schema: 1 }>,
] = [true, true, true]
