// The port between a chat and its screens: what a screen is shown, and what it tells of the person before it.
import type { Rank } from '@pychat/client-engine'
import type { ChatEvent } from './events.ts'

/** What only a screen that shows one conversation at a time gets beside the events. */
export type ScreenEvent =
  | ChatEvent
  /** Before the first message that the person has not seen. */
  | { type: 'divider' }
  /** A private message came to a conversation that is not shown; its text is not for here. */
  | { type: 'elsewhere'; view: string; from: string; number: number }
  /** Older lines of the conversation that were not kept. */
  | { type: 'dropped'; count: number }
  /** A picture of block characters for cameras, our own colours in it. */
  | { type: 'qr'; text: string }

const screenOnly: ReadonlySet<string> = new Set(['divider', 'elsewhere', 'dropped', 'qr'])

/** Whether it is for scripts too, and not a picture or a hint for people alone. */
export function isChatEvent(event: ScreenEvent): event is ChatEvent {
  return !screenOnly.has(event.type)
}

export type ViewLine = {
  /** 1 is the room; what Alt-1 to Alt-9 and /go count. */
  number: number
  label: string
  unread: number
  /** Of these: mentions, and everything private. */
  calls: number
  current: boolean
}

export type PendingLine = {
  id: number
  /** The conversation, when it is not the one that is shown. */
  label: string | null
  text: string
  state: 'sending' | 'late' | 'waiting' | 'failed'
  /** Why it waits or failed, one sentence or ''. */
  note: string
}

/** What stands under the conversation. */
export type Status = {
  /** Key of the conversation that is shown: drafts belong to it. */
  key: string
  /** Before the cursor: where text goes. Not sanitised. */
  prompt: string
  views: ViewLine[]
  pending: PendingLine[]
  /** In the conversation that is shown; null when it is not known. */
  people: number | null
  connection: 'connecting' | 'online' | 'degraded' | 'offline'
  /** Next try, milliseconds since 1970. */
  retryAt: number | null
  rank: Rank
  away: boolean
}

/** What Tab may complete. As people spell it. */
export type Sources = {
  /** Who can be meant, the most recent speaker first, without oneself. */
  names: readonly string[]
  /** Channels that are known, without '#'. */
  channels: readonly string[]
}

export type Person = {
  line(text: string): void
  /** No more lines will come. */
  ended(): void
  interrupted(): void
  /** To the conversation of this number, or the next one with news. */
  go(to: number | 'next'): void
  /** Whether the person looks at the screen. */
  here(here: boolean): void
  sources(): Sources
}

/** Shows events, and tells what the person types. */
export type Screen = {
  /** Shows all conversations at once, each line saying which it belongs to. */
  readonly mixed: boolean
  /** A person reads it: secrets that belong on paper may be shown without being asked for. */
  readonly personal: boolean
  show(event: ScreenEvent): void
  status(status: Status): void
  /**
   * Somebody else said something, in whatever conversation, once.
   * @param calls the person's name is in it, or it is private
   */
  heard(message: ChatEvent & { type: 'message' }, calls: boolean): void
  listen(person: Person): void
  /** Lines wait in the system until `resume`. */
  pause(): void
  resume(): void
  /** A conversation has another name: its draft follows. */
  renamed(from: string, to: string): void
  /** Gives the terminal back as it was. Safe to repeat. */
  close(): void
}
