// The crowd: thousands of members come into one room over three nodes, are listed, talk and go again. Measured: what the
// last joins cost beside the first, and what a member who watches from the beginning is told and shown of it.
import { readFileSync } from 'node:fs'
import { deriveRoom } from '@pychat/crypto'
import { type Outcome, promiseTable } from '../outcome.ts'
import { pause, until } from '../processes.ts'
import { readRedisLoad } from '../redis-load.ts'
import { processorMs, watchStarving } from '../starving.ts'
import type { Store } from '../stores.ts'
import { type RelayNode, startTopology } from '../topology.ts'
import { type JoinCost, joinCostOf, listedOf, round, toldBetween, type Use, wordsAmiss } from './figures.ts'
import { type Arrivals, openPeople, type People } from './people.ts'
import { type CrowdFigures, promisesOf } from './promises.ts'
import { openTerminal, type Terminal } from './terminal.ts'
import { openWatcher, type Watcher } from './watcher.ts'

const nodeCount = 3
/** Of those who come while their cost is measured, and of the others. */
const measuredPerSecond = 100
const othersPerSecond = 200
const leavesPerSecond = 400
/** Of the members; their joins are measured one part at a time. */
const partShare = 0.1
/** More than the first page of a roster, so that the first part has whole pages too. */
const partMin = 100
const leaveShare = 0.4
const speakers = 10
const enterWithinMs = 20_000
const wordsWithinMs = 20_000
const countsWithinMs = 15_000
const wordEveryMs = 1000
const lookMs = 50
/** Files that a process has open beside its members' connections. */
const spareFiles = 200

export type CrowdOptions = {
  members: number
  seed: number
  command: string
  progress(line: string): void
}

export async function crowd(store: Store, options: CrowdOptions): Promise<Outcome> {
  const { members, seed, progress } = options
  needFiles(members + spareFiles)
  // Nothing dies here: Redis writes as operators let it, and its time is not its disk's.
  if (store.owned) await store.servers[0]?.command('CONFIG', 'SET', 'appendfsync', 'everysec')
  const startedAt = performance.now()
  const topology = await startTopology(store, {
    nodes: nodeCount,
    doors: false,
    settings: { PYCHAT_ROOM_MEMBERS_MAX: String(members) },
  })
  const urls = topology.nodes.map(({ url }) => url) as [string, string, string]
  const door = { name: `crowd ${seed}`, pin: 'correct horse battery staple' }
  const people = openPeople()
  const watchers: Watcher[] = []
  const run = { store, nodes: topology.nodes, people, members, progress }
  try {
    const keys = await deriveRoom(door.name, door.pin)
    const watch = async (name: string, url: string): Promise<Watcher> => {
      const watcher = openWatcher(name, url, { keys, pin: door.pin })
      watchers.push(watcher)
      await needed(`${name} did not come in`, () => watcher.inRoom, enterWithinMs)
      return watcher
    }
    // Two watch, and one is a program: they are members as well.
    const [names, [alice, bob]] = await Promise.all([
      people.prepare({ urls, ...door, count: members - 3, seed }),
      watch('Alice', urls[0]).then(async (alice) => {
        await alice.found()
        return [alice, await watch('Bob', urls[1])] as const
      }),
    ])
    progress(`${names.length} members are prepared`)

    const starving = watchStarving([
      process.pid,
      people.pid,
      ...[...topology.nodes, ...store.servers].map(({ pid }) => pid),
    ])
    const { joins, saidAmong } = await comeIn(run, alice, bob)
    starving.stop()
    const terminal = openTerminal('Terminal', urls[2], door)
    await needed('pychat did not come in', () => terminal.entered, enterWithinMs)
    const allInAt = performance.now()
    const allIn = await countsRight(members, people, [alice, bob, terminal])
    const told = [alice, bob].map((watcher) => toldBetween(watcher.controls, quietFrom(watcher), allInAt))
    const { inRoom } = await people.look()
    progress(`${inRoom + 3} members are in the room`)

    const present = [...names, alice.name, bob.name, terminal.name]
    const listed = []
    for (const watcher of [alice, bob]) listed.push(listedOf(await watcher.pages(), present))
    const pages = [await terminal.users(1), await terminal.users(2)]
    progress('the pages are through')

    const words = await talk(people, [alice, bob], terminal)
    const left = await people.leave(Math.floor(leaveShare * members), leavesPerSecond)
    const someLeft = await countsRight(members - left, people, [alice, bob, terminal])
    progress(`${left} have left`)

    const view = await people.look()
    const [first, second] = pages
    const figures: CrowdFigures = {
      members,
      cameIn: inRoom + 3,
      left,
      ownRedis: store.owned,
      joins,
      told,
      lines: {
        all: Math.max(...watchers.map(({ lines }) => lines.length)),
        whileQuiet: Math.max(
          ...watchers.map((each) => each.lines.filter((at) => at > quietFrom(each)).length),
        ),
      },
      wordWhileTheyComeMs: saidAmong,
      starvedMs: starving.mean(),
      listed,
      words,
      countsRightMs: { allIn, someLeft },
      terminal: {
        pages: pages.flatMap((page) => (page === null ? [] : [page.users.length])),
        overlap: first && second ? first.users.filter((name) => second.users.includes(name)).length : 0,
        count: first?.count ?? 0,
        comings: terminal.comings,
      },
      storeAway: watchers.reduce((sum, { degraded }) => sum + degraded, 0),
      trouble: [
        ...watchers.flatMap(({ trouble }) => trouble),
        ...(view.lost > 0 ? [`${view.lost} connections of the crowd broke`] : []),
        ...(terminal.alive ? [] : ['pychat ended']),
        ...topology.nodes.filter(({ crashes }) => crashes > 0).map(({ name }) => `${name} ended`),
      ],
    }
    return outcomeOf(figures, options, (performance.now() - startedAt) / 1000)
  } finally {
    await Promise.all(watchers.map((watcher) => watcher.stop()))
    await people.stop()
    await topology.stop()
  }
}

