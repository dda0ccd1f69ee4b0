// The connections of one node to Redis or a Redis Cluster: commands, subscriptions, and whether they work.
// It decides when the store counts as away. What is stored and said there is up to rooms/ and cluster/.
import { Cluster, Redis } from 'ioredis'
import { StoreError } from '../rooms/rooms.ts'
import type { RedisAddress } from './address.ts'
import { createScripts, type Scripts } from './scripts.ts'
import { type ShardAddress, Subscriptions } from './subscriptions.ts'

export type ConnectionsOptions = {
  /** 0..1, spreads reconnects. */
  jitter(): number
  /** No answer for so long: the command has failed. */
  commandTimeoutMs: number
  /** Every so often all connections are asked whether they live. */
  checkMs: number
  /** No answer to that for so long: the store is away. */
  checkTimeoutMs: number
}

export type ConnectionsEvents = {
  availability(available: boolean): void
  /** After every check, once a `checkMs`. */
  tick(): void
}

/** A connection that stayed silent for so long is torn down: a peer that vanished never closes it. */
const silentMsMax = 8000
const connectTimeoutMs = 2500
const refreshPauseMs = 100

/** What is thrown when a command failed: its caller can only try again later. */
export function storeAway(error: unknown): StoreError {
  return new StoreError('unreachable', 'Redis did not answer; try again when the relay is ready.', {
    cause: causeOf(error),
  })
}

/** Error of ours about an error of ioredis, whose own object carries the command and with it the password. */
function causeOf(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : 'unknown')
}

function hostAndPort(redis: Redis): string {
  return `${redis.options.host}:${redis.options.port}`
}

export class Connections {
  readonly commands: Redis | Cluster
  readonly subscriptions: Subscriptions
  readonly scripts: Scripts
  readonly #address: RedisAddress
  readonly listeners: ConnectionsEvents[] = []
  readonly #options: ConnectionsOptions
  readonly #corked = new Set<{ uncork(): void }>()
  /** When a connection last failed to answer for the first time in a row. */
  readonly #silentSince = new WeakMap<object, number>()
  #available = true
  #availableSince = 0
  #timer: NodeJS.Timeout | null = null
  #opened = false
  #closed = false
  #checking = false
  #refreshing = false
  /** What went wrong on the way to being open: the error that ends it is seldom the one that explains it. */
  readonly #openErrors: unknown[] = []

