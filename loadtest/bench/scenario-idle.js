// S4: joined and silent, four to a room. What does a connection cost while nothing happens?
import { setTimeout as wait } from 'node:timers/promises'
import { Connection } from './driver.js'
import { startServer, systems } from './servers.js'

const warmUpConnections = 500

async function settle(server) {
  for (let i = 0; i < 3; i += 1) {
    server.collect()
    await wait(500)
  }
}

/** Opens so many connections, four to a room. */
async function openAll(server, count) {
  const open = []
  for (let i = 0; i < count; i += 100) {
    const batch = Array.from({ length: Math.min(100, count - i) }, (_, j) =>
      Connection.open(server.dialect, server.port, Math.floor((i + j) / 4)),
    )
    open.push(...(await Promise.all(batch)))
  }
  return open
}

/** @returns a list of rounds, each { [system]: { bytes, cpuMicroseconds } } per connection (CPU also per second) */
export async function runIdle({ rounds, connections: count, watchMs, say }) {
  const results = []
  for (let round = 0; round < rounds; round += 1) {
    const figures = {}
    for (const name of Object.keys(systems)) {
      const server = await startServer(name)
      const open = []
      try {
        // What the process needs once, compiled code and grown heaps, is no connection's share.
        const first = await openAll(server, warmUpConnections)
        for (const connection of first) connection.close()
        await settle(server)
        const residentBefore = server.residentBytes()
        open.push(...(await openAll(server, count)))
        await settle(server)
        const bytes = (server.residentBytes() - residentBefore) / count
        const cpuBefore = server.cpuMicroseconds()
        await wait(watchMs)
        const cpuMicroseconds = (server.cpuMicroseconds() - cpuBefore) / count / (watchMs / 1000)
        figures[name] = { bytes, cpuMicroseconds }
      } finally {
        for (const connection of open) connection.close()
        await server.stop()
      }
    }
    results.push(figures)
    say(
      `S4 ${round + 1}/${rounds}: ${JSON.stringify(figures, (_, v) => (typeof v === 'number' ? +v.toFixed(2) : v))}`,
    )
  }
  return results
}