type Run = {
  store: Store
  nodes: readonly RelayNode[]
  people: People
  members: number
  progress(line: string): void
}

/** Everybody but the program. The first two parts and the last come at one pace, so that their costs compare. */
async function comeIn(run: Run, alice: Watcher, bob: Watcher) {
  const { people, members, progress } = run
  const part = Math.max(partMin, Math.floor(partShare * members))
  const measure = async (what: string) => {
    const cost = await measured(run, () => people.come(part, measuredPerSecond))
    progress(`${what} ${part}: ${JSON.stringify(cost)}`)
    return cost
  }
  const first = await measure('the first')
  const second = await measure('behind them')
  const between = members - 3 - 3 * part
  const coming = people.come(between, othersPerSecond)
  const saidAmong = await speakWhile(coming, alice, bob)
  const last = await measure('the last')
  return { joins: { first, second, last }, saidAmong }
}

/** When it was told that the room is quiet: from then on there are counts. All the time is, where it never was told. */
const quietFrom = ({ controls }: Watcher) => controls.find(({ kind }) => kind === 'count')?.at ?? 0

async function measured({ store, nodes }: Run, work: () => Promise<Arrivals>): Promise<JoinCost> {
  const look = async (): Promise<Use> => {
    const load = await readRedisLoad(store)
    if (load === null) throw new Error('Redis does not say what it did.')
    return { ...load, nodesCpuMs: nodes.reduce((sum, { pid }) => sum + processorMs(pid).ran, 0) }
  }
  const before = await look()
  const arrivals = await work()
  const after = await look()
  return joinCostOf(arrivals, {
    calls: after.calls - before.calls,
    commands: after.commands - before.commands,
    cpuMs: after.cpuMs - before.cpuMs,
    nodesCpuMs: after.nodesCpuMs - before.nodesCpuMs,
  })
}

/** Alice says something now and then until it is over. @returns how long each took to Bob's screen */
async function speakWhile(work: Promise<unknown>, alice: Watcher, bob: Watcher) {
  let over = false
  const ended = work.finally(() => {
    over = true
  })
  const saidAt: number[] = []
  while (!over) {
    alice.say(`while they come ${saidAt.length}`)
    saidAt.push(performance.now())
    await Promise.race([ended, pause(wordEveryMs)])
  }
  await ended
  const arrived = () => bob.words.filter(({ text }) => text.startsWith('while they come '))
  await until(() => arrived().length >= saidAt.length, wordsWithinMs, lookMs)
  const ms = saidAt.map((at, i) => {
    const word = arrived().find(({ text }) => text === `while they come ${i}`)
    return word === undefined ? wordsWithinMs : word.at - at
  })
  ms.sort((a, b) => a - b)
  return { said: saidAt.length, p50: round(ms[ms.length >> 1] ?? 0), max: round(ms.at(-1) ?? 0) }
}

