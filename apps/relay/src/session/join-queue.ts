// Lets joins through in the order in which their rooms came, at most so many a second: after a node died thousands of
// clients join at once, and the store has to serve those who are chatting meanwhile. Whoever waits for the same room
// passes together, since the store takes them together, and counts by what that costs it.
import type { RoomId } from '@pychat/protocol'
import { rateOf, TokenBucket } from './token-bucket.ts'

export type JoinQueue = {
  /** Resolves when it is the caller's turn. */
  turn(room: RoomId): Promise<void>
}

/** Short: what passes at once keeps everybody else of the node waiting. */
const sliceMs = 10
/** What may pass at once after a quiet time, in seconds' worth. */
const burstSeconds = 0.05
/** Of one room: no more than the store takes in one call (joinsPerCallMax). */
const togetherMax = 16

/** Of joins of one room at once, in those of rooms of their own: the room is looked up once for all (docs/performance.md). */
const price = (joins: number): number => (2 + joins) / 3

/** @param now milliseconds on a monotonic clock  @param setTimer calls back once */
export function createJoinQueue(
  perSecond: number,
  now: () => number,
  setTimer: (fn: () => void, ms: number) => unknown = setTimeout,
): JoinQueue {
  const burst = Math.max(1, perSecond * burstSeconds)
  const bucket = new TokenBucket(rateOf(perSecond, burst))
  /** In the order in which rooms came. */
  const waiting = new Map<RoomId, (() => void)[]>()
  let timed = false

  function serve(): void {
    timed = false
    for (const [room, turns] of waiting) {
      const count = Math.min(turns.length, togetherMax, Math.floor(burst))
      if (bucket.take(price(count), now()) > 0) break
      waiting.delete(room)
      // The rest of a large room waits behind the other rooms.
      if (count < turns.length) waiting.set(room, turns.slice(count))
      for (const pass of turns.slice(0, count)) pass()
    }
    if (waiting.size > 0) wait()
  }

  function wait(): void {
    if (timed) return
    timed = true
    setTimer(serve, sliceMs)
  }

  return {
    turn(room) {
      if (waiting.size === 0 && bucket.take(1, now()) === 0) return Promise.resolve()
      return new Promise((resolve) => {
        const turns = waiting.get(room)
        if (turns === undefined) waiting.set(room, [resolve])
        else turns.push(resolve)
        wait()
      })
    },
  }
}
