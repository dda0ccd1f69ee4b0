// One connection to a primary: who it is (its replication id), and whether replicas hold what was written on it.
// A primary is handed out only while its id is known: a promoted replica may have lost the tail of every log, and the
// rooms' scripts notice that by a changed id alone. What an id is compared with is up to them, where a primary is up
// to connections.ts.
import type { Socket } from 'node:net'
import type { Redis } from 'ioredis'

/** The primary that serves a slot, as the commands of one room need it: one TCP connection, one replication id. */
export type StoreServer = {
  /** The connection itself: scripts are called on it directly, so that nothing is redirected silently. */
  readonly redis: Redis
  /** First 16 hex digits of master_replid, as this very connection reported it. */
  readonly replicationId: string
  /**
   * Whether `ackReplicas` replicas hold everything that was written on this connection before the call. Calls of a loop
   * turn share one WAIT, which covers that turn's commands too; while one is under way the next ones share the next.
   * @returns true at once when ackReplicas is 0; false when not in time, when the connection or its id is another one
   * by now, or upon an error. Never rejects.
   */
  replicated(): Promise<boolean>
  /** Tells of a command's error. One that says the server is no longer what it was makes its id unknown. */
  failed(error: unknown): void
}

export type WatchedServerOptions = {
  ackReplicas: number
  ackTimeoutMs: number
  /** No answer to a question for so long is none. */
  answerMs: number
  /** An id that was not confirmed for so long is unknown: this process, or the server, may have been stopped. */
  idMsMax: number
  /** Calls back once all commands of this loop turn are written, before they leave. */
  atTurnEnd(write: () => void): void
  /** Its id became known: it can be used from now on. */
  known(): void
  /** It says that it is no primary. */
  demoted(): void
  /** An error says that slots or roles have changed. */
  moved(): void
  lost(): void
}

type Link = StoreServer & { readonly stream: Socket }
type Waiting = { link: Link; settle(held: boolean): void }

/** STALE is what lua/ answers to a retired id, UNBLOCKED what a demoted server says to a WAIT. */
const roleChanged =
  /^(?:MOVED|ASK|CLUSTERDOWN|READONLY|MASTERDOWN|LOADING|STALE|UNBLOCKED|ERR WAIT cannot be used with replica)\b/

/** Whether a command's error, or the one that caused it, says that its server may not be what it was. */
export function saysRoleChanged(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return roleChanged.test(error.message) || saysRoleChanged(error.cause)
}

export type Replication = { primary: boolean; id: string }

/** Asks a connection what its server is. @returns null when it does not say so in time */
export async function readReplication(redis: Redis, answerMs: number): Promise<Replication | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), answerMs)
  })
  try {
    const info = await Promise.race([redis.info('replication'), late])
    const id = /^master_replid:([0-9a-f]{40})\s*$/m.exec(info ?? '')?.[1]
    if (info === null || id === undefined) return null
    return { primary: /^role:master\s*$/m.test(info), id: id.slice(0, 16) }
  } catch {
    return null
  } finally {
    clearTimeout(timer)
  }
}

export class WatchedServer {
  readonly redis: Redis
  readonly #options: WatchedServerOptions
  #link: Link | null = null
  #confirmedAt = 0
  /** Grows when what was asked before must not count any more. */
  #generation = 0
  #waiting: Waiting[] = []
  /** Those that the WAIT under way answers. */
  #asked: Waiting[] | null = null
  #reading = false

  constructor(redis: Redis, options: WatchedServerOptions) {
    this.redis = redis
    this.#options = options
    redis.on('ready', () => this.#ready())
    redis.on('close', () => {
      this.#forget()
      options.lost()
    })
    if (redis.status === 'ready') this.#ready()
  }

  #ready(): void {
    // ioredis adds its own listener in a way that makes Node queue what it reads for a tick of its own.
    this.redis.stream.on('data', () => {})
    void this.read()
  }

  /** The server as it is now, or null while its id is unknown. Ask for it anew in every loop turn. */
  get current(): StoreServer | null {
    const link = this.#link
    if (link === null || !this.#stands(link)) return null
    if (performance.now() - this.#confirmedAt <= this.#options.idMsMax) return link
    if (!this.#reading) void this.read()
    return null
  }

  /** Makes the id unknown until it is read anew, which starts at once. */
  doubt(): void {
    this.#generation += 1
    this.#link = null
    if (this.redis.status === 'ready') void this.read()
  }

  /** Reads the id, or confirms it. @returns whether this is a primary that answers. Never throws. */
  async read(): Promise<boolean> {
    const { stream } = this.redis
    const generation = this.#generation
    const askedAt = performance.now()
    this.#reading = true
    const replication = await readReplication(this.redis, this.#options.answerMs)
    this.#reading = false
    if (replication === null || generation !== this.#generation || stream !== this.redis.stream) return false
    if (!replication.primary) {
      this.#generation += 1
      this.#link = null
      this.#options.demoted()
      return false
    }
    this.#confirmedAt = askedAt
    if (this.#link?.replicationId === replication.id && this.#link.stream === stream) return true
    this.#link = this.#newLink(replication.id, stream as Socket)
    this.#options.known()
    return true
  }

  #newLink(replicationId: string, stream: Socket): Link {
    const link: Link = {
      redis: this.redis,
      replicationId,
      stream,
      replicated: () => this.#replicated(link),
      failed: (error) => this.#failed(link, error),
    }
    return link
  }

  #stands(link: Link): boolean {
    return this.redis.status === 'ready' && this.redis.stream === link.stream && link.stream.writable
  }

  #forget(): void {
    this.#generation += 1
    this.#link = null
    const given = [...(this.#asked ?? []), ...this.#waiting]
    this.#asked = null
    this.#waiting = []
    for (const { settle } of given) settle(false)
  }

  #failed(link: Link, error: unknown): void {
    if (!saysRoleChanged(error)) return
    // Of many commands that failed for one reason the first one starts the reading.
    if (this.#link !== null && this.#stands(link)) this.doubt()
    this.#options.moved()
  }

  #replicated(link: Link): Promise<boolean> {
    if (this.#options.ackReplicas === 0) return Promise.resolve(true)
    // A WAIT covers only what its own connection wrote: on another one it would be true at once.
    if (this.#link !== link || !this.#stands(link)) return Promise.resolve(false)
    return new Promise((settle) => {
      this.#waiting.push({ link, settle })
      if (this.#waiting.length === 1 && this.#asked === null) this.#waitAtTurnEnd()
    })
  }

  #waitAtTurnEnd(): void {
    this.#options.atTurnEnd(() => this.#wait())
  }

  /** One WAIT at a time: it blocks its connection, and with a dead replica each one does for its whole time. */
  #wait(): void {
    if (this.#asked !== null || this.#waiting.length === 0) return
    const asked = this.#waiting
    this.#asked = asked
    this.#waiting = []
    const { ackReplicas, ackTimeoutMs } = this.#options
    const answer = (holders: number) => {
      if (this.#asked !== asked) return
      this.#asked = null
      for (const { link, settle } of asked) settle(holders >= ackReplicas && this.#link === link)
      if (this.#waiting.length > 0) this.#waitAtTurnEnd()
    }
    this.redis.wait(ackReplicas, ackTimeoutMs).then(answer, (error: unknown) => {
      answer(0)
      if (saysRoleChanged(error)) {
        this.doubt()
        this.#options.moved()
      }
    })
  }
}
