// What owner and ops may do to a room, each as a pure step from the present draft to the next one. Every act checks
// rank before anybody is asked: nobody acts on their own rank or above. Refusals are sentences that say what to do.
import { memberId } from '@pychat/crypto'
import { limits, type MemberId, outranks, type PublicKey, type Rank } from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import { type Draft, type Note, rankOfId } from './draft.ts'

/** Who acts. */
export type Actor = { publicKey: PublicKey; id: MemberId; name: string }
/** Whom it is about; `publicKey` is null for somebody who is not here and known by id alone. */
export type Target = { publicKey: PublicKey | null; id: MemberId; name: string }

const rankNames: Record<Rank, string> = { owner: 'the owner', op: 'an op', member: 'a member' }

/** @throws ChatRefusal rank */
export function needRank(draft: Draft, actor: Actor, needed: 'op' | 'owner', doing: string): void {
  const rank = rankOfId(draft, actor.id)
  if (rank === 'owner' || rank === needed) return
  const who = needed === 'owner' ? 'Only the owner' : 'Only the owner and ops'
  throw new ChatRefusal('rank', `${who} of this room can ${doing}; ask one of them.`)
}

/** @throws ChatRefusal rank, unchanged */
export function needAbove(draft: Draft, actor: Actor, target: Target, doing: string): void {
  needRank(draft, actor, 'op', doing)
  if (target.id === actor.id) throw new ChatRefusal('rank', `You cannot ${doing} yourself.`)
  const theirs = rankOfId(draft, target.id)
  if (outranks(rankOfId(draft, actor.id), theirs)) return
  throw new ChatRefusal(
    'rank',
    `You cannot ${doing} ${target.name}, who is ${rankNames[theirs]}: nobody acts on their own rank or above.`,
  )
}

export function setMotd(draft: Draft, actor: Actor, motd: string): Draft {
  needRank(draft, actor, 'op', 'change the description')
  if (new TextEncoder().encode(motd).length > limits.motdBytesMax) {
    throw new ChatRefusal(
      'bad-input',
      `The description is too long; use at most ${limits.motdBytesMax} bytes.`,
    )
  }
  return { ...draft, text: { ...draft.text, motd } }
}

export function makeOp(draft: Draft, actor: Actor, target: Target): Draft {
  needRank(draft, actor, 'owner', 'make ops')
  const theirs = rankOfId(draft, target.id)
  if (theirs === 'owner') throw new ChatRefusal('unchanged', 'You own this room already.')
  if (theirs === 'op') throw new ChatRefusal('unchanged', `${target.name} is an op already.`)
  if (target.publicKey === null) {
    throw new ChatRefusal('nobody', `${target.name} has to be in the room to become an op.`)
  }
  if (draft.ops.length >= limits.opsMax) {
    throw new ChatRefusal('full', `A room has at most ${limits.opsMax} ops; /deop somebody first.`)
  }
  const { id } = target
  const next = { ...draft, ops: [...draft.ops, target.publicKey] }
  return note({ ...next, bans: dropFrom(draft.bans, id), muted: without(draft.muted, id) }, actor, target)
}

export function endOp(draft: Draft, actor: Actor, target: Target): Draft {
  needRank(draft, actor, 'owner', 'take an op back')
  if (rankOfId(draft, target.id) !== 'op') {
    throw new ChatRefusal('unchanged', `${target.name} is no op of this room.`)
  }
  const ops = draft.ops.filter((op) => memberId(op) !== target.id)
  return unnote({ ...draft, ops }, target.id)
}

/** @param until milliseconds since 1970; 0 for ever. A second ban takes the place of the first. */
export function ban(draft: Draft, actor: Actor, target: Target, until: number, reason: string): Draft {
  needAbove(draft, actor, target, 'ban')
  checkReason(reason)
  const present = withoutOp(draft, actor, target)
  const bans = dropFrom(present.bans, target.id)
  if (bans.size >= limits.bansMax) {
    throw new ChatRefusal(
      'full',
      `The list of ${limits.bansMax} bans is full; /unban somebody, or /rekey the room.`,
    )
  }
  bans.set(target.id, until)
  const admitted = without(present.admitted, target.id)
  return note({ ...present, bans, admitted }, actor, target, reason)
}

/** An op who is banned or muted by the owner is none any more: the rules never name one who is. */
function withoutOp(draft: Draft, actor: Actor, target: Target): Draft {
  return rankOfId(draft, target.id) === 'op' ? endOp(draft, actor, target) : draft
}

export function unban(draft: Draft, actor: Actor, target: Target): Draft {
  needRank(draft, actor, 'op', 'end bans')
  if (!draft.bans.has(target.id)) throw new ChatRefusal('unchanged', `${target.name} is not banned.`)
  return unnote({ ...draft, bans: dropFrom(draft.bans, target.id) }, target.id)
}

