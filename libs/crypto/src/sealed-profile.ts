// Sealing and opening profiles (docs/protocol.md, section 12.7): a member's name, keys and away text, signed by the
// member's key, bound to room, session and name tag, so that a relay can neither read, swap nor mix them.
import { decodeHex, limits, type MemberId, type NameTag, type SessionId } from '@pychat/protocol'
import { concat, label, uint32, utf8 } from './labels.ts'
import { awayText, displayName } from './names.ts'
import {
  ed25519Sign,
  ed25519Verify,
  ed25519VerifyingKey,
  equalBytes,
  gcmOpen,
  gcmSeal,
  hkdfExpand,
  sha256,
} from './primitives.ts'
import { fingerprint, memberId } from './public-key.ts'
import { orNull } from './refused.ts'
import { nameTag, type RoomKeys } from './room-keys.ts'
import type { Session } from './session.ts'

/** What a profile says of its owner, beside the keys. */
export type ProfileContent = {
  name: string
  /** Present while the owner is away; may be ''. */
  away?: string | null
}

export type Profile = {
  /** As to be shown; still unsafe for a terminal until sanitised. */
  name: string
  /** Text of somebody who is away, maybe '', unsafe as the name is; null for who is not. */
  away: string | null
  /** X25519, 32 bytes; null for a client that takes no private messages. */
  boxKey: Uint8Array | null
  /** Ed25519, 32 bytes. */
  publicKey: Uint8Array
  version: number
  /** Eight characters of the public key. */
  fingerprint: string
  /** Of the public key. */
  memberId: MemberId
}

/** Types of extensions. Others are passed over. */
const extensionTypes = { boxKey: 1, away: 2 } as const
const boxKeyBytes = 32

const layout = 1
const plaintextBytes = 256
const publicKeyBytes = 32
const signatureBytes = 64
const offsets = { version: 0, commitment: 4, sealed: 20 } as const

/** Every sealed profile has this size: u32 version, commitment 16, ciphertext 256, tag 16. */
export const sealedProfileBytes = offsets.sealed + plaintextBytes + 16

function profileKeys(room: RoomKeys, session: Uint8Array, version: number) {
  const bytes = hkdfExpand(room.sealKey, concat(label('profile'), session, uint32(version)), 44)
  return { key: bytes.subarray(0, 16), nonce: bytes.subarray(16, 28), commitment: bytes.subarray(28, 44) }
}

function bound(
  purpose: string,
  room: RoomKeys,
  session: Uint8Array,
  tag: NameTag,
  rest: Uint8Array[],
): Uint8Array {
  return concat(label(purpose), room.idBytes, session, decodeHex(tag), ...rest)
}

/**
 * @param version 1..2^32-1. Counts up at each sealing in a session: one version with two contents would use a key and
 * nonce twice. Sealing the same content again gives the same bytes.
 * @returns 292 bytes
 * @throws CryptoInputError when the username is no name, or the away text too long
 */
export function sealProfile(
  room: RoomKeys,
  session: Session,
  content: ProfileContent,
  version: number,
): Uint8Array {
  if (!Number.isInteger(version) || version < 1 || version > 0xffff_ffff) {
    throw new Error('a profile version is a whole number from 1 to 2^32-1')
  }
  const name = utf8(displayName(content.name, 'username'))
  const tag = nameTag(room, content.name)
  const extensions = extension(extensionTypes.boxKey, session.boxPublicKey)
  const away =
    typeof content.away === 'string' ? [extension(extensionTypes.away, utf8(awayText(content.away)))] : []
  const tail = concat(extensions, ...away)
  const signed = concat(
    Uint8Array.of(layout, name.length),
    name,
    session.publicKey,
    Uint8Array.of(tail.length),
    tail,
  )
  const input = bound('profile sign', room, session.idBytes, tag, [uint32(version), sha256(signed)])
  const plaintext = new Uint8Array(plaintextBytes)
  plaintext.set(signed)
  plaintext.set(ed25519Sign(session.signingKey, input), signed.length)
  const keys = profileKeys(room, session.idBytes, version)
  const aad = bound('profile', room, session.idBytes, tag, [uint32(version), keys.commitment])
  return concat(uint32(version), keys.commitment, gcmSeal(keys.key, keys.nonce, aad, plaintext))
}

