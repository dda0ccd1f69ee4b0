// Ports for the programs of a run. They are told a port before they listen, so somebody else could take it in between:
// the system hands out the ports of its own range (from 32,768 on Linux, 49,152 elsewhere) to every connection that
// any program opens. These are drawn from below that range, where only who names a port gets it.
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

const [lowest, highest] = [10_000, 22_000]
const given = new Set()

const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })

/**
 * A port that nobody listens on and that this process was not given before; its Redis Cluster bus port (10,000 above)
 * is below the system's range too.
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(lowest, highest)
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
}
