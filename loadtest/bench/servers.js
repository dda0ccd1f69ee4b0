// Starts the measured servers on core 0 and reads what they cost from /proc.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../free-port.js'
import { dialects } from './driver.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const relay = here('../../apps/relay/bin/pychat-relay.js')
const manyMessages = {
  PYCHAT_FRAMES_PER_SECOND: '100000',
  PYCHAT_BYTES_PER_SECOND: '1000000000',
}

export const systems = {
  'bare uWS': { dialect: dialects.bare, script: here('peers/bare-uws.js') },
  'PyChat (uws)': { dialect: dialects.pychat, script: relay, env: { PYCHAT_TRANSPORT: 'uws' } },
  'PyChat (ws)': { dialect: dialects.pychat, script: relay, env: { PYCHAT_TRANSPORT: 'ws' } },
  'Socket.IO': { dialect: dialects.socketIo, script: here('peers/socket-io.js') },
}

/** @returns a running server: `cpuMicroseconds()`, `residentBytes()`, `collect()`, `stop()` */
export async function startServer(name) {
  const system = systems[name]
  const port = await freePort()
  const opsPort = await freePort()
  const stateDir = mkdtempSync(join(tmpdir(), 'pychat-bench-'))
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('PYCHAT_')))
  const ours = system.dialect === dialects.pychat
  const child = spawn(
    'taskset',
    [
      '-c',
      '0',
      process.execPath,
      '--expose-gc',
      '--import',
      here('gc-on-signal.js'),
      system.script,
      // The relay takes its port from PYCHAT_LISTEN and no argument.
      ...(ours ? [] : [String(port)]),
    ],
    {
      env: ours
        ? {
            ...env,
            ...manyMessages,
            ...system.env,
            PYCHAT_LISTEN: `127.0.0.1:${port}`,
            PYCHAT_OPS_LISTEN: `127.0.0.1:${opsPort}`,
            PYCHAT_STATE_DIR: stateDir,
            PYCHAT_LOG_LEVEL: 'error',
            PYCHAT_CONNECTIONS_MAX: '100000',
          }
        : env,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${name} ended with code ${code}`)))
    child.stdout.on('data', (data) => String(data).includes('ready') && resolve())
  })
  const threads = () => readdirSync(`/proc/${child.pid}/task`)
  return {
    name,
    port,
    dialect: system.dialect,
    /** User and system time of all its threads, from the scheduler's own nanosecond count. */
    cpuMicroseconds() {
      let total = 0
      for (const thread of threads()) {
        total +=
          Number(readFileSync(`/proc/${child.pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1000
      }
      return total
    },
    residentBytes() {
      const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))
      return Number(line?.[1] ?? 0) * 1024
    },
    collect: () => child.kill('SIGUSR2'),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
      rmSync(stateDir, { recursive: true, force: true })
    },
  }
}
