// Looks at Redis as this node has it: what each server says of itself, how fast and by what clock it answers, what its user
// may do, and whether pub/sub carries a message. It measures and judges nothing, and changes nothing that rooms use.
import { type RedisDiagnosis, type RedisServerDiagnosis, reachOf } from '@pychat/protocol'
import { Cluster, type Redis } from 'ioredis'
import type { RedisAddress } from './address.ts'
import type { Connections } from './connections.ts'
import { findMissingRights } from './permissions.ts'

export type RedisDiagnosisOptions = {
  address: RedisAddress
  connections: Connections
  keyPrefix: string
  ackReplicas: number
  /** Unpredictable word of 0-9a-f. */
  word(): string
}

const pingsMax = 50
const pingMsMax = 1000
const answerMs = 1500
const clockSamples = 5

/** Takes at most some three seconds. Never rejects: what did not answer is missing. */
export async function diagnoseRedis(options: RedisDiagnosisOptions): Promise<RedisDiagnosis> {
  const { address, connections, ackReplicas } = options
  const { commands } = connections
  const redises = commands instanceof Cluster ? commands.nodes('master') : [commands]
  const [pubsub, ...servers] = await Promise.all([
    hearsItself(options),
    ...redises.map((redis) => diagnoseServer(redis, options).catch(() => null)),
  ])
  return {
    kind: address.kind,
    available: connections.available,
    tls: address.tls,
    password: address.password !== null,
    pubsub,
    ackReplicas,
    servers: servers.filter((server) => server !== null).slice(0, 1000),
  }
}

async function diagnoseServer(redis: Redis, options: RedisDiagnosisOptions): Promise<RedisServerDiagnosis> {
  const info = await within(redis.info())
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''
  const valkey = field('valkey_version')
  const { remoteAddress = '', remotePort = 0 } = redis.stream ?? {}
  const replicas = [...info.matchAll(/^slave\d+:.*\bstate=online\b/gm)].length
  const clockOffsetMs = await clockOffset(redis)
  const pings = await measurePings(redis)
  const missing = await missingRight(redis, options)
  return {
    place: `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`,
    reach: reachOf(remoteAddress),
    product: valkey === '' ? 'redis' : 'valkey',
    version: (valkey || field('redis_version')).slice(0, 64),
    memoryBytes: Number(field('used_memory')) || 0,
    memoryBytesMax: Number(field('maxmemory')) || 0,
    eviction: field('maxmemory_policy').slice(0, 64),
    replicas,
    clockOffsetMs,
    ...pings,
    missingRight: missing?.slice(0, 256) ?? null,
  }
}

/** By INFO, which needs no further right. Of a few samples the one with the shortest way is the truest. */
async function clockOffset(redis: Redis): Promise<number | null> {
  let best: { wayMs: number; offsetMs: number } | null = null
  for (let i = 0; i < clockSamples; i += 1) {
    const from = Date.now()
    const startedAt = performance.now()
    const info = await within(redis.info('server'))
    const wayMs = performance.now() - startedAt
    const micros = /^server_time_usec:(\d+)/m.exec(info)?.[1]
    if (micros === undefined) return null
    const offsetMs = Math.round(from + wayMs / 2 - Number(micros) / 1000)
    if (best === null || wayMs < best.wayMs) best = { wayMs, offsetMs }
  }
  return best?.offsetMs ?? null
}

async function measurePings(redis: Redis) {
  const times: number[] = []
  const endsAt = performance.now() + pingMsMax
  while (times.length < pingsMax && performance.now() < endsAt) {
    const startedAt = performance.now()
    await within(redis.ping())
    times.push(performance.now() - startedAt)
  }
  times.sort((a, b) => a - b)
  const at = (share: number): number =>
    Number((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(2))
  return { pings: times.length, pingP50Ms: at(0.5), pingP99Ms: at(0.99) }
}

/** @returns null when nothing is missing, or when that cannot be asked of this server */
function missingRight(redis: Redis, { address, keyPrefix }: RedisDiagnosisOptions): Promise<string | null> {
  const asked = { eval: (...call: [string, number, ...string[]]) => within(redis.eval(...call)) }
  return findMissingRights(asked, address.kind, keyPrefix).catch(() => null)
}

async function hearsItself({ connections, keyPrefix, word }: RedisDiagnosisOptions): Promise<boolean> {
  const { subscriptions, commands } = connections
  const text = word()
  const channel = `${keyPrefix}:diagnosis:${text}:x`
  try {
    await within(
      new Promise<void>((resolve, reject) => {
        const message = (data: Buffer): void => (data.toString() === text ? resolve() : undefined)
        subscriptions
          .subscribe(channel, { message, resumed() {} })
          .then(() => commands.spublish(channel, text))
          .catch(reject)
      }),
    )
    return true
  } catch {
    return false
  } finally {
    subscriptions.unsubscribe(channel)
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), answerMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
