// Members whose connection is gone, until their grace time ends. Who came back meanwhile has another generation: what
// is done with a membership then does nothing, so nobody has to be taken off this list.
import type { Membership } from './rooms.ts'

export class GraceTimes {
  readonly #graceMs: number
  readonly #now: () => number
  /** In the order in which they end. */
  readonly #waiting = new Map<string, { membership: Membership; until: number }>()

  constructor(graceMs: number, now: () => number) {
    this.#graceMs = graceMs
    this.#now = now
  }

  begin(membership: Membership): void {
    const key = membership.room + membership.session
    this.#waiting.delete(key)
    this.#waiting.set(key, { membership, until: this.#now() + this.#graceMs })
  }

  /** @returns those whose time has ended since the last call */
  end(): Membership[] {
    const ended: Membership[] = []
    const now = this.#now()
    for (const [key, { membership, until }] of this.#waiting) {
      if (until > now) break
      this.#waiting.delete(key)
      ended.push(membership)
    }
    return ended
  }

  clear(): void {
    this.#waiting.clear()
  }
}
