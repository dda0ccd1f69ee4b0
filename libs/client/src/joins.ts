// In which order the rooms of one connection are asked for, and how many at once: whoever is in many rooms does not fall
// upon a relay with all of them after a reconnect.
import type { RoomId } from '@pychat/protocol'

/** Joins without an answer at once. */
export const joinsAtOnceMax = 4

export type Joins = {
  /** @param run sends the join, when its turn has come */
  want(room: RoomId, run: () => void): void
  /** The relay answered the join of this room, or it is not wanted any more. */
  done(room: RoomId): void
  /** The connection is gone, and every question with it. */
  reset(): void
}

export function createJoins(): Joins {
  const waiting = new Map<RoomId, () => void>()
  const asked = new Set<RoomId>()

  function next() {
    for (const [room, run] of waiting) {
      if (asked.size >= joinsAtOnceMax) return
      waiting.delete(room)
      asked.add(room)
      run()
    }
  }
  return {
    want(room, run) {
      waiting.set(room, run)
      next()
    },
    done(room) {
      waiting.delete(room)
      if (asked.delete(room)) next()
    },
    reset() {
      waiting.clear()
      asked.clear()
    },
  }
}
