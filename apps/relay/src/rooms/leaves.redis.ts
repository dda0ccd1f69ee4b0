// The leaves of a node that Redis has not confirmed: each is tried again until it is, or until the node's lease is lost.
import type { RoomId, SessionId } from '@pychat/protocol'
import { roomKeys } from '../redis/keys.ts'
import type { Owner } from '../redis/owner.ts'
import type { Scripts } from '../redis/scripts.ts'

export type PendingLeave = {
  room: RoomId
  session: SessionId
  owner: Owner
  why: 'left' | 'lost' | 'banned'
  /** Not before this time. */
  due: number
}

export type LeavesOptions = {
  scripts: Scripts
  keyPrefix: string
  now(): number
  keepMs: number
}

const leavesPerRoundMax = 512

export class Leaves {
  readonly #options: LeavesOptions
  readonly #waiting = new Map<string, PendingLeave>()

  constructor(options: LeavesOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Takes the session out at once, or as soon as it can. @returns whether Redis has confirmed it. Never rejects. */
  async now(leave: PendingLeave): Promise<boolean> {
    const { scripts, keyPrefix, now, keepMs } = this.#options
    const { room, session, owner, why } = leave
    try {
      await scripts.roomLeave(roomKeys(keyPrefix, room), room, session, owner, why, now(), keepMs)
      this.#waiting.delete(keyOf(leave))
      return true
    } catch {
      this.#waiting.set(keyOf(leave), leave)
      return false
    }
  }

  later(leave: PendingLeave): void {
    this.#waiting.set(keyOf(leave), leave)
  }

  /** Tries those that are due, a bounded number at once. */
  again(): void {
    const due = this.#due()
    for (const leave of due.slice(0, leavesPerRoundMax)) void this.now(leave)
  }

  /** Tries all that are due, and these too, for the last time. @returns whether none is left */
  async last(more: readonly PendingLeave[]): Promise<boolean> {
    const due = this.#due()
    const staying = this.#waiting.size - due.length
    const left = await Promise.all([...due, ...more].map((leave) => this.now(leave)))
    return staying === 0 && !left.includes(false)
  }

  clear(): void {
    this.#waiting.clear()
  }

  #due(): PendingLeave[] {
    const now = this.#options.now()
    return [...this.#waiting.values()].filter(({ due }) => due <= now)
  }
}

function keyOf({ room, session, owner }: PendingLeave): string {
  return `${room} ${session} ${owner}`
}
