// Giving a room away in two steps: the owner signs a handover for one key and one version of the charter, and whoever
// holds that key accepts by signing that version. An offer ends by itself when the charter changes meanwhile.
import { memberId } from '@pychat/crypto'
import { type Handover, limits } from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import { type Actor, needRank, type Target } from './acts.ts'
import type { Draft } from './draft.ts'

/**
 * What the owner has to sign. @param charterVersion of the charter in force
 * @throws ChatRefusal rank, unchanged, nobody
 */
export function offerOf(
  draft: Draft,
  charterVersion: number,
  actor: Actor,
  target: Target,
): Omit<Handover, 'signature'> {
  needRank(draft, actor, 'owner', 'give it away')
  if (target.id === actor.id) throw new ChatRefusal('unchanged', 'You own this room already.')
  if (target.publicKey === null) {
    throw new ChatRefusal('nobody', `${target.name} has to be in the room to get it.`)
  }
  return { version: charterVersion + 1, from: draft.owner, to: target.publicKey }
}

/** Whether an offer is for this person and may still be taken. */
export function isOpenOffer(draft: Draft, charterVersion: number, actor: Actor, handover: Handover): boolean {
  return (
    handover.to === actor.publicKey &&
    handover.from === draft.owner &&
    handover.version === charterVersion + 1 &&
    handover.to !== draft.owner
  )
}

/** The new owner's draft: the old owner stays as an op, where there is a place. @throws ChatRefusal nobody */
export function acceptOffer(
  draft: Draft,
  charterVersion: number,
  actor: Actor,
  handover: Handover | null,
): Draft {
  if (handover === null) {
    throw new ChatRefusal('nobody', 'Nobody has offered you this room; its owner can, with /transfer.')
  }
  if (!isOpenOffer(draft, charterVersion, actor, handover)) {
    throw new ChatRefusal('conflict', 'The offer is out of date; ask the owner for another /transfer.')
  }
  const others = draft.ops.filter((op) => op !== handover.to)
  const ops = others.length < limits.opsMax ? [...others, draft.owner] : others
  const bans = new Map(draft.bans)
  bans.delete(actor.id)
  const { [actor.id]: _, ...people } = draft.text.people
  return {
    ...draft,
    owner: handover.to,
    ops,
    handovers: [...draft.handovers, handover].slice(-limits.handoversMax),
    bans,
    muted: new Set([...draft.muted].filter((id) => id !== actor.id)),
    text: {
      ...draft.text,
      people: {
        ...people,
        [actor.id]: { name: actor.name, by: draft.text.people[memberId(draft.owner)]?.name ?? actor.name },
      },
    },
  }
}
