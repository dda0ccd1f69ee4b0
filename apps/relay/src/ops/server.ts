// The ops port: /livez, /readyz, /metrics and the admin API (docs/protocol.md, "Admin API"). Small requests only;
// the admin API wants the bearer token and is answered by any node for the whole cluster.
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type AdminErrorReply,
  adminNodeHeader,
  adminRoutes,
  drainRequestSchema,
  drainWithinMsMax,
  drainWithinMsMin,
  shutdownRequestSchema,
} from '@pychat/protocol'
import type { z } from 'zod'
import type { ListenAddress } from '../config.ts'
import { adminCommands } from './admin-commands.ts'
import { type AdminCommand, type AdminContext, AdminError } from './admin-context.ts'
import type { Health } from './health.ts'
import type { Metrics } from './metrics.ts'
import type { Tracing } from './tracing.ts'

export type OpsServerOptions = {
  listen: ListenAddress
  health: Health
  metrics: Metrics
  admin: AdminContext
  tracing: Tracing
  /** Read on every request, because the token is settled once the port is known. Null: the admin API is off. */
  token(): string | null
  fault(error: unknown): void
}

export type OpsServer = {
  /** @returns the port  @throws Error with a sentence */
  listen(): Promise<number>
  /** Once every admin request that is being answered now has its answer. Never rejects. */
  answered(): Promise<void>
  close(): Promise<void>
}

const bodyBytesMax = 8192
const statusOf = { unauthorized: 401, 'not-found': 404, 'bad-request': 400, unavailable: 503 } as const
const shutdownBodyWords = 'The body has to be {} or {"node":"..."} with 16 hex digits.'
const drainBodyWords = `The body has to be {"node":"...","withinMs":...} with 16 hex digits and ${drainWithinMsMin} to ${drainWithinMsMax} milliseconds.`
type Code = AdminErrorReply['error']['code']

class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: Code

  constructor(code: Code, message: string) {
    super(message)
    this.code = code
  }
}

export function createOpsServer(options: OpsServerOptions): OpsServer {
  const server: Server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 5000 },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        options.fault(error)
        if (!response.headersSent) plain(response, 500, 'The relay made a mistake here.')
        else response.destroy()
      })
    },
  )
  server.maxConnections = 256
  const answering = new Set<Promise<void>>()

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    const reads = request.method === 'GET' || request.method === 'HEAD'
    if (path === adminRoutes.servers.path || path.startsWith('/admin/')) return admin(request, response, path)
    if (!reads) return plain(response, 405, 'Only GET here.')
    if (path === '/livez') return plain(response, 200, 'ok')
    if (path === '/readyz') {
      const reason = options.health.unready()
      return plain(response, reason === null ? 200 : 503, reason ?? 'ok')
    }
    if (path === '/metrics') {
      const text = await options.metrics.text()
      response.writeHead(200, { 'content-type': options.metrics.contentType }).end(text)
      return
    }
    plain(response, 404, 'Here are /livez, /readyz, /metrics and the admin API.')
  }

  async function admin(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const answered = new Promise<void>((resolve) => response.once('close', resolve))
    answering.add(answered)
    void answered.then(() => answering.delete(answered))
    try {
      authorize(request)
      response.setHeader(adminNodeHeader, options.admin.rooms.node)
      const reply = await options.tracing.run('admin', { question: questionOf(path) }, () =>
        run(request, path),
      )
      json(response, 200, reply)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal.code === 'unauthorized') response.setHeader('www-authenticate', 'Bearer realm="pychat"')
      const body: AdminErrorReply = { schema: 1, error: { code: refusal.code, message: refusal.message } }
      json(response, statusOf[refusal.code], body)
    }
  }

  function authorize(request: IncomingMessage): void {
    const token = options.token()
    if (token === null)
      throw new Refusal('unauthorized', 'The admin API of this relay is off: it has no token.')
    const given = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
    // Hashes have one length, so the comparison tells nothing of the token's.
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
    if (!timingSafeEqual(digest(given), digest(token))) {
      throw new Refusal('unauthorized', 'The admin token is missing or wrong.')
    }
  }

  async function run(request: IncomingMessage, path: string): Promise<unknown> {
    for (const [name, command] of Object.entries<AdminCommand>(adminCommands)) {
      const args = match(command.path, path)
      if (args === null) continue
      if (request.method !== command.method) throw new Refusal('bad-request', `Use ${command.method} here.`)
      if (name === 'shutdown') {
        const { node } = await body(request, shutdownRequestSchema, shutdownBodyWords)
        return adminCommands.shutdown.run(options.admin, node)
      }
      if (name === 'drain') {
        const { node, withinMs } = await body(request, drainRequestSchema, drainBodyWords)
        return adminCommands.drain.run(options.admin, node, withinMs)
      }
      const run = command.run as (context: AdminContext, ...args: unknown[]) => Promise<unknown>
      if (command.request === undefined) return run(options.admin, ...args)
      return run(options.admin, await body(request, command.request.schema, command.request.words))
    }
    throw new Refusal('not-found', 'The admin API has no such path.')
  }

  async function body<T>(request: IncomingMessage, schema: z.ZodType<T>, words: string): Promise<T> {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > bodyBytesMax) throw new Refusal('bad-request', 'The request is too long.')
    }
    const text = Buffer.concat(chunks).toString()
    try {
      return schema.parse(text === '' ? {} : JSON.parse(text))
    } catch {
      throw new Refusal('bad-request', words)
    }
  }

  function refusalOf(error: unknown): Refusal {
    if (error instanceof Refusal) return error
    if (error instanceof AdminError) return new Refusal(error.code, error.message)
    if (!(error instanceof Error && error.name === 'StoreError')) options.fault(error)
    return new Refusal('unavailable', 'The relay cannot answer for the cluster right now; try again soon.')
  }

  return {
    listen() {
      const { host, port } = options.listen
      return new Promise((resolve, reject) => {
        server.once('error', (cause: Error & { code?: string }) => reject(listenFault(cause, host, port)))
        server.listen({ host, port }, () => resolve((server.address() as AddressInfo).port))
      })
    },
    async answered() {
      await Promise.all(answering)
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

function listenFault(cause: Error & { code?: string }, host: string, port: number): Error {
  const place = `${host}:${port} (PYCHAT_OPS_LISTEN)`
  const sentences: Record<string, string> = {
    EADDRINUSE: `Another program already listens on ${place}; stop it or choose another port.`,
    EACCES: `This user may not listen on ${place}; choose a port from 1024 up.`,
    EADDRNOTAVAIL: `This machine has no address ${place}; choose one of its own.`,
  }
  return new Error(
    sentences[cause.code ?? ''] ?? `Listening on ${place} failed (${cause.code ?? 'unknown'}).`,
    {
      cause,
    },
  )
}

/** Name of the command behind a path, for a trace: what was asked about stays out of it. */
function questionOf(path: string): string {
  const found = Object.entries<AdminCommand>(adminCommands).find(([, command]) => match(command.path, path))
  return found?.[0] ?? 'unknown'
}

/** Arguments of a path by its pattern (`:name` takes one segment), or null. */
function match(pattern: string, path: string): string[] | null {
  const wanted = pattern.split('/')
  const given = path.split('/')
  if (wanted.length !== given.length) return null
  const args: string[] = []
  for (const [i, part] of wanted.entries()) {
    const segment = given[i] ?? ''
    if (part.startsWith(':')) args.push(segment)
    else if (part !== segment) return null
  }
  return args
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`${text}\n`)
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body)}\n`)
}
