// Asks a relay's admin API over HTTP and believes nothing that its schemas do not: every reply is checked and small.
import {
  type AnnounceRequest,
  adminErrorSchema,
  adminNodeHeader,
  adminRoutes,
  announceReplySchema,
  type BanRequest,
  banReplySchema,
  bansReplySchema,
  type DefconRequest,
  type DrainRequest,
  defconReplySchema,
  diagnosisReplySchema,
  drainReplySchema,
  type KickRequest,
  kickReplySchema,
  loadReplySchema,
  type NodeId,
  nodeIdSchema,
  nodesReplySchema,
  type ShutdownRequest,
  serversReplySchema,
  shutdownReplySchema,
  statsReplySchema,
  type UnbanRequest,
  unbanReplySchema,
  usersReplySchema,
} from '@pychat/protocol'

const schemas = {
  servers: serversReplySchema,
  stats: statsReplySchema,
  nodes: nodesReplySchema,
  users: usersReplySchema,
  load: loadReplySchema,
  diagnosis: diagnosisReplySchema,
  defcon: defconReplySchema,
  setDefcon: defconReplySchema,
  shutdown: shutdownReplySchema,
  drain: drainReplySchema,
  bans: bansReplySchema,
  ban: banReplySchema,
  unban: unbanReplySchema,
  kick: kickReplySchema,
  announce: announceReplySchema,
} as const

export type Question = keyof typeof schemas
export type Reply<Q extends Question> = ReturnType<(typeof schemas)[Q]['parse']>

/** What went wrong, by what a caller does about it. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly kind: 'auth' | 'unreachable' | 'refused'
  /** Nothing listens there, as after the end of a relay; false when it is only silent. */
  readonly refusedConnection: boolean

  /** @param message may hold text from the network: sanitise before showing */
  constructor(kind: ApiError['kind'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.kind = kind
    const { cause } = options?.cause instanceof Error ? options.cause : {}
    this.refusedConnection = cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED'
  }
}

const replyBytesMax = 64 * 1024 * 1024
const timeoutMs = 10_000

type More = {
  room?: string
  body?:
    | DrainRequest
    | ShutdownRequest
    | BanRequest
    | UnbanRequest
    | KickRequest
    | AnnounceRequest
    | DefconRequest
  timeoutMs?: number
  /** Gives up at once, as if nobody answered. */
  signal?: AbortSignal
}

export type Api = {
  ask<Q extends Question>(question: Q, more?: More): Promise<Reply<Q>>
  /** The node that gave the last reply, or null before the first. */
  answeredBy(): NodeId | null
}

/** @param base URL of an ops port  @param token null when none was found: the relay then says so */
export function createApi(base: string, token: string | null, get: typeof fetch = fetch): Api {
  let answeredBy: NodeId | null = null
  return {
    answeredBy: () => answeredBy,
    async ask<Q extends Question>(question: Q, more: More = {}) {
      const route = adminRoutes[question]
      const url = new URL(route.path.replace(':room', encodeURIComponent(more.room ?? '')), base)
      let status: number
      let body: unknown
      try {
        const response = await get(url, {
          method: route.method,
          redirect: 'error',
          signal: AbortSignal.any([
            AbortSignal.timeout(more.timeoutMs ?? timeoutMs),
            ...(more.signal === undefined ? [] : [more.signal]),
          ]),
          headers: {
            accept: 'application/json',
            ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          },
          ...(route.method === 'POST' ? { body: JSON.stringify(more.body ?? {}) } : {}),
        })
        status = response.status
        body = parse(await readText(response))
        const node = nodeIdSchema.safeParse(response.headers.get(adminNodeHeader))
        answeredBy = node.success ? node.data : null
      } catch (cause) {
        throw new ApiError(
          'unreachable',
          `No relay answers at ${url.origin}. Is it running? PYCHAT_ADMIN_URL says where to ask.`,
          { cause },
        )
      }
      const reply = schemas[question].safeParse(body)
      if (status === 200 && reply.success) return reply.data as Reply<Q>
      const error = adminErrorSchema.safeParse(body)
      if (!error.success) {
        throw new ApiError('unreachable', `What answers at ${url.origin} is no PyChat relay of this version.`)
      }
      const { code, message } = error.data.error
      if (code === 'unauthorized') throw new ApiError('auth', message)
      if (code === 'unavailable') throw new ApiError('unreachable', message)
      throw new ApiError('refused', message)
    },
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > replyBytesMax) throw new Error('reply too long')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
