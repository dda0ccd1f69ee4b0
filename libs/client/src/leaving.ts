// The request to leave a room: answered, refused, or given up after a while; all the same to who asked.
import type { ClientPorts } from './ports.ts'

export type Leaving = {
  readonly underWay: boolean
  /** Not while it is under way. @param then false when no answer came in time  @param lost without it, nothing follows */
  ask(timeoutMs: number, then: (answered: boolean) => void, lost?: () => void): void
  isAnswer(id: number | undefined): boolean
  answered(): void
  /** The connection is gone. */
  lost(): void
}

export function createLeaving(
  ports: Pick<ClientPorts, 'setTimer'> & {
    /** Sends a `leave`. @returns its id */
    send(): number
  },
): Leaving {
  let current: { id: number; then(answered: boolean): void; lost(): void; cancelTimer(): void } | null = null

  function take() {
    const taken = current
    current = null
    taken?.cancelTimer()
    return taken
  }
  return {
    get underWay() {
      return current !== null
    },
    ask(timeoutMs, then, lost = () => {}) {
      const cancelTimer = ports.setTimer(timeoutMs, () => take()?.then(false))
      current = { id: ports.send(), then, lost, cancelTimer }
    },
    isAnswer: (id) => id !== undefined && id === current?.id,
    answered: () => take()?.then(true),
    lost: () => take()?.lost(),
  }
}
