// Frames of kind `move`: a room's new secret, wrapped for each member who is taken along (docs/protocol.md, section
// 17.4). Who may move a room, and who is taken along, the engine decides.
import { decodeHex, limits, type SessionId } from '@pychat/protocol'
import type { Random } from './codes.ts'
import { concat, label } from './labels.ts'
import {
  type AgreementKey,
  gcmOpen,
  gcmSeal,
  hkdfExpand,
  hkdfExtract,
  x25519,
  x25519Keys,
} from './primitives.ts'
import type { RoomKeys } from './room-keys.ts'
import type { Session } from './session.ts'

const moveIdBytes = 16
const headBytes = moveIdBytes + 32
const sessionBytes = 16
const sealedBytes = 48
const entryBytes = sessionBytes + sealedBytes

type Move = { id: Uint8Array; ephemeral: Uint8Array }

function wrapping(room: RoomKeys, move: Move, session: Uint8Array, shared: Uint8Array) {
  const prk = hkdfExtract(label('move wrap'), shared)
  const info = concat(label('move wrap'), room.idBytes, move.id, move.ephemeral, session)
  const bytes = hkdfExpand(prk, info, 28)
  const aad = concat(label('move wrap'), room.idBytes, move.id, session)
  return { key: bytes.subarray(0, 16), nonce: bytes.subarray(16), aad }
}

/**
 * Draws 16 bytes (move id) and 32 (a key for this move alone). Members whose key agrees with everybody are left out.
 * @param secret 32 bytes, of `movedRoom`  @param members with `boxKey` 32 bytes, each session once
 * @returns bodies of at most 230 members each; at least one, maybe without entries
 */
export function sealMove(
  room: RoomKeys,
  secret: Uint8Array,
  members: readonly { session: SessionId; boxKey: Uint8Array }[],
  random: Random,
): Uint8Array[] {
  if (secret.length !== 32) throw new Error('the secret of a moved room has 32 bytes')
  const id = Uint8Array.from(random(moveIdBytes))
  const own = x25519Keys(random(32))
  const move: Move = { id, ephemeral: own.publicKey }
  const entries: Uint8Array[] = []
  for (const member of members) {
    const shared = x25519(own.agreementKey, member.boxKey)
    if (shared === null) continue
    const session = decodeHex(member.session)
    const { key, nonce, aad } = wrapping(room, move, session, shared)
    entries.push(concat(session, gcmSeal(key, nonce, aad, secret)))
  }
  const bodies: Uint8Array[] = []
  do bodies.push(concat(id, own.publicKey, ...entries.splice(0, limits.moveMembersMax)))
  while (entries.length > 0)
  return bodies
}

/** @returns the 32-byte secret, or null when the body is no move or has nothing for this session */
export function openMove(
  room: RoomKeys,
  session: Pick<Session, 'idBytes'> & { agreementKey: AgreementKey },
  body: Uint8Array,
): Uint8Array | null {
  const entries = (body.length - headBytes) / entryBytes
  if (!Number.isInteger(entries) || entries < 0 || entries > limits.moveMembersMax) return null
  const move: Move = { id: body.subarray(0, moveIdBytes), ephemeral: body.subarray(moveIdBytes, headBytes) }
  for (let at = headBytes; at < body.length; at += entryBytes) {
    const isOwn = session.idBytes.every((byte, i) => byte === body[at + i])
    if (!isOwn) continue
    const shared = x25519(session.agreementKey, move.ephemeral)
    if (shared === null) return null
    const { key, nonce, aad } = wrapping(room, move, session.idBytes, shared)
    return gcmOpen(key, nonce, aad, body.subarray(at + sessionBytes, at + entryBytes))
  }
  return null
}
