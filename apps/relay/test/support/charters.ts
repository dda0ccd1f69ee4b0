// Keys that sign, and charters signed by them: what a client would bring, made with node:crypto alone.
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import {
  type CharterDoc,
  type CharterPair,
  charterSignBytes,
  encodeMemberIds,
  handoverBytes,
  joinProofBytes,
  type MemberId,
  memberIdOf,
  type PublicKey,
  type RoomId,
  type RulesDoc,
  rulesSignBytes,
  type SessionId,
  type Signed,
  writeCharter,
  writeRules,
} from '@pychat/protocol'
import { verifier } from '../../src/verifier.ts'

/** A person: a key and what others know them by. */
export type Person = { public: PublicKey; id: MemberId; sign(bytes: Uint8Array): string }

export function newPerson(): Person {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const hex = raw.toString('hex') as PublicKey
  return {
    public: hex,
    id: memberIdOf(hex, verifier),
    sign: (bytes) => sign(null, bytes, privateKey).toString('hex'),
  }
}

/** What a person shows of a session at join. @param secret hex */
export function proofOf(person: Person, room: RoomId, session: SessionId, secret: string) {
  const hash = createHash('sha256').update(Buffer.from(secret, 'hex')).digest()
  return { public: person.public, proof: person.sign(joinProofBytes(room, session, hash)) }
}

export function handover(
  root: RoomId,
  version: number,
  from: Person,
  to: Person,
): CharterDoc['handovers'][0] {
  const signature = from.sign(handoverBytes(root, version, to.public))
  return { version, from: from.public, to: to.public, signature }
}

function signed(doc: string, by: Person, bytes: Uint8Array): Signed {
  return { doc, key: by.public, signature: by.sign(bytes) }
}

export type PairFields = Partial<Omit<CharterDoc, 'owner' | 'ops'>> &
  Partial<Omit<RulesDoc, 'version' | 'admitted' | 'bans' | 'muted'>> & {
    ops?: readonly Person[]
    rulesVersion?: number
    bans?: readonly { id: MemberId; until: number }[]
    muted?: readonly MemberId[]
    admitted?: readonly MemberId[]
    /** Who signs the rules; the owner when left out. */
    signer?: Person
  }

/** A pair for a room that is its own root unless told otherwise; both documents are number 1. */
export function charterPair(owner: Person, room: RoomId, fields: PairFields = {}): CharterPair {
  const { root = room, version = 1, ops = [], handovers = [], signer = owner } = fields
  const charter = writeCharter({
    schema: 1,
    root,
    version,
    owner: owner.public,
    ops: ops.map((each) => each.public),
    handovers,
  })
  const rules = writeRules({
    schema: 1,
    root,
    room,
    version: fields.rulesVersion ?? 1,
    lock: fields.lock ?? false,
    limit: fields.limit ?? 0,
    history: fields.history ?? false,
    moved: fields.moved ?? false,
    bans: [...(fields.bans ?? [])],
    muted: [...(fields.muted ?? [])],
    admitted: encodeMemberIds(fields.admitted ?? []),
    sealed: fields.sealed ?? '',
  })
  return {
    charter: signed(charter, owner, charterSignBytes(charter)),
    rules: signed(rules, signer, rulesSignBytes(rules)),
  }
}

export function banned(person: Person, until = 0): { id: MemberId; until: number } {
  return { id: person.id, until }
}
