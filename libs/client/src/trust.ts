// Which charter and rules are in force for this client in one room: the newest that are true in themselves and follow
// from what it trusts already (docs/protocol.md, section 16). A relay cannot take it back, and cannot put another owner
// in its place.
import { verifier } from '@pychat/crypto'
import { type Charter, type CharterPair, type RoomId, readCharter, succeeds } from '@pychat/protocol'
import type { CharterAtRelay, RoomEvents } from './room-events.ts'

/** An older charter that comes so soon after a newer one was only late. */
const lateMs = 5000

/** `new`: it may be in force from now on. */
export type Verdict = Exclude<CharterAtRelay, 'none'>

export type Trust = {
  /** What is in force in this room; null without one. */
  charter(): Charter | null
  /** Changes nothing. */
  judge(pair: CharterPair): Verdict
  /**
   * The same, and `new` is in force from now on.
   * @param isAnswer the relay governs by it, rather than having told it to everybody once
   */
  hear(pair: CharterPair, isAnswer: boolean): Verdict
  /** On another connection a refusal may be told again. */
  entered(): void
}

/** @param trusted for this room, or for another one of the same root: then its charter alone counts */
export function createTrust(
  { room, root, trusted }: { room: RoomId; root: RoomId; trusted: CharterPair | null },
  events: {
    charter(event: RoomEvents['charter']): void
    refused(event: RoomEvents['charter-refused']): void
  },
  now: () => number,
): Trust {
  let base: Charter | null = trusted === null ? null : read(trusted)
  let changedAt = Number.NEGATIVE_INFINITY
  const told = new Set<Verdict>()

  const charter = () => (base?.rules.room === room ? base : null)
  function compare(pair: CharterPair): { verdict: Verdict; heard: Charter | null } {
    const heard = read(pair, room)
    if (heard === null) return { verdict: 'invalid', heard }
    if (heard.root !== root) return { verdict: 'foreign', heard }
    const verdict = succeeds(base, heard)
    return { verdict: verdict === 'ok' ? 'new' : verdict, heard }
  }
  return {
    charter,
    judge: (pair) => compare(pair).verdict,
    hear(pair, isAnswer) {
      const before = charter()
      const { verdict, heard } = compare(pair)
      if (verdict === 'new' && heard) {
        base = heard
        changedAt = now()
        const isRules = before?.pair.rules.doc !== heard.pair.rules.doc
        events.charter({ charter: heard, by: isRules ? heard.rules.signer : heard.owner })
      } else if (verdict === 'old' || verdict === 'foreign' || verdict === 'invalid') {
        const isLate = verdict === 'old' && !isAnswer && now() - changedAt < lateMs
        if (isLate || told.has(verdict)) return verdict
        told.add(verdict)
        events.refused({ why: verdict })
      }
      return verdict
    },
    entered: () => told.clear(),
  }
}

function read(pair: CharterPair, room?: RoomId): Charter | null {
  try {
    return readCharter(pair, verifier, room)
  } catch {
    return null
  }
}
