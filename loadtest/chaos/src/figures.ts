// From the record of a run to its figures: how long people waited, for what. Pure; promises are judge.ts's.
// A pause counts from the moment when something was due: silence in a room where nobody speaks is no pause.
import type { ClientRecord, History, NemesisRecord } from './history.ts'

/** Milliseconds; null where nothing was measured. */
export type Spread = {
  count: number
  p50: number | null
  p95: number | null
  p99: number | null
  max: number | null
}

export type Figures = {
  /** From a lost connection to being in the room again. */
  resumeMs: Spread
  /** One value per client and fault: the longest time in which somebody had spoken and nothing was shown. */
  pauseMs: Spread
  /** One value per fault: the longest time in any room in which somebody had spoken and nothing was acknowledged. */
  writeOutageMs: Spread
  /** From sending to a receiver's screen. */
  deliveryMs: Spread
  /** From sending to its acknowledgement. */
  ackMs: Spread
  /** From the death of a client to the line that says so on another's screen. */
  ghostMs: Spread
  /** Deaths whose line some other member never saw. */
  ghostsLeft: number
  sent: number
  acked: number
  refused: number
  shown: number
  /** Lines about members that did not die, after everybody was there. */
  joinedLines: number
  leftLines: number
  lineExamples: readonly string[]
  gapMarkers: number
  gapMarkersUnknown: number
  rewound: number
  unrepaired: number
  forks: number
  unreadable: number
  reconnects: number
  /** Acknowledged in one epoch and shown in a later one to somebody: what repair saved. */
  repaired: number
  faults: number
  faultsNotHealed: number
  /** By kind of fault. */
  byFault: Record<string, FaultFigures>
}

export type FaultFigures = {
  count: number
  resumeMs: Spread
  pauseMs: Spread
  writeOutageMs: Spread
  /** From the fault until everybody was well again. */
  healMs: Spread
}

const examplesMax = 5

export function figuresOf(history: History): Figures {
  const { messages, clients, nemesis } = history
  const count = (kind: string) =>
    clients.reduce((sum, { events }) => sum + events.filter((event) => event.kind === kind).length, 0)
  const gaps = clients.flatMap(({ events }) => events.filter((event) => event.kind === 'gap'))
  const lines = linesOf(history)
  const ghosts = ghostsOf(history)
  const resumes = clients.flatMap(resumesOf)
  const waits = waitsOf(history)
  return {
    resumeMs: spread(resumes.map(({ ms }) => ms)),
    pauseMs: spread(waits.pauses.flat()),
    writeOutageMs: spread(waits.outages),
    deliveryMs: spread(deliveriesOf(history)),
    ackMs: spread(messages.flatMap((sent) => (sent.ackedAt === null ? [] : [sent.ackedAt - sent.invokedAt]))),
    ghostMs: spread(ghosts.ms),
    ghostsLeft: ghosts.left,
    sent: messages.length,
    acked: history.acked,
    refused: history.failed,
    shown: history.shownRows,
    joinedLines: lines.joined,
    leftLines: lines.left,
    lineExamples: lines.examples,
    gapMarkers: gaps.length,
    gapMarkersUnknown: gaps.filter((event) => event.kind === 'gap' && event.missed === null).length,
    rewound: count('rewound'),
    unrepaired: count('unrepaired'),
    forks: count('fork'),
    unreadable: count('unreadable'),
    reconnects: count('lost'),
    repaired: repairedOf(history),
    faults: nemesis.length,
    faultsNotHealed: nemesis.filter(({ healedAt }) => healedAt === null).length,
    byFault: byFault(history, resumes, waits),
  }
}

export function spread(values: ArrayLike<number>): Spread {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) =>
    sorted.length === 0
      ? null
      : Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] as number)
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

type Resume = { lostAt: number; ms: number }
type Waits = {
  /** By fault, one value per client. */
  pauses: number[][]
  /** By fault, over all rooms. */
  outages: number[]
}

function byFault(
  { nemesis, endedAt }: History,
  resumes: readonly Resume[],
  waits: Waits,
): Figures['byFault'] {
  const windows = windowsOf(nemesis, endedAt)
  const out: Figures['byFault'] = {}
  for (const name of new Set(nemesis.map(({ fault }) => fault))) {
    const mine = windows.flatMap((window, i) => {
      const record = nemesis[i]
      return record?.fault === name ? [{ ...window, i, record }] : []
    })
    out[name] = {
      count: mine.length,
      resumeMs: spread(
        resumes.flatMap(({ lostAt, ms }) =>
          mine.some(({ from, to }) => lostAt >= from && lostAt < to) ? [ms] : [],
        ),
      ),
      pauseMs: spread(mine.flatMap(({ i }) => waits.pauses[i] ?? [])),
      writeOutageMs: spread(mine.map(({ i }) => waits.outages[i] ?? 0)),
      healMs: spread(
        mine.flatMap(({ record }) => (record.healedAt === null ? [] : [record.healedAt - record.at])),
      ),
    }
  }
  return out
}

