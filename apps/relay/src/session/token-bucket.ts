// A token bucket without a timer: it refills when it is asked. Time is passed in.

/** What buckets of one kind have in common: one object for all of them, since there are thousands. */
export type Rate = {
  /** Refill per millisecond. */
  readonly perMs: number
  /** Most that can be saved up. */
  readonly burst: number
}

export function rateOf(perSecond: number, burst: number): Rate {
  return { perMs: perSecond / 1000, burst }
}

export class TokenBucket {
  readonly #rate: Rate
  #tokens: number
  /** Full, so it does not matter since when. */
  #at = 0

  constructor(rate: Rate) {
    this.#rate = rate
    this.#tokens = rate.burst
  }

  /** Takes `amount`, all or nothing. @param now milliseconds, any monotonic clock above 0  @returns 0 when taken, else milliseconds until it could be */
  take(amount: number, now: number): number {
    const { perMs, burst } = this.#rate
    this.#tokens = Math.min(burst, this.#tokens + Math.max(0, now - this.#at) * perMs)
    this.#at = now
    if (this.#tokens >= amount) {
      this.#tokens -= amount
      return 0
    }
    return Math.ceil((amount - this.#tokens) / perMs)
  }

  /** Gives back what was taken for nothing. */
  refund(amount: number): void {
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + amount)
  }
}
