// Everything that a run counts. Counters are fed in sums, twice a second per virtual user: k6 spends more on a sample
// than on a delivery.
import exec from 'k6/execution'
import { Counter, Trend } from 'k6/metrics'

const counters = {
  /** Members that came into their rooms for the first time. */
  joined: new Counter('pychat_joined'),
  sent: new Counter('pychat_sent'),
  /** What members were given, the sender's own copy included, repeats left out. */
  delivered: new Counter('pychat_delivered'),
  expected: new Counter('pychat_expected'),
  judgedRooms: new Counter('pychat_judged_rooms'),
  lost: new Counter('pychat_lost'),
  duplicates: new Counter('pychat_duplicates'),
  disordered: new Counter('pychat_disordered'),
  corrupt: new Counter('pychat_corrupt'),
  /** Gaps that a relay told. */
  gaps: new Counter('pychat_gaps'),
  /** Members that were shown as gone although they were not. */
  departures: new Counter('pychat_departures'),
  reconnects: new Counter('pychat_reconnects'),
  /** Connections that could not be opened. */
  connectFailures: new Counter('pychat_connect_failures'),
  /** Frames and requests that a relay did not take at first. */
  refused: new Counter('pychat_refused'),
  /** Connections closed with a code that means stop, messages that could not be read. */
  faults: new Counter('pychat_faults'),
  /** Sent into a connection that was just closing. */
  unsent: new Counter('pychat_unsent'),
  /** Messages that were not sent because too many of a member waited. */
  heldBack: new Counter('pychat_held_back'),
}

/** From the moment a message was due until a member had it, milliseconds. */
export const deliveryMs = new Trend('pychat_delivery_ms', true)
/** From opening the connection until the room was entered, milliseconds. */
export const joinMs = new Trend('pychat_join_ms', true)
/** From the loss of a connection until the room was entered again, milliseconds. */
export const rejoinMs = new Trend('pychat_rejoin_ms', true)
/** From the last message until every member of a room had every message, milliseconds. */
export const settleMs = new Trend('pychat_settle_ms', true)

export type Tally = Record<keyof typeof counters, number>

const names = Object.keys(counters) as (keyof typeof counters)[]
const zeros = () => Object.fromEntries(names.map((name) => [name, 0])) as Tally

/** Of this virtual user, since the last `flush`. */
export const tally: Tally = zeros()

export function flush(all = false): void {
  for (const name of names) {
    if (tally[name] === 0 && !all) continue
    counters[name].add(tally[name])
    tally[name] = 0
  }
}

let instance: typeof exec.instance | null = null

/** Milliseconds since the run began, finer than Date.now() and the same clock for all virtual users. */
export function now(): number {
  // k6 has it from the first iteration on, and asking for it takes longer than the question.
  instance ??= exec.instance
  return instance.currentTestRunDuration
}
