// The log of one room in this process: the newest deliveries, bounded by count, bytes and age (rooms.ts, LogLimits).
// It behaves as lua/log_page.lua and the log of lua/room_publish.lua do.
import { deliveryHeaderBytes, frameOffsets } from '@pychat/protocol'
import type { LogLimits } from './rooms.ts'

type Entry = { seq: number; at: number; delivery: Buffer }

/** Newest deliveries that are searched for a repeated frame. */
const repeatsLookedAt = 64

export class MemoryLog {
  readonly #limits: LogLimits
  /** In order of seq, without holes. Those before `#first` are dropped and wait to be cut off together. */
  #entries: Entry[] = []
  #first = 0
  #bytes = 0

  constructor(logLimits: LogLimits) {
    this.#limits = logLimits
  }

  /** @param delivery kept as it is */
  add(seq: number, at: number, delivery: Buffer): void {
    if (this.#limits.messagesMax === 0) return
    this.#entries.push({ seq, at, delivery })
    this.#bytes += delivery.length - deliveryHeaderBytes
    this.trim(at)
  }

  /** Drops what is over the bounds now. */
  trim(now: number): void {
    const { messagesMax, bytesMax, ageMs } = this.#limits
    for (;;) {
      const oldest = this.#entries[this.#first]
      if (oldest === undefined) break
      const kept = this.#entries.length - this.#first
      if (kept <= messagesMax && this.#bytes <= bytesMax && oldest.at >= now - ageMs) break
      this.#bytes -= oldest.delivery.length - deliveryHeaderBytes
      this.#first += 1
    }
    // Cutting at each drop would move the whole list each time.
    if (this.#first > 64 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
  }

  /** Seq of a frame that was taken before, 0 when its place is forgotten. */
  placeOf(frame: Uint8Array): number {
    const mark = frame.subarray(frameOffsets.session, frameOffsets.commitment)
    const markAt = deliveryHeaderBytes + frameOffsets.session
    const oldest = Math.max(this.#first, this.#entries.length - repeatsLookedAt)
    for (let i = this.#entries.length - 1; i >= oldest; i -= 1) {
      const entry = this.#entries[i]
      if (entry?.delivery.compare(mark, 0, mark.length, markAt, markAt + mark.length) === 0) return entry.seq
    }
    return 0
  }

  /** @param after seq of a position  @param top the last seq of the room  @param framesMax of the page  @param bytesMax too */
  page(
    after: number,
    top: number,
    now: number,
    framesMax: number,
    bytesMax: number,
  ): { seq: number; missed: number; deliveries: Buffer[]; more: boolean } {
    if (after >= top) return { seq: top, missed: 0, deliveries: [], more: false }
    this.trim(now)
    const oldest = this.#entries[this.#first]
    if (oldest === undefined) return { seq: top, missed: top - after, deliveries: [], more: false }
    const from = Math.max(after + 1, oldest.seq)
    const deliveries: Buffer[] = []
    let bytes = 0
    for (let i = this.#first + from - oldest.seq; i < this.#entries.length; i += 1) {
      const { delivery } = this.#entries[i] as Entry
      bytes += delivery.length
      const full = deliveries.length === framesMax || bytes > bytesMax
      if (full && deliveries.length > 0) break
      deliveries.push(delivery)
    }
    const last = from + deliveries.length - 1
    return { seq: from - 1, missed: from - 1 - after, deliveries, more: last < top }
  }
}
