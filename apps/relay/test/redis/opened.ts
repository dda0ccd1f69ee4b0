// Connections of a test's own to a Redis that it may break, and what can be seen of them from outside.
import { expect } from 'vitest'
import { parseRedisAddress } from '../../src/redis/address.ts'
import { Connections, type ConnectionsOptions } from '../../src/redis/connections.ts'
import type { StoreServer } from '../../src/redis/server.ts'

export async function openConnections(
  url: string,
  options: Partial<ConnectionsOptions> = {},
): Promise<Connections> {
  const connections = new Connections(parseRedisAddress(url), {
    jitter: Math.random,
    commandTimeoutMs: 2000,
    checkMs: 500,
    checkTimeoutMs: 1500,
    ...options,
  })
  await connections.open()
  return connections
}

/** The server of a slot, or null while it is unknown. */
export function serverOf(connections: Connections, slot = 0): StoreServer | null {
  try {
    return connections.server(slot)
  } catch (error) {
    expect(error).toMatchObject({ name: 'StoreError', code: 'unreachable' })
    return null
  }
}

/** A channel that is heard from now on: what came, and how often it was heard again. */
export async function hear(connections: Connections, channel: string) {
  const heard = { messages: [] as string[], resumed: 0 }
  await connections.subscriptions.subscribe(channel, {
    message: (message) => void heard.messages.push(message.toString()),
    resumed: () => {
      heard.resumed += 1
    },
  })
  return heard
}

/** Waits until the store was found away and is back. @returns milliseconds until it was back */
export async function outage(connections: Connections, timeout = 10_000): Promise<number> {
  const startedAt = performance.now()
  await expect.poll(() => connections.available, { timeout, interval: 5 }).toBe(false)
  await expect.poll(() => connections.available, { timeout, interval: 5 }).toBe(true)
  return performance.now() - startedAt
}
