// The two signed documents that govern a room, and every question they answer (docs/protocol.md, section 16): the
// charter names owner and ops, the rules say who is kept out, muted or let in. Relay and clients judge them with this
// file alone. Pure: hashing and verifying are passed in, since the relay has no crypto of ours.
import { z } from 'zod'
import {
  concat,
  decodeBase64url,
  decodeHex,
  encodeBase64url,
  encodeHex,
  label,
  writeUint64,
} from './bytes.ts'
import { ProtocolError } from './errors.ts'
import {
  type MemberId,
  memberIdSchema,
  type PublicKey,
  publicKeySchema,
  type RoomId,
  roomIdSchema,
  type SessionId,
} from './ids.ts'
import { limits } from './limits.ts'

const version = z.int().min(1).max(Number.MAX_SAFE_INTEGER)
const time = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const flag = z.boolean()
const signature = z.string().regex(/^[0-9a-f]{128}$/)
const base64url = (bytesMax: number) =>
  z
    .string()
    .max(Math.ceil((bytesMax * 4) / 3))
    .regex(/^[A-Za-z0-9_-]*$/)

const memberIdBytes = 16
/** Salt 16, commitment 16, the largest padded text, tag 16. */
const sealedRulesBytesMax = 48 + 6144

/** Proof that an owner gave the root away. */
export const handoverSchema = z.strictObject({
  /** Version of the first charter of the new owner; above every version the old one has signed. */
  version,
  from: publicKeySchema,
  to: publicKeySchema,
  signature,
})

/** Fields in the order in which a document has them. */
const charterDocSchema = z.strictObject({
  schema: z.literal(1),
  root: roomIdSchema,
  version,
  owner: publicKeySchema,
  ops: z.array(publicKeySchema).max(limits.opsMax),
  /** Oldest first; when there are more than fit, the oldest are left out. */
  handovers: z.array(handoverSchema).max(limits.handoversMax),
})

const rulesDocSchema = z.strictObject({
  schema: z.literal(1),
  root: roomIdSchema,
  /** The one room that these rules are for: the root, a channel of it, or where it has moved. */
  room: roomIdSchema,
  version,
  lock: flag,
  /** Most members; 0 for no limit. */
  limit: z.int().min(0).max(limits.limitMembersMax),
  /** Whether a newcomer gets what the log still has. */
  history: flag,
  /** Whether the room has gone elsewhere. */
  moved: flag,
  /** `until`: milliseconds since 1970, 0 for ever. */
  bans: z.array(z.strictObject({ id: memberIdSchema, until: time })).max(limits.bansMax),
  muted: z.array(memberIdSchema).max(limits.mutedMax),
  /** Member ids, 16 bytes each. */
  admitted: base64url(limits.admittedMax * memberIdBytes),
  /** What only members can read; empty for nothing. */
  sealed: base64url(sealedRulesBytesMax),
})

const printable = /^[\x20-\x7e]*$/
const signed = (bytesMax: number) =>
  z.strictObject({ doc: z.string().max(bytesMax).regex(printable), key: publicKeySchema, signature })

/** A charter and the rules that one room has beside it, each as its signer wrote it. */
export const charterPairSchema = z.strictObject({
  charter: signed(limits.charterDocBytesMax),
  rules: signed(limits.rulesDocBytesMax),
})

export type CharterPair = z.infer<typeof charterPairSchema>
/** A document as JSON text, who signed it, and the signature over exactly these characters. */
export type Signed = CharterPair['charter']
export type CharterDoc = z.infer<typeof charterDocSchema>
export type RulesDoc = z.infer<typeof rulesDocSchema>
export type Handover = z.infer<typeof handoverSchema>
export type Rank = 'owner' | 'op' | 'member'

export type Rules = {
  room: RoomId
  version: number
  lock: boolean
  /** 0 for no limit. */
  limit: number
  history: boolean
  moved: boolean
  /** Until when, milliseconds since 1970; 0 for ever. */
  bans: ReadonlyMap<MemberId, number>
  muted: ReadonlySet<MemberId>
  admitted: ReadonlySet<MemberId>
  /** base64url; empty for nothing. */
  sealed: string
  /** The owner or an op. */
  signer: PublicKey
}

/** A pair that was read and found true. */
export type Charter = {
  root: RoomId
  version: number
  owner: PublicKey
  ops: readonly PublicKey[]
  handovers: readonly Handover[]
  rules: Rules
  /** What was read, to be kept and passed on. */
  pair: CharterPair
}

/** What judging needs of cryptography. */
export type Verifier = {
  /** Ed25519 (RFC 8032). @param publicKey any 32 bytes  @param signature 64 bytes */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** @returns 32 bytes */
  sha256(bytes: Uint8Array): Uint8Array
}

