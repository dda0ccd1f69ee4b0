// The connections of one node to Redis, a primary behind Sentinels, or a Redis Cluster: commands, subscriptions, which
// server holds which slot, and whether all of it works. It decides when the store counts as away.
// What is stored and said there is up to rooms/ and cluster/.
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { StoreError } from '../rooms/rooms.ts'
import type { RedisAddress } from './address.ts'
import { checkRights, missingRight } from './permissions.ts'
import { Sentinels, sentinelMs } from './sentinels.ts'
import { readReplication, type StoreServer, WatchedServer } from './server.ts'
import { Subscriptions } from './subscriptions.ts'

export type ConnectionsOptions = {
  /** First part of every key and channel; "pychat" when left out. */
  keyPrefix?: string
  /** 0..1, spreads reconnects. */
  jitter(): number
  /** No answer for so long: the command has failed. */
  commandTimeoutMs: number
  /** Every so often all connections are asked whether they live. */
  checkMs: number
  /** No answer to that for so long: the store is away. */
  checkTimeoutMs: number
  /** So many replicas have to hold what `StoreServer.replicated` is asked about; 0 when left out. */
  ackReplicas?: number
  /** Replicas that have not answered for so long do not hold it; 500 when left out. */
  ackTimeoutMs?: number
}

export type ConnectionsEvents = {
  availability(available: boolean): void
  /** After every check, once a `checkMs`. */
  tick(): void
}

/** A connection that stayed silent for so long is torn down: a peer that vanished never closes it. */
const silentMsMax = 5000
const connectTimeoutMs = 2500
const refreshPauseMs = 100
/** A connection that was told to close and whose peer is frozen is destroyed after so long. */
const disconnectTimeoutMs = 200

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

type ConnectionTraits = { connectionName: string; lazyConnect?: boolean; autoResubscribe?: boolean }

