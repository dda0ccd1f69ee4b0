// What happens in a chat, as --json prints it and as the other screens draw it: one vocabulary for all three.
// docs/json-events.md and docs/json-events.schema.json describe it for scripts; a test keeps all in step.
import type { ActName, CharterChange, KeyStanding, Rank } from '@pychat/client-engine'

/** Raised when a script written for the older form would misread the newer one. 2: messages have a `view`. */
export const eventsSchema = 2

export const noticeCodes = [
  'alone',
  'weak-pin',
  'insecure',
  'state',
  'help',
  'done',
  'confirm',
  'rekey-offer',
  'not-sent-yet',
  'gap',
  'rewound',
  'unrepaired',
  'fork',
  'key-changed',
  'unreadable',
  'locked-out',
  'charter-old',
  'charter-foreign',
  'charter-invalid',
  'not-enforced',
  'announcement',
] as const

export type NoticeCode = (typeof noticeCodes)[number]

export const errorCodes = [
  'usage',
  'name-taken',
  'refused',
  'unreachable',
  'not-sent',
  'bad-command',
  'not-done',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** Somebody in a list. `since` and `until` are ISO 8601, UTC. */
export type Member = {
  name: string
  fingerprint: string
  memberId: string
  rank: Rank
  muted: boolean
  /** Why they are away, maybe ''; null when they are here. */
  away: string | null
  since: string
  verified: boolean
  own: boolean
}

export type Ban = { id: string; name: string; until: string | null; reason: string; by: string }

/** `view` is 'room', '#channel' or '@name', the conversation that it belongs to. */
export type ChatEvent =
  | { type: 'ready'; schema: typeof eventsSchema; room: string; user: string; users: string[]; count: number }
  | { type: 'entered'; view: string; room: string; users: string[]; count: number }
  | {
      type: 'message'
      view: string
      from: string
      text: string
      /** Place in the view; 0 when the relay confirmed an own message without telling its place. */
      seq: number
      /** ISO 8601, UTC, by the relay's clock. */
      at: string
      own: boolean
      fingerprint: string
      memberId: string
      key: KeyStanding
      /** The reader's name is in it. */
      mention: boolean
      /** Of an own message: as in `pending`. */
      id?: number
    }
  | { type: 'pending'; view: string; id: number; text: string; waiting: string | null }
  | { type: 'failed'; view: string; id: number; text: string; reason: string; retry: boolean }
  | { type: 'joined'; view: string; user: string; fingerprint: string; memberId: string; rank: Rank }
  | {
      type: 'left'
      view: string
      user: string
      why: 'left' | 'lost' | 'kicked' | 'banned'
      by?: string
      reason?: string
    }
  | { type: 'renamed'; view: string; from: string; to: string }
  | { type: 'away'; view: string; user: string; away: string | null }
  | { type: 'count'; view: string; count: number; quiet: boolean }
  | {
      type: 'users'
      view: string
      users: string[]
      members: Member[]
      count: number
      page: number
      more: boolean
    }
  | {
      type: 'charter'
      motd: string
      rank: Rank
      lock: boolean
      /** 0: none. */
      limit: number
      history: boolean
      changed: CharterChange[]
      by: string | null
    }
  | { type: 'owner'; founded: boolean }
  | { type: 'recovery'; words: string }
  | { type: 'offered'; from: string }
  | { type: 'act'; what: ActName; target: string; by: string; reason: string; until: string | null }
  | { type: 'expelled'; view: string; why: 'kicked' | 'banned'; by: string | null; reason: string }
  | { type: 'channel'; channel: string }
  | { type: 'channels'; channels: { channel: string; open: boolean; unread: number }[] }
  | { type: 'opened'; view: string }
  | { type: 'closed'; view: string; reason: string }
  /** What is typed goes here from now on. */
  | { type: 'view'; view: string; unread: number }
  | { type: 'bans'; bans: Ban[]; muted: { id: string; name: string }[] }
  | { type: 'verify'; user: string; words: string; verified: boolean }
  | { type: 'moving'; by: string }
  | { type: 'moved'; room: string; carried: number }
  | { type: 'knock'; user: string; fingerprint: string; known: boolean }
  | { type: 'invite'; line: string }
  | {
      type: 'state'
      state: 'connecting' | 'online' | 'degraded' | 'offline'
      text: string
      retryInMs?: number
    }
  | { type: 'notice'; code: NoticeCode; text: string }
  | { type: 'error'; code: ErrorCode; text: string }

/** ISO 8601 of any number a relay may send. */
export function isoTime(ms: number): string {
  return new Date(Math.min(Math.max(0, ms), 8.64e15)).toISOString()
}
