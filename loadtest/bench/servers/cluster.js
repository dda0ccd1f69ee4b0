// The nodes of one system, with a Redis between them where there are several, and the drivers that speak to them.

import { freePort } from '../../free-port.js'
import { startDriver } from '../driver/control.js'
import { systems } from '../systems/index.js'
import { cores, startProcess } from './processes.js'
import { startRedis } from './redis.js'

const sum = (parts, figure) => parts.reduce((total, part) => total + part[figure](), 0)

/**
 * @param name a row of systems/index.js
 * @param options nodes: how many; redis: whether they share one; env: settings; program: the driver's, where not main.js
 * @returns a cluster: `ports`, `driver`, costs of all nodes together, `redis` or null, `stop()`
 */
export async function startCluster(name, { nodes = 1, redis: shared = nodes > 1, env = {}, program } = {}) {
  const system = systems[name]
  const parts = []
  const stop = () => Promise.all(parts.map((part) => part.stop()))
  try {
    const redis = shared ? await startRedis(name) : null
    if (redis !== null) parts.push(redis)
    const servers = []
    for (let i = 0; i < nodes; i += 1) {
      servers.push(await startNode(name, redis?.url ?? null, env))
      parts.push(servers[i])
    }
    const driver = await startDriver(program)
    parts.push(driver)
    return {
      name,
      servers,
      redis,
      driver,
      ports: servers.map((server) => server.port),
      system,
      cpuMicroseconds: () => sum(servers, 'cpuMicroseconds'),
      residentBytes: () => sum(servers, 'residentBytes'),
      collect() {
        for (const server of servers) server.collect()
      },
      open: (rooms, members, more = {}) =>
        driver.ask('open', { system: name, ports: servers.map(({ port }) => port), rooms, members, ...more }),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

export async function startNode(name, redisUrl, env = {}, port = 0) {
  const at = port || (await freePort())
  const otherPort = await freePort()
  const server = await startProcess({
    name,
    core: cores.servers,
    port: at,
    launch(folder) {
      const node = systems[name].node({ port: at, otherPort, folder, redisUrl })
      return { ...node, env: { ...node.env, ...env } }
    },
  })
  return { ...server, otherPort }
}
