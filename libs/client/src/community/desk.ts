// Puts changes of one room's documents into force: one after the other, each from what is in force then; when somebody
// else was first, from the newer documents again. What a change may do, its own step decides.
import { type MemberKey, publicKeyText, type Random } from '@pychat/crypto'
import type { Charter, CharterPair, Signed } from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import { readDraft, type Seat, writePair } from './documents.ts'
import { type Draft, firstDraft, withoutEndedBans } from './draft.ts'

const triesMax = 3
const lookEveryMs = 50
/** How long the newer documents may be on their way after the relay spoke of them. */
const newerWithinMs = 2000

/** The next draft from the present one. @throws ChatRefusal when it may not be */
export type Step = (draft: Draft, charter: Charter) => Draft

export type Desk = {
  /** What is in force, opened; null without a charter. */
  draft(): Draft | null
  /** @throws rejects with ChatRefusal: what the step throws, no-charter, conflict, or what publishing is refused with */
  change(step: Step): Promise<void>
  /** Makes the first charter of the room, with the signer as its owner. @throws rejects with ChatRefusal */
  found(ownerName: string): Promise<void>
  /** Puts rules beside a charter that was signed for the root. @throws rejects with ChatRefusal */
  adopt(charter: Signed, draft: Draft): Promise<void>
}

export function createDesk(
  seat: Seat,
  room: Pick<Room, 'charter' | 'publish'>,
  signer: MemberKey,
  ports: Pick<ClientPorts, 'now' | 'setTimer'> & { random: Random },
): Desk {
  let cache: { charter: Charter; draft: Draft } | null = null
  let line: Promise<unknown> = Promise.resolve()

  function draft(): Draft | null {
    const charter = room.charter()
    if (charter === null) return null
    if (cache?.charter !== charter) cache = { charter, draft: readDraft(seat, charter) }
    return withoutEndedBans(cache.draft, ports.now())
  }
  const pause = (ms: number) => new Promise<void>((resolve) => void ports.setTimer(ms, resolve))

  /** @returns once other documents are in force than these, or after a while */
  async function newer(than: Charter | null): Promise<void> {
    for (let waitedMs = 0; waitedMs < newerWithinMs && room.charter() === than; waitedMs += lookEveryMs) {
      await pause(lookEveryMs)
    }
  }
  async function put(write: (before: Charter | null) => CharterPair | null): Promise<void> {
    for (let turn = 1; ; turn += 1) {
      const before = room.charter()
      const pair = write(before)
      if (pair === null) return
      try {
        await room.publish(pair)
        return
      } catch (error) {
        if (!(error instanceof ChatRefusal)) throw error
        if (error.code === 'charter-invalid') throw new ChatRefusal(error.code, claimedSentence)
        if (error.code !== 'charter-old') throw error
        if (turn === triesMax) {
          throw new ChatRefusal('conflict', 'Others are changing this room just now; try again in a moment.')
        }
        await newer(before)
      }
    }
  }
  function inTurn(write: (before: Charter | null) => CharterPair | null): Promise<void> {
    const done = line.then(() => put(write))
    line = done.catch(() => {})
    return done
  }
  return {
    draft,
    change: (step) =>
      inTurn((before) => {
        const present = draft()
        if (before === null || present === null) {
          throw new ChatRefusal('no-charter', 'Nobody owns this room, so nobody can do that here.')
        }
        return writePair(seat, before, step(present, before), signer, ports.random)
      }),
    found: (ownerName) =>
      inTurn((before) => {
        if (before !== null) throw new ChatRefusal('unchanged', 'This room has an owner already.')
        const owner = publicKeyText(signer.publicKey)
        return writePair(seat, null, firstDraft(owner, ownerName), signer, ports.random)
      }),
    adopt: (charter, next) =>
      inTurn((before) => writePair(seat, before, next, signer, ports.random, charter)),
  }
}

/** What is signed here is true: a relay that takes it for invalid has another owner's. */
const claimedSentence =
  "The relay keeps somebody else's rules for this room, and takes none of yours; /rekey moves everybody who trusts you to another one, where you can do that."
