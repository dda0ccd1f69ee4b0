// How the tests of this package ask "taken, or refused with which code?". Any other error goes through and fails.
import { ProtocolError } from '@pychat/protocol'

export function refusalOf(run: () => unknown): string | null {
  try {
    run()
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
  return null
}

/** The same bytes in the middle of a bigger buffer that is full of other bytes. */
export function insideBigger(bytes: Uint8Array, filler = 0xa5): Uint8Array {
  const big = new Uint8Array(bytes.length + 64).fill(filler)
  big.set(bytes, 31)
  return big.subarray(31, 31 + bytes.length)
}
