// Bytes that the protocol writes as text, held as bytes again: an embedded node keeps some for every member, and a string
// of one byte a character is the lightest thing that V8 can keep them in.

/** Bytes as characters 0..255. */
export type Packed = string & { readonly packed: unique symbol }

export function pack(text: string, encoding: 'hex' | 'base64url'): Packed {
  return Buffer.from(text, encoding).toString('latin1') as Packed
}

export function unpack(bytes: Packed, encoding: 'hex' | 'base64url'): string {
  return Buffer.from(bytes, 'latin1').toString(encoding)
}
