// What is different between two drafts of one room, in the words of events. Pure: who is called how is passed in.
import { memberId } from '@pychat/crypto'
import type { MemberId } from '@pychat/protocol'
import { type Draft, rankOfId } from './draft.ts'
import type { ActName, CharterChange, CommunityEvents } from './types.ts'

/** @param self whose rank counts */
export function changesBetween(before: Draft, after: Draft, self: MemberId): CharterChange[] {
  const changed: CharterChange[] = []
  const note = (change: CharterChange, isSo: boolean) => {
    if (isSo) changed.push(change)
  }
  note('motd', before.text.motd !== after.text.motd)
  note('lock', before.lock !== after.lock)
  note('limit', before.limit !== after.limit)
  note('history', before.history !== after.history)
  note('rank', rankOfId(before, self) !== rankOfId(after, self))
  note(
    'bans',
    !sameKeys(before.bans, after.bans) ||
      [...after.bans].some(([id, until]) => before.bans.get(id) !== until),
  )
  note('mutes', !sameKeys(before.muted, after.muted))
  note('owner', before.owner !== after.owner)
  return changed
}

/**
 * What was done to whom. Bans that ended by themselves are no act.
 * @param nameOf what somebody is called  @param by name of who signed the new documents
 */
export function actsBetween(
  before: Draft,
  after: Draft,
  nameOf: (id: MemberId) => string,
  by: string,
  nowMs: number,
): CommunityEvents['act'][] {
  const acts: CommunityEvents['act'][] = []
  const act = (what: ActName, id: MemberId, until: number | null = null) => {
    const note = what === 'ban' || what === 'mute' || what === 'op' ? after.text.people[id] : undefined
    acts.push({
      what,
      target: note?.name ?? nameOf(id),
      by: note?.by ?? by,
      reason: note?.reason ?? '',
      until: until === 0 ? null : until,
    })
  }
  if (before.owner === after.owner) {
    const [were, are] = [before.ops.map(memberId), after.ops.map(memberId)]
    for (const id of are) if (!were.includes(id)) act('op', id)
    for (const id of were) if (!are.includes(id)) act('deop', id)
  }
  for (const [id, until] of after.bans) if (before.bans.get(id) !== until) act('ban', id, until)
  for (const [id, until] of before.bans) {
    const hasEnded = until !== 0 && until <= nowMs
    if (!after.bans.has(id) && !hasEnded && rankOfId(after, id) === 'member') act('unban', id)
  }
  for (const id of after.muted) if (!before.muted.has(id)) act('mute', id)
  for (const id of before.muted) {
    if (!after.muted.has(id) && rankOfId(after, id) === 'member') act('unmute', id)
  }
  return acts
}

function sameKeys(
  a: { size: number; keys(): Iterable<MemberId> },
  b: { size: number; has(id: MemberId): boolean },
) {
  return a.size === b.size && [...a.keys()].every((id) => b.has(id))
}
