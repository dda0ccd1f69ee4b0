// S9: one of two nodes is drained (SIGTERM) under load. Is anything lost, how long do messages take meanwhile, and does the
// node keep the time that it announced?
import { setTimeout as wait } from 'node:timers/promises'
import { judged, seriesOf, settle, talkFor, withCrowd } from './crowd.js'

const ours = 'PyChat (uws)'
const traffic = { perTick: 1, everyMs: 2 }
const spreadMs = 3_000
/** docs/configuration.md: PYCHAT_DRAIN_MS, and the node ends at most that much later. */
const afterMs = 6_000

async function once(name, context) {
  const shape = { nodes: 2, rooms: 250, members: 4, env: { PYCHAT_DRAIN_MS: String(spreadMs) } }
  return withCrowd(name, shape, context, async (cluster, ask) => {
    await ask('talk', traffic)
    await wait(500)
    const calm = await talkFor(ask, context.seconds)
    const [leaving, staying] = cluster.servers
    await ask('broken', { ports: [staying.port] })
    const startedAt = performance.now()
    leaving.signal('SIGTERM')
    await Promise.race([leaving.ended, wait(60_000)])
    const took = performance.now() - startedAt
    const drained = await ask('latencies')
    await ask('hush')
    const { settled } = await settle(ask, 1_000, 30_000)
    const { undetected, reported, unknown } = await judged(ask)
    return {
      lost: settled ? undetected + reported + unknown : Number.NaN,
      'p99 while draining': drained.p99 / calm.p99,
      time: took / (spreadMs + afterMs),
    }
  })
}

export const drain = {
  id: 'S9',
  title: 'One of two nodes is drained under load',
  systems: [ours],
  async run([name], context) {
    const list = []
    for (let round = 0; round < context.crowdRounds; round += 1) {
      list.push(await once(name, context))
      context.say(`S9 round ${round + 1} of ${context.crowdRounds}: ${JSON.stringify(list[round])}`)
    }
    return seriesOf('S9', name, list, {
      lost: ['messages', 'messages that a member did not get'],
      'p99 while draining': ['times', '99th percentile of delivery while the node drained, in that of calm'],
      time: ['times', 'time until the node had ended, in what it announces at most'],
    })
  },
}
