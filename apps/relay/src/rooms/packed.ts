// Bytes that the protocol writes as text, held as bytes again: an embedded node keeps some for every member, and a string
// of one byte a character is the lightest thing that V8 can keep them in.
import { limits } from '@pychat/protocol'

/** Bytes as characters 0..255. */
export type Packed = string & { readonly packed: unique symbol }

/** One for all: buffers of each join's own leave holes behind that the process keeps. */
const scratch = Buffer.allocUnsafeSlow(2 * limits.profileBytesMax)

/** @throws RangeError when it is longer than any profile */
export function pack(text: string, encoding: 'hex' | 'base64url'): Packed {
  if (text.length > scratch.length) throw new RangeError(`${text.length} characters are too many to pack`)
  return scratch.toString('latin1', 0, scratch.write(text, encoding)) as Packed
}

export function unpack(bytes: Packed, encoding: 'hex' | 'base64url'): string {
  return scratch.toString(encoding, 0, scratch.write(bytes, 'latin1'))
}
