// One run of one client in a room: its random id, the secret that proves it to the relay, the key that signs for it,
// and a key that others agree on private rooms with. Id, secret and agreement key are never stored: a fresh session at
// each start is what keeps frame counters from repeating under one key.
import { encodeHex, type MemberId, type SessionId } from '@pychat/protocol'
import type { Random } from './codes.ts'
import type { MemberKey } from './member-key.ts'
import { type AgreementKey, ed25519Keys, type SigningKey, x25519Keys } from './primitives.ts'
import { memberId } from './public-key.ts'

export type Session = {
  id: SessionId
  /** The 16 bytes of `id`. */
  idBytes: Uint8Array
  /** 32 hex digits, for the relay alone. */
  secret: string
  /** Ed25519, 32 bytes: the member key, where there is one. */
  publicKey: Uint8Array
  signingKey: SigningKey
  memberId: MemberId
  /** X25519, 32 bytes. */
  boxPublicKey: Uint8Array
  agreementKey: AgreementKey
}

/**
 * Draws 16 bytes (id), 16 (secret), 32 (agreement key), in this order, and 32 more for a signing key when there is no
 * member key: a session of somebody whom nobody knows again.
 */
export function createSession(random: Random, member?: MemberKey): Session {
  const idBytes = Uint8Array.from(random(16))
  const secret = encodeHex(random(16))
  const box = x25519Keys(random(32))
  const { publicKey, signingKey } = member ?? ed25519Keys(random(32))
  return {
    id: encodeHex(idBytes) as SessionId,
    idBytes,
    secret,
    publicKey,
    signingKey,
    memberId: memberId(publicKey),
    boxPublicKey: box.publicKey,
    agreementKey: box.agreementKey,
  }
}
