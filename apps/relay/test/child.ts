// Runs the built relay as a child process, as people do, on free ports and in a state folder of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../bin/pychat-relay.js', import.meta.url))

export type RelayChild = {
  process: ChildProcess
  url: string
  opsUrl: string
  stateDir: string
  stdout(): string
  stderr(): string
  /** Exit code, or the signal's name. */
  exited: Promise<number | string>
  /** Kills what still runs and removes the state folder. */
  dispose(): Promise<void>
}

/**
 * Starts `pychat-relay` with these arguments and settings, and waits for nothing.
 * @param openFilesMax its limit of open files, when it is to have another one than this process
 */
export function spawnRelay(
  env: Record<string, string>,
  args: string[] = [],
  openFilesMax: number | null = null,
): RelayChild {
  const stateDir = mkdtempSync(join(tmpdir(), 'pychat-relay-test-'))
  const limit = openFilesMax === null ? [] : ['sh', '-c', 'ulimit -n "$0" && exec "$@"', String(openFilesMax)]
  const [program = '', ...words] = [...limit, process.execPath, bin, ...args]
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      PYCHAT_LISTEN: '127.0.0.1:0',
      PYCHAT_OPS_LISTEN: '127.0.0.1:0',
      PYCHAT_STATE_DIR: stateDir,
      ...env,
    },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    err += String(chunk)
  })
  const exited = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
  return {
    process: child,
    url: '',
    opsUrl: '',
    stateDir,
    stdout: () => out,
    stderr: () => err,
    exited,
    async dispose() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
      rmSync(stateDir, { recursive: true, force: true })
    },
  }
}

/** Starts a relay and waits until it is ready. */
export async function startRelay(
  env: Record<string, string> = {},
  openFilesMax: number | null = null,
): Promise<RelayChild> {
  const child = spawnRelay(env, [], openFilesMax)
  const deadline = Date.now() + 15_000
  for (;;) {
    const ready = /ready: (wss?:\/\/\S+) .* ops (http:\/\/[^\s]+?)\. /.exec(child.stdout())
    if (ready !== null) return { ...child, url: ready[1] ?? '', opsUrl: ready[2] ?? '' }
    if (child.process.exitCode !== null || Date.now() > deadline) {
      const said = child.stderr()
      await child.dispose()
      throw new Error(`the relay did not start: ${said}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
