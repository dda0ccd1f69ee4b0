// What judging a charter needs of cryptography, from node:crypto: this package has none, and the relay has no other.
import { createHash, createPublicKey, verify } from 'node:crypto'
import type { Verifier } from '@pychat/protocol'

export const nodeVerifier: Verifier = {
  verify(publicKey, message, signature) {
    // RFC 8410: what stands before the 32 key bytes.
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey])
    return verify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature)
  },
  sha256: (bytes) => createHash('sha256').update(bytes).digest(),
}
