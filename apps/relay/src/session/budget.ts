// What one connection may send: frames, bytes and requests over time, and how often it may be over them before it is closed.
import { limits } from '@pychat/protocol'
import { TokenBucket } from './token-bucket.ts'

export type Rates = { framesPerSecond: number; bytesPerSecond: number }

/** Requests that cost others more than most do. */
export type Act = 'charter' | 'profile'

/** Seconds' worth of frames or bytes that may come at once. */
const burstSeconds = 2
/** Messages over the limits that are answered before the connection is closed, in seconds of the frame limit. */
const strikesSeconds = 50
/** Who comes back joins every room, and asks each of them one thing more. */
const controlsBurstMin = 2 * limits.roomsPerConnectionMax
/** All members hear of each act. */
const actsPerSecond = 0.5
const actsBurst = 5

export class Budget {
  readonly frames: TokenBucket
  readonly bytes: TokenBucket
  readonly controls: TokenBucket
  readonly strikes: TokenBucket
  /** Made when they are first wanted: most connections never do. */
  #acts: Record<Act, TokenBucket> | null = null

  /** @param now milliseconds on a monotonic clock */
  constructor({ framesPerSecond, bytesPerSecond }: Rates, now: number) {
    const controlsBurst = Math.max(controlsBurstMin, framesPerSecond * burstSeconds)
    this.frames = new TokenBucket(framesPerSecond, framesPerSecond * burstSeconds, now)
    this.bytes = new TokenBucket(bytesPerSecond, bytesPerSecond * burstSeconds, now)
    this.controls = new TokenBucket(framesPerSecond, controlsBurst, now)
    this.strikes = new TokenBucket(framesPerSecond, framesPerSecond * strikesSeconds, now)
  }

  /** @returns 0 when it may, else milliseconds to wait */
  act(act: Act, now: number): number {
    const bucket = () => new TokenBucket(actsPerSecond, actsBurst, now)
    this.#acts ??= { charter: bucket(), profile: bucket() }
    return this.#acts[act].take(1, now)
  }
}
