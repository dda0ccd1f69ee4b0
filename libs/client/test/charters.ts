// Charters and rules for tests, signed with real keys: a good pair, and every way to write another one.
import { type MemberKey, publicKeyText, signCharter, signRules } from '@pychat/crypto'
import {
  type CharterDoc,
  type CharterPair,
  encodeMemberIds,
  type RoomId,
  type RulesDoc,
} from '@pychat/protocol'

export type PairOptions = {
  owner: MemberKey
  ops?: MemberKey[]
  /** Signs the rules in the owner's place. */
  writer?: MemberKey
  root: RoomId
  /** The room that the rules are for; the root when left out. */
  room?: RoomId
  charter?: Partial<CharterDoc>
  rules?: Partial<RulesDoc>
  /** Taken from everybody. */
  muted?: MemberKey[]
  admitted?: MemberKey[]
}

export function pairOf(options: PairOptions): CharterPair {
  const { owner, ops = [], writer = owner, root, room = root, muted = [], admitted = [] } = options
  const charter: CharterDoc = {
    schema: 1,
    root,
    version: 1,
    owner: publicKeyText(owner.publicKey),
    ops: ops.map(({ publicKey }) => publicKeyText(publicKey)),
    handovers: [],
    ...options.charter,
  }
  const rules: RulesDoc = {
    schema: 1,
    root,
    room,
    version: 1,
    lock: false,
    limit: 0,
    history: false,
    moved: false,
    bans: [],
    muted: muted.map(({ id }) => id),
    admitted: encodeMemberIds(admitted.map(({ id }) => id)),
    sealed: '',
    ...options.rules,
  }
  return { charter: signCharter(charter, owner), rules: signRules(rules, writer) }
}
