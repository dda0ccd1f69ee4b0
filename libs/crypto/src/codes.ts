// PINs and generated codes: what a typed PIN means, and how a code of 66 random bits is made.
// Words are the BIP-39 English list: 2048 words, told apart by their first four letters.
import { limits } from '@pychat/protocol'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { CryptoInputError } from './errors.ts'
import { utf8 } from './labels.ts'

export const codeWords = 6
/** From so many list words on, a PIN is read as a code: case and spacing stop to matter. */
export const codeWordsMin = 5
export const bitsPerWord = 11

const words = new Set(wordlist)
const forbidden = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}]/u

/** Source of randomness: exactly `bytes` fresh bytes at each call. */
export type Random = (bytes: number) => Uint8Array

/** A new code, e.g. "crisp-...-anchor": 6 words, 66 random bits. Draws 12 bytes once. */
export function generateCode(random: Random): string {
  const bytes = random(2 * codeWords)
  const picked: string[] = []
  for (let i = 0; i < codeWords; i += 1) {
    const index = (((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number)) & 2047
    picked.push(wordlist[index] as string)
  }
  return picked.join('-')
}

/** The words of a code however it was typed, or null when the text is no code. */
export function wordsOfCode(text: string): string[] | null {
  const parts = text
    .replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '')
    .toLowerCase()
    .split(/[\p{White_Space}-]+/u)
  return parts.length >= codeWordsMin && parts.every((part) => words.has(part)) ? parts : null
}

/** Whether the PIN reads as a code: at least 5 words of the list and nothing else. */
export function isGeneratedCode(pin: string): boolean {
  return wordsOfCode(pin) !== null
}

/**
 * The form that keys are made from. A code may be typed in any case, with spaces or hyphens; any other PIN is kept
 * as it is but for Unicode composition and kinds of space.
 * @throws CryptoInputError pin-empty, pin-too-long (over 128 bytes of UTF-8) or pin-character
 */
export function canonicalPin(text: string): string {
  const pin = wordsOfCode(text)?.join('-') ?? text.normalize('NFC').replace(/\p{Zs}/gu, ' ')
  if (pin === '') throw new CryptoInputError('pin-empty', 'PIN')
  if (forbidden.test(pin)) throw new CryptoInputError('pin-character', 'PIN')
  if (utf8(pin).length > limits.pinBytesMax) throw new CryptoInputError('pin-too-long', 'PIN')
  return pin
}
