// What connections may send together: those of one address, and those of one room on this node. Each takes from the
// shared buckets besides its own (budget.ts); an address's lie with its record (address-limits.ts), a room's here.
import type { RoomId } from '@pychat/protocol'
import { type Rate, rateOf, TokenBucket } from './token-bucket.ts'

export type ShareRates = { frames: Rate; bytes: Rate }

/** Seconds' worth that may come at once, as for one connection. */
const burstSeconds = 2

export function shareRates(framesPerSecond: number, bytesPerSecond: number): ShareRates {
  return {
    frames: rateOf(framesPerSecond, framesPerSecond * burstSeconds),
    bytes: rateOf(bytesPerSecond, bytesPerSecond * burstSeconds),
  }
}

/** A bucket of frames and one of bytes; a frame takes from both or from none. */
export class Share {
  readonly #frames: TokenBucket
  readonly #bytes: TokenBucket

  constructor({ frames, bytes }: ShareRates) {
    this.#frames = new TokenBucket(frames)
    this.#bytes = new TokenBucket(bytes)
  }

  /** Takes one frame. @param now as TokenBucket.take  @returns 0 when taken, else milliseconds to wait: above 0 for frames, below for bytes */
  take(bytes: number, now: number): number {
    const framesMs = this.#frames.take(1, now)
    if (framesMs > 0) return framesMs
    const bytesMs = this.#bytes.take(bytes, now)
    if (bytesMs === 0) return 0
    this.#frames.refund(1)
    return -bytesMs
  }

  refund(bytes: number): void {
    this.#frames.refund(1)
    this.#bytes.refund(bytes)
  }
}

export type RoomShares = {
  /** One more connection of this node is in the room. @returns what they have together */
  enter(room: RoomId): Share
  /** Undoes one `enter`. */
  leave(room: RoomId): void
  size(): number
}

export function createRoomShares(rates: ShareRates): RoomShares {
  const rooms = new Map<RoomId, { share: Share; holders: number }>()
  return {
    enter(room) {
      let entry = rooms.get(room)
      if (entry === undefined) {
        entry = { share: new Share(rates), holders: 0 }
        rooms.set(room, entry)
      }
      entry.holders += 1
      return entry.share
    },
    leave(room) {
      const entry = rooms.get(room)
      if (entry === undefined) return
      entry.holders -= 1
      if (entry.holders === 0) rooms.delete(room)
    },
    size: () => rooms.size,
  }
}
