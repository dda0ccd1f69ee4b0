// Asks a relay's admin API over HTTP and believes nothing that its schemas do not: every reply is checked and small.
import {
  adminErrorSchema,
  adminRoutes,
  nodesReplySchema,
  serversReplySchema,
  shutdownReplySchema,
  statsReplySchema,
  usersReplySchema,
} from '@pychat/protocol'

const schemas = {
  servers: serversReplySchema,
  stats: statsReplySchema,
  nodes: nodesReplySchema,
  users: usersReplySchema,
  shutdown: shutdownReplySchema,
} as const

export type Question = keyof typeof schemas
export type Reply<Q extends Question> = ReturnType<(typeof schemas)[Q]['parse']>

/** What went wrong, by what a caller does about it. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly kind: 'auth' | 'unreachable' | 'refused'

  /** @param message may hold text from the network: sanitise before showing */
  constructor(kind: ApiError['kind'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}

const replyBytesMax = 64 * 1024 * 1024
const timeoutMs = 10_000

export type Api = {
  ask<Q extends Question>(question: Q, more?: { room?: string; node?: string }): Promise<Reply<Q>>
}

/** @param base URL of an ops port  @param token null when none was found: the relay then says so */
export function createApi(base: string, token: string | null, get: typeof fetch = fetch): Api {
  return {
    async ask<Q extends Question>(question: Q, more: { room?: string; node?: string } = {}) {
      const route = adminRoutes[question]
      const url = new URL(route.path.replace(':room', encodeURIComponent(more.room ?? '')), base)
      let status: number
      let body: unknown
      try {
        const response = await get(url, {
          method: route.method,
          redirect: 'error',
          signal: AbortSignal.timeout(timeoutMs),
          headers: {
            accept: 'application/json',
            ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          },
          ...(route.method === 'POST'
            ? { body: JSON.stringify(more.node === undefined ? {} : { node: more.node }) }
            : {}),
        })
        status = response.status
        body = parse(await readText(response))
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
