// What a Redis server has done since it started, by its own count. Pure beside the one question.
import type { Store } from './stores.ts'

export type RedisLoad = {
  /** By Redis' own count, which has those inside scripts. */
  commands: number
  /** Of nodes: scripts count once. */
  calls: number
  /** User and system. */
  cpuMs: number
}

/** What nodes send and scripts do not. */
const sentByNodes =
  /cmdstat_(?:evalsha|eval|wait|ssubscribe|sunsubscribe|sadd|srem|smembers|sismember|set|exists|del|ping|info):calls=(\d+)/g

/** @returns of the store's one primary; null when it does not answer */
export async function readRedisLoad(store: Store): Promise<RedisLoad | null> {
  const [server] = await store.primaries()
  const info = String(await server?.command('INFO', 'everything').catch(() => ''))
  const number = (pattern: RegExp) => Number(pattern.exec(info)?.[1] ?? Number.NaN)
  const load = {
    commands: number(/total_commands_processed:(\d+)/),
    calls: [...info.matchAll(sentByNodes)].reduce((sum, [, calls]) => sum + Number(calls), 0),
    cpuMs: 1000 * (number(/used_cpu_user:([\d.]+)/) + number(/used_cpu_sys:([\d.]+)/)),
  }
  return Number.isNaN(load.commands) ? null : load
}
