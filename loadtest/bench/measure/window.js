// One measuring window: what the nodes and their Redis spent while a driver made its rooms talk.
import { setTimeout as wait } from 'node:timers/promises'
import { tooBusy, watchLoad } from './load.js'

/** A neighbour on the host may take its seconds; what is busy for longer than that will not become quiet. */
const triesMax = 12
const pauseMs = 250

export class VoidRun extends Error {}

/**
 * @param cluster of servers/cluster.js, its rooms open
 * @param traffic as driver/rooms.js takes it
 * @param context { say, anyLoad: windows count on a busy machine too }
 * @returns { relay: us per delivery, system: share of it in the kernel, redis: us per message or null, rate: deliveries
 *   per second, latency, load, refused: windows that did not count }
 * @throws VoidRun when a delivery is missing or came twice, or the machine is too busy
 */
export async function measureWindow(cluster, traffic, context) {
  for (let refused = 0; ; refused += 1) {
    const figures = await once(cluster, traffic)
    const reason = context.anyLoad ? null : tooBusy(figures.load)
    if (reason === null) return { ...figures, refused }
    if (refused + 1 >= triesMax) {
      throw new VoidRun(
        `The machine is too busy to measure ${cluster.name} (${reason}, ${triesMax} times): quiet it, or take --any-load.`,
      )
    }
    context.say(`  a window of ${cluster.name} does not count: ${reason}`)
    await wait(pauseMs)
  }
}

async function once(cluster, traffic) {
  const { driver, redis } = cluster
  const watched = watchLoad(cluster, driver)
  const before = cluster.cpuMicroseconds()
  const redisBefore = redis?.cpuMicroseconds() ?? 0
  const ticksBefore = ticks(cluster)
  const { messages, expected, delivered, latency, lateMs, closed } = await driver.ask('window', traffic)
  const cpu = cluster.cpuMicroseconds() - before
  const redisCpu = (redis?.cpuMicroseconds() ?? 0) - redisBefore
  const ticksAfter = ticks(cluster)
  const load = watched()
  if (delivered !== expected) {
    throw new VoidRun(
      `void: ${cluster.name} delivered ${delivered} messages where ${expected} were expected, and closed ${closed} connections.`,
    )
  }
  const [user, system] = [ticksAfter.user - ticksBefore.user, ticksAfter.system - ticksBefore.system]
  return {
    relay: cpu / expected,
    system: user + system === 0 ? null : system / (user + system),
    redis: redis === null ? null : redisCpu / messages,
    rate: expected / traffic.seconds,
    latency,
    lateMs,
    load,
  }
}

function ticks({ servers }) {
  const sum = { user: 0, system: 0 }
  for (const server of servers) {
    const { user, system } = server.ticks()
    sum.user += user
    sum.system += system
  }
  return sum
}
