// What one connection may send: frames, bytes and requests over time, and how often it may be over them before it is closed.
import { limits } from '@pychat/protocol'
import { type Rate, rateOf, TokenBucket } from './token-bucket.ts'

/** Requests that cost others more than most do. */
export type Act = 'charter' | 'profile'

/** The rates of every connection of a node. */
export type Rates = { frames: Rate; bytes: Rate; controls: Rate; strikes: Rate }

/** Seconds' worth of frames or bytes that may come at once. */
const burstSeconds = 2
/** Messages over the limits that are answered before the connection is closed, in seconds of the frame limit. */
const strikesSeconds = 50
/** Who comes back joins every room, and asks each of them one thing more. */
const controlsBurstMin = 2 * limits.roomsPerConnectionMax
/** All members hear of each act: five at once, then one every two seconds. */
const actRate = rateOf(0.5, 5)

export function createRates(framesPerSecond: number, bytesPerSecond: number): Rates {
  const burst = framesPerSecond * burstSeconds
  return {
    frames: rateOf(framesPerSecond, burst),
    bytes: rateOf(bytesPerSecond, bytesPerSecond * burstSeconds),
    controls: rateOf(framesPerSecond, Math.max(controlsBurstMin, burst)),
    strikes: rateOf(framesPerSecond, framesPerSecond * strikesSeconds),
  }
}

/** Each bucket is made, full, when it is first wanted: most connections join and then never use the others. */
export class Budget {
  readonly #rates: Rates
  #frames: TokenBucket | null = null
  #bytes: TokenBucket | null = null
  #controls: TokenBucket | null = null
  #strikes: TokenBucket | null = null
  #acts: Record<Act, TokenBucket> | null = null

  constructor(rates: Rates) {
    this.#rates = rates
  }

  get frames(): TokenBucket {
    this.#frames ??= new TokenBucket(this.#rates.frames)
    return this.#frames
  }

  get bytes(): TokenBucket {
    this.#bytes ??= new TokenBucket(this.#rates.bytes)
    return this.#bytes
  }

  get controls(): TokenBucket {
    this.#controls ??= new TokenBucket(this.#rates.controls)
    return this.#controls
  }

  get strikes(): TokenBucket {
    this.#strikes ??= new TokenBucket(this.#rates.strikes)
    return this.#strikes
  }

  /** @param now milliseconds on a monotonic clock  @returns 0 when it may, else milliseconds to wait */
  act(act: Act, now: number): number {
    this.#acts ??= { charter: new TokenBucket(actRate), profile: new TokenBucket(actRate) }
    return this.#acts[act].take(1, now)
  }
}
