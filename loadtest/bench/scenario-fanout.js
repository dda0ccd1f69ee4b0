// S1: one room of 100 members, one of them speaks. What does a delivered frame cost the server?
import { setTimeout as wait } from 'node:timers/promises'
import { Connection } from './driver.js'
import { startServer, systems } from './servers.js'

const members = 100

export const regimes = {
  sparse: { perTurn: 1, everyMs: 5 },
  burst: { perTurn: 8, everyMs: 20 },
}

/** One measuring window. @returns CPU microseconds per delivered frame @throws when a frame is missing */
async function window(server, connections, { perTurn, everyMs }, windowMs) {
  const before = connections.reduce((sum, connection) => sum + connection.bytes, 0)
  const cpuBefore = server.cpuMicroseconds()
  const turns = Math.round(windowMs / everyMs)
  const startedAt = performance.now()
  for (let turn = 0; turn < turns; turn += 1) {
    const ahead = startedAt + turn * everyMs - performance.now()
    if (ahead > 0) await wait(ahead)
    connections[0].send(perTurn)
  }
  const expected = turns * perTurn * members
  const bytesExpected = expected * server.dialect.deliveryBytes
  const arrived = () => connections.reduce((sum, connection) => sum + connection.bytes, 0) - before
  for (let waited = 0; arrived() < bytesExpected && waited < 5_000; waited += 20) await wait(20)
  const cpu = server.cpuMicroseconds() - cpuBefore
  // Less than one frame of slack: a ping may have come between.
  const surplus = arrived() - bytesExpected
  if (surplus < 0 || surplus > members * 16) {
    throw new Error(`void: ${server.name} delivered ${arrived()} bytes where ${bytesExpected} were expected`)
  }
  return cpu / expected
}

/** @returns { sparse: rounds, burst: rounds }, each a list of { [system]: microseconds per delivery } */
export async function runFanout({ rounds, windowMs, say }) {
  const results = { sparse: [], burst: [] }
  const servers = []
  const rooms = new Map()
  try {
    for (const name of Object.keys(systems)) {
      const server = await startServer(name)
      servers.push(server)
      rooms.set(
        server,
        await Promise.all(
          Array.from({ length: members }, () => Connection.open(server.dialect, server.port, 0)),
        ),
      )
    }
    await wait(500)
    for (const regime of Object.keys(regimes)) {
      // The first arrivals and the compiler's work do not count.
      for (const server of servers) await window(server, rooms.get(server), regimes[regime], 1_500)
      for (let round = 0; round < rounds; round += 1) {
        const sums = {}
        for (const server of [...servers, ...servers.toReversed()]) {
          const cost = await window(server, rooms.get(server), regimes[regime], windowMs)
          sums[server.name] = (sums[server.name] ?? 0) + cost / 2
        }
        results[regime].push(sums)
        say(
          `S1 ${regime} ${round + 1}/${rounds}: ${JSON.stringify(sums, (_, v) => (typeof v === 'number' ? +v.toFixed(2) : v))}`,
        )
      }
    }
  } finally {
    for (const connections of rooms.values()) for (const connection of connections) connection.close()
    await Promise.all(servers.map((server) => server.stop()))
  }
  return results
}