/** SHA-256(L("member id") ‖ public key)[0..16]. */
export function memberIdOf(publicKey: PublicKey, verifier: Pick<Verifier, 'sha256'>): MemberId {
  const hash = verifier.sha256(concat(label('member id'), decodeHex(publicKey)))
  return encodeHex(hash.subarray(0, memberIdBytes)) as MemberId
}

/** The bytes that the owner signs. @param doc printable ASCII */
export function charterSignBytes(doc: string): Uint8Array {
  return concat(label('charter sign'), new TextEncoder().encode(doc))
}

/** The bytes that an owner or op signs. @param doc printable ASCII */
export function rulesSignBytes(doc: string): Uint8Array {
  return concat(label('rules sign'), new TextEncoder().encode(doc))
}

/** The bytes by which an owner hands a root over. @param version that of the new owner's first charter */
export function handoverBytes(root: RoomId, version: number, to: PublicKey): Uint8Array {
  const number = new Uint8Array(8)
  writeUint64(number, 0, version)
  return concat(label('handover'), decodeHex(root), number, decodeHex(to))
}

/** The bytes by which a session proves its key at join. @param secretHash SHA-256 of the secret's 16 bytes */
export function joinProofBytes(room: RoomId, session: SessionId, secretHash: Uint8Array): Uint8Array {
  return concat(label('join'), decodeHex(room), decodeHex(session), secretHash)
}

/**
 * Whose key a `join` proves.
 * @param secret 32 hex digits, as joined  @returns null when the proof is not by that key for this room and session
 */
export function provenMember(
  join: { room: RoomId; session: SessionId; secret: string; key: { public: PublicKey; proof: string } },
  verifier: Verifier,
): MemberId | null {
  const message = joinProofBytes(join.room, join.session, verifier.sha256(decodeHex(join.secret)))
  const isTrue = verifier.verify(decodeHex(join.key.public), message, decodeHex(join.key.proof))
  return isTrue ? memberIdOf(join.key.public, verifier) : null
}

/** @returns the one text of this charter @throws ProtocolError charter-invalid when it is out of bounds */
export function writeCharter(doc: CharterDoc): string {
  return write(charterDocSchema, doc, limits.charterDocBytesMax)
}

/** @returns the one text of these rules @throws ProtocolError charter-invalid when they are out of bounds */
export function writeRules(doc: RulesDoc): string {
  return write(rulesDocSchema, doc, limits.rulesDocBytesMax)
}

function write<T>(schema: z.ZodType<T>, doc: T, bytesMax: number): string {
  const text = JSON.stringify(check(schema, doc))
  if (text.length > bytesMax) invalid('document is too long')
  return text
}

/**
 * Reads a pair and finds it true in itself: shapes, signatures, handovers, and that nobody above a member is banned
 * or muted. Whether it may follow another one says `succeeds`.
 * @param room refuses rules that are for another room than this one
 * @throws ProtocolError charter-invalid
 */
export function readCharter(pair: CharterPair, verifier: Verifier, room?: RoomId): Charter {
  check(charterPairSchema, pair)
  const charter = parse(charterDocSchema, pair.charter.doc)
  const rules = parse(rulesDocSchema, pair.rules.doc)
  if (rules.root !== charter.root) invalid('rules of another root')
  if (room !== undefined && rules.room !== room) invalid('rules of another room')
  const admitted = memberIds(rules.admitted)
  readBase64url(rules.sealed)
  const { owner, ops } = charter
  if (!areDifferent([owner, ...ops])) invalid('ops repeat')
  if (!areDifferent(rules.bans.map((ban) => ban.id))) invalid('bans repeat')
  if (!areDifferent(rules.muted)) invalid('muted repeat')
  const bans = new Map(rules.bans.map((ban) => [ban.id, ban.until]))
  const muted = new Set(rules.muted)
  for (const key of [owner, ...ops]) {
    const id = memberIdOf(key, verifier)
    if (bans.has(id) || muted.has(id)) invalid('bans or mutes owner or op')
  }

  if (pair.charter.key !== owner) invalid('charter is not signed by its owner')
  if (![owner, ...ops].includes(pair.rules.key)) invalid('rules are not signed by owner or op')
  checkHandovers(charter, verifier)
  const isSigned = ({ doc: _, key, signature }: Signed, bytes: Uint8Array) =>
    verifier.verify(decodeHex(key), bytes, decodeHex(signature))
  if (!isSigned(pair.charter, charterSignBytes(pair.charter.doc))) invalid('signature of the charter')
  if (!isSigned(pair.rules, rulesSignBytes(pair.rules.doc))) invalid('signature of the rules')

  const { root: _, schema: __, ...rest } = rules
  return {
    root: charter.root,
    version: charter.version,
    owner,
    ops,
    handovers: charter.handovers,
    rules: { ...rest, bans, muted, admitted, signer: pair.rules.key },
    pair,
  }
}

