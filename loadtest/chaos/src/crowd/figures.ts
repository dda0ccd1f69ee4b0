// What a crowd in one room comes to, in numbers. Pure; what has to hold is promises.ts's.
import type { RedisLoad } from '../redis-load.ts'
import type { Arrivals } from './people.ts'
import type { HeardControl } from './watcher.ts'

/** Everything by one join, of those who came in one part of the run. */
export type JoinCost = {
  joins: number
  /** What nodes sent to Redis. */
  calls: number
  /** By Redis' own count, which has those inside scripts. */
  commands: number
  redisCpuUs: number
  /** Of all nodes' main threads; 0 where the system does not tell. */
  nodesCpuUs: number
  /** From asking to being in. */
  ms: { p10: number; p50: number; p95: number; max: number }
  joinedBytesMax: number
}

export type Use = RedisLoad & { nodesCpuMs: number }

/** @param use what was used from the first join to the last */
export function joinCostOf({ joinMs, joinedBytes }: Arrivals, use: Use): JoinCost {
  const joins = joinMs.length
  const each = (value: number) => round(value / Math.max(1, joins))
  const sorted = [...joinMs].sort((a, b) => a - b)
  const at = (share: number) => round(sorted[Math.max(0, Math.ceil(share * joins) - 1)] ?? 0)
  return {
    joins,
    calls: each(use.calls),
    commands: each(use.commands),
    redisCpuUs: each(1000 * use.cpuMs),
    nodesCpuUs: each(1000 * use.nodesCpuMs),
    ms: { p10: at(0.1), p50: at(0.5), p95: at(0.95), max: at(1) },
    joinedBytesMax: Math.max(0, ...joinedBytes),
  }
}

/** What one connection was told while others came. */
export type Told = {
  seconds: number
  /** `arrived` and `departed`. */
  comings: number
  counts: number
  /** Control messages and their bytes: of a second, and of the busiest one. */
  controlsPerSecond: number
  controlsBusiest: number
  bytesPerSecond: number
  bytesBusiest: number
}

/** @param from, to milliseconds, as the messages' own */
export function toldBetween(controls: readonly HeardControl[], from: number, to: number): Told {
  const heard = controls.filter(({ at }) => at >= from && at < to)
  const seconds = (to - from) / 1000
  const of = (...kinds: string[]) => heard.filter(({ kind }) => kinds.includes(kind)).length
  const perSecond = new Map<number, { messages: number; bytes: number }>()
  for (const { at, bytes } of heard) {
    const second = Math.floor((at - from) / 1000)
    const sum = perSecond.get(second) ?? { messages: 0, bytes: 0 }
    perSecond.set(second, { messages: sum.messages + 1, bytes: sum.bytes + bytes })
  }
  const busiest = (key: 'messages' | 'bytes') =>
    Math.max(0, ...[...perSecond.values()].map((second) => second[key]))
  return {
    seconds: round(seconds),
    comings: of('arrived', 'departed'),
    counts: of('count'),
    controlsPerSecond: round(heard.length / seconds),
    controlsBusiest: busiest('messages'),
    bytesPerSecond: round(heard.reduce((sum, { bytes }) => sum + bytes, 0) / seconds),
    bytesBusiest: busiest('bytes'),
  }
}

/** How what was listed stands to who is there. */
export type Listed = {
  pages: number
  /** Names on all of them. */
  names: number
  missing: number
  doubled: number
  strangers: number
  /** Of one page, the slowest. */
  msMax: number
}

export function listedOf(
  pages: readonly { names: readonly string[]; ms: number }[],
  present: readonly string[],
): Listed {
  const names = pages.flatMap((page) => page.names)
  const once = new Set(names)
  const there = new Set(present)
  return {
    pages: pages.length,
    names: names.length,
    missing: present.filter((name) => !once.has(name)).length,
    doubled: names.length - once.size,
    strangers: [...once].filter((name) => !there.has(name)).length,
    msMax: round(Math.max(0, ...pages.map(({ ms }) => ms))),
  }
}

/** @param shown what stands on a screen @param said who said what @returns what is there more or less than once */
export function wordsAmiss(
  shown: readonly { from: string; text: string }[],
  said: readonly { from: string; text: string }[],
): number {
  const times = (word: { from: string; text: string }) =>
    shown.filter(({ from, text }) => from === word.from && text === word.text).length
  const amiss = said.filter((word) => times(word) !== 1).length
  const foreign = shown.filter(({ text }) => !said.some((word) => word.text === text)).length
  return amiss + foreign
}

export const round = (value: number) => Math.round(value * 100) / 100