function resumesOf({ events, mortal }: ClientRecord): Resume[] {
  const out: Resume[] = []
  let lostAt: number | null = null
  for (const event of mortal ? [] : events) {
    if (event.kind === 'lost') lostAt ??= event.at
    else if (event.kind === 'ready' && lostAt !== null) {
      out.push({ lostAt, ms: event.at - lostAt })
      lostAt = null
    }
  }
  return out
}

function deliveriesOf({ clients, messages }: History): Float64Array {
  const out = new Float64Array(clients.reduce((sum, { screen }) => sum + screen.rows, 0))
  let used = 0
  for (const [index, { screen }] of clients.entries()) {
    for (let row = 0; row < screen.rows; row += 1) {
      const sent = messages[screen.message[row] as number]
      if (!sent || sent.client === index) continue
      out[used] = (screen.at[row] as number) - sent.invokedAt
      used += 1
    }
  }
  return out.subarray(0, used)
}

type Window = { from: number; to: number }

/** A fault and the time after it until the next one. */
function windowsOf(nemesis: readonly NemesisRecord[], endedAt: number): Window[] {
  return nemesis.map(({ at }, i) => ({ from: at, to: nemesis[i + 1]?.at ?? endedAt }))
}

function waitsOf(history: History): Waits {
  const windows = windowsOf(history.nemesis, history.endedAt)
  const rooms = new Set(history.clients.map(({ room }) => room))
  const pauses = windows.map((): number[] => [])
  const outages = windows.map(() => 0)
  for (const room of rooms) {
    const sent = history.messages.filter((message) => message.room === room)
    const acks = sent.flatMap(({ ackedAt }) => (ackedAt === null ? [] : [ackedAt])).sort((a, b) => a - b)
    const invokes = sent.map(({ invokedAt }) => invokedAt)
    for (const [i, ms] of longestWaits(invokes, acks, windows).entries()) {
      outages[i] = Math.max(outages[i] as number, ms)
    }
    for (const [index, client] of history.clients.entries()) {
      if (client.room !== room || client.mortal || client.readyAt === null) continue
      const others = sent.filter((message) => message.client !== index).map(({ invokedAt }) => invokedAt)
      const shown = Array.from(client.screen.at.subarray(0, client.screen.rows))
      for (const [i, ms] of longestWaits(others, shown, windows).entries()) pauses[i]?.push(ms)
    }
  }
  return { pauses, outages }
}

/**
 * For each window the longest wait that reached into it: from the first `due` after one `done` (or from that `done`)
 * until the next. All ascending.
 */
function longestWaits(due: readonly number[], done: readonly number[], windows: readonly Window[]): number[] {
  const longest = windows.map(() => 0)
  let next = 0
  let window = 0
  for (let i = 1; i < done.length; i += 1) {
    const last = done[i - 1] as number
    const end = done[i] as number
    while (next < due.length && (due[next] as number) <= last) next += 1
    const from = due[next]
    if (from === undefined) break
    const waited = end - from
    if (waited <= 0) continue
    while (window < windows.length - 1 && (windows[window] as Window).to <= from) window += 1
    for (let w = window; w < windows.length && (windows[w] as Window).from < end; w += 1) {
      if ((windows[w] as Window).to > from) longest[w] = Math.max(longest[w] as number, waited)
    }
  }
  return longest
}

function linesOf(history: History): { joined: number; left: number; examples: string[] } {
  const mortal = new Set(history.clients.filter((client) => client.mortal).map(({ name }) => name))
  const lines = { joined: 0, left: 0, examples: [] as string[] }
  for (const { name, events, mortal: dead } of history.clients) {
    for (const event of dead ? [] : events) {
      if (event.kind !== 'line' || event.at <= history.calmFrom || mortal.has(event.who)) continue
      lines[event.line] += 1
      if (lines.examples.length < examplesMax) {
        const at = (event.at / 1000).toFixed(2)
        lines.examples.push(`at ${at} s ${name} was shown that ${event.who} ${event.line}`)
      }
    }
  }
  return lines
}

function ghostsOf(history: History): { ms: number[]; left: number } {
  const ms: number[] = []
  let left = 0
  for (const { client, at } of history.deaths) {
    const dead = history.client(client)
    const others = history.clients.filter(({ room, mortal }) => room === dead.room && !mortal)
    let unseen = 0
    for (const { events } of others) {
      const line = events.find(
        (event) =>
          event.kind === 'line' && event.line === 'left' && event.who === dead.name && event.at >= at,
      )
      if (line) ms.push(line.at - at)
      else unseen += 1
    }
    if (unseen > 0) left += 1
  }
  return { ms, left }
}

function repairedOf({ clients, messages, epochs }: History): number {
  const repaired = new Set<number>()
  for (const { screen } of clients) {
    for (let row = 0; row < screen.rows; row += 1) {
      const message = screen.message[row] as number
      const place = messages[message]?.place
      const epoch = epochs[screen.epoch[row] as number]
      if (place && epoch !== undefined && place.epoch !== epoch) repaired.add(message)
    }
  }
  return repaired.size
}
