// A token bucket without a timer: it refills when it is asked. Time is passed in.

export class TokenBucket {
  #tokens: number
  #at: number
  readonly #perMs: number
  readonly #burst: number

  /** @param perSecond refill  @param burst most that can be saved up  @param now milliseconds, any monotonic clock */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = burst
    this.#at = now
  }

  /** Takes `amount`, all or nothing. @returns 0 when taken, else milliseconds until it could be */
  take(amount: number, now: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#at) * this.#perMs)
    this.#at = now
    if (this.#tokens >= amount) {
      this.#tokens -= amount
      return 0
    }
    return Math.ceil((amount - this.#tokens) / this.#perMs)
  }

  /** Gives back what was taken for nothing. */
  refund(amount: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + amount)
  }
}
