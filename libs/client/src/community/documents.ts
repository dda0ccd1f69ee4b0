// From drafts to signed documents and back (docs/protocol.md, section 16). Versions go up by one; a part that says
// nothing new keeps its text and signature, unless who signed it may not sign any more.
import {
  CryptoInputError,
  type MemberKey,
  openRules,
  publicKeyText,
  type Random,
  type RoomKeys,
  sealRules,
  signCharter,
  signRules,
} from '@pychat/crypto'
import {
  type Charter,
  type CharterPair,
  encodeMemberIds,
  ProtocolError,
  type RoomId,
  type RulesText,
  type Signed,
} from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import { type Draft, draftOf, sameCharter, sameRules } from './draft.ts'

/** Rules are signed for one room, and their sealed part opens with its keys alone. */
export type Seat = { root: RoomId; room: RoomKeys }

/** What is in force, opened. */
export function readDraft({ root, room }: Seat, charter: Charter): Draft {
  return draftOf(charter, openRules(room, root, charter.rules.sealed))
}

/**
 * The documents that put a draft into force.
 * @param before what is in force in this room; null for none
 * @param charter signed elsewhere already (in a room's parent, say) and taken as it is
 * @returns null when all of it is in force already
 * @throws ChatRefusal full when it does not fit its bounds
 */
export function writePair(
  seat: Seat,
  before: Charter | null,
  draft: Draft,
  signer: MemberKey,
  random: Random,
  charter?: Signed,
): CharterPair | null {
  const present = before === null ? null : readDraft(seat, before)
  const nextCharter = charter ?? charterPart(seat, before, present, draft, signer)
  const signers = [draft.owner, ...draft.ops]
  const keepsRules =
    before !== null && present !== null && sameRules(present, draft) && signers.includes(before.rules.signer)
  if (keepsRules && nextCharter.doc === before.pair.charter.doc) return null
  return {
    charter: nextCharter,
    rules: keepsRules ? before.pair.rules : rulesPart(seat, before, draft, signer, random),
  }
}

function charterPart(
  { root }: Seat,
  before: Charter | null,
  present: Draft | null,
  draft: Draft,
  signer: MemberKey,
): Signed {
  if (before !== null && present !== null && sameCharter(present, draft)) return before.pair.charter
  if (draft.owner !== publicKeyText(signer.publicKey)) {
    throw new ChatRefusal('rank', 'Only the owner of this room can change who owns it and who is an op.')
  }
  const { owner, ops, handovers } = draft
  const version = (before?.version ?? 0) + 1
  const doc = { schema: 1 as const, root, version, owner, ops: [...ops], handovers: [...handovers] }
  return bounded(() => signCharter(doc, signer))
}

function rulesPart(
  { root, room }: Seat,
  before: Charter | null,
  draft: Draft,
  signer: MemberKey,
  random: Random,
): Signed {
  const { lock, limit, history, moved, bans, muted, admitted, text } = draft
  return bounded(() =>
    signRules(
      {
        schema: 1,
        root,
        room: room.id,
        version: (before?.rules.version ?? 0) + 1,
        lock,
        limit,
        history,
        moved,
        bans: [...bans].map(([id, until]) => ({ id, until })),
        muted: [...muted],
        admitted: encodeMemberIds(admitted),
        sealed: sealed(room, root, text, random),
      },
      signer,
    ),
  )
}

/** Leaves out what fits least: reasons first, then names, the oldest of each first. */
function sealed(room: RoomKeys, root: RoomId, text: RulesText, random: Random): string {
  const ids = Object.keys(text.people) as (keyof RulesText['people'])[]
  const people = { ...text.people }
  const seal = () => sealRules(room, root, { ...text, people }, random)
  const tries: (() => void)[] = [
    ...ids.map((id) => () => {
      const { name, by } = people[id] as RulesText['people'][typeof id]
      people[id] = { name, by }
    }),
    ...ids.map((id) => () => {
      delete people[id]
    }),
  ]
  for (let turn = 0; ; turn += 1) {
    try {
      return seal()
    } catch (error) {
      const shorten = tries[turn]
      if (!(error instanceof CryptoInputError) || shorten === undefined) throw error
      shorten()
    }
  }
}

function bounded<T>(write: () => T): T {
  try {
    return write()
  } catch (error) {
    if (error instanceof CryptoInputError) throw new ChatRefusal('full', error.message)
    if (error instanceof ProtocolError) {
      throw new ChatRefusal(
        'full',
        'The rules of this room do not fit any more; shorten the description, or /unban somebody.',
      )
    }
    throw error
  }
}
