// What is in force in a room, opened and ready to be changed: charter, rules and the sealed text in one value. Acts
// make the next draft from the present one; `documents.ts` reads and writes the signed form.
import { memberId } from '@pychat/crypto'
import type { Charter, Handover, MemberId, PublicKey, Rank, RulesText } from '@pychat/protocol'

export type Draft = {
  owner: PublicKey
  ops: readonly PublicKey[]
  handovers: readonly Handover[]
  lock: boolean
  /** 0: none. */
  limit: number
  history: boolean
  moved: boolean
  /** Until when, milliseconds since 1970; 0 for ever. */
  bans: ReadonlyMap<MemberId, number>
  muted: ReadonlySet<MemberId>
  /** Oldest first. */
  admitted: ReadonlySet<MemberId>
  text: RulesText
}

/** What the text says of one person. */
export type Note = RulesText['people'][MemberId]

const noText: RulesText = { motd: '', people: {}, channels: [] }

/** A room as its founder makes it. */
export function firstDraft(owner: PublicKey, ownerName: string): Draft {
  const people = { [memberId(owner)]: { name: ownerName, by: ownerName } }
  return {
    owner,
    ops: [],
    handovers: [],
    lock: false,
    limit: 0,
    history: false,
    moved: false,
    bans: new Map(),
    muted: new Set(),
    admitted: new Set(),
    text: { ...noText, people },
  }
}

/** @param text null when it could not be opened: then it counts as empty */
export function draftOf(charter: Charter, text: RulesText | null): Draft {
  const { owner, ops, handovers, rules } = charter
  const { lock, limit, history, moved, bans, muted, admitted } = rules
  return { owner, ops, handovers, lock, limit, history, moved, bans, muted, admitted, text: text ?? noText }
}

export function rankOfId(draft: Pick<Draft, 'owner' | 'ops'>, id: MemberId): Rank {
  if (memberId(draft.owner) === id) return 'owner'
  return draft.ops.some((op) => memberId(op) === id) ? 'op' : 'member'
}

/** The same but for bans that are over. */
export function withoutEndedBans(draft: Draft, nowMs: number): Draft {
  const bans = new Map([...draft.bans].filter(([, until]) => until === 0 || until > nowMs))
  return bans.size === draft.bans.size ? draft : { ...draft, bans }
}

export function sameCharter(a: Draft, b: Draft): boolean {
  return (
    a.owner === b.owner && sameList(a.ops, b.ops) && sameList(a.handovers.map(sign), b.handovers.map(sign))
  )
}

/** Whether the rules say the same; the sealed text counts, the order of lists does not. */
export function sameRules(a: Draft, b: Draft): boolean {
  return ruleText(a) === ruleText(b)
}

function ruleText({ lock, limit, history, moved, bans, muted, admitted, text }: Draft): string {
  const people = Object.entries(text.people).sort(([x], [y]) => (x < y ? -1 : 1))
  return JSON.stringify([
    [lock, limit, history, moved],
    [...bans].sort(([x], [y]) => (x < y ? -1 : 1)),
    [...muted].sort(),
    [...admitted].sort(),
    [text.motd, text.channels, people.map(([id, { name, reason, by }]) => [id, name, reason ?? '', by])],
  ])
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i])
}

function sign(handover: Handover): string {
  return handover.signature
}
