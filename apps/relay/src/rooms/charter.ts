// A room's charter as nodes hold it, and what they decide by it: who comes in, who is put out or silenced, who may put out
// whom, and which of two charters stands. The same for every kind of store, and pure. Whether a pair of documents is
// true in itself, and what may follow what, says libs/protocol (docs/protocol.md, section 16).
import {
  type Charter,
  type CharterPair,
  type ErrorCode,
  isAdmitted,
  isBanned,
  isMuted,
  type MemberId,
  memberIdOf,
  outranks,
  type Rank,
  type RoomId,
  readCharter,
  succeeds,
} from '@pychat/protocol'
import { verifier } from '../verifier.ts'
import { StoreError } from './rooms.ts'

export type HeldCharter = {
  charter: Charter
  /** Everybody else is a member. */
  ranks: ReadonlyMap<MemberId, Rank>
  /** Since when relays know an owner of this line in this room, milliseconds since 1970. Only nodes state it. */
  since: number
  /** A lock holds from then on: those who come back to a store that lost everything are newcomers to it. */
  lockFrom: number
  /** Names exactly this content, `since` and `lockFrom`. ASCII without spaces. */
  stamp: string
}

/** As a store keeps it; both empty for no charter. */
export type StoredCharter = { stamp: string; text: string }

export const noCharter: StoredCharter = { stamp: '', text: '' }

/** So long after a store that had lost a locked room got its charter back, the lock lets everybody in. */
export const returnMs = 30_000
/** Places beyond `roomMembersMax` that only the owner gets. */
const ownerPlacesMax = 16

/** One text for one pair. */
function textOf({ charter, rules }: CharterPair): string {
  const signed = ({ doc, key, signature }: CharterPair['charter']) => ({ doc, key, signature })
  return JSON.stringify({ charter: signed(charter), rules: signed(rules) })
}

export function storedAs(held: HeldCharter | null): StoredCharter {
  return held === null ? noCharter : { stamp: held.stamp, text: textOf(held.charter.pair) }
}

function hold(charter: Charter, since: number, lockFrom: number): HeldCharter {
  const ranks = new Map<MemberId, Rank>(charter.ops.map((key) => [memberIdOf(key, verifier), 'op']))
  ranks.set(memberIdOf(charter.owner, verifier), 'owner')
  const hash = Buffer.from(verifier.sha256(Buffer.from(textOf(charter.pair), 'latin1')))
  return { charter, ranks, since, lockFrom, stamp: `${hash.toString('hex', 0, 16)}/${since}/${lockFrom}` }
}

/**
 * What a store or another node says that a room has. @param text a JSON object with the two documents in it
 * @throws StoreError refused, when it was not written by a relay that speaks this version
 */
export function readStored({ stamp, text }: StoredCharter, room: RoomId): HeldCharter | null {
  if (stamp === '') return null
  try {
    const [, since, lockFrom] = stamp.split('/')
    const { charter, rules } = JSON.parse(text) as CharterPair
    const held = hold(readCharter({ charter, rules }, verifier, room), Number(since), Number(lockFrom))
    if (held.stamp === stamp) return held
  } catch (error) {
    throw new StoreError('refused', 'The store has a charter that this relay cannot read.', { cause: error })
  }
  throw new StoreError('refused', 'The store has a charter under another name than its own.')
}

/** The same charter, brought back to a store that has none, or none that stands against it. */
export function broughtBack(held: HeldCharter, store: HeldCharter | null, now: number): HeldCharter {
  const isBehind = store !== null && follows(store, held)
  return hold(held.charter, held.since, isBehind ? store.lockFrom : lockFromOf(held.charter, now))
}

/** A lock that comes with the first rules ever is one that somebody wants now. */
function lockFromOf({ rules }: Charter, now: number): number {
  return rules.lock && rules.version > 1 ? now + returnMs : 0
}

export type Judgement =
  /** It may take the place of what is held. */
  | { ok: true; next: HeldCharter }
  /** It is what is held. */
  | { ok: true; next: null }
  | { ok: false; code: Extract<ErrorCode, 'charter-old' | 'charter-invalid'> }

