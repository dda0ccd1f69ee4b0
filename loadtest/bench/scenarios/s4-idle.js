// S4: joined and silent, four to a room. What does a connection cost while nothing happens? One system after another,
// in turns, since their memory would otherwise meet on one machine.
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { startCluster } from '../servers/cluster.js'

/** Open before and while the others come: what a process needs once, compiled code and grown heaps, is no connection's share. */
const warmUpShare = 0.4

const slabBytes = () => Number(/Slab:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'latin1'))[1]) * 1024

async function settle(cluster) {
  for (let i = 0; i < 3; i += 1) {
    cluster.collect()
    await wait(500)
  }
}

async function watch(name, { connections, watchSeconds }) {
  const cluster = await startCluster(name)
  try {
    const warm = Math.ceil((connections * warmUpShare) / 4)
    await cluster.open(warm, 4)
    await settle(cluster)
    const before = { resident: cluster.residentBytes(), slab: slabBytes() }
    await cluster.open(connections / 4, 4, { first: warm })
    await settle(cluster)
    const figures = {
      memory: (cluster.residentBytes() - before.resident) / connections,
      kernel: (slabBytes() - before.slab) / connections,
    }
    const cpuBefore = cluster.cpuMicroseconds()
    await wait(watchSeconds * 1000)
    const open = connections + warm * 4
    return { ...figures, cpu: (cluster.cpuMicroseconds() - cpuBefore) / open / watchSeconds }
  } finally {
    await cluster.stop()
  }
}

export const idle = {
  id: 'S4',
  title: 'Joined and silent',
  systems: ['bare uWS', 'PyChat (uws)', 'PyChat (ws)', 'bare ws', 'Nchan', 'Centrifugo', 'Socket.IO'],
  async run(names, context) {
    const rounds = []
    for (let round = 0; round < context.idleRounds; round += 1) {
      const seen = { memory: {}, kernel: {}, cpu: {} }
      for (const name of names) {
        const figures = await watch(name, context)
        for (const metric of Object.keys(seen)) seen[metric][name] = figures[metric]
        const { memory, kernel, cpu } = figures
        context.say(
          `S4 ${name}, round ${round + 1} of ${context.idleRounds}: ${memory.toFixed(0)} bytes, ${kernel.toFixed(0)} in the kernel, ${cpu.toFixed(2)} us/s`,
        )
      }
      rounds.push(seen)
    }
    const of = (metric) => rounds.map((round) => round[metric])
    return [
      {
        name: 'S4 memory',
        unit: 'bytes per connection',
        what: `process memory per joined connection, ${context.connections} of them`,
        rounds: of('memory'),
      },
      {
        name: 'S4 kernel memory',
        unit: 'bytes per connection',
        what: 'kernel slab per connection, both ends of it',
        rounds: of('kernel'),
      },
      {
        name: 'S4 CPU',
        unit: 'us per connection and second',
        what: `CPU per silent connection and second, watched for ${context.watchSeconds} s`,
        rounds: of('cpu'),
      },
    ]
  },
}
