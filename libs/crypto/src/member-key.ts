// Who somebody is in one community, over all runs and machines: an Ed25519 key made from a person's one stored secret
// and the community's root, so that two communities cannot tell that it is the same person (docs/protocol.md, section
// 16.1). Twelve words carry the key to another machine. Storing is the part of the program.
import { decodeHex, type MemberId, type RoomId } from '@pychat/protocol'
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { type Random, wordsOfCode } from './codes.ts'
import { CryptoInputError } from './errors.ts'
import { concat, label } from './labels.ts'
import { ed25519Keys, hkdfExpand, hkdfExtract, type SigningKey } from './primitives.ts'
import { fingerprint, memberId } from './public-key.ts'

const identityBytes = 32
const entropyBytes = 16
const recoveryWordCount = 12

export type MemberKey = {
  /** Ed25519, 32 bytes. */
  publicKey: Uint8Array
  signingKey: SigningKey
  id: MemberId
  /** Eight characters of the public key. */
  fingerprint: string
}

/** One person's secret for all communities: 32 bytes, to be kept where only this person reads. Draws once. */
export function createIdentity(random: Random): Uint8Array {
  return Uint8Array.from(random(identityBytes))
}

/** What one community's key is made from. @param identity 32 bytes  @returns 16 bytes, as secret as the identity */
export function memberEntropy(identity: Uint8Array, root: RoomId): Uint8Array {
  if (identity.length !== identityBytes) throw new Error('an identity has 32 bytes')
  return hkdfExpand(identity, concat(label('member'), decodeHex(root)), entropyBytes)
}

/** 12 words of the BIP-39 English list with their checksum, spaces between. @param entropy 16 bytes */
export function recoveryWords(entropy: Uint8Array): string {
  if (entropy.length !== entropyBytes) throw new Error('the entropy of a member key has 16 bytes')
  return entropyToMnemonic(entropy, wordlist)
}

/**
 * Reads recovery words in any case, with any spacing or hyphens between.
 * @returns 16 bytes
 * @throws CryptoInputError words, unless they are 12 of the list with a checksum that fits
 */
export function entropyFromWords(text: string): Uint8Array {
  const words = wordsOfCode(text)
  if (words?.length !== recoveryWordCount) throw new CryptoInputError('words', 'recovery words')
  try {
    return mnemonicToEntropy(words.join(' '), wordlist)
  } catch {
    throw new CryptoInputError('words', 'recovery words')
  }
}

/** @param entropy 16 bytes */
export function memberKey(entropy: Uint8Array): MemberKey {
  if (entropy.length !== entropyBytes) throw new Error('the entropy of a member key has 16 bytes')
  const seed = hkdfExpand(hkdfExtract(label('member key'), entropy), label('member key'), 32)
  const { publicKey, signingKey } = ed25519Keys(seed)
  return { publicKey, signingKey, id: memberId(publicKey), fingerprint: fingerprint(publicKey) }
}
