// What one k6 run does, as numbers: made here from a scenario and the command line, written beside the bundle as plan.json,
// read by the script. So the bundle and this file are all that any k6 anywhere needs to repeat the run.

export type Plan = {
  scenario: string
  /** Relay nodes or front doors, ws:// or wss://. Members are spread over them, and go to the next when one fails. */
  urls: readonly string[]
  /** k6's virtual users; each holds whole rooms, so that it knows what everybody in them has to get. */
  vus: number
  rooms: number
  /** Of each room. */
  members: number
  /** Messages a second over all rooms. */
  rate: number
  /** Padded text of a message; one of the protocol's buckets. */
  bytes: number
  joinsPerSecond: number
  /** When messages begin, from the start of the run, and how long they are sent. */
  trafficAtMs: number
  trafficMs: number
  /** How long may be waited for what is missing after that. */
  settleMs: number
  /** In the middle third: so many times the rate; and so large a part of the rooms comes in then, all at once. */
  spike: { factor: number; lateRooms: number } | null
  /** Times at which every member loses its connection, from the start of the messages. */
  cutsAtMs: readonly number[]
  thresholds: Readonly<Record<string, string[]>>
}

/** What the script leaves as k6.json. */
export type K6Summary = {
  metrics: Record<
    string,
    { type: string; values: Record<string, number>; thresholds?: Record<string, { ok: boolean }> }
  >
  durationMs: number
}
