// Every conversation is a room: a channel's keys come from its parent's, a moved room's from a random secret, a private
// conversation's from what two sessions agree on (docs/protocol.md, section 17). And the call, by which the second of
// the two learns, and nobody else, that it is meant.
import { decodeHex, type SessionId } from '@pychat/protocol'
import { concat, label, uint16, utf8 } from './labels.ts'
import { channelName } from './names.ts'
import { equalBytes, hkdfExpand, hkdfExtract, hmacSha256, x25519 } from './primitives.ts'
import { type RoomKeys, roomKeys } from './room-keys.ts'
import type { Session } from './session.ts'

const secretBytes = 32
const callBytes = 16

/** What somebody's profile says of a session, as far as a private conversation needs it. */
export type Peer = {
  session: SessionId
  /** Ed25519, 32 bytes. */
  publicKey: Uint8Array
  /** X25519, 32 bytes. */
  boxKey: Uint8Array
}

/** The channel of this name below a room. @throws CryptoInputError channel-name */
export function channelRoom(parent: RoomKeys, name: string): RoomKeys {
  const text = utf8(channelName(name))
  const secret = hkdfExpand(
    parent.deriveKey,
    concat(label('channel'), uint16(text.length), text),
    secretBytes,
  )
  return roomKeys(hkdfExtract(label('extract'), secret))
}

/** Where a room moves to. @param secret 32 random bytes, new at each move */
export function movedRoom(secret: Uint8Array): RoomKeys {
  if (secret.length !== secretBytes) throw new Error('the secret of a moved room has 32 bytes')
  return roomKeys(hkdfExtract(label('move'), secret))
}

/**
 * The room of two sessions of `room`; both derive the same. It ends with them: new sessions have another one.
 * @returns null when the other one's key agrees with everybody, or it is the own session
 */
export function pairRoom(room: RoomKeys, own: Session, other: Peer): RoomKeys | null {
  if (other.session === own.id) return null
  const shared = x25519(own.agreementKey, other.boxKey)
  if (shared === null) return null
  const isLower = own.id < other.session
  const otherId = decodeHex(other.session)
  const parts = isLower
    ? [own.idBytes, otherId, own.publicKey, other.publicKey]
    : [otherId, own.idBytes, other.publicKey, own.publicKey]
  return roomKeys(hkdfExtract(label('pair'), concat(shared, room.idBytes, ...parts)))
}

/**
 * Body of a frame of kind `call`, said in `room` by the session that wants to talk in `pair`.
 * @returns 16 bytes
 */
export function callBody(room: RoomKeys, pair: RoomKeys, caller: SessionId, callee: SessionId): Uint8Array {
  const message = concat(label('call'), room.idBytes, decodeHex(caller), decodeHex(callee))
  return hmacSha256(pair.sealKey, message).slice(0, callBytes)
}

/** Whether a call by `caller` means this session. @param pair that of these two sessions */
export function isCalled(
  room: RoomKeys,
  pair: RoomKeys,
  caller: SessionId,
  own: SessionId,
  body: Uint8Array,
): boolean {
  return equalBytes(body, callBody(room, pair, caller, own))
}
