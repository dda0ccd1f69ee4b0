// Runs a program of loadtest/ as it is built, for tests, and keeps what it says.
import { spawn } from 'node:child_process'

export type Ended = { code: number | null; page: string; progress: string }

/** @param limitMs after so long it counts as hung and is ended  @returns what stood on stdout and stderr */
export function runProgram(
  program: string,
  args: readonly string[],
  limitMs: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
    let page = ''
    let progress = ''
    child.stdout.on('data', (chunk) => {
      page += String(chunk)
    })
    child.stderr.on('data', (chunk) => {
      progress += String(chunk)
    })
    const timer = setTimeout(() => child.kill('SIGTERM'), limitMs)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, page, progress })
    })
  })
}
