// What a node finds when it looks at itself, its Redis and its own front door (docs/protocol.md, "Admin API"): measured
// facts alone. What of them is bad, and what to do about it, is for pychat-admin doctor to say.
import { z } from 'zod'
import { nodeIdSchema, roomIdSchema } from './ids.ts'

const count = z.number().min(0)
const shortText = z.string().max(256)

/** From where an address can be reached. */
export const reaches = ['loopback', 'private', 'public'] as const
export type Reach = (typeof reaches)[number]

/** One Redis server that a node writes to. */
export const redisServerSchema = z.strictObject({
  /** "host:port" */
  place: shortText,
  reach: z.enum(reaches),
  product: z.enum(['redis', 'valkey']),
  version: shortText,
  memoryBytes: count,
  /** 0 when there is no limit. */
  memoryBytesMax: count,
  /** As its maxmemory-policy says. */
  eviction: shortText,
  /** Replicas that are connected and in step. */
  replicas: count,
  /** This node's clock minus the server's, in milliseconds; null when the server does not say its time. */
  clockOffsetMs: z.number().nullable(),
  pings: count,
  pingP50Ms: count,
  pingP99Ms: count,
  /** One sentence about what the relay's user may not do there, and has to; null when nothing is missing. */
  missingRight: shortText.nullable(),
})

export const redisDiagnosisSchema = z.strictObject({
  kind: z.enum(['single', 'sentinel', 'cluster']),
  available: z.boolean(),
  tls: z.boolean(),
  password: z.boolean(),
  /** Whether a message came back by pub/sub. */
  pubsub: z.boolean(),
  ackReplicas: count,
  /** Those that answered. */
  servers: z.array(redisServerSchema).max(1000),
})

/** What happened to one real message, sent and received through the node's own listen address. */
export const probeSchema = z.strictObject({
  /** One sentence; null when the message came back. */
  failed: shortText.nullable(),
  /** From sending to receiving it. */
  ownMs: count.nullable(),
  /** Nodes whose message was received here, this one among them. */
  heard: z.array(nodeIdSchema),
})

export const nodeDiagnosisSchema = z.strictObject({
  node: nodeIdSchema,
  version: shortText,
  state: z.enum(['ready', 'degraded', 'draining']),
  listen: shortText,
  /** From where the listen address can be reached, as far as this machine's own addresses tell. */
  reach: z.enum(reaches),
  tls: z.boolean(),
  /** Whether a front door is trusted, which may do the TLS. */
  trustedProxies: z.boolean(),
  connections: count,
  connectionsMax: count,
  /** Null where the system does not say. */
  openFiles: count.nullable(),
  openFilesMax: count.nullable(),
  graceMs: count,
  loopLagMs: count,
  /** Null for an embedded node. */
  redis: redisDiagnosisSchema.nullable(),
  probe: probeSchema,
})

/** What a node is asked: the room of this probe, and how many nodes speak in it. */
export const diagnosisAskSchema = z.strictObject({ room: roomIdSchema, nodes: z.int().min(1) })

export const diagnosisReplySchema = z.strictObject({
  schema: z.literal(1),
  list: z.array(nodeDiagnosisSchema),
  /** Nodes that hold their lease and did not answer. */
  silent: z.array(nodeIdSchema),
  /** Nodes that ended without a word and whose members are still being taken out. */
  lapsed: z.array(nodeIdSchema),
  nodes: z.strictObject({ asked: count, answered: count }),
})

/** What one node is doing. Counters grow from its start; two samples make a rate. */
export const nodeLoadSchema = z.strictObject({
  node: nodeIdSchema,
  state: z.enum(['ready', 'degraded', 'draining']),
  /** Since the node's start, by its own monotonic clock. */
  upMs: count,
  connections: count,
  rooms: count,
  members: count,
  messagesIn: count,
  messagesOut: count,
  bytesIn: count,
  bytesOut: count,
  /** Processor time used, user and system. */
  cpuMs: count,
  /** Resident memory. */
  memoryBytes: count,
  /** 99th percentile of how late the event loop was since the last time somebody asked. */
  loopLagMs: count,
})

export const loadReplySchema = z.strictObject({
  schema: z.literal(1),
  list: z.array(nodeLoadSchema),
  nodes: z.strictObject({ asked: count, answered: count }),
})

export type RedisServerDiagnosis = z.infer<typeof redisServerSchema>
export type RedisDiagnosis = z.infer<typeof redisDiagnosisSchema>
export type ProbeResult = z.infer<typeof probeSchema>
export type NodeDiagnosis = z.infer<typeof nodeDiagnosisSchema>
export type DiagnosisAsk = z.infer<typeof diagnosisAskSchema>
export type DiagnosisReply = z.infer<typeof diagnosisReplySchema>
export type NodeLoad = z.infer<typeof nodeLoadSchema>
export type LoadReply = z.infer<typeof loadReplySchema>

/**
 * From where an address or host name can be reached. A name of several parts counts as public, one without dots (a
 * container, a Service) and one in .local, .internal or .svc as private.
 */
export function reachOf(host: string): Reach {
  const name = host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/^::ffff:(?=\d+\.)/, '')
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return 'loopback'
  const v4 = /^(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}$/.exec(name)
  if (v4 !== null) {
    const [a, b] = [Number(v4[1]), Number(v4[2])]
    if (a === 127) return 'loopback'
    const isPrivate =
      a === 10 ||
      (a === 172 && b >= 16 && b <= 31) ||
      (a === 192 && b === 168) ||
      (a === 169 && b === 254) ||
      (a === 100 && b >= 64 && b <= 127)
    return isPrivate ? 'private' : 'public'
  }
  if (name.includes(':')) return /^(f[cd]|fe[89ab])/.test(name) ? 'private' : 'public'
  if (!name.includes('.')) return 'private'
  return /\.(local|internal|svc|home\.arpa|lan)(\.|$)/.test(name) ? 'private' : 'public'
}
