// S6: one of four nodes dies of SIGKILL while rooms talk. When are its members back on the others, what does that cost, and
// what do those notice who were never on it?
import { setTimeout as wait } from 'node:timers/promises'
import { quantile } from '../measure/statistics.js'
import { startCluster } from '../servers/cluster.js'
import { judged, seriesOf, settle, talkFor, withCrowd } from './crowd.js'

const ours = 'PyChat (uws)'
/** Full jitter of the first attempt, docs/protocol.md section 3. */
const jitterMs = 500
const traffic = { perTick: 1, everyMs: 2 }
/** So often everybody comes back beforehand: servers that have seen a death before are meant. */
const warmUps = 2
/** As many of a room of four come back within that half second as the driver's core, and Redis beside it, can bear. */
const roomsMax = 750
/** As shipped: what spreads a crowd over time is part of the question. */
const env = { PYCHAT_JOINS_PER_SECOND: '400' }

/** @returns CPU us of a bare handshake */
async function bareHandshake() {
  const cluster = await startCluster('bare uWS')
  try {
    await cluster.open(100, 1)
    const before = cluster.cpuMicroseconds()
    await cluster.open(2_000, 1)
    return (cluster.cpuMicroseconds() - before) / 2_000
  } finally {
    await cluster.stop()
  }
}

async function once(name, context) {
  const rooms = Math.min(roomsMax, Math.floor(context.connections / 4))
  return withCrowd(name, { nodes: 4, rooms, members: 4, env }, context, async (cluster, ask) => {
    await ask('talk', traffic)
    for (let time = 0; time < warmUps; time += 1) await ask('reconnect')
    await wait(1000)
    const calmBefore = cluster.cpuMicroseconds()
    const calm = await talkFor(ask, context.seconds)
    const calmCpu = (cluster.cpuMicroseconds() - calmBefore) / context.seconds
    const [victim, ...rest] = cluster.servers
    const survivors = () => rest.reduce((sum, server) => sum + server.cpuMicroseconds(), 0)
    await victim.stop()
    const startedAt = performance.now()
    const before = survivors()
    await ask('broken', { ports: rest.map(({ port }) => port) })
    let returns = []
    while (returns.length < rooms && performance.now() - startedAt < 60_000) {
      await wait(100)
      returns = await ask('returns')
    }
    const seconds = (performance.now() - startedAt) / 1000
    const cpu = survivors() - before - calmCpu * seconds
    const storm = await ask('latencies')
    await ask('hush')
    const { settled } = await settle(ask, rooms * 4, 30_000)
    const { undetected } = await judged(ask)
    return {
      back: returns.length < rooms * 0.99 ? 60_000 : quantile(returns, 0.99),
      rejoin: Math.max(0, cpu / rooms),
      'p99 in the storm': storm.unharmed.p99 / calm.unharmed.p99,
      undetected: settled ? undetected : Number.NaN,
    }
  })
}

export const death = {
  id: 'S6',
  title: 'One of four nodes is killed',
  systems: [ours],
  async run([name], context) {
    const handshake = await bareHandshake()
    const list = []
    for (let round = 0; round < context.crowdRounds; round += 1) {
      const figures = await once(name, context)
      figures['rejoin, handshakes'] = figures.rejoin / handshake
      figures['back, jitter windows'] = figures.back / jitterMs
      list.push(figures)
      context.say(`S6 round ${round + 1} of ${context.crowdRounds}: ${JSON.stringify(figures)}`)
    }
    return seriesOf('S6', name, list, {
      back: ['ms', 'time until 99 % of its members were back'],
      'back, jitter windows': ['times', `the same in windows of ${jitterMs} ms`],
      rejoin: ['us', 'CPU of the survivors per member that came back'],
      'rejoin, handshakes': ['times', 'the same in handshakes of bare uWS'],
      'p99 in the storm': ['times', '99th percentile of delivery while they came back, in that of calm'],
      undetected: ['messages', 'messages that a member neither got nor was told about'],
    })
  },
}
