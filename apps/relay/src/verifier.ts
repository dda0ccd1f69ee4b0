// What charters and join proofs need of cryptography (libs/protocol, charter.ts), by node:crypto alone.
import { createHash, createPublicKey, verify } from 'node:crypto'
import type { Verifier } from '@pychat/protocol'

export const verifier: Verifier = {
  verify(publicKey, message, signature) {
    // As JWK: read several times faster than as DER.
    const x = Buffer.from(publicKey).toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    return verify(null, message, key, signature)
  },
  sha256: (bytes) => createHash('sha256').update(bytes).digest(),
}
