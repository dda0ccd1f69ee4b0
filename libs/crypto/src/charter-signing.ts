// Signing what `@pychat/protocol` reads: charter, rules, handovers, and the proof of a key at join. The texts and bytes
// are made there; this file lends the keys.
import {
  type CharterDoc,
  charterSignBytes,
  decodeHex,
  encodeHex,
  type Handover,
  handoverBytes,
  joinProofBytes,
  type PublicKey,
  type RoomId,
  type RulesDoc,
  rulesSignBytes,
  type Signed,
  type Verifier,
  writeCharter,
  writeRules,
} from '@pychat/protocol'
import { ed25519Sign, ed25519Verify, ed25519VerifyingKey, type SigningKey, sha256 } from './primitives.ts'
import { publicKeyText } from './public-key.ts'
import type { Session } from './session.ts'

/** A member key, or a session that signs with one. */
export type Signer = { publicKey: Uint8Array; signingKey: SigningKey }

/** What `readCharter` wants. */
export const verifier: Verifier = {
  verify: (publicKey, message, signature) =>
    ed25519Verify(ed25519VerifyingKey(publicKey), message, signature),
  sha256: (bytes) => sha256(bytes),
}

function sign(signer: Signer, doc: string, bytes: Uint8Array): Signed {
  const signature = encodeHex(ed25519Sign(signer.signingKey, bytes))
  return { doc, key: publicKeyText(signer.publicKey), signature }
}

/** @param owner the key that the document names as owner @throws ProtocolError charter-invalid when out of bounds */
export function signCharter(doc: CharterDoc, owner: Signer): Signed {
  const text = writeCharter(doc)
  return sign(owner, text, charterSignBytes(text))
}

/** @param signer owner or op of the charter beside it @throws ProtocolError charter-invalid when out of bounds */
export function signRules(doc: RulesDoc, signer: Signer): Signed {
  const text = writeRules(doc)
  return sign(signer, text, rulesSignBytes(text))
}

/**
 * Gives a root to another key. It counts once that key has signed a charter with it.
 * @param version of that charter at the least; above every version this owner has signed, which withdraws the offer
 */
export function signHandover(root: RoomId, version: number, owner: Signer, to: PublicKey): Handover {
  const signature = encodeHex(ed25519Sign(owner.signingKey, handoverBytes(root, version, to)))
  return { version, from: publicKeyText(owner.publicKey), to, signature }
}

/** `key` of a `join`: proves to the relay whose session this is, in this room alone. */
export function joinKey(room: RoomId, session: Session): { public: PublicKey; proof: string } {
  const bytes = joinProofBytes(room, session.id, sha256(decodeHex(session.secret)))
  return {
    public: publicKeyText(session.publicKey),
    proof: encodeHex(ed25519Sign(session.signingKey, bytes)),
  }
}
