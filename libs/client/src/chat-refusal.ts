// Why something that a person asked for did not happen. What the relay refuses keeps the code of docs/protocol.md,
// section 10; the other codes are this client's own.
import type { ErrorCode } from '@pychat/protocol'

export type ChatRefusalCode =
  | ErrorCode
  /** Not connected, or the connection was lost before the answer. */
  | 'offline'
  /** The client has stopped. */
  | 'stopped'
  /** What was typed cannot be used. */
  | 'bad-input'
  /** Nobody by that name is here, or nothing of that name. */
  | 'nobody'
  | 'no-channel'
  | 'no-charter'
  /** Rules of rank: nobody acts on their own rank or above. */
  | 'rank'
  /** It is so already. */
  | 'unchanged'
  /** A list of the charter is full. */
  | 'full'
  /** Others changed the same, several times over. */
  | 'conflict'
  | 'no-answer'

/** `message` is one whole sentence for people, which says what to do. */
export class ChatRefusal extends Error {
  override readonly name = 'ChatRefusal'
  readonly code: ChatRefusalCode

  constructor(code: ChatRefusalCode, sentence: string) {
    super(sentence)
    this.code = code
  }

  get sentence(): string {
    return this.message
  }
}
