// Sharded subscriptions: which channels this node wants, and one subscriber connection per primary that serves them.
// ioredis' own sharded subscriber recounts every slot on each call and notices no frozen server, hence this one.
// It gathers (un)subscribes (gathered.ts), subscribes anew after every reconnect, and follows slots that move.
// It does not know what the messages mean.
import type { Socket } from 'node:net'
import type { Redis } from 'ioredis'
import { StoreError } from '../rooms/rooms.ts'
import { gathered } from './gathered.ts'
import { slotOf } from './keys.ts'
import { cutMessages } from './smessages.ts'

export type SubscriptionsOptions = {
  /** Makes a connection to the primary that goes by this key, without ioredis' own resubscribing. */
  connect(key: string): Redis
  /** Channels of one SSUBSCRIBE must share a slot: so it is on a Redis Cluster. */
  bySlot: boolean
  /** Key of the primary that serves the slot, or null while nobody is known to. */
  primaryOf(slot: number): string | null
  /** The slots seem to have moved: ask the cluster. */
  moved(): void
  /** A connection was lost. Messages may be missed from now on. */
  lost(): void
  /** Every wanted channel is heard again. */
  settled(): void
  /** How long `subscribe` waits. */
  timeoutMs: number
}

export type ChannelHandler = {
  /** @param message owned by the reader's buffer; valid during the call */
  message(message: Buffer): void
  /** The channel is heard again after it was not: something may have been missed. */
  resumed(): void
}

type Wanted = {
  channel: string
  slot: number
  handler: ChannelHandler
  /** The shard that confirmed the subscription. */
  shard: Shard | null
  /** Whether it was ever confirmed: then another confirmation is a resumption. */
  heard: boolean
  waiting: ((error: Error | null) => void)[]
}

type Shard = {
  key: string
  redis: Redis
  ready: boolean
  subscribing: Set<string>
  unsubscribing: Set<string>
}

/** Centrifuge's measure: longer commands gain nothing. */
const channelsPerCommandMax = 512

export class Subscriptions {
  readonly #options: SubscriptionsOptions
  readonly #wanted = new Map<string, Wanted>()
  readonly #shards = new Map<string, Shard>()
  #heard = 0
  #closed = false
  readonly #flushLater: () => void

