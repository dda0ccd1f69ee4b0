// The peer's fault, told apart by code. Every decoder of this package throws this class and nothing else.
import { type ErrorCode, errorTable } from './error-codes.ts'

/** The peer broke the protocol. `code` is a row of the error table in docs/protocol.md. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ErrorCode

  /** @param detail what was wrong, without any of the peer's bytes; goes to logs, never to the peer */
  constructor(code: ErrorCode, detail?: string) {
    super(detail === undefined ? errorTable[code].sentence : `${errorTable[code].sentence} (${detail})`)
    this.code = code
  }
}