export class Connections {
  readonly commands: Redis | Cluster
  readonly subscriptions: Subscriptions
  readonly #address: RedisAddress
  /** Listened to once the store is open. */
  readonly #sentinels: Sentinels | null
  readonly listeners: ConnectionsEvents[] = []
  readonly #options: ConnectionsOptions
  readonly #corked = new Set<{ uncork(): void }>()
  /** When a connection last failed to answer for the first time in a row. */
  readonly #silentSince = new WeakMap<object, number>()
  /** Every server ever used as a primary, and by "host:port" those that are primaries now. */
  readonly #watched = new WeakMap<Redis, WatchedServer>()
  readonly #servers = new Map<string, WatchedServer>()
  /** "host:port" by slot as last seen. */
  #slots: (string | undefined)[] = []
  /** What has to be written at the end of this loop turn. */
  #gatheredWrites: (() => void)[] = []
  #lastWrites: (() => void)[] = []
  #turnEnding = false
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
    if (address.kind === 'cluster') {
      const { retryStrategy, enableOfflineQueue: _, ...redisOptions } = this.#redisOptions()
      this.commands = new Cluster(address.hosts, {
        redisOptions,
        lazyConnect: true,
        enableOfflineQueue: false,
        clusterRetryStrategy: retryStrategy,
        slotsRefreshTimeout: 1500,
        slotsRefreshInterval: 5000,
        ...(address.tls ? { dnsLookup: (name, done) => done(null, name) } : {}),
      })
      this.commands.on('refresh', () => this.#watchPrimaries())
      this.commands.on('ready', () => this.#watchPrimaries())
      this.commands.on('+node', () => this.#watchPrimaries())
    } else {
      this.commands = this.#newConnection(this.#placeOf(first), {
        lazyConnect: true,
        connectionName: 'pychat-commands',
      })
      this.commands.on('end', () => this.#revive(this.commands as Redis))
      this.#watchPrimaries()
    }
    this.#sentinels =
      address.kind === 'sentinel'
        ? new Sentinels(address, (host, port) => this.#toldPrimary(host, port))
        : null
    // Errors of connections show in `close` and in failed checks; without a listener they would be printed.
    const note = (error: unknown) => {
      if (!this.#opened) this.#openErrors.push(error)
    }
    this.commands.on('error', note)
    this.commands.on('node error', note)
    this.commands.on('sentinelError', note)
    this.commands.on('close', () => this.#lost())
    this.subscriptions = new Subscriptions({
      connect: (key) => {
        const redis = this.#newConnection(key, {
          autoResubscribe: false,
          connectionName: 'pychat-subscriber',
        })
        redis.on('end', () => {
          if (this.subscriptions.connections().some((each) => each.redis === redis)) this.#revive(redis)
        })
        return redis
      },
      bySlot: address.kind === 'cluster',
      primaryOf: (slot) => this.#primaryOf(slot),
      moved: () => this.#slotsMoved(),
      lost: () => this.#lost(),
      settled: () => this.#checkAgain(),
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
      const info = await this.#within(this.#firstNode().info(), this.#options.commandTimeoutMs)
      this.#checkServer(info)
      this.subscriptions.refresh(this.#primaries())
      await this.#waitForAll()
      await this.#checkRights()
    } catch (error) {
      this.close()
      throw this.#openError(error)
    }
    this.#opened = true
    this.#availableSince = performance.now()
    this.#sentinels?.open()
    this.#timer = setInterval(async () => {
      await this.#check()
      if (!this.#closed) for (const each of this.listeners) each.tick()
    }, this.#options.checkMs)
  }

  /** The primary that serves a slot as it is now: ask anew in every loop turn. @throws StoreError unreachable */
  server(slot: number): StoreServer {
    const key = this.#primaryOf(slot)
    const server = key === null ? null : (this.#servers.get(key)?.current ?? null)
    if (server === null) throw storeAway(new Error('the primary or its replication id is unknown'))
    return server
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#sentinels?.close()
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
    if (this.#corked.size > 0) this.#endTurn()
  }

  /** Calls `write` once, when this turn of the event loop ends: with all that leaves then, before every WAIT. */
  atTurnEnd(write: () => void): void {
    this.#gatheredWrites.push(write)
    this.#endTurn()
  }

  /** What is corked leaves with the next turn of the loop, and with it what had to wait for everything else. */
  #endTurn(): void {
    if (this.#turnEnding) return
    this.#turnEnding = true
    setImmediate(() => {
      this.#turnEnding = false
      for (const write of this.#gatheredWrites.splice(0)) write()
      for (const write of this.#lastWrites.splice(0)) write()
      for (const stream of this.#corked) stream.uncork()
      this.#corked.clear()
    })
  }

  #redisOptions() {
    const { username, password, db, tls } = this.#address
    return {
      ...(username === null ? {} : { username }),
      ...(password === null ? {} : { password }),
      ...(tls ? { tls: {} } : {}),
      db,
      connectTimeout: connectTimeoutMs,
      disconnectTimeout: disconnectTimeoutMs,
      commandTimeout: this.#options.commandTimeoutMs,
      // With its connection a command has failed: at once rather than when its time is up.
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableAutoPipelining: false,
      // A script that was sent may have run: only its caller knows whether it may be sent again.
      autoResendUnfulfilledCommands: false,
      disableClientInfo: true,
      retryStrategy: (times: number) =>
        Math.min(100 * 2 ** Math.min(times - 1, 4), 1000) * (0.5 + this.#options.jitter() / 2),
    } satisfies RedisOptions
  }

  /** A connection to a server, or to whatever the Sentinels call primary whenever it connects. */
  #newConnection(key: string, more: ConnectionTraits): Redis {
    const { kind, hosts, name, tls } = this.#address
    const options = { ...this.#redisOptions(), ...more }
    if (kind !== 'sentinel' || name === null) {
      const colon = key.lastIndexOf(':')
      return new Redis({ ...options, host: key.slice(0, colon), port: Number(key.slice(colon + 1)) })
    }
    const redis = new Redis({
      ...options,
      sentinels: hosts,
      name,
      role: 'master',
      sentinelCommandTimeout: sentinelMs,
      // While opening the first round decides.
      sentinelRetryStrategy: (times) => (this.#opened ? Math.min(50 * times, sentinelMs) : null),
      ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
    })
    redis.on('sentinelError', () => {})
    return redis
  }

  /** A Sentinel names the primary: a connection to another server is given up, and asks anew where to go. */
  #toldPrimary(host: string, port: number): void {
    for (const redis of [
      this.commands as Redis,
      ...this.subscriptions.connections().map((each) => each.redis),
    ]) {
      const { stream } = redis
      // None while it is asking the Sentinels.
      if (!stream || stream.destroyed) continue
      if (stream.remotePort === port && stream.remoteAddress === host) continue
      stream.destroy()
    }
  }

  /** ioredis gives up for good what was interrupted before it had a socket, as while it asks the Sentinels. */
  #revive(redis: Redis): void {
    if (this.#closed || !this.#opened) return
    setTimeout(() => {
      if (!this.#closed && redis.status === 'end') redis.connect().catch(() => {})
    }, refreshPauseMs)
  }

  #firstNode(): Redis {
    if (!(this.commands instanceof Cluster)) return this.commands
    const [node] = this.commands.nodes('master')
    if (node === undefined) throw new StoreError('unreachable', this.#unreachable())
    return node
  }

  /** The name of the one place that is no Cluster: a server's "host:port", or what Sentinels call their primary. */
  #placeOf({ host, port }: { host: string; port: number }): string {
    return this.#address.name ?? `${host}:${port}`
  }

  /** "host:port" of every server that serves slots, or the one place. */
  #primaries(): Set<string> {
    const primaries = new Set<string>()
    if (this.commands instanceof Cluster) {
      for (const slot of this.commands.slots) if (slot?.[0] !== undefined) primaries.add(slot[0])
    } else {
      for (const host of this.#address.hosts.slice(0, 1)) primaries.add(this.#placeOf(host))
    }
    return primaries
  }

  #primaryOf(slot: number): string | null {
    if (this.commands instanceof Cluster) return this.commands.slots[slot]?.[0] ?? null
    const [first] = this.#address.hosts
    return first === undefined ? null : this.#placeOf(first)
  }

  /** Learns who the primaries are, and doubts those that got slots: they may have been promoted. */
  #watchPrimaries(): void {
    const primaries = this.#primaries()
    if (!(this.commands instanceof Cluster)) {
      for (const key of primaries)
        this.#servers.set(key, this.#watched.get(this.commands) ?? this.#watch(this.commands))
      return
    }
    const nodes = new Map(this.commands.nodes('all').map((redis) => [hostAndPort(redis), redis]))
    for (const key of this.#servers.keys()) if (!primaries.has(key)) this.#servers.delete(key)
    const gained = new Set<string>()
    for (const [slot, keys] of this.commands.slots.entries()) {
      const key = keys?.[0]
      if (key !== undefined && this.#slots[slot] !== key) gained.add(key)
      this.#slots[slot] = key
    }
    for (const key of primaries) {
      const redis = nodes.get(key)
      if (redis === undefined) {
        this.#servers.delete(key)
        continue
      }
      const known = this.#watched.get(redis)
      this.#servers.set(key, known ?? this.#watch(redis))
      if (known !== undefined && gained.has(key)) known.doubt()
      // ioredis connects to those of its pool upon their first command; an id is needed before. Not before its own check
      // of the cluster, which takes a connection on its way for a lost one.
      if (this.commands.status === 'ready' && redis.status === 'wait') redis.connect().catch(() => {})
    }
  }

  #watch(redis: Redis): WatchedServer {
    const { ackReplicas = 0, ackTimeoutMs = 500, checkMs, checkTimeoutMs } = this.#options
    const server: WatchedServer = new WatchedServer(redis, {
      ackReplicas,
      ackTimeoutMs,
      answerMs: checkTimeoutMs,
      idMsMax: 2 * checkMs + checkTimeoutMs,
      atTurnEnd: (write) => {
        this.#lastWrites.push(write)
        this.cork()
        this.#endTurn()
      },
      known: () => this.#checkAgain(),
      demoted: () => {
        if (this.commands instanceof Cluster) this.#slotsMoved()
        // Whoever knows the primary is asked upon connecting: the Sentinels, or the name's resolver. At the start
        // it is not for an outage to be waited out, but for `open` to say.
        else if (this.#opened) redis.stream?.destroy()
      },
      moved: () => this.#slotsMoved(),
      lost: () => {
        if (![...this.#servers.values()].includes(server)) return
        this.#lost()
        this.#slotsMoved()
      },
    })
    this.#watched.set(redis, server)
    return server
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

  async #waitForAll(): Promise<void> {
    const deadline = Date.now() + connectTimeoutMs
    for (;;) {
      const heard = this.subscriptions.connections().every(({ redis }) => redis.status === 'ready')
      const known = [...this.#primaries()].every((key) => this.#servers.get(key)?.current)
      if (heard && known) return
      if (Date.now() > deadline) throw new StoreError('unreachable', this.#unreachable())
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async #checkRights(): Promise<void> {
    const redis = { eval: (...call: [string, number, ...string[]]) => this.commands.eval(...call) }
    const asking = checkRights(redis, this.#address.kind, this.#prefix)
    await this.#within(asking, this.#options.commandTimeoutMs)
  }

  #checkServer(info: string): void {
    const version = /^redis_version:(\d+)\.(\d+)\S*/m.exec(info)
    if (version === null || Number(version[1]) < 7) {
      throw new StoreError(
        'too-old',
        `${this.#subject()} is version ${version?.[0].slice(14) ?? 'unknown'}; ` +
          'the relay needs Redis 7.0 or Valkey 7.2, or later.',
      )
    }
    const { kind } = this.#address
    if (kind === 'cluster') return
    if (/^(?:redis|server)_mode:cluster/m.test(info)) {
      throw new StoreError(
        'refused',
        `Redis at ${this.#address.shown} is part of a Redis Cluster; write PYCHAT_REDIS_URL as redis+cluster://host:port.`,
      )
    }
    if (/^(?:redis|server)_mode:sentinel/m.test(info)) {
      throw new StoreError(
        'refused',
        `At ${this.#address.shown} answers a Sentinel, not Redis; write PYCHAT_REDIS_URL as redis+sentinel://host:port/NAME.`,
      )
    }
    if (kind === 'single' && /^role:slave/m.test(info)) {
      throw new StoreError(
        'refused',
        `Redis at ${this.#address.shown} is a replica; name its primary in PYCHAT_REDIS_URL, or its Sentinels.`,
      )
    }
  }

  #openError(error: unknown): StoreError {
    if (error instanceof StoreError) return error
    const texts = [error, ...this.#openErrors].map((each) => (each instanceof Error ? each.message : ''))
    const text = texts.join(' ')
    const cause = causeOf(this.#openErrors.at(-1) ?? error)
    const { kind, name, shown } = this.#address
    if (kind === 'sentinel') {
      if (texts.some((each) => /to sentinel .* because .*(?:NOAUTH|WRONGPASS|NOPERM)/.test(each))) {
        return new StoreError(
          'refused',
          `The Sentinels at ${shown} want a password; the relay asks them without one, so let them answer.`,
          { cause },
        )
      }
      if (/invalid reply: null|No such master/.test(text)) {
        return new StoreError(
          'refused',
          `The Sentinels at ${shown} know no primary named ${name}; check the name in PYCHAT_REDIS_URL.`,
          { cause },
        )
      }
      if (/to sentinel .* because .*unknown command/i.test(text)) {
        return new StoreError(
          'refused',
          `At ${shown} answers Redis, not a Sentinel; write PYCHAT_REDIS_URL as redis://host:port.`,
          { cause },
        )
      }
      if (/sentinels are unreachable/i.test(text)) {
        return new StoreError(
          'unreachable',
          `None of the Sentinels at ${shown} can be reached; check that they run and that PYCHAT_REDIS_URL names them.`,
          { cause },
        )
      }
    }
    for (const each of [error, ...this.#openErrors]) {
      const sentence = missingRight(each, this.#prefix)
      if (sentence !== null) return new StoreError('refused', sentence, { cause })
    }
    if (/WRONGPASS|NOAUTH|invalid password|AUTH/i.test(text)) {
      return new StoreError(
        'refused',
        `${this.#subject()} refused the relay's user; check user and password in PYCHAT_REDIS_URL.`,
        { cause },
      )
    }
    if (/cluster support disabled/i.test(text)) {
      return new StoreError(
        'refused',
        `Redis at ${shown} is no Redis Cluster; write PYCHAT_REDIS_URL as redis://host:port.`,
        { cause },
      )
    }
    return new StoreError('unreachable', this.#unreachable(), { cause })
  }

  get #prefix(): string {
    return this.#options.keyPrefix ?? 'pychat'
  }

  #subject(): string {
    const { name, shown } = this.#address
    return name === null ? `Redis at ${shown}` : `Redis, by the name of ${name} at the Sentinels ${shown},`
  }

  #unreachable(): string {
    return `${this.#subject()} cannot be reached; check that it runs and that PYCHAT_REDIS_URL names it.`
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

  /** Something came back: the next check need not wait for its time. */
  #checkAgain(): void {
    if (this.#opened && !this.#available) void this.#check()
  }

  async #check(): Promise<void> {
    if (this.#checking || this.#closed) return
    this.#checking = true
    try {
      this.#watchPrimaries()
      const primaries = this.#primaries()
      this.subscriptions.refresh(primaries)
      const subscribers = this.subscriptions.connections()
      const [heard, served] = await Promise.all([
        Promise.all(subscribers.map(({ redis }) => this.#alive(redis, () => this.#hears(redis)))),
        Promise.all(
          [...this.#servers.values()].map((server) => this.#alive(server.redis, () => server.read())),
        ),
      ])
      const complete = subscribers.length === primaries.size && served.length === primaries.size
      if (this.#closed) return
      const alive = complete && primaries.size > 0 && !heard.includes(false) && !served.includes(false)
      if (!alive) this.#set(false)
      else if (this.#available || this.subscriptions.settled()) this.#set(true)
      if (!alive && this.commands instanceof Cluster) this.commands.refreshSlotsCache()
    } finally {
      this.#checking = false
    }
  }

  /** Whether a subscriber's server answers and, where that may be another one, is the commands' server. */
  async #hears(redis: Redis): Promise<boolean> {
    const { checkTimeoutMs } = this.#options
    if (this.commands instanceof Cluster) {
      return this.#within(redis.ping(), checkTimeoutMs).then(
        () => true,
        () => false,
      )
    }
    const here = await readReplication(redis, checkTimeoutMs)
    if (here === null) return false
    const there = this.#watched.get(this.commands)?.current
    if (here.primary && (!there || there.replicationId === here.id)) return true
    // Of two primaries one was left behind: both connections ask again who it is.
    redis.stream?.destroy()
    if (here.primary) this.commands.stream?.destroy()
    return false
  }

  async #alive(redis: Redis, ask: () => Promise<boolean>): Promise<boolean> {
    if (await ask()) {
      this.#silentSince.delete(redis)
      return true
    }
    const since = this.#silentSince.get(redis) ?? Date.now()
    this.#silentSince.set(redis, since)
    if (Date.now() - since > silentMsMax) {
      this.#silentSince.delete(redis)
      redis.stream?.destroy()
    }
    return false
  }
}
