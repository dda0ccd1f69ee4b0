// The storm: ten thousand members sit on one node, the node dies, all come back at once to the others. Measured: how
// soon they are back, what it does to Redis, and what the members of the other nodes notice.

import { spread } from './figures.ts'
import { atMost, type Outcome, type PromiseRow, promiseTable } from './outcome.ts'
import { pause, until } from './processes.ts'
import { RawMember } from './raw-member.ts'
import { mulberry32 } from './schedule.ts'
import type { Store } from './stores.ts'
import { type RelayNode, startTopology } from './topology.ts'

const membersPerRoom = 4
const survivorRooms = 50
const connectPerTick = 20
const connectTickMs = 20
const connectWithinMs = 180_000
const steadyMs = 15_000
const stormMs = 25_000
const sampleMs = 1000
const tickMs = 10
const backWithinMs = 15_000

export type StormOptions = {
  clients: number
  /** Messages per second, over all rooms. */
  rate: number
  nodes: number
  seed: number
  command: string
  progress(line: string): void
}

export async function storm(store: Store, options: StormOptions): Promise<Outcome> {
  const startedAt = performance.now()
  const random = mulberry32(options.seed)
  const topology = await startTopology(store, {
    nodes: options.nodes,
    doors: false,
    settings: { PYCHAT_FRAMES_PER_SECOND: '10000' },
  })
  const [victim, ...others] = topology.nodes as [RelayNode, ...RelayNode[]]
  const least = (nodes: readonly RelayNode[]) =>
    [...nodes].filter(({ alive }) => alive).sort((a, b) => a.connections - b.connections)[0] ?? null
  let killedAt = Number.POSITIVE_INFINITY
  const latencies = { calm: [] as number[], storm: [] as number[] }
  const back: number[] = []
  let phase: keyof typeof latencies | null = null

  const survivors: RawMember[] = []
  const many: RawMember[] = []
  const roomName = (number: number) => (options.seed * 100_000 + number).toString(16).padStart(32, '0')
  for (let i = 0; i < survivorRooms * membersPerRoom; i += 1) {
    survivors.push(
      new RawMember(roomName(Math.floor(i / membersPerRoom)), () => least(others), {
        delivered(sentAt) {
          if (phase) latencies[phase].push(performance.now() - sentAt)
        },
      }),
    )
  }
  for (let i = 0; i < options.clients; i += 1) {
    const member = new RawMember(
      roomName(survivorRooms + Math.floor(i / membersPerRoom)),
      () => least(performance.now() < killedAt ? [victim] : others),
      {
        joined() {
          if (performance.now() > killedAt && member.joins === 2) back.push(performance.now() - killedAt)
        },
      },
    )
    many.push(member)
  }
  try {
    const all = [...survivors, ...many]
    for (let i = 0; i < all.length; i += connectPerTick) {
      for (const member of all.slice(i, i + connectPerTick)) member.connect()
      await pause(connectTickMs)
      if (i % 2000 === 0) options.progress(`${i} of ${all.length} connections opened`)
    }
    if (!(await until(() => all.every(({ inRoom }) => inRoom), connectWithinMs, 200))) {
      const missing = all.filter(({ inRoom }) => !inRoom).length
      throw new Error(`${missing} of ${all.length} members did not come into their rooms.`)
    }
    options.progress(`${all.length} members are in their rooms`)

    // Half of what is said is said among the survivors, so that their waits are measured finely.
    let sent = 0
    const trafficFrom = performance.now()
    const traffic = setInterval(() => {
      const due = Math.min(
        (options.rate * (performance.now() - trafficFrom)) / 1000,
        sent + options.rate / 10,
      )
      while (sent < due) {
        const among = sent % 2 === 0 ? survivors : many
        among[Math.floor(random() * among.length)]?.send()
        sent += 1
      }
    }, tickMs)
    const commands = await watchCommands(store)
    await pause(5000)
    phase = 'calm'
    commands.reset()
    await pause(steadyMs)
    const steady = commands.rates()
    phase = 'storm'
    commands.reset()
    killedAt = performance.now()
    await victim.kill()
    options.progress(`${victim.name} was killed with ${many.length} members on it`)
    await pause(stormMs)
    await until(() => back.length === many.length, 60_000, 500)
    clearInterval(traffic)
    commands.stop()
    const peak = Math.max(...commands.rates())
    const steadyMean = steady.reduce((sum, rate) => sum + rate, 0) / Math.max(1, steady.length)
    const calm = spread(latencies.calm)
    const stormy = spread(latencies.storm)
    const backMs = spread(back)
    const share = (100 * back.filter((ms) => ms <= backWithinMs).length) / many.length
    const missed = all.reduce((sum, member) => sum + member.missed, 0)
    const rows: PromiseRow[] = [
      {
        promise: `back within ${backWithinMs / 1000} s: at least 95 %`,
        figure: `${share.toFixed(1)} %, all but ${many.length - back.length}`,
        kept: share >= 95,
      },
      atMost('Redis commands a second, peak of one second by steady mean', peak / steadyMean, 2, 'x'),
      atMost(
        "survivors' delivery p99, storm by calm",
        (stormy.p99 ?? 0) / Math.max(1, calm.p99 ?? 1),
        3,
        'x',
      ),
      atMost('messages missed', missed, 0),
    ]
    const kept = rows.every((row) => row.kept)
    return {
      name: 'storm',
      kept,
      promises: rows,
      seconds: (performance.now() - startedAt) / 1000,
      seed: options.seed,
      command: options.command,
      figures: {
        backMs,
        calm,
        storm: stormy,
        redisSteady: Math.round(steadyMean),
        redisPeak: Math.round(peak),
      },
      page: [
        `# storm: ${kept ? 'kept' : 'BROKEN'}`,
        '',
        `${many.length} members of ${many.length / membersPerRoom} rooms on one of ${options.nodes} nodes, which is killed; ` +
          `${survivors.length} members on the others; ${options.rate} messages/s. Again: \`${options.command}\``,
        '',
        ...promiseTable(rows),
        '',
        `Back: p50 ${backMs.p50} ms, p95 ${backMs.p95} ms, p99 ${backMs.p99} ms, last ${backMs.max} ms. Survivors' ` +
          `delivery: calm p50 ${calm.p50} ms, p99 ${calm.p99} ms; storm p50 ${stormy.p50} ms, p99 ${stormy.p99} ms. ` +
          `Redis commands a second: steady ${Math.round(steadyMean)}, peak ${Math.round(peak)}. Clients and survivors ` +
          'share one process with its one thread: part of the wait is theirs.',
        '',
      ].join('\n'),
    }
  } finally {
    for (const member of [...survivors, ...many]) member.stop()
    await topology.stop()
  }
}

/** Commands a second that Redis carried out by its own count, those inside scripts included; one value per second. */
async function watchCommands(store: Store) {
  const [server] = await store.primaries()
  let rates: number[] = []
  let last: { at: number; commands: number } | null = null
  const look = async () => {
    const info = String(await server?.command('INFO', 'stats').catch(() => ''))
    const commands = Number(/total_commands_processed:(\d+)/.exec(info)?.[1] ?? Number.NaN)
    if (Number.isNaN(commands)) return
    const at = performance.now()
    if (last) rates.push((1000 * (commands - last.commands)) / (at - last.at))
    last = { at, commands }
  }
  const timer = setInterval(() => void look(), sampleMs)
  return {
    reset() {
      rates = []
    },
    rates: () => rates,
    stop: () => clearInterval(timer),
  }
}
