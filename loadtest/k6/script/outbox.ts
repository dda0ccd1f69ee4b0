// The frames of one session that its relay may not have: kept until they come back as their own delivery (or as `ack`),
// sent again as the same bytes after a reconnect or a refusal (docs/protocol.md, section 6.1). The client's own one also
// seals and repairs; this one only has to lose nothing.
import { setTimeout } from 'k6/timers'
import { tally } from './metrics.ts'

/** As the client's: so many may wait, so many may be under way at once. */
const waitingMax = 256
const windowFrames = 32
const retryMinMs = 100

export class Outbox {
  /** Last counter that was given out. */
  last = 0
  readonly #transmit: (frame: Uint8Array) => void
  #frames: Uint8Array[] = []
  #acknowledged = 0
  #sentUpTo = 0
  #running = false
  #paused = false

  constructor(transmit: (frame: Uint8Array) => void) {
    this.#transmit = transmit
  }

  get full(): boolean {
    return this.#frames.length >= waitingMax
  }
  get isEmpty(): boolean {
    return this.#frames.length === 0
  }
  /** Up to this counter nothing can be sent any more. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** @param frame whose counter is the next one */
  add(frame: Uint8Array): void {
    this.last += 1
    this.#frames.push(frame)
    this.#pump()
  }

  acknowledge(counter: number): void {
    const done = Math.min(counter, this.last) - this.#acknowledged
    if (done <= 0) return
    this.#frames.splice(0, done)
    this.#acknowledged += done
    this.#sentUpTo = Math.max(this.#sentUpTo, this.#acknowledged)
    this.#pump()
  }

  /** In the room: the relay has frames up to this counter. */
  resume(counter: number): void {
    this.#running = true
    this.#paused = false
    this.acknowledge(counter)
    this.#sentUpTo = this.#acknowledged
    this.#pump()
  }

  suspend(): void {
    this.#running = false
  }

  /** The relay did not take what follows this counter: it goes out again after a pause. */
  goBack(counter: number, retryMs: number): void {
    tally.refused += 1
    if (this.#paused) return
    this.#sentUpTo = Math.max(this.#acknowledged, Math.min(this.#sentUpTo, counter))
    this.#paused = true
    setTimeout(
      () => {
        this.#paused = false
        this.#pump()
      },
      Math.max(retryMinMs, retryMs),
    )
  }

  #pump(): void {
    if (!this.#running || this.#paused) return
    const end = Math.min(this.last, this.#acknowledged + windowFrames)
    while (this.#sentUpTo < end) {
      const frame = this.#frames[this.#sentUpTo - this.#acknowledged]
      if (frame === undefined) return
      this.#sentUpTo += 1
      this.#transmit(frame)
    }
  }
}
