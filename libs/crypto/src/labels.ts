// How PyChat 1.1 (suite 1, KDF profile 1) puts bytes together before they are hashed, derived from or signed.
// Every label ends in a 00 byte, so no label is the beginning of another one.
export { concat, label } from '@pychat/protocol'

const encoder = new TextEncoder()

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Big-endian. @param value 0..65535 */
export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff)
}

/** Big-endian. @param value 0..2^32-1 */
export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}