function extension(type: number, bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(type, bytes.length), bytes)
}

/** @returns null when the profile is not valid for this room, session and tag */
export function openProfile(
  room: RoomKeys,
  sessionId: SessionId,
  tag: NameTag,
  sealed: Uint8Array,
): Profile | null {
  return orNull(() => openValid(room, sessionId, tag, sealed))
}

/** @throws ProtocolError, CryptoInputError on ids that are no hex or a name that is no name */
function openValid(room: RoomKeys, sessionId: SessionId, tag: NameTag, sealed: Uint8Array): Profile | null {
  if (sealed.length !== sealedProfileBytes) return null
  const session = decodeHex(sessionId)
  const version = new DataView(sealed.buffer, sealed.byteOffset).getUint32(offsets.version)
  if (version < 1) return null
  const keys = profileKeys(room, session, version)
  if (!equalBytes(sealed.subarray(offsets.commitment, offsets.sealed), keys.commitment)) return null
  const aad = bound('profile', room, session, tag, [uint32(version), keys.commitment])
  const plaintext = gcmOpen(keys.key, keys.nonce, aad, sealed.subarray(offsets.sealed))
  if (plaintext === null || plaintext[0] !== layout) return null

  const publicKeyAt = 2 + (plaintext[1] as number)
  const extensionsAt = publicKeyAt + publicKeyBytes
  const extensionsBytes = plaintext[extensionsAt]
  if (extensionsBytes === undefined) return null
  const signedEnd = extensionsAt + 1 + extensionsBytes
  const signatureEnd = signedEnd + signatureBytes
  if (signatureEnd > plaintextBytes) return null
  if (plaintext.subarray(signatureEnd).some((byte) => byte !== 0)) return null
  const extensions = readExtensions(plaintext.subarray(extensionsAt + 1, signedEnd))
  if (extensions === null) return null

  const publicKey = plaintext.slice(publicKeyAt, extensionsAt)
  const signed = plaintext.subarray(0, signedEnd)
  const input = bound('profile sign', room, session, tag, [uint32(version), sha256(signed)])
  const signature = plaintext.subarray(signedEnd, signatureEnd)
  if (!ed25519Verify(ed25519VerifyingKey(publicKey), input, signature)) return null

  const name = decodeText(plaintext.subarray(2, publicKeyAt))
  if (name === null || displayName(name) !== name || nameTag(room, name) !== tag) return null
  return {
    name,
    publicKey,
    version,
    ...extensions,
    fingerprint: fingerprint(publicKey),
    memberId: memberId(publicKey),
  }
}

/** Unknown types are passed over unread. @returns null unless each fills its length, and known ones are right and once */
function readExtensions(bytes: Uint8Array): Pick<Profile, 'away' | 'boxKey'> | null {
  const known = new Map<number, Uint8Array>()
  let at = 0
  while (at < bytes.length) {
    const [type, length] = [bytes[at] as number, bytes[at + 1]]
    if (length === undefined) return null
    const isKnown = type === extensionTypes.boxKey || type === extensionTypes.away
    if (isKnown && known.has(type)) return null
    if (isKnown) known.set(type, bytes.slice(at + 2, at + 2 + length))
    at += 2 + length
  }
  if (at !== bytes.length) return null
  const boxKey = known.get(extensionTypes.boxKey) ?? null
  const awayBytes = known.get(extensionTypes.away)
  const away = awayBytes === undefined ? null : decodeText(awayBytes)
  if (boxKey !== null && boxKey.length !== boxKeyBytes) return null
  if (awayBytes !== undefined && (away === null || awayBytes.length > limits.awayBytesMax)) return null
  return { away, boxKey }
}

function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}
