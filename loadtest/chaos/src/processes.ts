// Child processes of a run: started, signalled and ended by their own id, none left behind. Also the folder that
// they use.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const running = new Set<ChildProcess>()
let folder: string | null = null

/** One folder for everything of this run. */
export function runFolder(): string {
  folder ??= mkdtempSync(join(tmpdir(), 'pychat-chaos-'))
  return folder
}

export type Running = {
  /** 0 when it could not be started. */
  readonly pid: number
  readonly alive: boolean
  signal(name: NodeJS.Signals): void
  /** Exit code, null for a signal. */
  exited: Promise<number | null>
}

/** A child that is spoken with: messages are whatever JSON takes. */
export type Talking = {
  running: Running
  say(message: unknown): void
  hear(fn: (message: unknown) => void): void
}

/** @param name of its log in the run's folder  @param folder that it works in and logs to instead */
export function run(
  name: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  folder: string | null = null,
): Running {
  const cwd = folder ?? undefined
  return started(name, (log) => spawn(command, args, { env, cwd, stdio: ['ignore', log, log] }), folder)
    .running
}

/** @param module file of this program, run by Node as a program of its own */
export function runModule(name: string, module: string): Talking {
  const { child, running } = started(name, (log) =>
    spawn(process.execPath, [module], { stdio: ['ignore', log, log, 'ipc'] }),
  )
  return {
    running,
    say: (message) => void (child.connected && child.send(message as object)),
    hear: (fn) => void child.on('message', fn),
  }
}

/** A child that is spoken with as a person or a script does: by lines. */
export type Piped = {
  running: Running
  write(line: string): void
  /** Calls back for each line of its stdout. */
  lines(fn: (line: string) => void): void
}

export function runPiped(
  name: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Piped {
  const { child, running } = started(name, (log) =>
    spawn(command, args, { env, stdio: ['pipe', 'pipe', log] }),
  )
  // One that has ended takes no more lines; whoever waits for its answer will notice.
  child.stdin?.on('error', () => {})
  return {
    running,
    write: (line) => void child.stdin?.write(`${line}\n`),
    lines: (fn) => void (child.stdout && createInterface(child.stdout).on('line', fn)),
  }
}

type Started = { child: ChildProcess; running: Running }

function started(name: string, start: (log: number) => ChildProcess, into: string | null = null): Started {
  const log = openSync(join(into ?? runFolder(), `${name}.log`), 'a')
  const child = start(log)
  closeSync(log)
  running.add(child)
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code))
    child.once('error', () => resolve(null))
  })
  void exited.then(() => running.delete(child))
  return {
    child,
    running: {
      pid: child.pid ?? 0,
      get alive() {
        return child.pid !== undefined && child.exitCode === null && child.signalCode === null
      },
      signal: (signal) => void child.kill(signal),
      exited,
    },
  }
}

/** Ends every child; @param keepFolder for looking at the logs */
export async function endAll(keepFolder: boolean): Promise<void> {
  await Promise.all(
    [...running].map(
      (child) =>
        new Promise<void>((resolve) => {
          child.once('exit', () => resolve())
          child.kill('SIGKILL')
        }),
    ),
  )
  if (!keepFolder && folder !== null) rmSync(folder, { recursive: true, force: true })
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Looks until it is so. @returns false when it was not in time */
export async function until(
  fits: () => boolean | Promise<boolean>,
  withinMs: number,
  everyMs = 50,
): Promise<boolean> {
  const deadline = performance.now() + withinMs
  for (;;) {
    if (await fits()) return true
    if (performance.now() >= deadline) return false
    await pause(everyMs)
  }
}
