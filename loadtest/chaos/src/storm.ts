// The storm: ten thousand members sit on one node, the node dies, all come back at once to the others. Measured: how
// soon they are back, what it does to Redis, and what the members of the other nodes notice. Beside that, how long what is
// measured had to wait for a processor of this machine, which is no doing of the relay's.

import { spread } from './figures.ts'
import { atMost, type Outcome, type PromiseRow, promiseTable } from './outcome.ts'
import { pause, until } from './processes.ts'
import { RawMember } from './raw-member.ts'
import { type RedisLoad, readRedisLoad } from './redis-load.ts'
import { mulberry32 } from './schedule.ts'
import { watchStarving } from './starving.ts'
import type { Store } from './stores.ts'
import { openCrowd } from './storm-crowd.ts'
import { type RelayNode, startTopology } from './topology.ts'

const membersPerRoom = 4
const survivorRooms = 50
const progressMs = 2000
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
  const latencies = { calm: [] as number[], storm: [] as number[] }
  let phase: keyof typeof latencies | null = null

  const firstRoom = options.seed * 100_000
  const survivors: RawMember[] = []
  for (let i = 0; i < survivorRooms * membersPerRoom; i += 1) {
    const room = (firstRoom + Math.floor(i / membersPerRoom)).toString(16).padStart(32, '0')
    survivors.push(
      new RawMember(room, () => least(others), {
        delivered(sentAt) {
          if (phase) latencies[phase].push(performance.now() - sentAt)
        },
      }),
    )
  }
  const crowd = openCrowd({
    first: victim.url,
    others: others.map(({ url }) => url),
    clients: options.clients,
    membersPerRoom,
    firstRoom: firstRoom + survivorRooms,
  })
  try {
    for (const member of survivors) member.connect()
    const total = survivors.length + options.clients
    const inRooms = () => survivors.filter(({ inRoom }) => inRoom).length + crowd.report().inRoom
    const progress = setInterval(
      () => options.progress(`${inRooms()} of ${total} in their rooms`),
      progressMs,
    )
    const complete = await until(() => inRooms() === total, connectWithinMs, 200)
    clearInterval(progress)
    if (!complete) throw new Error(`Only ${inRooms()} of ${total} members came into their rooms.`)
    options.progress(`${total} members are in their rooms`)

    // Half of what is said is said among the survivors, so that their waits are measured finely.
    let sent = 0
    const trafficFrom = performance.now()
    const traffic = setInterval(() => {
      const due = Math.min(
        (options.rate * (performance.now() - trafficFrom)) / 1000,
        sent + options.rate / 10,
      )
      const count = Math.max(0, Math.ceil((due - sent) / 2))
      for (let i = 0; i < count; i += 1) survivors[Math.floor(random() * survivors.length)]?.send()
      if (count > 0) crowd.send(count)
      sent += 2 * count
    }, tickMs)
    const redis = watchRedis(store)
    const starving = watchStarving([
      process.pid,
      ...others.map(({ pid }) => pid),
      ...store.servers.map(({ pid }) => pid),
    ])
    await pause(5000)
    phase = 'calm'
    redis.reset()
    starving.reset()
    await pause(steadyMs)
    const steady = {
      commands: redis.mean('commands'),
      calls: redis.mean('calls'),
      cpuMs: redis.mean('cpuMs'),
    }
    const starvedCalmMs = starving.mean()
    phase = 'storm'
    redis.reset()
    starving.reset()
    crowd.killed()
    await victim.kill()
    options.progress(`${victim.name} was killed with ${options.clients} members on it`)
    await pause(stormMs)
    await until(() => crowd.report().backMs.length === options.clients, 60_000, 500)
    clearInterval(traffic)
    redis.stop()
    starving.stop()
    const starvedMs = { calm: starvedCalmMs, storm: starving.mean() }
    const peak = { commands: redis.peak('commands'), calls: redis.peak('calls'), cpuMs: redis.peak('cpuMs') }
    const calm = spread(latencies.calm)
    const stormy = spread(latencies.storm)
    const back = crowd.report().backMs
    const backMs = spread(back)
    const share = (100 * back.filter((ms) => ms <= backWithinMs).length) / options.clients
    const missed = survivors.reduce((sum, member) => sum + member.missed, crowd.report().missed)
    const both = (key: keyof RedisLoad) => `${Math.round(steady[key])} and ${Math.round(peak[key])}`
    const rows: PromiseRow[] = [
      {
        promise: `back within ${backWithinMs / 1000} s: at least 95 %`,
        figure: `${share.toFixed(1)} %, all but ${options.clients - back.length}`,
        kept: share >= 95,
      },
      atMost(
        'commands to Redis a second, peak of one second by steady mean',
        peak.calls / steady.calls,
        2,
        'x',
      ),
      atMost("Redis' CPU a second, peak of one second by steady mean", peak.cpuMs / steady.cpuMs, 2, 'x'),
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
        starvedMs,
      },
      page: [
        `# storm: ${kept ? 'kept' : 'BROKEN'}`,
        '',
        `${options.clients} members of ${options.clients / membersPerRoom} rooms on one of ${options.nodes} nodes, which is killed; ` +
          `${survivors.length} members on the others; ${options.rate} messages/s. Again: \`${options.command}\``,
        '',
        ...promiseTable(rows),
        '',
        `Back: p50 ${backMs.p50} ms, p95 ${backMs.p95} ms, p99 ${backMs.p99} ms, last ${backMs.max} ms. Survivors' ` +
          `delivery: calm p50 ${calm.p50} ms, p99 ${calm.p99} ms; storm p50 ${stormy.p50} ms, p99 ${stormy.p99} ms. ` +
          `Redis a second, steady and peak: ${both('calls')} commands by nodes; ${both('cpuMs')} ms of its CPU; ` +
          `${both('commands')} commands by its own count, which has those inside scripts. Without a processor though it had ` +
          `work, of each second, the worst of nodes, Redis and this process: calm ${starvedMs.calm} ms, storm ${starvedMs.storm} ms.`,
        '',
      ].join('\n'),
    }
  } finally {
    for (const member of survivors) member.stop()
    await crowd.stop()
    await topology.stop()
  }
}

/** What Redis did in each second. */
function watchRedis(store: Store) {
  let loads: RedisLoad[] = []
  let last: (RedisLoad & { at: number }) | null = null
  const look = async () => {
    const load = await readRedisLoad(store)
    if (load === null) return
    const now = { ...load, at: performance.now() }
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
    mean: (key: keyof RedisLoad) =>
      loads.reduce((sum, load) => sum + load[key], 0) / Math.max(1, loads.length),
    peak: (key: keyof RedisLoad) => Math.max(0, ...loads.map((load) => load[key])),
    stop: () => clearInterval(timer),
  }
}
