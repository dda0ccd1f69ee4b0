// The admin API of a relay's ops port (docs/protocol.md, "Admin API"): replies, and where the token lies.
// Every reply says how many nodes were asked and how many answered; fewer answers than asked is a partial reply.
import { z } from 'zod'
import { nodeIdSchema, roomIdSchema, sessionIdSchema } from './ids.ts'

const count = z.number().min(0)
const isoTime = z.iso.datetime()

const nodesAskedSchema = z.strictObject({ asked: count, answered: count })

/** Emergency levels: 5 is calm, each lower one lets less in (docs/operations.md). */
export const defconCalm = 5
export const defconLevelSchema = z.union([
  z.literal(1),
  z.literal(2),
  z.literal(3),
  z.literal(4),
  z.literal(5),
])
export type DefconLevel = z.infer<typeof defconLevelSchema>

export const serverSchema = z.strictObject({
  room: roomIdSchema,
  /** The eight characters that clients show. */
  short: z.string(),
  users: count,
  nodes: count,
  messages: count,
  bytes: count,
  createdAt: isoTime,
  lastActiveAt: isoTime,
})

export const nodeSchema = z.strictObject({
  node: nodeIdSchema,
  state: z.enum(['ready', 'degraded', 'draining']),
  version: z.string(),
  transport: z.enum(['uws', 'ws']),
  listen: z.string(),
  startedAt: isoTime,
  connections: count,
  rooms: count,
  members: count,
  messagesIn: count,
  messagesOut: count,
  bytesIn: count,
  bytesOut: count,
  /** Emergency level in force on the node; a version before it says none. */
  defcon: defconLevelSchema.optional(),
})

export const userSchema = z.strictObject({
  session: sessionIdSchema,
  node: nodeIdSchema,
  joinedAt: isoTime,
  /** Counter of the session's last frame. */
  messages: count,
})

export const serversReplySchema = z.strictObject({
  schema: z.literal(1),
  servers: z.array(serverSchema),
  nodes: nodesAskedSchema,
})
export const nodesReplySchema = z.strictObject({
  schema: z.literal(1),
  list: z.array(nodeSchema),
  nodes: nodesAskedSchema,
})
export const usersReplySchema = z.strictObject({
  schema: z.literal(1),
  room: roomIdSchema,
  users: z.array(userSchema),
  nodes: nodesAskedSchema,
})
export const statsReplySchema = z.strictObject({
  schema: z.literal(1),
  servers: count,
  users: count,
  connections: count,
  messagesIn: count,
  messagesOut: count,
  bytesIn: count,
  bytesOut: count,
  store: z.enum(['embedded', 'redis']),
  /** Emergency level of the node that answers. */
  defcon: defconLevelSchema.optional(),
  nodes: nodesAskedSchema,
})
export const defconReplySchema = z.strictObject({
  schema: z.literal(1),
  level: defconLevelSchema,
  /** When it was set, and when 5 is in force again; null: never, until another one is set. */
  setAt: isoTime.nullable(),
  until: isoTime.nullable(),
  /** Nodes that have it in force. */
  inForce: z.array(nodeIdSchema),
  nodes: nodesAskedSchema,
})
export const shutdownReplySchema = z.strictObject({
  schema: z.literal(1),
  /** Nodes that said they are stopping. */
  stopping: z.array(nodeIdSchema),
  nodes: nodesAskedSchema,
})
export const drainReplySchema = z.strictObject({
  schema: z.literal(1),
  draining: nodeIdSchema,
  withinMs: count,
  /** `answered` 0: the node holds its lease but said nothing; whether it drains is not known. */
  nodes: nodesAskedSchema,
})
export const adminErrorSchema = z.strictObject({
  schema: z.literal(1),
  error: z.strictObject({
    code: z.enum(['unauthorized', 'not-found', 'bad-request', 'unavailable']),
    message: z.string(),
  }),
})

/** Optional body of POST /admin/v1/shutdown. */
export const shutdownRequestSchema = z.strictObject({ node: nodeIdSchema.optional() })

