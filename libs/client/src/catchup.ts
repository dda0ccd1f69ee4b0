// Reading the room's log page by page until nothing is missing (docs/protocol.md, section 7.2): one request at a
// time, the deliveries that answer it, and when to give up. Where the client stands and what a delivery says is the
// inbox's part. A relay can make it restart the connection, never loop.
import { errorTable, limits, type RelayControlOf } from '@pychat/protocol'
import type { ClientPorts } from './ports.ts'
import type { Place } from './position.ts'
import { answerTimeoutMs, laterMs } from './retry.ts'

/** Answers of one catching up that may jump: each epoch that ended is one. */
const jumpsMax = 16

export type CatchupEvents = {
  /** Sends a `log` from where we stand. @returns its id */
  ask(): number
  /** The answer's place, before its deliveries. @param missed null: nobody knows  @returns whether that is elsewhere */
  moved(to: Place, missed: number | null): boolean
  /** The relay contradicts itself or went silent: another connection has to try. */
  broken(detail: string): void
  /** The relay does not know us as a member. */
  notMember(): void
}

export type Catchup = {
  /** Deliveries that answer nothing have to wait. */
  readonly active: boolean
  /** All that was announced has come. */
  readonly complete: boolean
  begin(): void
  /** As `begin`, where the question went out already: with the join of this id. */
  beginAsked(id: number): void
  /** @returns whether it is the answer to what was asked */
  answer(message: RelayControlOf<'log'>): boolean
  /** @returns whether it refuses what was asked */
  refused(message: RelayControlOf<'refused'>): boolean
  /** @returns whether this delivery is part of the answer */
  takes(place: Place): boolean
  /** The page was worked off. @param again there is more for another reason than the relay's word */
  pageDone(again: boolean): void
  /** Forgets what was asked. */
  cancel(): void
}

export function createCatchup(
  events: CatchupEvents,
  ports: Pick<ClientPorts, 'setTimer' | 'jitter'>,
): Catchup {
  let active = false
  let request: number | null = null
  let pausing = false
  let more = false
  let jumps = 0
  /** Deliveries of the answer still to come, and the place before the next of them. */
  let left = 0
  let before: Place | null = null
  let heard = false
  let cancelTimer: (() => void) | null = null

  const stopTimer = () => {
    cancelTimer?.()
    cancelTimer = null
  }
  const after = (ms: number, fn: () => void) => {
    stopTimer()
    cancelTimer = ports.setTimer(ms, () => {
      cancelTimer = null
      fn()
    })
  }
  const watch = () => {
    heard = false
    after(answerTimeoutMs, () => {
      if (heard) watch()
      else events.broken('The relay did not send the missed messages in time.')
    })
  }
  const ask = () => {
    pausing = false
    watch()
    request = events.ask()
  }
  return {
    get active() {
      return active
    },
    get complete() {
      return request === null && !pausing && left === 0
    },
    begin() {
      if (active) return
      active = true
      jumps = 0
      ask()
    },
    beginAsked(id) {
      active = true
      jumps = 0
      watch()
      request = id
    },
    answer(message) {
      if (request === null || message.id !== request) return false
      request = null
      stopTimer()
      const { epoch, seq, count } = message
      if (count > limits.logPageFramesMax || !Number.isSafeInteger(seq + count)) {
        events.broken('The relay announced more missed messages than it may.')
        return true
      }
      const jumped = events.moved({ epoch, seq }, message.missed ?? null)
      if (jumped) jumps += 1
      more = message.more
      if (jumps > jumpsMax || (more && count === 0 && !jumped)) {
        events.broken('The relay does not come to an end with the missed messages.')
        return true
      }
      left = count
      before = { epoch, seq }
      if (left > 0) watch()
      return true
    },
    refused(message) {
      if (request === null || message.id !== request) return false
      request = null
      stopTimer()
      if (message.code === 'not-member') events.notMember()
      else if (errorTable[message.code].retry === 'never') events.broken(errorTable[message.code].sentence)
      else {
        pausing = true
        after(laterMs(message, ports.jitter()), ask)
      }
      return true
    },
    takes(place) {
      if (left === 0 || place.epoch !== before?.epoch || place.seq !== before.seq + 1) return false
      before = place
      left -= 1
      heard = true
      if (left === 0) stopTimer()
      return true
    },
    pageDone(again) {
      if (more || again) ask()
      else active = false
    },
    cancel() {
      stopTimer()
      active = false
      request = null
      pausing = false
      more = false
      left = 0
      before = null
    },
  }
}
