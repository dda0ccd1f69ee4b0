// Hex and base64url as this protocol spells them (lower case, no padding), big-endian integers, and the labels that
// keep everything hashed, derived or signed apart. Every reader takes exactly one spelling of a value.
import { ProtocolError } from './errors.ts'

const hexDigits = '0123456789abcdef'

export function encodeHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += hexDigits.charAt(byte >> 4) + hexDigits.charAt(byte & 15)
  return text
}

/** @throws ProtocolError bad-message, unless `text` is an even number of lower-case hex digits */
export function decodeHex(text: string): Uint8Array {
  if (text.length % 2 !== 0) throw new ProtocolError('bad-message', 'odd number of hex digits')
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i += 1) {
    const high = hexDigits.indexOf(text.charAt(2 * i))
    const low = hexDigits.indexOf(text.charAt(2 * i + 1))
    if (high < 0 || low < 0) throw new ProtocolError('bad-message', 'not lower-case hex')
    bytes[i] = high * 16 + low
  }
  return bytes
}

const base64Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** RFC 4648 section 5, without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 6) {
      bits -= 6
      text += base64Digits.charAt((held >> bits) & 63)
    }
    held &= 0xff
  }
  if (bits > 0) text += base64Digits.charAt((held << (6 - bits)) & 63)
  return text
}

/** @throws ProtocolError bad-message on padding, other digits, or spare bits that are not zero */
export function decodeBase64url(text: string): Uint8Array {
  if (text.length % 4 === 1) throw new ProtocolError('bad-message', 'base64url of impossible length')
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let held = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < text.length; i += 1) {
    const digit = base64Digits.indexOf(text.charAt(i))
    if (digit < 0) throw new ProtocolError('bad-message', 'not base64url')
    held = (held << 6) | digit
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[at] = (held >> bits) & 0xff
      at += 1
    }
    held &= 0xff
  }
  if ((held & ((1 << bits) - 1)) !== 0) throw new ProtocolError('bad-message', 'base64url with spare bits')
  return bytes
}

/** Writes an unsigned 64-bit big-endian integer. @param value 0..2^53-1 */
export function writeUint64(target: Uint8Array, offset: number, value: number): void {
  if (offset + 8 > target.length) throw new RangeError('integer outside of its bytes')
  const high = Math.floor(value / 2 ** 32)
  for (let i = 0; i < 4; i += 1) {
    target[offset + i] = high >>> (24 - 8 * i)
    target[offset + 4 + i] = value >>> (24 - 8 * i)
  }
}

/** Reads an unsigned 64-bit big-endian integer. @throws ProtocolError bad-message above 2^53-1 */
export function readUint64(source: Uint8Array, offset: number): number {
  const high = readUint32(source, offset)
  if (high >= 2 ** 21) throw new ProtocolError('bad-message', 'integer above 2^53-1')
  return high * 2 ** 32 + readUint32(source, offset + 4)
}

/** Without a view, which would be an object per number: this runs for every frame. */
function readUint32(source: Uint8Array, offset: number): number {
  if (offset + 4 > source.length) throw new RangeError('integer outside of its bytes')
  let value = 0
  for (let i = 0; i < 4; i += 1) value = value * 256 + (source[offset + i] as number)
  return value
}

/** ASCII "PyChat/1.1 " + purpose, then one 00 byte: so no label is the beginning of another one (suite 1). */
export function label(purpose: string): Uint8Array {
  return new TextEncoder().encode(`PyChat/1.1 ${purpose}\0`)
}

/** @returns a new buffer, owned by the caller */
export function concat(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
