// Turns a decoder's refusal of somebody else's bytes into null, and nothing else.
import { ProtocolError } from '@pychat/protocol'
import { CryptoInputError } from './errors.ts'

/** @returns what `read` returns, or null when it throws ProtocolError or CryptoInputError */
export function orNull<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof CryptoInputError) return null
    throw error
  }
}