/** Milliseconds that a drain may be given, from the request to the end of the process. */
export const drainWithinMsMin = 1000
export const drainWithinMsMax = 600_000
export const drainWithinMsSchema = z.int().min(drainWithinMsMin).max(drainWithinMsMax)

/** Body of POST /admin/v1/drain. */
export const drainRequestSchema = z.strictObject({ node: nodeIdSchema, withinMs: drainWithinMsSchema })

/** Milliseconds that a level may be set for. */
export const defconForMsMin = 1000
export const defconForMsMax = 30 * 86_400_000

/** Body of POST /admin/v1/defcon/level. Without `forMs` it holds until another one is set. */
export const defconRequestSchema = z.strictObject({
  level: defconLevelSchema,
  forMs: z.int().min(defconForMsMin).max(defconForMsMax).optional(),
})

/** Header of every reply of the admin API: id of the node that gave it. */
export const adminNodeHeader = 'PyChat-Node'

export type NodesAsked = z.infer<typeof nodesAskedSchema>
export type AdminServer = z.infer<typeof serverSchema>
export type AdminNode = z.infer<typeof nodeSchema>
export type AdminUser = z.infer<typeof userSchema>
export type ServersReply = z.infer<typeof serversReplySchema>
export type NodesReply = z.infer<typeof nodesReplySchema>
export type UsersReply = z.infer<typeof usersReplySchema>
export type StatsReply = z.infer<typeof statsReplySchema>
export type ShutdownReply = z.infer<typeof shutdownReplySchema>
export type DrainReply = z.infer<typeof drainReplySchema>
export type DrainRequest = z.infer<typeof drainRequestSchema>
export type ShutdownRequest = z.infer<typeof shutdownRequestSchema>
export type DefconReply = z.infer<typeof defconReplySchema>
export type DefconRequest = z.infer<typeof defconRequestSchema>
export type AdminErrorReply = z.infer<typeof adminErrorSchema>

/** Path of each admin request; `:room` takes a full room hash or its eight-character short form. */
export const adminRoutes = {
  servers: { method: 'GET', path: '/admin/v1/servers' },
  stats: { method: 'GET', path: '/admin/v1/stats' },
  nodes: { method: 'GET', path: '/admin/v1/nodes' },
  users: { method: 'GET', path: '/admin/v1/servers/:room/users' },
  load: { method: 'GET', path: '/admin/v1/load' },
  diagnosis: { method: 'GET', path: '/admin/v1/diagnosis' },
  defcon: { method: 'GET', path: '/admin/v1/defcon' },
  setDefcon: { method: 'POST', path: '/admin/v1/defcon/level' },
  shutdown: { method: 'POST', path: '/admin/v1/shutdown' },
  drain: { method: 'POST', path: '/admin/v1/drain' },
  bans: { method: 'GET', path: '/admin/v1/bans' },
  ban: { method: 'POST', path: '/admin/v1/ban' },
  unban: { method: 'POST', path: '/admin/v1/unban' },
  kick: { method: 'POST', path: '/admin/v1/kick' },
  announce: { method: 'POST', path: '/admin/v1/announce' },
} as const

/**
 * Folder for a program's small private files: PYCHAT_STATE_DIR, else the XDG state folder, else the platform's own.
 * The relay leaves its token there and pychat-admin looks for it there, so both must come here for the answer.
 */
export function stateDirectory(
  env: Record<string, string | undefined>,
  platform: string,
  home: string,
): string {
  if (env['PYCHAT_STATE_DIR']) return env['PYCHAT_STATE_DIR']
  if (platform === 'win32') return `${env['LOCALAPPDATA'] ?? `${home}\\AppData\\Local`}\\pychat`
  return `${env['XDG_STATE_HOME'] ?? `${home}/.local/state`}/pychat`
}

/** Name of the token file of the relay whose ops port this is; lies in `stateDirectory`. */
export function adminTokenFileName(opsPort: number): string {
  return `admin-${opsPort}.token`
}
