// The program pychat-admin: gives commands.ts the real world and ends with its exit code.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { setTimeout } from 'node:timers/promises'
import { run } from './commands.ts'
import { openScreen } from './top/screen.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const next = `${path}.${process.pid}.new`
  writeFileSync(next, text, { mode: 0o600 })
  renameSync(next, path)
}

async function confirm(question: string): Promise<boolean> {
  const readline = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C or Ctrl-D at the question is a no.
  const closed = new Promise<string>((resolve) => readline.once('close', () => resolve('')))
  const answer = await Promise.race([readline.question(question), closed])
  readline.close()
  return answer.trim().toLowerCase() === 'yes'
}

const { stdin, stdout } = process
const hasScreen = stdin.isTTY === true && stdout.isTTY === true && process.env['TERM'] !== 'dumb'

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  platform: process.platform,
  home: homedir(),
  version,
  read: (path) => readFileSync(path, 'utf8'),
  write,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  columns: () =>
    process.stderr.isTTY === true && process.env['TERM'] !== 'dumb' ? (process.stderr.columns ?? 80) : null,
  now: Date.now,
  pause: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => {}),
  interrupt() {
    const controller = new AbortController()
    process.once('SIGINT', () => controller.abort())
    return controller.signal
  },
  openScreen: hasScreen ? () => openScreen(stdin, stdout) : null,
  confirm: process.stdin.isTTY === true ? confirm : null,
})