export function mute(draft: Draft, actor: Actor, target: Target): Draft {
  needAbove(draft, actor, target, 'mute')
  if (draft.muted.has(target.id)) throw new ChatRefusal('unchanged', `${target.name} is muted already.`)
  if (draft.muted.size >= limits.mutedMax) {
    throw new ChatRefusal('full', `At most ${limits.mutedMax} can be muted; /unmute somebody first.`)
  }
  const present = withoutOp(draft, actor, target)
  return note({ ...present, muted: new Set([...present.muted, target.id]) }, actor, target)
}

export function unmute(draft: Draft, actor: Actor, target: Target): Draft {
  needRank(draft, actor, 'op', 'unmute people')
  if (!draft.muted.has(target.id)) throw new ChatRefusal('unchanged', `${target.name} is not muted.`)
  return unnote({ ...draft, muted: without(draft.muted, target.id) }, target.id)
}

/** @param present who is here now: they may come back while it is locked, the first 256 of them */
export function setLock(draft: Draft, actor: Actor, locked: boolean, present: Iterable<MemberId>): Draft {
  needRank(draft, actor, 'op', 'lock and unlock the room')
  if (draft.lock === locked) {
    throw new ChatRefusal('unchanged', locked ? 'The room is locked already.' : 'The room is not locked.')
  }
  if (!locked) return { ...draft, lock: false, admitted: new Set() }
  const may = [...new Set(present)].filter((id) => !draft.bans.has(id) && rankOfId(draft, id) === 'member')
  return { ...draft, lock: true, admitted: new Set(may.slice(0, limits.admittedMax)) }
}

/** @param members 0: none */
export function setLimit(draft: Draft, actor: Actor, members: number): Draft {
  needRank(draft, actor, 'op', 'limit the room')
  if (!Number.isInteger(members) || members < 0 || members > limits.limitMembersMax) {
    throw new ChatRefusal(
      'bad-input',
      `The limit is a number from 1 to ${limits.limitMembersMax}, or 0 for none.`,
    )
  }
  if (draft.limit === members) throw new ChatRefusal('unchanged', 'That is the limit already.')
  return { ...draft, limit: members }
}

export function setHistory(draft: Draft, actor: Actor, history: boolean): Draft {
  needRank(draft, actor, 'op', 'decide what newcomers get')
  if (draft.history === history) {
    throw new ChatRefusal('unchanged', `Newcomers ${history ? 'get' : 'do not get'} recent messages already.`)
  }
  return { ...draft, history }
}

/** Lets people in while the room is locked, and gives them what the log still has. The oldest make room. */
export function admit(draft: Draft, actor: Actor, ids: Iterable<MemberId>): Draft {
  needRank(draft, actor, 'op', 'let people in')
  const all = [...new Set([...draft.admitted, ...ids])].filter((id) => !draft.bans.has(id))
  return { ...draft, admitted: new Set(all.slice(-limits.admittedMax)) }
}

/** The room has gone elsewhere. */
export function leaveBehind(draft: Draft, actor: Actor): Draft {
  needRank(draft, actor, 'op', 'move the room')
  return { ...draft, moved: true }
}

/** A channel that newcomers shall know of; the list as it is when it is full. */
export function listChannel(draft: Draft, name: string): Draft {
  const { channels } = draft.text
  if (channels.includes(name) || channels.length >= limits.channelsMax) return draft
  return { ...draft, text: { ...draft.text, channels: [...channels, name] } }
}

/** @throws ChatRefusal bad-input */
export function checkReason(reason: string): void {
  if (new TextEncoder().encode(reason).length <= limits.reasonBytesMax) return
  throw new ChatRefusal('bad-input', `The reason is too long; use at most ${limits.reasonBytesMax} bytes.`)
}

function note(draft: Draft, actor: Actor, target: Target, reason = ''): Draft {
  const entry: Note = { name: target.name, by: actor.name, ...(reason === '' ? {} : { reason }) }
  // Behind all others: what does not fit is left out from the beginning.
  const { [target.id]: _, ...people } = draft.text.people
  return { ...draft, text: { ...draft.text, people: { ...people, [target.id]: entry } } }
}

/** Takes the note of somebody about whom nothing is left to say. */
function unnote(draft: Draft, id: MemberId): Draft {
  const isNamed = draft.bans.has(id) || draft.muted.has(id) || rankOfId(draft, id) !== 'member'
  if (isNamed) return draft
  const { [id]: _, ...people } = draft.text.people
  return { ...draft, text: { ...draft.text, people } }
}

function dropFrom(bans: ReadonlyMap<MemberId, number>, id: MemberId): Map<MemberId, number> {
  const rest = new Map(bans)
  rest.delete(id)
  return rest
}

function without(ids: ReadonlySet<MemberId>, id: MemberId): Set<MemberId> {
  return new Set([...ids].filter((each) => each !== id))
}
