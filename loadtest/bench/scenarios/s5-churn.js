// S5: 2,000 joins and leaves a second over 500 rooms of two nodes. What does a join cost Redis, how long does it take, and
// how many frames does it make for those who stay? Beside it, on the same Redis, presence as others keep it: a sorted set
// and a hash per room, changed by a script per connection.

import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { startCluster } from '../servers/cluster.js'
import { seriesOf } from './crowd.js'

/** What the cluster asks of Redis anyhow is watched for so long, and taken off. */
const calmSeconds = 4

const program = fileURLToPath(new URL('../driver/churn.js', import.meta.url))
const shape = { rooms: 500, perSecond: 2_000 }
/** What the relay itself asks of Redis: a script counts once, not by what it calls. */
const asked = ['evalsha', 'eval', 'ssubscribe', 'sunsubscribe', 'subscribe', 'publish']
const ours = 'PyChat (uws)'
const presence = 'presence by script per connection'

const scripts = {
  join: `redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
    redis.call('EXPIRE', KEYS[1], 60) redis.call('EXPIRE', KEYS[2], 60) redis.call('PUBLISH', KEYS[3], ARGV[2])`,
  leave: `redis.call('HDEL', KEYS[1], ARGV[1]) redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('PUBLISH', KEYS[3], ARGV[1])`,
}

async function commandsSoFar({ redis }) {
  const counts = await redis.commands()
  return asked.reduce((sum, each) => sum + (counts[each] ?? 0), 0)
}

/** @returns us of Redis CPU per join with its leave, at the same rate and gathered alike */
async function presenceCost(redis, seconds) {
  const client = new Redis(redis.url)
  const profile = 'p'.repeat(500)
  const digests = {}
  for (const [name, script] of Object.entries(scripts)) digests[name] = await client.script('LOAD', script)
  const everyMs = 5
  const perTick = (shape.perSecond * everyMs) / 1000
  const before = redis.cpuMicroseconds()
  const startedAt = performance.now()
  let joins = 0
  for (let tick = 0; tick < (seconds * 1000) / everyMs; tick += 1) {
    const ahead = startedAt + tick * everyMs - performance.now()
    if (ahead > 0) await wait(ahead)
    const pipeline = client.pipeline()
    for (let i = 0; i < perTick; i += 1, joins += 1) {
      const room = `bench:{${joins % shape.rooms}}`
      const keys = [3, `${room}:info`, `${room}:time`, room]
      pipeline.evalsha(digests.join, ...keys, `member${joins}`, profile, Date.now())
      pipeline.evalsha(digests.leave, ...keys, `member${joins}`)
    }
    await pipeline.exec()
  }
  client.disconnect()
  return (redis.cpuMicroseconds() - before) / joins
}

export const churn = {
  id: 'S5',
  title: '2,000 joins and leaves a second over 500 rooms',
  systems: [ours],
  async run([name], context) {
    const { seconds, crowdRounds, say } = context
    const list = []
    const cluster = await startCluster(name, { nodes: 2, program, env: { PYCHAT_ROOM_MEMBERS_MAX: '1000' } })
    try {
      await cluster.open(shape.rooms, 1)
      await cluster.driver.ask('churn', { perSecond: shape.perSecond, seconds: 1 })
      for (let round = 0; round < crowdRounds; round += 1) {
        const calmFrom = await commandsSoFar(cluster)
        await wait(calmSeconds * 1000)
        const before = await commandsSoFar(cluster)
        const calmPerSecond = (before - calmFrom) / calmSeconds
        const redisBefore = cluster.redis.cpuMicroseconds()
        const cpuBefore = cluster.cpuMicroseconds()
        const {
          joins,
          p99,
          p50,
          frames,
          seconds: took,
        } = await cluster.driver.ask('churn', {
          perSecond: shape.perSecond,
          seconds,
        })
        const redis = (cluster.redis.cpuMicroseconds() - redisBefore) / joins
        const relay = (cluster.cpuMicroseconds() - cpuBefore) / joins
        const commands = ((await commandsSoFar(cluster)) - before - calmPerSecond * took) / joins
        const reference = await presenceCost(cluster.redis, Math.min(seconds, 3))
        list.push({ commands, redis, reference, relay, p50, p99, frames: frames / shape.rooms / took })
        say(
          `S5 round ${round + 1} of ${crowdRounds}: ${joins} joins, ${commands.toFixed(2)} commands and ${redis.toFixed(0)} us of Redis a join (reference ${reference.toFixed(0)}), p99 ${p99.toFixed(1)} ms, ${(frames / shape.rooms / took).toFixed(1)} frames per room and second`,
        )
      }
    } finally {
      await cluster.stop()
    }
    return [
      ...seriesOf('S5', name, list, {
        commands: ['commands per join', 'commands to Redis per join with its leave'],
        relay: ['us per join', 'relay CPU per join with its leave'],
        p99: ['ms', '99th percentile of the time from join to joined'],
        frames: ['frames per room and second', 'presence frames that one member who stays gets'],
      }),
      {
        name: 'S5 Redis',
        unit: 'us per join',
        what: 'CPU of Redis per join with its leave',
        rounds: list.map(({ redis, reference }) => ({ [name]: redis, [presence]: reference })),
      },
    ]
  },
}
