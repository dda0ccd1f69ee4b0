// The hash chain over a room's deliveries: members who compare it notice a relay that shows them different logs.
// Who compares what, and when, is the client engine's part.
import { label } from './labels.ts'
import { sha256 } from './primitives.ts'

export const chainBytes = 8

/** The chain at seq 0 of every epoch. @returns 8 zero bytes, owned by the caller */
export function firstChain(): Uint8Array {
  return new Uint8Array(chainBytes)
}

/** @param chain the 8 bytes at seq - 1  @param frame the sealed frame delivered at seq  @returns the 8 bytes at seq */
export function nextChain(chain: Uint8Array, frame: Uint8Array): Uint8Array {
  return sha256(label('chain'), chain, sha256(frame)).slice(0, chainBytes)
}
