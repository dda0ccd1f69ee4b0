// How people and documents name an Ed25519 public key: a fingerprint to look at, words to compare by voice, an id for
// lists, hex for documents (docs/protocol.md, sections 12.5 and 16.1).
import { encodeHex, type MemberId, memberIdOf, type PublicKey, shortCode } from '@pychat/protocol'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { bitsPerWord } from './codes.ts'
import { label } from './labels.ts'
import { sha256 } from './primitives.ts'

const verifyWordCount = 6

/** Eight characters of a public key for people to compare. @param publicKey 32 bytes */
export function fingerprint(publicKey: Uint8Array): string {
  return shortCode(sha256(label('fingerprint'), publicKey))
}

/** The spelling of documents and control messages. @param publicKey 32 bytes */
export function publicKeyText(publicKey: Uint8Array): PublicKey {
  return encodeHex(publicKey) as PublicKey
}

/** @param publicKey in either spelling */
export function memberId(publicKey: PublicKey | Uint8Array): MemberId {
  return memberIdOf(typeof publicKey === 'string' ? publicKey : publicKeyText(publicKey), { sha256 })
}

/**
 * Six words (66 bits) that two people compare by voice to know that nobody stands between them: the same in either
 * order, with spaces between. @param a 32 bytes  @param b 32 bytes
 */
export function verifyWords(a: Uint8Array, b: Uint8Array): string {
  const [low, high] = encodeHex(a) <= encodeHex(b) ? [a, b] : [b, a]
  const hash = sha256(label('verify'), low, high)
  const words: string[] = []
  let held = 0
  let bits = 0
  for (const byte of hash) {
    held = (held << 8) | byte
    bits += 8
    if (bits < bitsPerWord) continue
    bits -= bitsPerWord
    words.push(wordlist[held >> bits] as string)
    held &= (1 << bits) - 1
    if (words.length === verifyWordCount) break
  }
  return words.join(' ')
}
