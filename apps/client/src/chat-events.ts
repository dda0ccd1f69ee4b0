// What happens in a chat, as --json prints it and as the other screens draw it: one vocabulary for all three.
// docs/json-events.md and docs/json-events.schema.json describe it for scripts; a test keeps all in step.

/** Raised when a script written for the older form would misread the newer one. */
export const eventsSchema = 1

export type NoticeCode =
  | 'alone'
  | 'weak-pin'
  | 'insecure'
  | 'help'
  | 'not-sent-yet'
  | 'gap'
  | 'rewound'
  | 'unrepaired'
  | 'fork'
  | 'key-changed'
  | 'unreadable'

export type ErrorCode =
  | 'usage'
  | 'name-taken'
  | 'refused'
  | 'unreachable'
  | 'bad-command'
  | 'message-refused'
  | 'not-sent'

export type ChatEvent =
  | { type: 'ready'; schema: typeof eventsSchema; room: string; user: string; users: string[] }
  | {
      type: 'message'
      from: string
      text: string
      /** Place in the room; 0 when the relay confirmed an own message without telling its place. */
      seq: number
      /** ISO 8601, UTC, by the relay's clock. */
      at: string
      own: boolean
      fingerprint: string
    }
  | { type: 'joined'; user: string; fingerprint: string }
  | { type: 'left'; user: string; why: 'left' | 'lost' }
  | { type: 'users'; users: string[]; members: { name: string; fingerprint: string; own: boolean }[] }
  | {
      type: 'state'
      state: 'connecting' | 'online' | 'degraded' | 'offline'
      text: string
      retryInMs?: number
    }
  | { type: 'notice'; code: NoticeCode; text: string }
  | { type: 'error'; code: ErrorCode; text: string }

/** A screen: shows events, and tells what the person types. */
export type Screen = {
  show(event: ChatEvent): void
  /** @param line what was typed  @param ended no more lines will come */
  listen(handlers: { line(text: string): void; ended(): void; interrupted(): void }): void
  /** Lines wait in the system until `resume`. */
  pause(): void
  resume(): void
  /** Gives the terminal back as it was. Safe to repeat. */
  close(): void
}

/** ISO 8601 of any number a relay may send. */
export function isoTime(ms: number): string {
  return new Date(Math.min(Math.max(0, ms), 8.64e15)).toISOString()
}