/** From each owner to the next, in rising versions, each signed by who gave, and ending at the present one. */
function checkHandovers(charter: CharterDoc, verifier: Verifier): void {
  let last: Handover | null = null
  for (const handover of charter.handovers) {
    if (handover.from === handover.to) invalid('handover to oneself')
    if (last !== null && (handover.from !== last.to || handover.version <= last.version)) {
      invalid('handovers do not follow each other')
    }
    const bytes = handoverBytes(charter.root, handover.version, handover.to)
    if (!verifier.verify(decodeHex(handover.from), bytes, decodeHex(handover.signature))) {
      invalid('signature of a handover')
    }
    last = handover
  }
  if (last !== null && (last.to !== charter.owner || last.version > charter.version)) {
    invalid('handovers end at somebody else')
  }
}

/**
 * Whether `next` may take the place of `current`, both found true by `readCharter`.
 * - `ok`: it may. Of two rooms' rules (a root and its channel, say) only the charters are compared.
 * - `same`: it is what is there.
 * - `old`: it was overtaken, or another one took its number first.
 * - `foreign`: another root, or an owner whom the present one did not make owner. Never to be obeyed.
 */
export function succeeds(current: Charter | null, next: Charter): 'ok' | 'same' | 'old' | 'foreign' {
  if (current === null) return 'ok'
  if (next.root !== current.root) return 'foreign'
  if (next.owner !== current.owner) {
    if (wasOwnerBefore(next, current)) return 'old'
    const given = next.handovers.find((each) => each.from === current.owner && each.version > current.version)
    if (given === undefined) return 'foreign'
  }
  const charters = compare(current.version, current.pair.charter.doc, next.version, next.pair.charter.doc)
  if (next.rules.room !== current.rules.room) return charters === 'old' ? 'old' : 'ok'
  const rules = compare(
    current.rules.version,
    current.pair.rules.doc,
    next.rules.version,
    next.pair.rules.doc,
  )
  if (charters === 'old' || rules === 'old') return 'old'
  return charters === 'same' && rules === 'same' ? 'same' : 'ok'
}

/** Whether `past` is from a time before its owner gave `present`'s root away. */
function wasOwnerBefore(past: Charter, present: Charter): boolean {
  return present.handovers.some((each) => each.from === past.owner && past.version < each.version)
}

/** One version has one text. */
function compare(
  current: number,
  currentDoc: string,
  next: number,
  nextDoc: string,
): 'newer' | 'same' | 'old' {
  if (next !== current) return next > current ? 'newer' : 'old'
  return nextDoc === currentDoc ? 'same' : 'old'
}

export function rank(charter: Charter, publicKey: PublicKey): Rank {
  if (publicKey === charter.owner) return 'owner'
  return charter.ops.includes(publicKey) ? 'op' : 'member'
}

const ladder: Record<Rank, number> = { owner: 2, op: 1, member: 0 }

/** Whether one of rank `actor` may act on one of rank `target`: only downwards. */
export function outranks(actor: Rank, target: Rank): boolean {
  return ladder[actor] > ladder[target]
}

/** @param nowMs milliseconds since 1970 */
export function isBanned(rules: Rules, id: MemberId, nowMs: number): boolean {
  const until = rules.bans.get(id)
  return until !== undefined && (until === 0 || nowMs < until)
}

export function isMuted(rules: Rules, id: MemberId): boolean {
  return rules.muted.has(id)
}

/** Whether a lock lets this member in, who then also gets what the log still has. */
export function isAdmitted(rules: Rules, id: MemberId): boolean {
  return rules.admitted.has(id)
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return invalid('document is no JSON')
  }
  const doc = check(schema, value)
  // One text for one content: no reader sees another value of a field that is there twice.
  if (JSON.stringify(doc) !== text) invalid('document in another spelling')
  return doc
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  return invalid(`${issue?.path.join('.') || 'document'}: ${issue?.code ?? 'invalid'}`)
}

/** What a rules document says as `admitted`. */
export function encodeMemberIds(ids: Iterable<MemberId>): string {
  return encodeBase64url(concat(...Array.from(ids, decodeHex)))
}

function memberIds(text: string): ReadonlySet<MemberId> {
  const bytes = readBase64url(text)
  if (bytes.length % memberIdBytes !== 0) invalid('admitted ends within an id')
  const ids: MemberId[] = []
  for (let at = 0; at < bytes.length; at += memberIdBytes) {
    ids.push(encodeHex(bytes.subarray(at, at + memberIdBytes)) as MemberId)
  }
  if (!areDifferent(ids)) invalid('admitted repeat')
  return new Set(ids)
}

function readBase64url(text: string): Uint8Array {
  try {
    return decodeBase64url(text)
  } catch {
    return invalid('base64url')
  }
}

function areDifferent(list: readonly string[]): boolean {
  return new Set(list).size === list.length
}

function invalid(detail: string): never {
  throw new ProtocolError('charter-invalid', detail)
}
