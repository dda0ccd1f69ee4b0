// What Linux says about a process and the machine, and the arithmetic of ratios. Knows nothing of servers.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** CPU time of a process and its threads so far, seconds. */
export function cpuOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond }
}

/** Resident memory of a process, bytes. */
export function residentOf(pid) {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

/** Ticks of the whole machine: all, and those that the host took away. */
export function machineTicks() {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].trim().split(/\s+/).slice(1).map(Number)
  return { all: ticks.slice(0, 8).reduce((sum, each) => sum + each, 0), stolen: ticks[7] }
}

/** Share of the machine's time between two readings that the host took away, 0..1. */
export function stealShare(before, after) {
  return (after.stolen - before.stolen) / Math.max(1, after.all - before.all)
}

export function machine() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  }
}

/** First quartile, median and third quartile by linear interpolation. @param values at least one number */
export function quartiles(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share) => {
    const place = share * (sorted.length - 1)
    const low = Math.floor(place)
    const high = Math.ceil(place)
    return sorted[low] + (sorted[high] - sorted[low]) * (place - low)
  }
  return { q1: at(0.25), median: at(0.5), q3: at(0.75) }
}
