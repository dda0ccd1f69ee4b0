// How PyChat 1.1 (suite 1, KDF profile 1) puts bytes together before they are hashed, derived from or signed.
// Every label ends in a 00 byte, so no label is the beginning of another one.

const encoder = new TextEncoder()

/** ASCII "PyChat/1.1 " + purpose, then one 00 byte. */
export function label(purpose: string): Uint8Array {
  return encoder.encode(`PyChat/1.1 ${purpose}\0`)
}

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Big-endian. @param value 0..65535 */
export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff)
}

/** Big-endian. @param value 0..2^32-1 */
export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}