  constructor(options: SubscriptionsOptions) {
    this.#options = options
    this.#flushLater = gathered(() => {
      for (const shard of this.#shards.values()) this.#flush(shard)
    })
  }

  /**
   * Hears a channel from now on. Repeats are safe and replace the handler.
   * @returns when the server has confirmed it  @throws StoreError unreachable after timeoutMs; the channel stays wanted
   */
  subscribe(channel: string, handler: ChannelHandler): Promise<void> {
    let wanted = this.#wanted.get(channel)
    if (wanted === undefined) {
      wanted = { channel, slot: slotOf(channel), handler, shard: null, heard: false, waiting: [] }
      this.#wanted.set(channel, wanted)
      this.#ask(wanted)
    }
    wanted.handler = handler
    if (wanted.shard !== null) return Promise.resolve()
    const { waiting } = wanted
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new StoreError('unreachable', 'Redis did not confirm a subscription in time.')),
        this.#options.timeoutMs,
      )
      waiting.push((error) => {
        clearTimeout(timer)
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  /** Stops hearing a channel. Does nothing when it is not heard. */
  unsubscribe(channel: string): void {
    const wanted = this.#wanted.get(channel)
    if (wanted === undefined) return
    this.#wanted.delete(channel)
    if (wanted.shard !== null) this.#heard -= 1
    for (const done of wanted.waiting) done(new StoreError('unreachable', 'The subscription was given up.'))
    const shard = wanted.shard ?? this.#shardOf(wanted.slot)
    if (shard === null) return
    shard.subscribing.delete(channel)
    shard.unsubscribing.add(channel)
    this.#flushLater()
  }

  /** Connections to primaries, for health checks. */
  connections(): { key: string; redis: Redis }[] {
    return [...this.#shards.values()].map(({ key, redis }) => ({ key, redis }))
  }

  /** Whether every wanted channel is heard. */
  settled(): boolean {
    return this.#heard === this.#wanted.size
  }

  /**
   * Opens connections to new primaries, closes those to servers that are none any more, asks anew for channels that
   * nobody confirmed. Call it now and then, and when slots have moved.
   */
  refresh(primaries: ReadonlySet<string>): void {
    if (this.#closed) return
    for (const key of primaries) if (!this.#shards.has(key)) this.#openShard(key)
    for (const [key, shard] of this.#shards) if (!primaries.has(key)) this.#dropShard(shard)
    for (const wanted of this.#wanted.values()) {
      if (this.#options.bySlot && wanted.shard !== null) {
        const primary = this.#options.primaryOf(wanted.slot)
        if (primary !== null && primary !== wanted.shard.key) {
          wanted.shard.unsubscribing.add(wanted.channel)
          this.#unhear(wanted)
        }
      }
      if (wanted.shard === null) this.#ask(wanted)
    }
    if ([...this.#shards.values()].some((shard) => shard.unsubscribing.size > 0)) this.#flushLater()
  }

  close(): void {
    this.#closed = true
    for (const wanted of this.#wanted.values()) {
      for (const done of wanted.waiting) done(new StoreError('unreachable', 'The relay is stopping.'))
    }
    this.#wanted.clear()
    for (const shard of this.#shards.values()) shard.redis.disconnect()
    this.#shards.clear()
    this.#heard = 0
  }

  #shardOf(slot: number): Shard | null {
    const key = this.#options.primaryOf(slot)
    return key === null ? null : (this.#shards.get(key) ?? null)
  }

  #ask(wanted: Wanted): void {
    const shard = this.#shardOf(wanted.slot)
    if (shard === null) return
    shard.subscribing.add(wanted.channel)
    this.#flushLater()
  }

  #unhear(wanted: Wanted): void {
    if (wanted.shard === null) return
    wanted.shard = null
    this.#heard -= 1
  }

  #openShard(key: string): void {
    const redis = this.#options.connect(key)
    const shard: Shard = { key, redis, ready: false, subscribing: new Set(), unsubscribing: new Set() }
    this.#shards.set(key, shard)
    redis.on('error', () => {})
    redis.on('ready', () => {
      shard.ready = true
      for (const wanted of this.#wanted.values()) {
        if (wanted.shard === null && this.#options.primaryOf(wanted.slot) === key) this.#ask(wanted)
      }
      this.#flushLater()
    })
    redis.on('close', () => {
      if (!this.#shards.has(key) || !shard.ready) return
      this.#silence(shard)
      this.#options.lost()
    })
    redis.on('moved', () => {
      // An unsolicited SUNSUBSCRIBE does not say in its event which slot left: ask for all of this shard anew.
      for (const wanted of this.#wanted.values()) if (wanted.shard === shard) this.#unhear(wanted)
      this.#options.moved()
    })
    redis.on('connect', () => {
      cutMessages(redis.stream as Socket, (channel, message) => {
        this.#wanted.get(channel)?.handler.message(message)
      })
    })
  }

  #silence(shard: Shard): void {
    shard.ready = false
    shard.subscribing.clear()
    shard.unsubscribing.clear()
    for (const wanted of this.#wanted.values()) if (wanted.shard === shard) this.#unhear(wanted)
  }

  #dropShard(shard: Shard): void {
    this.#shards.delete(shard.key)
    this.#silence(shard)
    shard.redis.disconnect()
  }

  /** Unsubscribes first: a channel that is wanted again meanwhile stands in both sets. */
  #flush(shard: Shard): void {
    if (!shard.ready || shard.unsubscribing.size + shard.subscribing.size === 0) return
    const { stream } = shard.redis
    stream.cork()
    for (const channels of this.#slices(shard.unsubscribing)) {
      shard.redis.sunsubscribe(...channels).catch(() => {})
    }
    shard.unsubscribing.clear()
    for (const channels of this.#slices(shard.subscribing)) {
      shard.redis.ssubscribe(...channels).then(
        () => this.#confirmed(shard, channels),
        // Refused (the slot moved) or timed out: `refresh` asks again.
        () => {
          if (!this.#closed) this.#options.moved()
        },
      )
    }
    shard.subscribing.clear()
    stream.uncork()
  }

  #confirmed(shard: Shard, channels: readonly string[]): void {
    if (this.#shards.get(shard.key) !== shard || !shard.ready) return
    for (const channel of channels) {
      const wanted = this.#wanted.get(channel)
      // While it was on its way the channel may have been given up, or given up and wanted again.
      if (wanted === undefined || shard.unsubscribing.has(channel) || shard.subscribing.has(channel)) continue
      if (wanted.shard === null) this.#heard += 1
      wanted.shard = shard
      const resumed = wanted.heard
      wanted.heard = true
      for (const done of wanted.waiting.splice(0)) done(null)
      if (resumed) wanted.handler.resumed()
    }
    if (this.settled()) this.#options.settled()
  }

  #slices(channels: ReadonlySet<string>): string[][] {
    const groups = new Map<number, string[]>()
    for (const channel of channels) {
      const slot = this.#options.bySlot ? slotOf(channel) : 0
      const group = groups.get(slot)
      if (group === undefined) groups.set(slot, [channel])
      else group.push(channel)
    }
    const slices: string[][] = []
    for (const group of groups.values()) {
      for (let i = 0; i < group.length; i += channelsPerCommandMax) {
        slices.push(group.slice(i, i + channelsPerCommandMax))
      }
    }
    return slices
  }
}
