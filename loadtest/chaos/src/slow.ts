// Slow readers: five of a hundred members stop reading while the room is busy. Measured: how soon after the limit each
// is closed, whether it resumes without a loss once it reads again, and what the others notice.
import { readFileSync } from 'node:fs'
import { createHistogram } from 'node:perf_hooks'
import { atMost, type Outcome, type PromiseRow, promiseTable } from './outcome.ts'
import { pause, until } from './processes.ts'
import { RawMember } from './raw-member.ts'
import type { Store } from './stores.ts'
import { startTopology } from './topology.ts'

const stopped = 5
const textBytes = 4096
const deliveryBytes = 42 + 42 + textBytes + 16 + 4
const limitBytes = 1_048_576
const warmMs = 5000
const windowMs = 10_000
/** Turns of reading and stopping: one turn's p99 says more of the machine than of the relay. */
const rounds = 5
const closeWithinMs = 120_000
const lookMs = 200

export type SlowOptions = {
  clients: number
  rate: number
  seed: number
  command: string
  progress(line: string): void
}

export async function slow(store: Store, options: SlowOptions): Promise<Outcome> {
  const startedAt = performance.now()
  const topology = await startTopology(store, {
    nodes: 1,
    doors: false,
    settings: {
      PYCHAT_FRAMES_PER_SECOND: '10000',
      PYCHAT_BYTES_PER_SECOND: '104857600',
      PYCHAT_BACKPRESSURE_BYTES_MAX: String(limitBytes),
      // The kernel's own buffers of a loopback connection hold more than the log does by default: a reader that
      // stopped would be behind the log's end before the relay could notice that it stopped.
      PYCHAT_LOG_BYTES_MAX: String(128 * 1_048_576),
      PYCHAT_LOG_MESSAGES_MAX: '30000',
    },
  })
  const node = topology.nodes[0]
  if (!node) throw new Error('No node was started.')
  let histogram = createHistogram()
  let measuring = false
  const room = options.seed.toString(16).padStart(32, '0')
  const members: RawMember[] = []
  for (let i = 0; i < options.clients; i += 1) {
    members.push(
      new RawMember(room, topology.pick, {
        delivered(sentAt) {
          if (measuring && i >= stopped) {
            histogram.record(Math.max(1, Math.round(1000 * (performance.now() - sentAt))))
          }
        },
      }),
    )
  }
  const readers = members.slice(0, stopped)
  const speaker = members.at(-1) as RawMember
  try {
    for (const member of members) member.connect()
    if (!(await until(() => members.every(({ inRoom }) => inRoom), 30_000))) {
      throw new Error('Not everybody came into the room.')
    }
    let sent = 0
    const from = performance.now()
    const traffic = setInterval(() => {
      const due = Math.min((options.rate * (performance.now() - from)) / 1000, sent + options.rate / 10)
      while (sent < due) {
        speaker.send(textBytes)
        sent += 1
      }
    }, 5)
    const p99During = async <T>(run: Promise<T>): Promise<[number, T]> => {
      histogram = createHistogram()
      measuring = true
      const value = await run
      measuring = false
      return [histogram.percentile(99) / 1000, value]
    }
    const p99s = { without: [] as number[], with: [] as number[] }
    const after: number[] = []
    for (let round = 1; round <= rounds; round += 1) {
      await pause(warmMs)
      const windowEnd = performance.now() + windowMs
      // Looking at the sockets costs this process something: it looks in both halves.
      const looking = until(
        () => queuedBytes(node.port).size === 0 || performance.now() > windowEnd,
        closeWithinMs,
        lookMs,
      )
      const [without] = await p99During(looking)
      for (const reader of readers) reader.hang()
      const [withStopped, closings] = await p99During(
        watchSockets(readers, node.port, options.rate * deliveryBytes),
      )
      // They read again at once: what still lies in the kernel, then the end, then the rest from the log.
      for (const reader of readers) reader.read()
      await until(() => readers.every(({ joins, inRoom }) => inRoom && joins > round), 30_000, 100)
      p99s.without.push(without)
      p99s.with.push(withStopped)
      after.push(...closings.map((closing) => closing ?? closeWithinMs))
      options.progress(
        `turn ${round} of ${rounds}: p99 ${without.toFixed(2)} ms while all read, ${withStopped.toFixed(2)} ms with ${stopped} stopped`,
      )
    }
    clearInterval(traffic)
    const isBack = ({ joins }: RawMember) => joins > rounds
    const caughtUp = await until(
      () => readers.every(isBack) && members.every(({ seq }) => seq === speaker.seq),
      60_000,
      100,
    )
    const [without, stoppedP99] = [median(p99s.without), median(p99s.with)]
    const missed = members.reduce((sum, member) => sum + member.missed, 0)
    const gaps = members.reduce((sum, { unknownGaps }) => sum + unknownGaps, 0)
    const incomplete = members.filter(({ received }) => received !== speaker.received).length
    const rows: PromiseRow[] = [
      atMost(`closed after the limit, longest of ${after.length}`, Math.max(...after), 2000, 'ms'),
      {
        promise: 'all five are back, and everybody has all messages',
        figure: `${readers.filter(isBack).length} back, ${incomplete} members without all`,
        kept: caughtUp && incomplete === 0,
      },
      atMost('gaps of unknown size', gaps, 0),
      atMost('messages missed', missed, 0),
      atMost(
        `others' delivery p99, median of ${rounds} turns, with stopped readers by without`,
        stoppedP99 / without,
        1.1,
        'x',
      ),
    ]
    const kept = rows.every((row) => row.kept)
    return {
      name: 'slow',
      kept,
      promises: rows,
      seconds: (performance.now() - startedAt) / 1000,
      seed: options.seed,
      command: options.command,
      figures: {
        closedAfterLimitMs: after.map(Math.round),
        p99Without: p99s.without,
        p99With: p99s.with,
        sent,
      },
      page: [
        `# slow: ${kept ? 'kept' : 'BROKEN'}`,
        '',
        `${stopped} of ${options.clients} members of one room stop reading; ${options.rate} messages/s of 4 KiB, one ` +
          `node, limit ${limitBytes} bytes. Again: \`${options.command}\``,
        '',
        ...promiseTable(rows),
        '',
        `Closed after the limit: ${after.map((ms) => `${Math.round(ms)} ms`).join(', ')}. Delivery p99 of the others by turn: ` +
          `${shown(p99s.without)} ms while all read, ${shown(p99s.with)} ms with ${stopped} stopped. Sent ${sent}.`,
        '',
      ].join('\n'),
    }
  } finally {
    for (const member of members) member.stop()
    await topology.stop()
  }
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
const shown = (values: readonly number[]) => values.map((value) => value.toFixed(2)).join(', ')

/**
 * Watches the relay's ends of these connections in the kernel's table. While a connection's queues grow the kernel takes
 * what the relay sends; from then on the relay has to keep it itself, and so much later it holds `limitBytes`.
 * @returns for each, milliseconds from that limit until the relay's end is gone, null when it was not in time
 */
async function watchSockets(
  readers: readonly RawMember[],
  nodePort: number,
  bytesPerSecond: number,
): Promise<(number | null)[]> {
  const watched = readers.map((reader) => {
    const socket = (reader.socket as unknown as { _socket?: { localPort?: number } } | null)?._socket
    const at = performance.now()
    return { clientPort: socket?.localPort ?? 0, queued: 0, grewAt: at, goneAt: null as number | null }
  })
  await until(
    () => {
      const now = performance.now()
      const queues = queuedBytes(nodePort)
      for (const each of watched) {
        if (each.goneAt !== null) continue
        const bytes = queues.get(each.clientPort)
        if (bytes === undefined) each.goneAt = now
        else if (bytes > each.queued) {
          each.queued = bytes
          each.grewAt = now
        }
      }
      return watched.every(({ goneAt }) => goneAt !== null)
    },
    closeWithinMs,
    lookMs,
  )
  const fillMs = (1000 * limitBytes) / bytesPerSecond
  return watched.map(({ grewAt, goneAt }) => (goneAt === null ? null : Math.max(0, goneAt - grewAt - fillMs)))
}

/** By the client's port: bytes in the queues of both ends, for every connection whose end at this port is established. */
function queuedBytes(nodePort: number): Map<number, number> {
  const established = new Map<number, number>()
  const received = new Map<number, number>()
  const portOf = (address: string) => Number.parseInt(address.split(':')[1] ?? '0', 16)
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(file, 'utf8').split('\n').slice(1)) {
      const [, local = '', remote = '', state = '', queues = ''] = line.trim().split(/\s+/)
      const [tx = '0', rx = '0'] = queues.split(':')
      if (portOf(local) === nodePort && state === '01')
        established.set(portOf(remote), Number.parseInt(tx, 16))
      else if (portOf(remote) === nodePort) received.set(portOf(local), Number.parseInt(rx, 16))
    }
  }
  return new Map([...established].map(([port, bytes]) => [port, bytes + (received.get(port) ?? 0)]))
}
