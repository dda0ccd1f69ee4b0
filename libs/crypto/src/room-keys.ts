// From server name and PIN to a room's keys, and from a username to its tag (docs/protocol.md, "Key schedule").
// The room id is all of this that a relay sees; it tests a guess of the PIN only at the price of one Argon2id.
import { encodeHex, type NameTag, type RoomId, shortCode } from '@pychat/protocol'
import { canonicalPin } from './codes.ts'
import { label, uint16, utf8 } from './labels.ts'
import { normalizeName } from './names.ts'
import { type Argon2Cost, argon2idHash, hkdfExpand, hkdfExtract, hmacSha256, sha256 } from './primitives.ts'

/** KDF profile 1 (RFC 9106 section 4, second choice). Another cost makes another room, so it needs a new profile. */
const kdfProfile1: Argon2Cost = { passes: 3, memoryKiB: 65_536, lanes: 4 }

export type RoomKeys = {
  id: RoomId
  /** The 16 bytes of `id`. */
  idBytes: Uint8Array
  /** 32 bytes: every sender's frame keys come from it. */
  roomKey: Uint8Array
  /** 32 bytes. */
  nameTagKey: Uint8Array
  /** 32 bytes: every profile's keys come from it. */
  sealKey: Uint8Array
  /** 32 bytes: the secrets of this room's channels come from it. */
  deriveKey: Uint8Array
  /** Eight characters for people to compare. */
  shortId: string
}

/**
 * Takes about half a second and 64 MiB. Same name and PIN give the same keys on every machine; the caller keeps them
 * for the life of its process instead of asking again.
 * @throws CryptoInputError
 */
export async function deriveRoom(serverName: string, pin: string): Promise<RoomKeys> {
  const name = utf8(normalizeName(serverName, 'server name'))
  const password = utf8(canonicalPin(pin))
  const salt = sha256(label('salt'), uint16(name.length), name).subarray(0, 16)
  const masterKey = await argon2idHash(password, salt, kdfProfile1, 32)
  return roomKeys(hkdfExtract(label('extract'), masterKey))
}

/** The keys of any room, however its pseudorandom key was made. @param prk 32 bytes */
export function roomKeys(prk: Uint8Array): RoomKeys {
  const idBytes = hkdfExpand(prk, label('rid'), 16)
  return {
    id: encodeHex(idBytes) as RoomId,
    idBytes,
    roomKey: hkdfExpand(prk, label('room'), 32),
    nameTagKey: hkdfExpand(prk, label('nametag'), 32),
    sealKey: hkdfExpand(prk, label('seal'), 32),
    deriveKey: hkdfExpand(prk, label('derive'), 32),
    shortId: shortCode(idBytes),
  }
}

/**
 * What a relay compares to keep usernames unique without learning them. @throws CryptoInputError
 */
export function nameTag(room: RoomKeys, username: string): NameTag {
  const name = utf8(normalizeName(username, 'username'))
  return encodeHex(hmacSha256(room.nameTagKey, label('nametag'), name).subarray(0, 16)) as NameTag
}
