// The question for a room on one connection: when it is asked, how long its answer may take, and when it is asked again.
// What the join says and what its answer means is the room's part.
import type { RelayControlOf } from '@pychat/protocol'
import type { ClientPorts } from './ports.ts'

const retryMs = 1000
const retryMaxMs = 30_000
const answerTimeoutMs = 15_000

export type Joining = {
  /** Asked, not answered. */
  readonly asked: boolean
  /** Asked, or to be asked soon. */
  readonly underWay: boolean
  /** Will be asked when it is this room's turn. */
  want(): void
  /** It is. */
  ask(): void
  isAnswer(id: number | undefined): boolean
  /** The relay said yes or no. */
  answered(): void
  /** The relay said "later". */
  later(refused: RelayControlOf<'refused'>): void
  /** The connection is gone, or nobody wants the room any more. */
  cancel(): void
}

export function createJoining(
  ports: Pick<ClientPorts, 'setTimer' | 'jitter'> & {
    nextRequest(): number
    /** Waits for the turn. */
    queue(): void
    /** The next room may be asked for. */
    done(): void
    /** Sends the join. */
    send(id: number): void
    late(): void
  },
): Joining {
  let wanted = false
  let request: number | null = null
  let cancelAnswer: (() => void) | null = null
  let cancelRetry: (() => void) | null = null

  function want() {
    cancelRetry?.()
    cancelRetry = null
    wanted = true
    ports.queue()
  }
  function stopWaiting() {
    request = null
    cancelAnswer?.()
    cancelAnswer = null
  }
  return {
    get asked() {
      return request !== null
    },
    get underWay() {
      return wanted || request !== null || cancelRetry !== null
    },
    want,
    ask() {
      wanted = false
      request = ports.nextRequest()
      cancelAnswer = ports.setTimer(answerTimeoutMs, ports.late)
      ports.send(request)
    },
    isAnswer: (id) => id !== undefined && id === request,
    answered() {
      stopWaiting()
      ports.done()
    },
    later({ retryMs: wish = retryMs }) {
      const waitMs = Math.min(wish, retryMaxMs) + Math.floor(ports.jitter() * retryMs)
      cancelRetry?.()
      cancelRetry = ports.setTimer(waitMs, () => {
        cancelRetry = null
        want()
      })
    },
    cancel() {
      wanted = false
      stopWaiting()
      cancelRetry?.()
      cancelRetry = null
    },
  }
}
