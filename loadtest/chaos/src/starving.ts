// How long processes had to wait for a processor of this machine, and how long they had one: what is measured slower for the
// first is no doing of the relay's. 0 where the system does not tell (it does on Linux).
import { readFileSync } from 'node:fs'

const sampleMs = 1000

/** Of a process' main thread, since it started, milliseconds. */
export function processorMs(pid: number): { ran: number; waited: number } {
  try {
    const [ran = 0, waited = 0] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ').map(Number)
    return { ran: ran / 1e6, waited: waited / 1e6 }
  } catch {
    return { ran: 0, waited: 0 }
  }
}

/** How long each of these was ready to run and had no processor. */
export function watchStarving(pids: readonly number[]) {
  const waitedMs = (pid: number) => processorMs(pid).waited
  let last = pids.map(waitedMs)
  let worst: number[] = []
  const timer = setInterval(() => {
    const now = pids.map(waitedMs)
    worst.push(Math.max(...now.map((ms, i) => ms - (last[i] ?? 0))))
    last = now
  }, sampleMs)
  return {
    reset() {
      worst = []
    },
    /** Milliseconds of a second, for the one that waited longest in it. */
    mean: () => Math.round(worst.reduce((sum, ms) => sum + ms, 0) / Math.max(1, worst.length)),
    stop: () => clearInterval(timer),
  }
}
