// Keeps each sender's order where a conversation moves from one room to another: two rooms are two logs, so what
// somebody says in the new room waits until their last message of the old one was worked off. Each sender says in the
// new room, before anything else, how far the old log reached then.
import type { MemberId } from '@pychat/protocol'
import type { ClientPorts } from '../ports.ts'
import type { Place } from '../position.ts'

/** Longest wait for the old room: its log may have broken off. */
const holdMs = 5000
const lookEveryMs = 100
const heldMax = 4096

export type Order = {
  /** This sender's last message of the old room stands at or before that place. */
  mark(sender: MemberId, place: Place): void
  /** Runs `show` in its turn: at once, or when the old room has reached the sender's mark. */
  pass(sender: MemberId, show: () => void): void
  /** The old room may have gone on. */
  look(): void
  /** Nothing more comes from the old room. */
  end(): void
}

/** @param reached where the old room stands; null when it is gone */
export function createOrder(
  reached: () => Place | null,
  ports: Pick<ClientPorts, 'setTimer' | 'now'>,
): Order {
  const marks = new Map<MemberId, { place: Place; untilMs: number; held: (() => void)[] }>()
  let cancelTimer: (() => void) | null = null
  let ended = false

  const isReached = ({ epoch, seq }: Place): boolean => {
    const at = reached()
    return at === null || at.epoch !== epoch || at.seq >= seq
  }
  function look() {
    for (const [sender, { place, untilMs, held }] of [...marks]) {
      if (!ended && held.length < heldMax && ports.now() < untilMs && !isReached(place)) continue
      marks.delete(sender)
      for (const show of held) show()
    }
    if (marks.size > 0) {
      cancelTimer ??= ports.setTimer(lookEveryMs, () => {
        cancelTimer = null
        look()
      })
    } else {
      cancelTimer?.()
      cancelTimer = null
    }
  }
  return {
    mark(sender, place) {
      if (ended || isReached(place)) return
      const held = marks.get(sender)?.held ?? []
      marks.set(sender, { place, untilMs: ports.now() + holdMs, held })
      look()
    },
    pass(sender, show) {
      const mark = marks.get(sender)
      if (mark === undefined) {
        show()
        return
      }
      mark.held.push(show)
      look()
    },
    look,
    end() {
      ended = true
      look()
    },
  }
}