  constructor(address: RedisAddress, options: ConnectionsOptions) {
    this.#address = address
    this.#options = options
    const [first] = address.hosts
    if (first === undefined) throw new StoreError('refused', 'PYCHAT_REDIS_URL names no host.')
    if (address.kind === 'single') {
      this.commands = new Redis({
        ...this.#redisOptions(first),
        lazyConnect: true,
        connectionName: 'pychat-commands',
      })
    } else {
      const {
        host: _,
        port: __,
        enableOfflineQueue: ___,
        retryStrategy,
        ...redisOptions
      } = this.#redisOptions(first)
      this.commands = new Cluster(address.hosts, {
        redisOptions,
        lazyConnect: true,
        enableOfflineQueue: false,
        clusterRetryStrategy: retryStrategy,
        slotsRefreshTimeout: 1500,
        slotsRefreshInterval: 5000,
        ...(address.tls ? { dnsLookup: (name, done) => done(null, name) } : {}),
      })
    }
    // Errors of connections show in `close` and in failed checks; without a listener they would be printed.
    const note = (error: unknown) => {
      if (!this.#opened) this.#openErrors.push(error)
    }
    this.commands.on('error', note)
    this.commands.on('node error', note)
    this.commands.on('close', () => this.#lost())
    this.scripts = createScripts(this.commands)
    this.subscriptions = new Subscriptions({
      connect: (shard) =>
        new Redis({
          ...this.#redisOptions(shard),
          autoResubscribe: false,
          connectionName: 'pychat-subscriber',
        }),
      bySlot: address.kind === 'cluster',
      primaryOf: (slot) => this.#primaryOf(slot),
      moved: () => this.#slotsMoved(),
      lost: () => this.#lost(),
      timeoutMs: this.#options.commandTimeoutMs,
    })
  }

  /** Whether the store answered the last check, and every connection has stood since. */
  get available(): boolean {
    return this.#available && this.#opened && !this.#closed
  }

  /** For how many milliseconds the store has been answering without a break; 0 while it does not. */
  get availableMs(): number {
    return this.available ? performance.now() - this.#availableSince : 0
  }

  /** @throws StoreError unreachable, too-old or refused, with a sentence */
  async open(): Promise<void> {
    try {
      await this.#within(this.commands.connect(), connectTimeoutMs * 2)
      const info = await this.#within(this.#firstNode().info('server'), this.#options.commandTimeoutMs)
      this.#checkServer(info)
      this.subscriptions.refresh(this.#primaries())
      await this.#waitForSubscribers()
    } catch (error) {
      this.close()
      throw this.#openError(error)
    }
    this.#opened = true
    this.#availableSince = performance.now()
    this.#timer = setInterval(() => void this.#check(), this.#options.checkMs)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#timer !== null) clearInterval(this.#timer)
    this.subscriptions.close()
    this.commands.disconnect()
  }

  /** Holds back what is written to Redis in this turn of the event loop, so that it leaves in one piece. */
  cork(): void {
    if (this.#corked.size > 0) return
    const clients = this.commands instanceof Cluster ? this.commands.nodes('master') : [this.commands]
    for (const { stream } of clients) {
      if (!stream?.writable) continue
      stream.cork()
      this.#corked.add(stream)
    }
    if (this.#corked.size === 0) return
    setImmediate(() => {
      for (const stream of this.#corked) stream.uncork()
      this.#corked.clear()
    })
  }

  #redisOptions({ host, port }: ShardAddress) {
    const { username, password, db, tls } = this.#address
    return {
      host,
      port,
      ...(username === null ? {} : { username }),
      ...(password === null ? {} : { password }),
      ...(tls ? { tls: {} } : {}),
      db,
      connectTimeout: connectTimeoutMs,
      commandTimeout: this.#options.commandTimeoutMs,
      maxRetriesPerRequest: 1,
      enableOfflineQueue: false,
      enableAutoPipelining: false,
      // A script that was sent may have run: only its caller knows whether it may be sent again.
      autoResendUnfulfilledCommands: false,
      disableClientInfo: true,
      retryStrategy: (times: number) =>
        Math.min(100 * 2 ** Math.min(times - 1, 4), 1000) * (0.5 + this.#options.jitter() / 2),
    }
  }

  #firstNode(): Redis {
    if (!(this.commands instanceof Cluster)) return this.commands
    const [node] = this.commands.nodes('master')
    if (node === undefined) throw new StoreError('unreachable', this.#unreachable())
    return node
  }

  /** "host:port" of every server that serves slots, or of the one server. */
  #primaries(): Set<string> {
    const primaries = new Set<string>()
    if (this.commands instanceof Cluster) {
      for (const slot of this.commands.slots) if (slot?.[0] !== undefined) primaries.add(slot[0])
    } else {
      primaries.add(hostAndPort(this.commands))
    }
    return primaries
  }

  #primaryOf(slot: number): string | null {
    if (this.commands instanceof Cluster) return this.commands.slots[slot]?.[0] ?? null
    return hostAndPort(this.commands)
  }

  /** At most a few times a second: a stale map may lead to the wrong server again and again. */
  #slotsMoved(): void {
    if (this.#refreshing) return
    this.#refreshing = true
    const refresh = () => {
      this.#refreshing = false
      this.subscriptions.refresh(this.#primaries())
    }
    setTimeout(() => {
      if (this.#closed) return
      if (this.commands instanceof Cluster) this.commands.refreshSlotsCache(refresh)
      else refresh()
    }, refreshPauseMs)
  }

  async #waitForSubscribers(): Promise<void> {
    const deadline = Date.now() + connectTimeoutMs
    for (;;) {
      const connections = this.subscriptions.connections()
      if (connections.every(({ redis }) => redis.status === 'ready')) return
      if (Date.now() > deadline) throw new StoreError('unreachable', this.#unreachable())
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  #checkServer(info: string): void {
    const version = /^redis_version:(\d+)\.(\d+)\S*/m.exec(info)
    if (version === null || Number(version[1]) < 7) {
      throw new StoreError(
        'too-old',
        `Redis at ${this.#address.shown} is version ${version?.[0].slice(14) ?? 'unknown'}; ` +
          'the relay needs Redis 7.0 or Valkey 7.2, or later.',
      )
    }
    const clustered = /^(?:redis|server)_mode:cluster/m.test(info)
    if (clustered && this.#address.kind === 'single') {
      throw new StoreError(
        'refused',
        `Redis at ${this.#address.shown} is part of a Redis Cluster; write PYCHAT_REDIS_URL as redis+cluster://host:port.`,
      )
    }
  }

  #openError(error: unknown): StoreError {
    if (error instanceof StoreError) return error
    const text = [error, ...this.#openErrors]
      .map((each) => (each instanceof Error ? each.message : ''))
      .join(' ')
    const cause = causeOf(this.#openErrors.at(-1) ?? error)
    if (/WRONGPASS|NOAUTH|NOPERM|invalid password|AUTH/i.test(text)) {
      return new StoreError(
        'refused',
        `Redis at ${this.#address.shown} refused the relay's user; check user and password in PYCHAT_REDIS_URL.`,
        { cause },
      )
    }
    if (/cluster support disabled/i.test(text)) {
      return new StoreError(
        'refused',
        `Redis at ${this.#address.shown} is no Redis Cluster; write PYCHAT_REDIS_URL as redis://host:port.`,
        { cause },
      )
    }
    return new StoreError('unreachable', this.#unreachable(), { cause })
  }

  #unreachable(): string {
    return `Redis at ${this.#address.shown} cannot be reached; check that it runs and that PYCHAT_REDIS_URL names it.`
  }

  #within<T>(promise: Promise<T>, ms: number): Promise<T> {
    let timer: NodeJS.Timeout
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), ms)
    })
    return Promise.race([promise, late]).finally(() => clearTimeout(timer))
  }

  #lost(): void {
    if (this.#closed || !this.#opened) return
    this.#set(false)
  }

  #set(available: boolean): void {
    if (this.#available === available) return
    this.#available = available
    this.#availableSince = performance.now()
    for (const each of this.listeners) each.availability(available)
  }

  async #check(): Promise<void> {
    if (this.#checking || this.#closed) return
    this.#checking = true
    try {
      const primaries = this.#primaries()
      this.subscriptions.refresh(primaries)
      const connections = this.subscriptions.connections()
      if (this.commands instanceof Cluster) {
        const nodes = new Map(this.commands.nodes('all').map((redis) => [hostAndPort(redis), redis]))
        for (const key of primaries) {
          const redis = nodes.get(key)
          if (redis !== undefined) connections.push({ key, redis })
          else this.commands.refreshSlotsCache()
        }
      } else {
        connections.push({ key: hostAndPort(this.commands), redis: this.commands })
      }
      const alive = await Promise.all(connections.map(({ redis }) => this.#alive(redis)))
      const complete = connections.length === 2 * primaries.size && primaries.size > 0
      if (this.#closed) return
      if (!complete || alive.includes(false)) this.#set(false)
      else if (this.#available || this.subscriptions.settled()) this.#set(true)
      for (const each of this.listeners) each.tick()
    } finally {
      this.#checking = false
    }
  }

  async #alive(redis: Redis): Promise<boolean> {
    try {
      await this.#within(redis.ping(), this.#options.checkTimeoutMs)
      this.#silentSince.delete(redis)
      return true
    } catch {
      const since = this.#silentSince.get(redis) ?? Date.now()
      this.#silentSince.set(redis, since)
      if (Date.now() - since > silentMsMax) {
        this.#silentSince.delete(redis)
        redis.stream?.destroy()
      }
      return false
    }
  }
}
