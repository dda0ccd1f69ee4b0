// Asks the relay who somebody is whose frame came and who is in no roster: who came, spoke and left while this client
// was away (docs/protocol.md, sections 4.1 "member" and 7.1). One session at a time, once; the frame and all that
// came after it wait in the inbox meanwhile. Whether the profile is true is the roster's part.
import { errorTable, type Member, type RelayControlOf, type SessionId } from '@pychat/protocol'
import type { ClientPorts } from './ports.ts'
import { answerTimeoutMs, laterMs } from './retry.ts'

export type SenderLookupEvents = {
  /** Sends a `member`. @returns its id */
  ask(session: SessionId): number
  /** @param member null: the relay cannot or will not say who that is */
  found(session: SessionId, member: Member | null): void
  /** The relay went silent: another connection has to try. */
  broken(detail: string): void
}

export type SenderLookup = {
  readonly active: boolean
  /** Not while it is active. */
  begin(session: SessionId): void
  /** Passes over what was not asked for. */
  answer(message: RelayControlOf<'member'>): void
  /** @returns whether it refuses what was asked */
  refused(message: RelayControlOf<'refused'>): boolean
  /** Forgets what was asked. */
  cancel(): void
}

export function createSenderLookup(
  events: SenderLookupEvents,
  ports: Pick<ClientPorts, 'setTimer' | 'jitter'>,
): SenderLookup {
  let session: SessionId | null = null
  let request: number | null = null
  let cancelTimer: (() => void) | null = null

  const after = (ms: number, fn: () => void) => {
    cancelTimer?.()
    cancelTimer = ports.setTimer(ms, fn)
  }
  const cancel = () => {
    cancelTimer?.()
    cancelTimer = null
    session = null
    request = null
  }
  const ask = (asked: SessionId) => {
    after(answerTimeoutMs, () => events.broken('The relay did not say in time who sent a message.'))
    request = events.ask(asked)
  }
  const isAnswer = (id: number | undefined) => id !== undefined && id === request
  return {
    get active() {
      return session !== null
    },
    begin(asked) {
      session = asked
      ask(asked)
    },
    answer({ id, member }) {
      const asked = session
      if (asked === null || !isAnswer(id)) return
      cancel()
      events.found(asked, member.session === asked ? member : null)
    },
    refused(message) {
      const asked = session
      if (asked === null || !isAnswer(message.id)) return false
      if (errorTable[message.code].retry === 'later') {
        request = null
        after(laterMs(message, ports.jitter()), () => ask(asked))
      } else {
        cancel()
        events.found(asked, null)
      }
      return true
    },
    cancel,
  }
}
