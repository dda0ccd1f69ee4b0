// A Redis of its own for each system that has several nodes, on the driver's core.
import { Redis } from 'ioredis'
import { freePort } from '../../free-port.js'
import { cores, startProcess } from './processes.js'

/** @returns a running Redis: `url`, what it costs, `commands()` that were called so far, `stop()` */
export async function startRedis(name, port = 0) {
  const at = port || (await freePort())
  const server = await startProcess({
    name: `the Redis of ${name}`,
    core: cores.driver,
    port: at,
    launch: (folder) => ({
      command: 'redis-server',
      args: [
        ...['--port', String(at), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'],
        ...['--client-output-buffer-limit', 'pubsub', '256mb', '64mb', '60', '--maxclients', '4000'],
      ],
    }),
  })
  return {
    ...server,
    url: `redis://127.0.0.1:${at}`,
    /** @returns {[command]: calls}, those within scripts too */
    async commands() {
      const client = new Redis(at, '127.0.0.1')
      try {
        const lines = await client.info('commandstats')
        return Object.fromEntries(
          [...lines.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)].map(([, command, calls]) => [
            command,
            Number(calls),
          ]),
        )
      } finally {
        client.disconnect()
      }
    },
  }
}