/** Members of the crowd, both watchers and the program say something each. */
async function talk(people: People, watchers: readonly [Watcher, Watcher], terminal: Terminal) {
  const [alice, bob] = watchers
  await people.listen()
  const before = watchers.map(({ words }) => words.length)
  const terminalBefore = terminal.words.length
  const from = performance.now()
  const texts = Array.from({ length: speakers }, (_, i) => `word ${i} of the crowd`)
  const who = await people.say(texts)
  alice.say('word of Alice')
  bob.say('word of Bob')
  terminal.say('word of the terminal')
  const said = [
    ...texts.map((text, i) => ({ from: who[i] ?? '', text })),
    { from: alice.name, text: 'word of Alice' },
    { from: bob.name, text: 'word of Bob' },
    { from: terminal.name, text: 'word of the terminal' },
  ]
  const screens = () => [
    ...watchers.map(({ words }, i) => words.slice(before[i])),
    terminal.words.slice(terminalBefore),
  ]
  const amissOnScreens = () => screens().reduce((sum, shown) => sum + wordsAmiss(shown, said), 0)
  let view = await people.look()
  await until(
    async () => {
      view = await people.look()
      const all = view.words === said.length && view.haveAllOnce === view.inRoom
      return all && amissOnScreens() === 0
    },
    wordsWithinMs,
    lookMs,
  )
  const ms = Math.round(performance.now() - from)
  // What came twice would come now.
  await pause(1000)
  view = await people.look()
  const heardBy = view.words === said.length ? view.haveAllOnce : 0
  return {
    said: said.length,
    heardBy: heardBy + watchers.length + 1,
    amiss: view.inRoom - heardBy,
    onScreensAmiss: amissOnScreens(),
    ms,
  }
}

/** @returns milliseconds until everybody was told of so many members; null when somebody was not in time */
async function countsRight(
  members: number,
  people: People,
  others: readonly (Watcher | Terminal)[],
): Promise<number | null> {
  const from = performance.now()
  const right = await until(
    async () => {
      const { counts } = await people.look()
      return counts.every(([count]) => count === members) && others.every(({ count }) => count === members)
    },
    countsWithinMs,
    lookMs,
  )
  return right ? round(performance.now() - from) : null
}

async function needed(sentence: string, fits: () => boolean, withinMs: number): Promise<void> {
  if (!(await until(fits, withinMs))) throw new Error(`${sentence} within ${withinMs / 1000} s.`)
}

/** Every connection is an open file. Node raises the soft limit to the hard one by itself. */
function needFiles(files: number): void {
  let limits: string
  try {
    limits = readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return
  }
  const most = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  if (most < files) {
    throw new Error(`So many members need ${files} open files, and ${most} are allowed: ulimit -n ${files}`)
  }
}

function outcomeOf(figures: CrowdFigures, { seed, command }: CrowdOptions, seconds: number): Outcome {
  const promises = promisesOf(figures)
  const kept = promises.every((row) => row.kept)
  const { joins, told, words, listed, wordWhileTheyComeMs, starvedMs, trouble } = figures
  return {
    name: 'crowd',
    kept,
    promises,
    seconds,
    seed,
    command,
    figures,
    page: [
      `# crowd: ${kept ? 'kept' : 'BROKEN'}`,
      '',
      `${figures.members} members of one room with an owner, over ${nodeCount} nodes; two of them watch from the beginning, one is ` +
        `pychat --json. ${Math.round(seconds)} s. Again: \`${command}\``,
      '',
      ...promiseTable(promises),
      '',
      '| By one join | of | commands of nodes | commands in Redis | CPU of Redis | CPU of nodes | wait p10, p50, p95, longest | answer, largest |',
      '|---|---|---|---|---|---|---|---|',
      ...Object.entries(joins).map(
        ([part, { joins, calls, commands, redisCpuUs, nodesCpuUs, ms, joinedBytesMax }]) =>
          `| the ${part} | ${joins} | ${calls} | ${commands} | ${redisCpuUs} us | ${nodesCpuUs} us | ${ms.p10}, ${ms.p50}, ${ms.p95}, ` +
          `${ms.max} ms | ${joinedBytesMax} bytes |`,
      ),
      '',
      `Told to a watching member while the rest came in, a second: ${told
        .map((each) => `${each.controlsPerSecond} messages, ${each.bytesPerSecond} bytes`)
        .join(
          '; ',
        )}. A message then: p50 ${wordWhileTheyComeMs.p50} ms, longest ${wordWhileTheyComeMs.max} ms, of ` +
        `${wordWhileTheyComeMs.said}. ${words.said} messages to everybody: ${words.ms} ms. A page of the list: at most ` +
        `${Math.max(...listed.map(({ msMax }) => msMax))} ms. Without a processor though it had work while they came, of each ` +
        `second, the worst of nodes, Redis and the members' processes: ${starvedMs} ms.`,
      ...trouble.map((each) => `- ${each}`),
      '',
    ].join('\n'),
  }
}
