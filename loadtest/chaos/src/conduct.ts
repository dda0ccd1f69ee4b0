// Conducts one run: servers, members, traffic, faults one after the other, then rest until everybody has everything.
// It hands over the record; what it means is the judge's.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { History } from './history.ts'
import { createMembers, type Member, type Members } from './members.ts'
import { createNemesis } from './nemesis.ts'
import { type PlantableFault, plant } from './planted.ts'
import { pause, until } from './processes.ts'
import { rest } from './rest.ts'
import type { Scenario } from './scenarios.ts'
import { type Fault, mulberry32, scheduleOf } from './schedule.ts'
import type { Store } from './stores.ts'
import { startTopology } from './topology.ts'
import { startTraffic } from './traffic.ts'

const startWithinMs = 60_000
/** A fault counts as not healed when somebody is not well again so long after it. */
const healWithinMs = 30_000
const noticeMs = 150
const replicasWithinMs = 40_000
const ghostsWithinMs = 30_000
/** A planted fault is committed once so much was said: that takes longer where the processor is busy. */
const plantWithinMs = 60_000
const mortalsAtOnce = 6

export type RunOptions = {
  scenario: Scenario
  seed: number
  /** Goes on with new schedules until then; null: one schedule. */
  durationMs: number | null
  plant: PlantableFault | null
  progress(line: string): void
  /** Ends the run early, in order. */
  stopped(): boolean
}

export type Run = {
  history: History
  crashes: number
  problems: string[]
  /** How late this process itself was, p99: its clients share one thread, so waits below this say nothing. */
  ownDelayMs: number
}

export async function conduct(store: Store, options: RunOptions): Promise<Run> {
  const { scenario, seed } = options
  const history = new History()
  const planted = options.plant === null ? null : plant(history, options.plant)
  const recorder = planted ?? history
  const problems: string[] = []
  const topology = await startTopology(store, {
    nodes: scenario.nodes,
    doors: scenario.doors,
    settings: {
      PYCHAT_FRAMES_PER_SECOND: '10000',
      PYCHAT_BYTES_PER_SECOND: '104857600',
      PYCHAT_LOG_LEVEL: 'info',
      PYCHAT_ACK_REPLICAS: String(scenario.ackReplicas),
      ...scenario.settings,
    },
  })
  let members: Members | null = null
  let phase = 'joining'
  let done = 0
  const tell = () => {
    const waiting = members?.pending() ?? 0
    const unwell = members?.all.filter(({ well }) => !well).length ?? 0
    options.progress(
      `${phase}: ${done} faults, ${history.messages.length} sent, ${history.acked} acknowledged, ` +
        `${history.shownRows} shown, ${waiting} waiting, ${unwell} clients away, ${problems.length} problems`,
    )
  }
  const teller = setInterval(tell, 5000)
  try {
    members = await createMembers(topology, history, recorder, {
      rooms: scenario.rooms,
      clients: scenario.clients,
      run: `${seed} ${process.pid}`,
      textBytes: 0,
      progress: options.progress,
    })
    const all = members
    if (!(await until(() => all.allWell(), startWithinMs))) {
      throw new Error(`Not everybody came into their rooms within ${startWithinMs / 1000} s.`)
    }
    const traffic = startTraffic(all, scenario.rate, seed)
    const nemesis = createNemesis(topology, all, traffic)
    const ghosts = createGhosts(all, history, scenario, seed)
    await pause(2000)
    history.calmFrom = performance.now()
    const delays = monitorEventLoopDelay({ resolution: 10 })
    delays.enable()
    phase = 'faults'
    const startedAt = performance.now()
    const timeIsUp = () => options.durationMs !== null && performance.now() - startedAt > options.durationMs
    for (const fault of endlessly(seed, scenario, options.durationMs !== null)) {
      if (options.stopped() || timeIsUp()) break
      ghosts.refill()
      const record = { fault: fault.name, detail: '', at: performance.now(), healedAt: null as number | null }
      history.nemesis.push(record)
      record.detail = await nemesis.commit(fault, { killing: ghosts.die }).catch((error: Error) => {
        problems.push(`${fault.name}: ${error.message}`)
        return error.message
      })
      // What broke last is noticed a moment later.
      await pause(noticeMs)
      const over = performance.now()
      if (await until(() => all.allWell(), healWithinMs)) record.healedAt = performance.now()
      options.progress(
        `fault ${done + 1}: ${fault.name}, ${record.detail}; ` +
          (record.healedAt === null
            ? 'not all well in time'
            : `all well ${Math.round(record.healedAt - over)} ms later`),
      )
      if (record.healedAt === null)
        problems.push(`${fault.name} (${record.detail}): not everybody was well within ${healWithinMs} ms`)
      if (!(await until(() => replicasFollow(store), replicasWithinMs, 200))) {
        problems.push(`${fault.name}: the replicas of Redis did not follow within ${replicasWithinMs} ms`)
      }
      done += 1
      await pause(scenario.calmMs)
    }
    if (planted && !(await until(() => planted.committed, plantWithinMs))) {
      problems.push(`The planted ${options.plant} could not be committed.`)
    }
    phase = 'rest'
    traffic.stop()
    await rest(history, all, scenario.clients)
    if (history.deaths.length > 0) await until(() => ghosts.allSeen(), ghostsWithinMs, 500)
    history.endedAt = performance.now()
    all.stop()
    tell()
    return {
      history,
      crashes: topology.nodes.reduce((sum, { crashes }) => sum + crashes, 0),
      problems,
      ownDelayMs: Math.round(delays.percentile(99) / 1e6),
    }
  } finally {
    clearInterval(teller)
    await topology.stop()
  }
}

function* endlessly(seed: number, scenario: Scenario, repeat: boolean): Generator<Fault> {
  for (let round = 0; ; round += 1) {
    yield* scheduleOf(seed + round, scenario.faults, scenario.nodes)
    if (!repeat) return
  }
}

async function replicasFollow(store: Store): Promise<boolean> {
  if (store.kind === 'single') return true
  const primaries = await store.primaries().catch(() => [])
  const wanted = store.kind === 'sentinel' ? 2 : 1
  const infos = await Promise.all(
    primaries.map((server) => server.command('INFO', 'replication').catch(() => '')),
  )
  const enough = store.kind === 'sentinel' ? 1 : 3
  return (
    infos.length === enough &&
    infos.every((info) => (String(info).match(/state=online/g) ?? []).length >= wanted)
  )
}

function createGhosts(members: Members, history: History, scenario: Scenario, seed: number) {
  const random = mulberry32(seed + 1)
  let living: Member[] = []
  const refill = () => {
    while (scenario.ghosts && living.length < mortalsAtOnce) {
      living.push(members.addMortal(Math.floor(random() * scenario.rooms)))
    }
  }
  return {
    refill,
    /** Those who sit on this node die with it. */
    die(node: { name: string }) {
      const dying = living.filter((member) => member.node?.name === node.name && member.well)
      living = living.filter((member) => !dying.includes(member))
      for (const member of dying) {
        history.deaths.push({ client: member.index, at: performance.now() })
        history.client(member.index).endedAt = performance.now()
        member.die()
      }
    },
    allSeen: () =>
      history.deaths.every(({ client }) => {
        const { name, room } = history.client(client)
        return history.clients.every(
          (other) =>
            other.room !== room ||
            other.mortal ||
            other.events.some(
              (event) => event.kind === 'line' && event.line === 'left' && event.who === name,
            ),
        )
      }),
  }
}
