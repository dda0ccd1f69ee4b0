// Whether this node should get new clients: not draining, and the store answering, with hysteresis, so that one lost
// reply does not take a node out of a load balancer and one good reply does not bring it back too early.

export const unreadyAfterMs = 2000
export const readyAfterMs = 1000

export type Health = {
  storeChanged(available: boolean): void
  drain(): void
  started(): void
  /** @returns null when ready, else the reason in one sentence */
  unready(): string | null
  state(): 'ready' | 'degraded' | 'draining'
  storeAvailable(): boolean
}

/** @param now milliseconds on a monotonic clock */
export function createHealth(now: () => number): Health {
  let available = true
  let changedAt = Number.NEGATIVE_INFINITY
  let started = false
  let draining = false

  function unready(): string | null {
    if (draining) return 'This node is draining.'
    if (!started) return 'This node is starting.'
    const since = now() - changedAt
    const counted = available
      ? since >= readyAfterMs || changedAt === Number.NEGATIVE_INFINITY
      : since < unreadyAfterMs
    return counted ? null : 'The store of the rooms does not answer.'
  }

  return {
    storeChanged(next) {
      if (next === available) return
      available = next
      changedAt = now()
    },
    drain() {
      draining = true
    },
    started() {
      started = true
    },
    unready,
    state: () => (draining ? 'draining' : available ? 'ready' : 'degraded'),
    storeAvailable: () => available,
  }
}
