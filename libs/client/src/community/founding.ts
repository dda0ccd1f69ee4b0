// When a room without an owner gets one: whoever enters it while it is empty and new makes it. Not at once: after a
// relay lost everything, those who know the room's charter need a few seconds to come back and restore it.
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'

/** Above the longest pause before a client connects again. */
export const foundAfterMs = 5000

export type Entry = {
  /** Nobody else is there. */
  alone: boolean
  /** Nothing was ever said there. */
  fresh: boolean
  /** Something governs it, by the relay's word or this client's memory. */
  governed: boolean
  first: boolean
}

export type Founding = {
  /** In the room, for the first time or again. */
  entered(entry: Entry): void
  /** Somebody wants to do what only an owner can. @throws rejects with ChatRefusal */
  claim(alone: boolean): Promise<void>
  /** The room has a charter, or this client has gone. */
  cancel(): void
}

/** Whether somebody who enters so is about to make the room. */
export function isFounder({ alone, fresh, governed, first }: Entry): boolean {
  return first && alone && fresh && !governed
}

export type FoundingPorts = Pick<ClientPorts, 'setTimer'> & {
  /** False: never. */
  founds: boolean
  /** Signs the first charter. @throws rejects with ChatRefusal */
  found(): Promise<void>
}

export function createFounding(ports: FoundingPorts): Founding {
  let willFound = false
  let cancelTimer: (() => void) | null = null

  function cancel() {
    willFound = false
    cancelTimer?.()
    cancelTimer = null
  }
  return {
    entered(entry) {
      if (entry.governed) return cancel()
      willFound ||= ports.founds && isFounder(entry)
      if (!willFound) return
      cancelTimer?.()
      cancelTimer = ports.setTimer(foundAfterMs, () => {
        cancelTimer = null
        ports.found().then(cancel, (error: unknown) => {
          if (!(error instanceof ChatRefusal)) throw error
          // Not connected: the next entry tries again. Else somebody was faster.
          if (error.code !== 'offline') cancel()
        })
      })
    },
    async claim(alone) {
      if (!ports.founds || (!willFound && !alone)) {
        throw new ChatRefusal(
          'no-charter',
          'Nobody owns this room, so nobody can do that: an owner is whoever enters a room while it is empty.',
        )
      }
      await ports.found()
      cancel()
    },
    cancel,
  }
}
