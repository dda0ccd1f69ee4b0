// Runs `npm run chaos` as it is built, for tests.
import { fileURLToPath } from 'node:url'
import { type Ended, runProgram } from './run-program.ts'

/** A run takes less than 90 s; a machine that does other work too gets longer before it counts as hung. */
export const withinMs = 180_000

const program = fileURLToPath(new URL('../chaos/dist/main.js', import.meta.url))

export function chaos(...args: string[]): Promise<Ended> {
  return runProgram(program, args, withinMs)
}
