// Runs `npm run chaos` as it is built, for tests.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../chaos/dist/main.js', import.meta.url))
/** A run takes less than 90 s; a machine that does other work too gets longer before it counts as hung. */
export const withinMs = 180_000

export function chaos(...args: string[]): Promise<{ code: number | null; page: string; progress: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let page = ''
    let progress = ''
    child.stdout.on('data', (chunk) => {
      page += String(chunk)
    })
    child.stderr.on('data', (chunk) => {
      progress += String(chunk)
    })
    const timer = setTimeout(() => child.kill('SIGTERM'), withinMs)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, page, progress })
    })
  })
}
