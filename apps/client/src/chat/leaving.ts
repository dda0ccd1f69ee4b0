// How a chat ends: at once, or when everything typed has arrived. Says what was not sent.
import { exitCodes } from '../exit-codes.ts'

/** Gone at the latest after so long without progress. */
export const drainMs = 10_000

export type Leaving = {
  /** Goes when nothing is unsent any more. */
  whenSent(): void
  /** Asked twice it does not wait. */
  quit(): void
  now(): void
  /** Something was sent, done or failed. */
  progress(): void
  quitting(): boolean
}

export type LeavingPorts = {
  /** Messages that are not known to have arrived, typed lines included. */
  unsent(): number
  /** Of these, those that still may: what failed is not waited for. */
  underWay(): number
  /** Messages can be sent at all: we were in the room. */
  wasReady(): boolean
  setTimer(ms: number, run: () => void): () => void
  tell(what: { stillToSend: number } | { notSent: number }): void
  finish(code: number): void
}

export function createLeaving(ports: LeavingPorts): Leaving {
  let leaving = false
  let asked = false
  let stopTimer: (() => void) | null = null

  function now() {
    stopTimer?.()
    const notSent = ports.unsent()
    if (notSent > 0) ports.tell({ notSent })
    ports.finish(notSent > 0 ? exitCodes.unreachable : exitCodes.quit)
  }
  function whenSent() {
    leaving = true
    stopTimer?.()
    stopTimer = ports.setTimer(drainMs, now)
    look()
  }
  function look() {
    if (leaving && ports.wasReady() && ports.underWay() === 0) now()
  }

  return {
    whenSent,
    now,
    quit() {
      if (asked) return now()
      asked = true
      const stillToSend = ports.underWay()
      if (stillToSend > 0) ports.tell({ stillToSend })
      whenSent()
    },
    progress() {
      if (leaving) whenSent()
    },
    quitting: () => asked,
  }
}
