// S7: a room of 100 on one node, five of them stop reading, 200 messages a second. What do the others notice, how much
// memory does the node take meanwhile, and when are the five cut off?
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { seriesOf, withCrowd } from './crowd.js'

const names = ['PyChat (uws)', 'PyChat (ws)']
const slow = 5
const traffic = { perTick: 1, everyMs: 5 }
/** The kernel takes megabytes before the node sees a slow reader: larger messages get there sooner. */
const bytes = 42 + 4096 + 16
const limitBytes = 1_048_576
const patienceMs = 60_000
/** Until the room's log holds as much as it may, 1,000 messages: from then on only slow readers make the node grow. */
const logFullMs = 6_000

const closedSlow = async ({ otherPort }) => {
  const page = await (await fetch(`http://127.0.0.1:${otherPort}/metrics`)).text()
  return [...page.matchAll(/^[^#\n]*slowReader[^\n]* (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  )
}

/** Bytes that the kernel holds for connections of a port, at both ends. */
function kernelBytes(port) {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  let sum = 0
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const [, local, remote, , queues] = line.trim().split(/\s+/)
    if (!local?.endsWith(hex) && !remote?.endsWith(hex)) continue
    const [sending, receiving] = queues.split(':')
    sum += Number.parseInt(sending, 16) + Number.parseInt(receiving, 16)
  }
  return sum
}

/** What is looked at while the room talks: in calm just the same, since looking costs the node something too. */
async function look({ servers, residentBytes }) {
  await wait(100)
  return {
    resident: residentBytes(),
    kernel: kernelBytes(servers[0].port),
    closed: await closedSlow(servers[0]),
  }
}

async function once(name, context) {
  return withCrowd(name, { nodes: 1, rooms: 1, members: 100, bytes }, context, async (cluster, ask) => {
    await ask('talk', traffic)
    await wait(logFullMs)
    await ask('latencies')
    const calmUntil = performance.now() + context.seconds * 1000
    let before = 0
    while (performance.now() < calmUntil) before = (await look(cluster)).resident
    const calm = await ask('latencies')
    await ask('stall', { count: slow })
    await ask('latencies')
    const startedAt = performance.now()
    let most = before
    let kernelMost = 0
    let fullAt = startedAt
    let closed = 0
    while (closed < slow && performance.now() - startedAt < patienceMs) {
      const seen = await look(cluster)
      most = Math.max(most, seen.resident)
      if (seen.kernel > kernelMost * 1.01) {
        kernelMost = seen.kernel
        fullAt = performance.now()
      }
      closed = seen.closed
    }
    const endedAt = performance.now()
    const stalled = await ask('latencies')
    await ask('hush')
    context.say(`  p99 ${calm.p99.toFixed(2)} ms in calm, ${stalled.p99.toFixed(2)} ms with slow readers`)
    return {
      'p99 of the others': stalled.p99 / calm.p99,
      'memory, limits': (most - before) / (slow * limitBytes),
      'cut off': closed < slow ? patienceMs / 1000 : (endedAt - startedAt) / 1000,
      'cut off after the kernel was full': (endedAt - fullAt) / 1000,
    }
  })
}

export const slowReaders = {
  id: 'S7',
  title: 'Five of a hundred stop reading',
  systems: names,
  async run(here, context) {
    const series = []
    const about = {
      'p99 of the others': [
        'times',
        '99th percentile of delivery to those who read, in that without slow readers',
      ],
      'memory, limits': ['times', 'growth of process memory, in five backlog limits'],
      'cut off': ['s', 'time until all five were cut off, most of it while the kernel still took everything'],
      'cut off after the kernel was full': ['s', 'the same from when the kernel took no more'],
    }
    for (const name of here) {
      const list = []
      for (let round = 0; round < context.crowdRounds; round += 1) {
        list.push(await once(name, context))
        context.say(
          `S7 ${name}, round ${round + 1} of ${context.crowdRounds}: ${JSON.stringify(list[round])}`,
        )
      }
      series.push(seriesOf('S7', name, list, about))
    }
    const [first, ...others] = series
    return first.map((each, i) => ({
      ...each,
      rounds: each.rounds.map((round, at) =>
        Object.assign({}, round, ...others.map((other) => other[i].rounds[at])),
      ),
    }))
  },
}
