// One run of one client in a room: its random id, the secret that proves it to the relay, and its signing key.
// Never stored: a fresh session at each start is what keeps frame counters from repeating under one key.
import { encodeHex, type SessionId, shortCode } from '@pychat/protocol'
import type { Random } from './codes.ts'
import { label } from './labels.ts'
import { ed25519Keys, type SigningKey, sha256 } from './primitives.ts'

export type Session = {
  id: SessionId
  /** The 16 bytes of `id`. */
  idBytes: Uint8Array
  /** 32 hex digits, for the relay alone. */
  secret: string
  /** Ed25519, 32 bytes. */
  publicKey: Uint8Array
  signingKey: SigningKey
}

/** Draws 16 bytes (id), 16 (secret), 32 (signing key), in this order. */
export function createSession(random: Random): Session {
  const idBytes = Uint8Array.from(random(16))
  const secret = encodeHex(random(16))
  return { id: encodeHex(idBytes) as SessionId, idBytes, secret, ...ed25519Keys(random(32)) }
}

/** Eight characters of a public key for people to compare. @param publicKey 32 bytes */
export function fingerprint(publicKey: Uint8Array): string {
  return shortCode(sha256(label('fingerprint'), publicKey))
}
