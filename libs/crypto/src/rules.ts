// The part of a room's rules that only members read: message of the day, names behind member ids, channels
// (docs/protocol.md, section 16.4). Padded to a few sizes, with a fresh salt at each sealing.
import {
  decodeBase64url,
  decodeHex,
  decodeJson,
  encodeBase64url,
  type RoomId,
  type RulesText,
  readJson,
  rulesTextSchema,
} from '@pychat/protocol'
import type { Random } from './codes.ts'
import { CryptoInputError } from './errors.ts'
import { concat, label, utf8 } from './labels.ts'
import { equalBytes, gcmOpen, gcmSeal, hkdfExpand } from './primitives.ts'
import { orNull } from './refused.ts'
import type { RoomKeys } from './room-keys.ts'

const saltBytes = 16
const headBytes = saltBytes + 16
const tagBytes = 16
const bucketsBytes: readonly number[] = [256, 512, 1024, 2048, 4096, 6144]

function keysFor(room: RoomKeys, root: RoomId, salt: Uint8Array) {
  const bytes = hkdfExpand(room.sealKey, concat(label('rules'), salt), 44)
  const commitment = bytes.subarray(28)
  const aad = concat(label('rules'), decodeHex(root), salt, commitment)
  return { key: bytes.subarray(0, 16), nonce: bytes.subarray(16, 28), commitment, aad }
}

/**
 * Draws 16 bytes.
 * @param room that the rules are for  @param root its community
 * @returns what a rules document says as `sealed`
 * @throws CryptoInputError rules-too-long when it does not fit 6144 bytes: leave out reasons or names of long ago
 * @throws ProtocolError bad-message when a field is out of bounds
 */
export function sealRules(room: RoomKeys, root: RoomId, text: RulesText, random: Random): string {
  const json = utf8(JSON.stringify(readJson(rulesTextSchema, text)))
  const padded = bucketsBytes.find((size) => size >= json.length)
  if (padded === undefined) throw new CryptoInputError('rules-too-long', 'rules')
  const plaintext = new Uint8Array(padded)
  plaintext.set(json)
  const salt = Uint8Array.from(random(saltBytes))
  const { key, nonce, commitment, aad } = keysFor(room, root, salt)
  return encodeBase64url(concat(salt, commitment, gcmSeal(key, nonce, aad, plaintext)))
}

/** @returns null when it is not valid for this room and root, or empty */
export function openRules(room: RoomKeys, root: RoomId, sealed: string): RulesText | null {
  const bytes = orNull(() => decodeBase64url(sealed))
  if (bytes === null || !bucketsBytes.includes(bytes.length - headBytes - tagBytes)) return null
  const { key, nonce, commitment, aad } = keysFor(room, root, bytes.subarray(0, saltBytes))
  if (!equalBytes(bytes.subarray(saltBytes, headBytes), commitment)) return null
  const plaintext = gcmOpen(key, nonce, aad, bytes.subarray(headBytes))
  if (plaintext === null) return null
  // JSON holds no zero byte, so the text ends before the first one.
  const end = plaintext.indexOf(0)
  const length = end < 0 ? plaintext.length : end
  if (plaintext.subarray(length).some((byte) => byte !== 0)) return null
  if (bucketsBytes.find((size) => size >= length) !== plaintext.length) return null
  return decodeJson(rulesTextSchema, plaintext.subarray(0, length))
}
