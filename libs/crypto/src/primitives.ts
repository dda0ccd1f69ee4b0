// The only door to node:crypto and hash-wasm: Argon2id (RFC 9106), HKDF and HMAC with SHA-256 (RFC 5869, 2104),
// AES-128-GCM (NIST SP 800-38D), Ed25519 (RFC 8032), X25519 (RFC 7748). Knows nothing of PyChat; a web build replaces
// this file.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { argon2id } from 'hash-wasm'

export type Argon2Cost = {
  /** Passes over the memory. */
  passes: number
  memoryKiB: number
  lanes: number
}

/** Argon2id v1.3, without key and associated data. @param salt at least 8 bytes */
export async function argon2idHash(
  password: Uint8Array,
  salt: Uint8Array,
  cost: Argon2Cost,
  bytes: number,
): Promise<Uint8Array> {
  return await argon2id({
    password,
    salt,
    iterations: cost.passes,
    memorySize: cost.memoryKiB,
    parallelism: cost.lanes,
    hashLength: bytes,
    outputType: 'binary',
  })
}

/** @returns 32 bytes */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** @returns 32 bytes */
export function hmacSha256(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key)
  for (const part of parts) hmac.update(part)
  return new Uint8Array(hmac.digest())
}

/** RFC 5869 section 2.2. @returns 32 bytes */
export function hkdfExtract(salt: Uint8Array, ikm: Uint8Array): Uint8Array {
  return hmacSha256(salt, ikm)
}

/** RFC 5869 section 2.3. @param bytes 0..8160 */
export function hkdfExpand(prk: Uint8Array, info: Uint8Array, bytes: number): Uint8Array {
  if (bytes > 255 * 32) throw new Error('HKDF-SHA-256 gives at most 8160 bytes')
  const out = new Uint8Array(bytes)
  let block: Uint8Array = new Uint8Array(0)
  for (let at = 0, counter = 1; at < bytes; at += 32, counter += 1) {
    block = hmacSha256(prk, block, info, Uint8Array.of(counter))
    out.set(block.subarray(0, bytes - at), at)
  }
  return out
}

const gcmTagBytes = 16

/** @param key 16 bytes  @param nonce 12 bytes, never twice with one key  @returns ciphertext, then a 16-byte tag */
export function gcmSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv('aes-128-gcm', key, nonce, { authTagLength: gcmTagBytes })
  cipher.setAAD(aad)
  const out = new Uint8Array(plaintext.length + gcmTagBytes)
  out.set(cipher.update(plaintext))
  cipher.final()
  out.set(cipher.getAuthTag(), plaintext.length)
  return out
}

/** @returns the plaintext, or null when the tag does not fit */
export function gcmOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | null {
  if (sealed.length < gcmTagBytes) return null
  const end = sealed.length - gcmTagBytes
  const decipher = createDecipheriv('aes-128-gcm', key, nonce, { authTagLength: gcmTagBytes })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = new Uint8Array(decipher.update(sealed.subarray(0, end)))
  try {
    decipher.final()
  } catch {
    return null
  }
  return plaintext
}

declare const brand: unique symbol
/** An Ed25519 private key that cannot be read out. */
export type SigningKey = { readonly [brand]: 'SigningKey' }
/** An Ed25519 public key, imported once for many verifications. */
export type VerifyingKey = { readonly [brand]: 'VerifyingKey' }
/** An X25519 private key that cannot be read out. */
export type AgreementKey = { readonly [brand]: 'AgreementKey' }

// RFC 8410: what stands before the 32 key bytes in PKCS #8 and in SubjectPublicKeyInfo.
const privateKeyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicKeyPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** @param seed 32 random bytes  @returns the key pair; `publicKey` is 32 bytes */
export function ed25519Keys(seed: Uint8Array): { signingKey: SigningKey; publicKey: Uint8Array } {
  if (seed.length !== 32) throw new Error('an Ed25519 seed has 32 bytes')
  const key = createPrivateKey({ key: Buffer.concat([privateKeyPrefix, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    signingKey: key as unknown as SigningKey,
    publicKey: new Uint8Array(spki.subarray(publicKeyPrefix.length)),
  }
}

/** @param publicKey 32 bytes. Any 32 bytes are taken; bytes that are no point verify nothing. */
export function ed25519VerifyingKey(publicKey: Uint8Array): VerifyingKey {
  if (publicKey.length !== 32) throw new Error('an Ed25519 public key has 32 bytes')
  const der = Buffer.concat([publicKeyPrefix, publicKey])
  return createPublicKey({ key: der, format: 'der', type: 'spki' }) as unknown as VerifyingKey
}

/** @returns 64 bytes */
export function ed25519Sign(key: SigningKey, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, key as unknown as KeyObject))
}

export function ed25519Verify(key: VerifyingKey, message: Uint8Array, signature: Uint8Array): boolean {
  return verify(null, message, key as unknown as KeyObject, signature)
}

const agreementPrivatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const agreementPublicPrefix = Buffer.from('302a300506032b656e032100', 'hex')

/** @param seed 32 random bytes  @returns the key pair; `publicKey` is 32 bytes */
export function x25519Keys(seed: Uint8Array): { agreementKey: AgreementKey; publicKey: Uint8Array } {
  if (seed.length !== 32) throw new Error('an X25519 seed has 32 bytes')
  const der = Buffer.concat([agreementPrivatePrefix, seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    agreementKey: key as unknown as AgreementKey,
    publicKey: new Uint8Array(spki.subarray(agreementPublicPrefix.length)),
  }
}

/**
 * RFC 7748 section 6.1.
 * @param publicKey 32 bytes, anybody's
 * @returns 32 bytes, or null where they would be all zero: a public key of low order that anybody can agree with
 */
export function x25519(key: AgreementKey, publicKey: Uint8Array): Uint8Array | null {
  if (publicKey.length !== 32) throw new Error('an X25519 public key has 32 bytes')
  const der = Buffer.concat([agreementPublicPrefix, publicKey])
  const other = createPublicKey({ key: der, format: 'der', type: 'spki' })
  let shared: Uint8Array
  try {
    shared = new Uint8Array(diffieHellman({ privateKey: key as unknown as KeyObject, publicKey: other }))
  } catch {
    // OpenSSL refuses all zero by itself, and these two keys give it no other reason; other libraries return the zeros.
    return null
  }
  return shared.every((byte) => byte === 0) ? null : shared
}

/** Compares in constant time for equal lengths. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
