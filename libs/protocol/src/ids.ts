// Branded ids, each made by one parser, so that a room can never be passed where a session is meant.
import { z } from 'zod'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** Room hash: 16 bytes, as 32 lower-case hex digits. All that a relay learns of server name and PIN. */
export type RoomId = Branded<'RoomId'>
/** Session id: 16 random bytes chosen by the client, as 32 hex digits. Lives as long as the client's process. */
export type SessionId = Branded<'SessionId'>
/** Keyed tag of a case-folded username: 16 bytes as 32 hex digits. */
export type NameTag = Branded<'NameTag'>
/** Names one log of a room: 8 random bytes as 16 hex digits. A new epoch means that seq starts anew. */
export type Epoch = Branded<'Epoch'>
/** Ed25519 public key: 32 bytes as 64 hex digits. */
export type PublicKey = Branded<'PublicKey'>
/** Names the person behind a public key: 16 bytes of a hash of it, as 32 hex digits (charter.ts makes it). */
export type MemberId = Branded<'MemberId'>
/** Names one run of one relay process: 8 random bytes as 16 hex digits, never used twice. */
export type NodeId = Branded<'NodeId'>

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`))

export const roomIdSchema = hex(16) as unknown as z.ZodType<RoomId>
export const sessionIdSchema = hex(16) as unknown as z.ZodType<SessionId>
export const nameTagSchema = hex(16) as unknown as z.ZodType<NameTag>
export const epochSchema = hex(8) as unknown as z.ZodType<Epoch>
export const publicKeySchema = hex(32) as unknown as z.ZodType<PublicKey>
export const memberIdSchema = hex(16) as unknown as z.ZodType<MemberId>
export const nodeIdSchema = hex(8) as unknown as z.ZodType<NodeId>

const base32Digits = 'abcdefghijklmnopqrstuvwxyz234567'

/** Eight characters in two groups (RFC 4648 base32, lower case) of the first five bytes: short enough to read aloud. */
export function shortCode(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes.subarray(0, 5)) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += base32Digits.charAt((held >> bits) & 31)
    }
    held &= 0xff
  }
  return `${text.slice(0, 4)}-${text.slice(4)}`
}
