// What the relay answers to own frames, and what follows: shown as sent, sent again, given up (docs/protocol.md,
// section 6). Frames and counters are the outbox's part.
import { errorTable, type RelayControlOf } from '@pychat/protocol'
import type { Landing, Outbox } from './outbox.ts'
import type { EndCode, Origin, User } from './room-events.ts'
import type { Sending } from './sending.ts'

const nackRetryMs = 1000
const nackRetryMaxMs = 30_000

export type Answers = {
  /** An own frame came back. */
  returned(counter: number, frame: Uint8Array, landing: Landing): void
  /** The relay has all frames up to this counter. @param seq place of this very one, 0 for unknown */
  acknowledge(counter: number, seq: number): void
  nack(message: RelayControlOf<'nack'>): void
}

export function createAnswers(
  outbox: () => Outbox,
  sending: Pick<Sending, 'failed'>,
  ports: {
    ackReplicas(): number
    self(): User
    said(origin: Origin, kind: number, body: Uint8Array): void
    forged(): void
    unrepaired(count: number): void
    notMember(): void
    /** Something was settled: the session may be used up. */
    settled(): void
    restart(detail: string): void
    end(code: EndCode, sentence: string): void
  },
): Answers {
  function acknowledge(counter: number, seq: number) {
    for (const { landing, sentAt, id, kind, body, counter: own } of outbox().acknowledge(counter)) {
      const { name, session, publicKey, memberId, fingerprint } = ports.self()
      const who = { from: name, session, publicKey, memberId, fingerprint }
      const place = {
        // Its delivery tells; without one, what was acknowledged last is known at best.
        epoch: landing?.epoch ?? '',
        seq: landing?.seq ?? (own === counter ? seq : 0),
        counter: own,
        at: landing?.at ?? sentAt,
      }
      ports.said({ ...who, ...place, sentAt, live: true, own: true, id }, kind, body)
    }
    ports.settled()
  }
  /** Nothing from this counter on was taken, nor will be. */
  function muted(counter: number) {
    const { dropped, unrepaired } = outbox().drop(counter)
    if (unrepaired > 0) ports.unrepaired(unrepaired)
    sending.failed(dropped, errorTable.muted.sentence, true)
    ports.settled()
  }

  return {
    returned(counter, frame, landing) {
      // The relay has to give back the very bytes: anything else under our name is forged.
      const verdict = outbox().returned(counter, frame, landing)
      if (verdict === 'forged') ports.forged()
      if (verdict === 'ours' && ports.ackReplicas() === 0) acknowledge(counter, 0)
    },
    acknowledge,
    nack({ code, counter, last = 0, retryMs = nackRetryMs }) {
      const { retry, sentence } = errorTable[code]
      if (code === 'not-member') ports.notMember()
      else if (code === 'muted') muted(counter)
      else if (code === 'gap') {
        if (outbox().missing(last)) return
        ports.unrepaired(outbox().base() - last)
        // Joining again tells the relay to go on behind what is gone.
        ports.restart('The relay lost messages that are too old to be sent again.')
      } else if (retry === 'later') outbox().goBack(counter - 1, Math.min(retryMs, nackRetryMaxMs))
      else ports.end(code, sentence)
    },
  }
}
