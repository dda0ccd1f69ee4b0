// Real relay nodes and real terminal clients as child processes, for the tests that look at the whole.
// Every process started here is ended by its id, at the latest by `endAll`.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../../loadtest/free-port.js'

const bin = (path: string) => fileURLToPath(new URL(`../../../../${path}`, import.meta.url))
const relayBin = bin('apps/relay/bin/pychat-relay.js')
const clientBin = bin('apps/client/bin/pychat.js')
const adminBin = bin('apps/admin-cli/bin/pychat-admin.js')

const running = new Set<ChildProcess>()
const folders: string[] = []

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pychat-e2e-'))
  folders.push(folder)
  return folder
}

function cleanEnv(extra: Record<string, string>): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {}
  for (const [name, value] of Object.entries(process.env)) if (!name.startsWith('PYCHAT_')) env[name] = value
  return { ...env, ...extra }
}

export type Node = {
  url: string
  opsUrl: string
  stateDir: string
  process: ChildProcess
  /** All that it wrote to stdout and stderr so far. */
  output(): string
  exited: Promise<number | null>
}

/** Starts a relay node and waits for its ready line. */
export async function startNode(settings: Record<string, string> = {}): Promise<Node> {
  const port = await freePort()
  const opsPort = await freePort()
  const stateDir = temporaryFolder()
  const child = spawn(process.execPath, [relayBin], {
    env: cleanEnv({
      PYCHAT_LISTEN: `127.0.0.1:${port}`,
      PYCHAT_OPS_LISTEN: `127.0.0.1:${opsPort}`,
      PYCHAT_STATE_DIR: stateDir,
      ...settings,
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  void exited.then(() => running.delete(child))
  child.stderr.on('data', (data) => {
    output += String(data)
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (data) => {
      output += String(data)
      if (output.includes('PyChat relay ready')) resolve()
    })
    void exited.then((code) => reject(new Error(`the relay ended with code ${code}:\n${output}`)))
  })
  return {
    url: `ws://127.0.0.1:${port}`,
    opsUrl: `http://127.0.0.1:${opsPort}`,
    stateDir,
    process: child,
    output: () => output,
    exited,
  }
}

export type ChatEvent = { type: string; [field: string]: unknown }

export type Chatter = {
  events: ChatEvent[]
  say(line: string): void
  /** The first event, past or coming, that fits. */
  until(fits: (event: ChatEvent) => boolean, withinMs?: number): Promise<ChatEvent>
  process: ChildProcess
  exited: Promise<number | null>
  errors(): string
}

/** Starts `pychat --json`, or another program that is called alike. */
export function startChatter(
  options: { relay: string; server: string; pin: string; user: string },
  [command, ...args]: [string, ...string[]] = [process.execPath, clientBin, '--json'],
): Chatter {
  const child = spawn(
    command,
    [...args, '--relay', options.relay, '--server', options.server, '--user', options.user],
    {
      env: cleanEnv({ PYCHAT_PIN: options.pin, PYCHAT_STATE_DIR: temporaryFolder() }),
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  running.add(child)
  const events: ChatEvent[] = []
  const waiting = new Set<() => void>()
  let errors = ''
  child.stderr.on('data', (data) => {
    errors += String(data)
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line) as ChatEvent)
    for (const wake of waiting) wake()
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  void exited.then(() => {
    running.delete(child)
    for (const wake of waiting) wake()
  })
  return {
    events,
    process: child,
    exited,
    errors: () => errors,
    say: (line) => child.stdin.write(`${line}\n`),
    until: (fits, withinMs = 20_000) =>
      new Promise((resolve, reject) => {
        const finish = (result: ChatEvent | Error) => {
          clearTimeout(timer)
          waiting.delete(look)
          if (result instanceof Error) reject(result)
          else resolve(result)
        }
        const look = () => {
          const found = events.find(fits)
          if (found) finish(found)
        }
        const timer = setTimeout(
          () => finish(new Error(`${options.user} waited in vain; saw ${JSON.stringify(events)} ${errors}`)),
          withinMs,
        )
        waiting.add(look)
        look()
      }),
  }
}

/** Runs pychat-admin against a node to its end. */
export async function admin(
  node: Node,
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [adminBin, ...args], {
    env: cleanEnv({ PYCHAT_ADMIN_URL: node.opsUrl, PYCHAT_STATE_DIR: node.stateDir }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data) => {
    stdout += String(data)
  })
  child.stderr.on('data', (data) => {
    stderr += String(data)
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  running.delete(child)
  return { code, stdout, stderr }
}

/** Ends every process of this file's tests and removes their folders. */
export async function endAll(): Promise<void> {
  const ends = [...running].map(
    (child) =>
      new Promise<void>((resolve) => {
        child.once('exit', () => resolve())
        child.kill('SIGKILL')
      }),
  )
  await Promise.all(ends)
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}
