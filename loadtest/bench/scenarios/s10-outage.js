// S10: Redis stands still for five seconds, and later cuts off the nodes' subscriptions, while rooms talk. How soon is
// everything delivered afterwards, and did anybody miss something without being told?

import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { judged, seriesOf, settle, withCrowd } from './crowd.js'

const ours = 'PyChat (uws)'
const traffic = { perTick: 1, everyMs: 5 }
const stillMs = 5_000
const members = 1_000
const patienceMs = 60_000

async function recovery(ask) {
  await ask('hush')
  const { settled, ms } = await settle(ask, members, patienceMs)
  return settled ? ms : patienceMs
}

async function once(name, context) {
  return withCrowd(name, { nodes: 2, rooms: members / 4, members: 4 }, context, async (cluster, ask) => {
    await ask('talk', traffic)
    await wait(1_000)
    cluster.redis.signal('SIGSTOP')
    await wait(stillMs)
    cluster.redis.signal('SIGCONT')
    const stopped = await recovery(ask)
    await ask('talk', traffic)
    await wait(1_000)
    const client = new Redis(cluster.redis.url)
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    client.disconnect()
    await wait(200)
    const cut = await recovery(ask)
    const { undetected, reported, unknown } = await judged(ask)
    context.say(`  ${reported} messages were reported missing, ${unknown} gaps without a size`)
    return { 'after a standstill': stopped, 'after a cut': cut, undetected }
  })
}

export const outage = {
  id: 'S10',
  title: 'Redis stands still, and cuts subscriptions off',
  systems: [ours],
  async run([name], context) {
    const list = []
    for (let round = 0; round < context.crowdRounds; round += 1) {
      list.push(await once(name, context))
      context.say(`S10 round ${round + 1} of ${context.crowdRounds}: ${JSON.stringify(list[round])}`)
    }
    return seriesOf('S10', name, list, {
      'after a standstill': [
        'ms',
        `time until everything said was delivered, after ${stillMs / 1000} s without Redis`,
      ],
      'after a cut': ['ms', 'the same after Redis cut the subscriptions off'],
      undetected: ['messages', 'messages that a member neither got nor was told about'],
    })
  },
}
