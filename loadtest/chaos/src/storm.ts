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
    const redis = await watchRedis(store)
    await pause(5000)
    phase = 'calm'
    redis.reset()
    await pause(steadyMs)
    const steady = {
      commands: redis.mean('commands'),
      calls: redis.mean('calls'),
      cpuMs: redis.mean('cpuMs'),
    }
    phase = 'storm'
    redis.reset()
    killedAt = performance.now()
    await victim.kill()
    options.progress(`${victim.name} was killed with ${many.length} members on it`)
    await pause(stormMs)
    await until(() => back.length === many.length, 60_000, 500)
    clearInterval(traffic)
    redis.stop()
    const peak = { commands: redis.peak('commands'), calls: redis.peak('calls'), cpuMs: redis.peak('cpuMs') }
    const calm = spread(latencies.calm)
    const stormy = spread(latencies.storm)
    const backMs = spread(back)
    const share = (100 * back.filter((ms) => ms <= backWithinMs).length) / many.length
    const missed = all.reduce((sum, member) => sum + member.missed, 0)
    const both = (key: keyof Load) => `${Math.round(steady[key])} and ${Math.round(peak[key])}`
    const rows: PromiseRow[] = [
      {
        promise: `back within ${backWithinMs / 1000} s: at least 95 %`,
        figure: `${share.toFixed(1)} %, all but ${many.length - back.length}`,
        kept: share >= 95,
      },
      atMost(
        'Redis commands a second, peak of one second by steady mean',
        peak.commands / steady.commands,
        2,
        'x',
      ),
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
        redisSteady: steady,
        redisPeak: peak,
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
          `Redis a second, steady and peak: ${both('commands')} commands, those inside scripts included; ${both('calls')} calls ` +
          `of scripts by nodes; ${both('cpuMs')} ms of its CPU. Clients and survivors ` +
          'share one process with its one thread: part of the wait is theirs.',
        '',
      ].join('\n'),
    }
  } finally {
    for (const member of [...survivors, ...many]) member.stop()
    await topology.stop()
  }
}

type Load = { commands: number; calls: number; cpuMs: number }

/** What Redis did in each second: commands by its own count, which has those inside scripts; calls of nodes; its CPU. */
async function watchRedis(store: Store) {
  const [server] = await store.primaries()
  let loads: Load[] = []
  let last: (Load & { at: number }) | null = null
  const look = async () => {
    const info = String(await server?.command('INFO', 'everything').catch(() => ''))
    const number = (pattern: RegExp) => Number(pattern.exec(info)?.[1] ?? Number.NaN)
    const scripts = [...info.matchAll(/cmdstat_(?:evalsha|evalsha_ro|eval|wait):calls=(\d+)/g)]
    const now = {
      at: performance.now(),
      commands: number(/total_commands_processed:(\d+)/),
      calls: scripts.reduce((sum, [, calls]) => sum + Number(calls), 0),
      cpuMs: 1000 * (number(/used_cpu_user:([\d.]+)/) + number(/used_cpu_sys:([\d.]+)/)),
    }
    if (Number.isNaN(now.commands)) return
    if (last) {
      const seconds = (now.at - last.at) / 1000
      loads.push({
        commands: (now.commands - last.commands) / seconds,
        calls: (now.calls - last.calls) / seconds,
        cpuMs: (now.cpuMs - last.cpuMs) / seconds,
      })
    }
    last = now
  }
  const timer = setInterval(() => void look(), sampleMs)
  return {
    reset() {
      loads = []
    },
    mean: (key: keyof Load) => loads.reduce((sum, load) => sum + load[key], 0) / Math.max(1, loads.length),
    peak: (key: keyof Load) => Math.max(0, ...loads.map((load) => load[key])),
    stop: () => clearInterval(timer),
  }
}