/** Whether a member's charter may follow what the room has. @param charter found true, and for this room */
export function judge(held: HeldCharter | null, charter: Charter, now: number): Judgement {
  if (held === null) return { ok: true, next: hold(charter, now, lockFromOf(charter, now)) }
  switch (succeeds(held.charter, charter)) {
    case 'ok':
      return { ok: true, next: hold(charter, held.since, held.lockFrom) }
    case 'same':
      return { ok: true, next: null }
    case 'old':
      return { ok: false, code: 'charter-old' }
    case 'foreign':
      return { ok: false, code: 'charter-invalid' }
  }
}

/**
 * Which of two charters of one room stands: what a node knows, or what it hears or reads. All nodes decide alike. Of two
 * owners neither of whom follows the other, the one known for longer: so who comes to an emptied store first gains nothing.
 */
export function stands(mine: HeldCharter | null, other: HeldCharter | null): 'mine' | 'other' {
  if (mine === null || other === null) return mine === null ? 'other' : 'mine'
  if (follows(mine, other)) return 'other'
  if (follows(other, mine)) return 'mine'
  const order =
    mine.since - other.since ||
    other.charter.version - mine.charter.version ||
    other.charter.rules.version - mine.charter.rules.version ||
    (mine.stamp < other.stamp ? -1 : 1)
  return order < 0 ? 'mine' : 'other'
}

function follows(current: HeldCharter, next: HeldCharter): boolean {
  const answer = succeeds(current.charter, next.charter)
  return answer === 'ok' || answer === 'same'
}

export type Admission = {
  /** `room-locked` is only for who is not in the room; null for nothing against it. */
  refusal: Extract<ErrorCode, 'key-needed' | 'banned' | 'room-locked'> | null
  /** Most members of the room with this one. */
  membersMax: number
  /** Whether a newcomer may have all that the log keeps. */
  whole: boolean
}

/** @param member whose key the session proved, null for nobody's  @param roomMembersMax the operator's bound */
export function admission(
  held: HeldCharter | null,
  member: MemberId | null,
  now: number,
  roomMembersMax: number,
): Admission {
  if (held === null) return { refusal: null, membersMax: roomMembersMax, whole: false }
  if (member === null) return { refusal: 'key-needed', membersMax: roomMembersMax, whole: false }
  const { rules } = held.charter
  const rank = rankIn(held, member)
  const admitted = isAdmitted(rules, member)
  const whole = rules.history || admitted
  if (rank === 'owner') return { refusal: null, membersMax: roomMembersMax + ownerPlacesMax, whole }
  if (rank === 'op') return { refusal: null, membersMax: roomMembersMax, whole }
  const locked = rules.lock && now >= held.lockFrom && !admitted
  return {
    refusal: isBannedIn(held, member, now) ? 'banned' : locked ? 'room-locked' : null,
    membersMax: rules.limit === 0 ? roomMembersMax : Math.min(rules.limit, roomMembersMax),
    whole,
  }
}

function rankIn(held: HeldCharter, member: MemberId | null): Rank {
  return (member === null ? undefined : held.ranks.get(member)) ?? 'member'
}

export function isBannedIn(held: HeldCharter | null, member: MemberId | null, now: number): boolean {
  return held !== null && member !== null && isBanned(held.charter.rules, member, now)
}

export function isMutedIn(held: HeldCharter | null, member: MemberId | null): boolean {
  return held !== null && member !== null && isMuted(held.charter.rules, member)
}

/** @returns whom a member may not put out, besides those who have no rank; null when it may put out nobody */
export function spared(held: HeldCharter | null, actor: MemberId | null): MemberId[] | null {
  if (held === null) return null
  const rank = rankIn(held, actor)
  if (!outranks(rank, 'member')) return null
  return [...held.ranks].flatMap(([member, other]) => (outranks(rank, other) ? [] : [member]))
}
