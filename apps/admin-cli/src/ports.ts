// What the commands need of the world, and what they give back to it: the terminal, the environment, the exit codes.
import type { ReadFile } from './token.ts'
import type { Screen } from './top/screen.ts'

export const exitCodes = {
  ok: 0,
  /** doctor found something wrong. */
  failed: 1,
  usage: 2,
  auth: 4,
  partial: 6,
  unreachable: 7,
  interrupted: 130,
} as const

export type Ports = {
  env: Readonly<Record<string, string | undefined>>
  platform: string
  home: string
  version: string
  read: ReadFile
  /** Writes a file that only its owner can read, in one step, with the folders above it. @throws what the system says */
  write(path: string, text: string): void
  out(text: string): void
  err(text: string): void
  /** Columns of the terminal that `err` writes to, for a line that is redrawn in place; null where none can be. */
  columns(): number | null
  now(): number
  /** Ends early, without throwing, when the signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void>
  /** From now on Ctrl-C aborts this signal and does not end the program; a second one does. */
  interrupt(): AbortSignal
  /** Takes the whole terminal until it is closed; null where there is none. */
  openScreen: (() => Screen) | null
  /** Asks the person; null when there is no terminal to ask at. */
  confirm: ((question: string) => Promise<boolean>) | null
}

/** A wish that cannot be carried out as typed. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
