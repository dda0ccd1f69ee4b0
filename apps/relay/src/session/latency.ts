// How long frames take from their arrival to the fan-out on the node they came to, measured on one frame in `oneIn`:
// a single frame is watched at a time, so that all others cost one comparison. Plain numbers; ops reads them.
import { deliveryOffsets, frameOffsets } from '@pychat/protocol'

/** Upper bounds of the buckets in seconds: from within a process to a store that is close to counting as away. */
export const latencyBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
] as const

/** Session and counter: what names a frame, in a frame and in its delivery alike. */
const nameBytes = 24
/** A frame that was refused or lost is not waited for any longer. */
const givenUpMs = 5000

export type Latency = {
  /** A frame has come. @param now milliseconds on a monotonic clock */
  came(frame: Uint8Array, now: number): void
  /** A delivery goes out. */
  goes(delivery: Uint8Array, now: () => number): void
  /** Of what was measured: how many in each bucket and above all (not summed up), seconds together. */
  readonly counts: readonly number[]
  readonly sumSeconds: number
}

export function createLatency(oneIn = 64): Latency {
  const counts = new Array<number>(latencyBuckets.length + 1).fill(0)
  const watched = new Uint8Array(nameBytes)
  let sumSeconds = 0
  let since = -1
  let left = 1

  function isWatched(delivery: Uint8Array): boolean {
    for (let i = 0; i < nameBytes; i += 1) {
      if (delivery[deliveryOffsets.frame + frameOffsets.session + i] !== watched[i]) return false
    }
    return true
  }

  return {
    came(frame, now) {
      left -= 1
      if (left > 0) return
      left = oneIn
      if (since >= 0 && now - since < givenUpMs) return
      for (let i = 0; i < nameBytes; i += 1) watched[i] = frame[frameOffsets.session + i] ?? 0
      since = now
    },
    goes(delivery, now) {
      if (since < 0 || !isWatched(delivery)) return
      const seconds = (now() - since) / 1000
      since = -1
      const at = latencyBuckets.findIndex((bound) => seconds <= bound)
      const bucket = at < 0 ? latencyBuckets.length : at
      counts[bucket] = (counts[bucket] ?? 0) + 1
      sumSeconds += seconds
    },
    counts,
    get sumSeconds() {
      return sumSeconds
    },
  }
}
