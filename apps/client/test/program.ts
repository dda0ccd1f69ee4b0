// Starts the real pychat program for tests: with pipes, or in a pseudo-terminal whose screen is rendered.
// Every process started here is ended by its id in `endPrograms`.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type IPty, spawn as spawnPty } from '@lydell/node-pty'
import headless from '@xterm/headless'

const bin = fileURLToPath(new URL('../bin/pychat.js', import.meta.url))
const children = new Set<ChildProcess>()
const terminals = new Set<IPty>()
const folders: string[] = []

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pychat-client-'))
  folders.push(folder)
  return folder
}

function environment(extra: Record<string, string>): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith('PYCHAT_') && name !== 'NO_COLOR') env[name] = value
  }
  // A folder of its own: no test touches, or depends on, what its user keeps.
  return { PYCHAT_STATE_DIR: temporaryFolder(), ...env, ...extra }
}

async function waitFor<T>(
  look: () => T | undefined | false,
  what: () => string,
  withinMs: number,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const found = look()
    if (found) return found
    if (Date.now() > deadline) throw new Error(what())
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export type Event = { type: string; [field: string]: unknown }

export type Piped = {
  say(line: string): void
  end(): void
  stdout(): string
  stderr(): string
  events(): Event[]
  until(fits: (event: Event) => boolean, withinMs?: number): Promise<Event>
  untilText(text: string, withinMs?: number): Promise<void>
  /** Ctrl-C. */
  interrupt(): void
  /** As a machine that loses its power. */
  kill(): void
  exited: Promise<number | null>
}

/** @param through a command that runs the program elsewhere, e.g. in a network namespace */
export function startPiped(
  args: readonly string[],
  env: Record<string, string> = {},
  through: readonly string[] = [],
): Piped {
  const [command = '', ...rest] = [...through, process.execPath, bin, ...args]
  const child = spawn(command, rest, {
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  children.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => {})
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  void exited.then(() => children.delete(child))
  const events = () =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Event)
  return {
    say: (line) => void child.stdin.write(`${line}\n`),
    end: () => void child.stdin.end(),
    interrupt: () => void child.kill('SIGINT'),
    kill: () => void child.kill('SIGKILL'),
    stdout: () => stdout,
    stderr: () => stderr,
    events,
    until: (fits, withinMs = 15_000) =>
      waitFor(
        () => events().find(fits),
        () => `no such event in:\n${stdout}${stderr}`,
        withinMs,
      ),
    untilText: async (text, withinMs = 15_000) =>
      void (await waitFor(
        () => stdout.includes(text),
        () => `no "${text}" in:\n${stdout}${stderr}`,
        withinMs,
      )),
    exited,
  }
}

export type Screened = {
  type(text: string): void
  /** Rows as a person sees them, scrolled-off ones included, without trailing blanks. */
  rows(): string[]
  /** Every byte that the program wrote. */
  raw(): string
  /** The row that the cursor is in, its place in that row, and whether it can be seen. */
  cursor(): { row: string; x: number; shown: boolean }
  /** Waits until no row fits any more. */
  untilGone(fits: string | RegExp, withinMs?: number): Promise<void>
  /** Waits until the last row is this. */
  untilLast(row: string, withinMs?: number): Promise<void>
  signal(name: string): void
  untilRow(fits: string | RegExp, withinMs?: number): Promise<string>
  resize(columns: number, rows: number): void
  exited: Promise<number>
}

export function startInTerminal(
  args: readonly string[],
  env: Record<string, string> = {},
  size = { cols: 80, rows: 24 },
  through: readonly string[] = [],
): Screened {
  const screen = new headless.Terminal({ ...size, allowProposedApi: true, scrollback: 1000 })
  const [command = '', ...rest] = [...through, process.execPath, bin, ...args]
  const pty = spawnPty(command, rest, {
    ...size,
    name: env['TERM'] ?? 'xterm-256color',
    env: environment({ TERM: 'xterm-256color', ...env }),
  })
  terminals.add(pty)
  let raw = ''
  pty.onData((data) => {
    raw += data
    screen.write(data)
  })
  const exited = new Promise<number>((resolve) => {
    pty.onExit(({ exitCode }) => {
      terminals.delete(pty)
      resolve(exitCode)
    })
  })
  const rows = () => {
    const { active } = screen.buffer
    const all = Array.from(
      { length: active.length },
      (_, i) => active.getLine(i)?.translateToString(true).trimEnd() ?? '',
    )
    while (all.length > 0 && all.at(-1) === '') all.pop()
    return all
  }
  const finding = (fits: string | RegExp) =>
    rows().find((row) => (typeof fits === 'string' ? row.includes(fits) : fits.test(row)))
  return {
    type: (text) => pty.write(text),
    rows,
    raw: () => raw,
    cursor() {
      const { active } = screen.buffer
      const row =
        active
          .getLine(active.baseY + active.cursorY)
          ?.translateToString(true)
          .trimEnd() ?? ''
      return { row, x: active.cursorX, shown: raw.lastIndexOf('\x1b[?25h') > raw.lastIndexOf('\x1b[?25l') }
    },
    signal: (name) => pty.kill(name),
    untilGone: async (fits, withinMs = 15_000) =>
      void (await waitFor(
        () => finding(fits) === undefined,
        () => `still a row with ${String(fits)} in:\n${rows().join('\n')}`,
        withinMs,
      )),
    untilLast: async (row, withinMs = 15_000) =>
      void (await waitFor(
        () => rows().at(-1) === row,
        () => `last is not ${row} in:\n${rows().join('\n')}`,
        withinMs,
      )),
    untilRow: (fits, withinMs = 15_000) =>
      waitFor(
        () => finding(fits),
        () => `no row with ${String(fits)} in:\n${rows().join('\n')}`,
        withinMs,
      ),
    resize(cols, height) {
      pty.resize(cols, height)
      screen.resize(cols, height)
    },
    exited,
  }
}

export function endPrograms(): void {
  for (const child of children) child.kill('SIGKILL')
  for (const pty of terminals) pty.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}
