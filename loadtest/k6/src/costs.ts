// What processes used of this machine, and how long they had to wait for it: what is slower for that is no doing of the
// relay's. Where the system does not tell (it does on Linux) there are no figures.
import { readFileSync } from 'node:fs'
import { processorMs } from '#chaos/starving'

const ticksPerSecond = 100
const pageBytes = 4096

export type Pids = { relays: readonly number[]; redis: readonly number[]; k6: number }
type Used = { cpuMs: number; waitedMs: number; memoryMiB: number }
export type Costs = { relays: Used; redis: Used; k6: Used; delivered: number; atMs: number }

/** @returns null when one of them is gone */
export function costsOf(pids: Pids, delivered: number): Costs | null {
  const [relays, redis, k6] = [sum(pids.relays), sum(pids.redis), sum([pids.k6])]
  if (relays === null || redis === null || k6 === null) return null
  return { relays, redis, k6, delivered, atMs: performance.now() }
}

function sum(pids: readonly number[]): Used | null {
  const total = { cpuMs: 0, waitedMs: 0, memoryMiB: 0 }
  for (const pid of pids) {
    const used = usedBy(pid)
    if (used === null) return null
    total.cpuMs += used.cpuMs
    total.memoryMiB += used.memoryMiB
    // Of a process' main thread, which does the work of relays and Redis.
    total.waitedMs += processorMs(pid).waited
  }
  return total
}

function usedBy(pid: number): Pick<Used, 'cpuMs' | 'memoryMiB'> | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return {
      cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond,
      memoryMiB: (Number(fields[21]) * pageBytes) / 2 ** 20,
    }
  } catch {
    return null
  }
}

const tenths = (value: number) => Math.round(10 * value) / 10
const hundredths = (value: number) => Math.round(100 * value) / 100

/** Between two looks. @returns null when nothing was delivered meanwhile */
export function between(from: Costs, to: Costs) {
  const delivered = to.delivered - from.delivered
  const ms = to.atMs - from.atMs
  if (delivered <= 0 || ms <= 0) return null
  const cpu = (who: 'relays' | 'redis' | 'k6') => to[who].cpuMs - from[who].cpuMs
  return {
    relayUsPerDelivery: tenths((1000 * cpu('relays')) / delivered),
    redisUsPerDelivery: tenths((1000 * cpu('redis')) / delivered),
    relayCores: hundredths(cpu('relays') / ms),
    redisCores: hundredths(cpu('redis') / ms),
    k6Cores: hundredths(cpu('k6') / ms),
    /** For each millisecond that relays had a processor, how long they waited for one. */
    relayWaitedPerRun: hundredths((to.relays.waitedMs - from.relays.waitedMs) / Math.max(1, cpu('relays'))),
    relayMemoryMiB: Math.round(to.relays.memoryMiB),
    k6MemoryMiB: Math.round(to.k6.memoryMiB),
  }
}

export type Spent = NonNullable<ReturnType<typeof between>>
