// Processes of a run: started on the core where they belong, what they cost read from /proc, ended whatever happens.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** The servers that are measured share one core; who speaks to them, and Redis, the other. */
export const cores = { servers: 0, driver: 1 }
const startTimeoutMs = 20_000
const profileTimeoutMs = 10_000
const running = new Set()

// A run that is broken off leaves nothing behind.
process.on('exit', () => {
  for (const { child, folder } of running) {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130))

/** @returns whether this machine can do it */
export function pin(pid, core) {
  return spawnSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' }).status === 0
}

const read = (path) => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** A process and all that it started. */
function family(pid) {
  const pids = [pid]
  for (const each of pids) {
    let threads = []
    try {
      threads = readdirSync(`/proc/${each}/task`)
    } catch {}
    for (const thread of threads) {
      pids.push(...read(`/proc/${each}/task/${thread}/children`).split(' ').filter(Boolean).map(Number))
    }
  }
  return pids
}

/** What a process and its children cost. Threads that ended are not counted: no system here ends any while measured. */
export function processFigures(pid) {
  return {
    pid,
    /** User and system time, from the scheduler's own nanosecond count. */
    cpuMicroseconds() {
      let total = 0
      for (const each of family(pid)) {
        let threads = []
        try {
          threads = readdirSync(`/proc/${each}/task`)
        } catch {}
        for (const thread of threads) {
          total += Number(read(`/proc/${each}/task/${thread}/schedstat`).split(' ')[0]) / 1000
        }
      }
      return total
    },
    /** User and system time apart, in hundredths of a second. */
    ticks() {
      const sum = { user: 0, system: 0 }
      for (const each of family(pid)) {
        const fields = read(`/proc/${each}/stat`)
          .replace(/^.*\) /, '')
          .split(' ')
        sum.user += Number(fields[11] ?? 0)
        sum.system += Number(fields[12] ?? 0)
      }
      return sum
    },
    residentBytes() {
      let total = 0
      for (const each of family(pid)) {
        total += Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${each}/status`))?.[1] ?? 0) * 1024
      }
      return total
    },
  }
}

async function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => socket.destroy())
    socket.once('connect', () => socket.destroy())
  })
}

/**
 * @param launch(folder) gives { command, args, env, saysReady: whether it prints "ready"; else its port is tried }
 * @returns a running process with what it costs, `stop()`, `collect()` (garbage, where it can), `signal(name)`
 * @throws Error when it does not come up
 */
export async function startProcess({ name, core, port, launch }) {
  const folder = mkdtempSync(join(tmpdir(), 'pychat-bench-'))
  const { command, args, env = {}, saysReady = false, collects = false } = launch(folder)
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !key.startsWith('PYCHAT_')),
  )
  const child = spawn('taskset', ['-c', String(core), command, ...args], {
    env: { ...inherited, ...env },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const entry = { child, folder }
  running.add(entry)
  let said = ''
  let over = false
  const ended = new Promise((resolve) => {
    child.once('error', resolve)
    child.once('exit', resolve)
  }).then(() => {
    over = true
    running.delete(entry)
    rmSync(folder, { recursive: true, force: true })
  })
  const keep = (data) => {
    said = (said + String(data)).slice(-4000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const deadline = performance.now() + startTimeoutMs
  while (!(saysReady ? said.includes('ready') : await accepts(port))) {
    if (over || performance.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`${name} did not come up; it said: ${said.trim() || 'nothing'}`)
    }
    await wait(20)
  }
  return {
    name,
    port,
    ...processFigures(child.pid),
    over: () => over,
    said: () => said,
    signal: (signal) => child.kill(signal),
    collect: () => collects && child.kill('SIGUSR2'),
    ended,
    async stop() {
      if (collects && process.env['BENCH_PROFILE_FOLDER'] && !over) {
        child.kill('SIGALRM')
        await Promise.race([ended, wait(profileTimeoutMs)])
      }
      // Killed from the leaves on: nginx has workers that would outlive it.
      for (const each of family(child.pid).slice(1).reverse()) {
        try {
          process.kill(each, 'SIGKILL')
        } catch {}
      }
      child.kill('SIGKILL')
      await ended
    },
  }
}
