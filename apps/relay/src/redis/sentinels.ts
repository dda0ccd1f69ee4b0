// Listens to Sentinels: they tell of a failover at once, where a connection to a primary that hangs would wait.
// Who the primary is, ioredis asks them by itself whenever it connects. Its own failover detector is not used: it
// prints every error of a Sentinel, and ends a connection for good that it interrupts while that one is asking.
import { isIP } from 'node:net'
import { Redis } from 'ioredis'
import type { RedisAddress } from './address.ts'

/** A Sentinel that was lost is connected to again so often; one that stays silent for so long is passed over. */
export const sentinelMs = 1000

const switched = '+switch-master'

export class Sentinels {
  readonly #listeners: Redis[]

  /** @param told called with the primary's address when a Sentinel names it: maybe repeatedly, maybe belatedly */
  constructor({ hosts, name, tls }: RedisAddress, told: (host: string, port: number) => void) {
    this.#listeners = hosts.map(({ host, port }) => {
      const sentinel = new Redis({
        host,
        port,
        ...(tls ? { tls: {} } : {}),
        connectionName: 'pychat-sentinel',
        lazyConnect: true,
        connectTimeout: 2 * sentinelMs,
        commandTimeout: sentinelMs,
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        enableReadyCheck: false,
        autoResubscribe: false,
        disableClientInfo: true,
        retryStrategy: () => sentinelMs,
      })
      // Being without one Sentinel is what the others are for.
      sentinel.on('error', () => {})
      sentinel.on('message', (_: string, message: string) => {
        const [of, , , newHost = '', newPort] = message.split(' ')
        if (of === name) told(newHost, Number(newPort))
      })
      sentinel.on('ready', async () => {
        try {
          await sentinel.subscribe(switched)
          // What it told before is asked for. A name instead of an address could not be compared with a connection's.
          const [now, at] = (await sentinel.call(
            'SENTINEL',
            'GET-MASTER-ADDR-BY-NAME',
            name ?? '',
          )) as string[]
          if (now !== undefined && isIP(now) !== 0) told(now, Number(at))
        } catch {
          // Without a subscription it is of no use: another connection tries again.
          sentinel.stream?.destroy()
        }
      })
      return sentinel
    })
  }

  open(): void {
    for (const sentinel of this.#listeners) sentinel.connect().catch(() => {})
  }

  close(): void {
    for (const sentinel of this.#listeners) sentinel.disconnect()
  }
}
