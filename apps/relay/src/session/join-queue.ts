// Lets joins through in the order in which they came, at most so many a second: after a node died thousands of clients
// join at once, and the store has to serve those who are chatting meanwhile.
import { TokenBucket } from './token-bucket.ts'

export type JoinQueue = {
  /** Resolves when it is the caller's turn. */
  turn(): Promise<void>
}

/** Short: what passes at once keeps everybody else of the node waiting. */
const sliceMs = 10
/** What may pass at once after a quiet time, in seconds' worth. */
const burstSeconds = 0.05

/** @param now milliseconds on a monotonic clock  @param setTimer calls back once */
export function createJoinQueue(
  perSecond: number,
  now: () => number,
  setTimer: (fn: () => void, ms: number) => unknown = setTimeout,
): JoinQueue {
  const bucket = new TokenBucket(perSecond, Math.max(1, perSecond * burstSeconds), now())
  const waiting: (() => void)[] = []
  let next = 0
  let timed = false

  function serve(): void {
    timed = false
    while (next < waiting.length && bucket.take(1, now()) === 0) {
      waiting[next]?.()
      next += 1
    }
    if (next === waiting.length) {
      waiting.length = 0
      next = 0
    } else wait()
  }

  function wait(): void {
    if (timed) return
    timed = true
    setTimer(serve, sliceMs)
  }

  return {
    turn() {
      if (waiting.length === 0 && bucket.take(1, now()) === 0) return Promise.resolve()
      return new Promise((resolve) => {
        waiting.push(resolve)
        wait()
      })
    },
  }
}
