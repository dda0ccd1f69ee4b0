// What several tests need: repeatable randomness, one derived room per file, hex in short.
import { createHash } from 'node:crypto'
import type { Random, RoomKeys } from '@pychat/crypto'
import { decodeHex, encodeHex } from '@pychat/protocol'

/** The same bytes at each run for the same seed. */
export function seededRandom(seed: string): Random {
  let calls = 0
  return (bytes) => {
    calls += 1
    return new Uint8Array(createHash('shake128', { outputLength: bytes }).update(`${seed} ${calls}`).digest())
  }
}

/** A room without the price of Argon2id; `deriveRoom` has tests of its own. */
export function roomFrom(seed: string): RoomKeys {
  const random = seededRandom(`room ${seed}`)
  const idBytes = random(16)
  return {
    id: encodeHex(idBytes) as RoomKeys['id'],
    idBytes,
    roomKey: random(32),
    nameTagKey: random(32),
    sealKey: random(32),
    deriveKey: random(32),
    shortId: 'test-room',
  }
}

export const hex = encodeHex
export const bytes = decodeHex
export const utf8 = (text: string) => new TextEncoder().encode(text)
export const fromUtf8 = (data: Uint8Array) => new TextDecoder().decode(data)

/** A copy with one byte changed. */
export function spoilt(data: Uint8Array, at: number): Uint8Array {
  const copy = data.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}
