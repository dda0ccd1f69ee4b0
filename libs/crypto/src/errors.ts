// What a person typed and cannot be used, as a code and a sentence that says what to do about it.
// A peer's bad bytes are no error here: open* functions answer null.

export const cryptoInputTable = {
  'name-empty': 'is empty; type at least one visible character.',
  'name-too-long': 'is too long; use at most 64 bytes (64 plain letters, fewer with accents or emoji).',
  'name-character': 'has an invisible or unassigned character; type it again by hand instead of pasting it.',
  'pin-empty': 'is empty; type at least one character, or take a generated code.',
  'pin-too-long': 'is too long; use at most 128 bytes (128 plain letters, fewer with accents or emoji).',
  'pin-character': 'has a control or unassigned character; type it again by hand instead of pasting it.',
  'text-too-long': 'is too long for one message; send it in parts of at most 15261 bytes.',
  'away-too-long': 'is too long; use at most 57 bytes (57 plain letters, fewer with accents or emoji).',
  'channel-name': 'is no channel name; use at most 32 bytes without spaces, commas, "#" and "/".',
  words: 'have a mistake; type all 12 in their order, as they were shown.',
  invite: 'is cut off or mistyped; copy all of it again, from "pychat:" to the end.',
  'rules-too-long': 'are too long together; shorten the message of the day or the reasons.',
} as const

export type CryptoInputCode = keyof typeof cryptoInputTable

/** A person's input that cannot be used. `message` is one whole sentence and never repeats the input. */
export class CryptoInputError extends Error {
  override readonly name = 'CryptoInputError'
  readonly code: CryptoInputCode

  /** @param subject what the input is called, as the sentence begins: "server name", "username", "PIN", "text" */
  constructor(code: CryptoInputCode, subject: string) {
    super(`The ${subject} ${cryptoInputTable[code]}`)
    this.code = code
  }
}
