// One of each event with the same text in every place that somebody else can fill.
import type { ChatEvent } from '../../../src/chat/events.ts'
import { isChatEvent, type ScreenEvent } from '../../../src/chat/screen.ts'

type EventOf<T extends ScreenEvent['type']> = Extract<ScreenEvent, { type: T }>

/** @param text a name, a text, a reason, a channel: whatever the place asks for */
export function everyEvent(text: string): ScreenEvent[] {
  const member = {
    name: text,
    fingerprint: text,
    memberId: text,
    rank: 'member' as const,
    muted: true,
    away: text,
    since: '2026-11-24T10:00:00.000Z',
    verified: true,
    own: false,
  }
  const until = '2026-11-25T10:00:00.000Z'
  const charter: EventOf<'charter'> = {
    type: 'charter',
    motd: text,
    rank: 'member',
    lock: true,
    limit: 1,
    history: true,
    changed: ['motd', 'lock', 'limit', 'history', 'rank', 'bans', 'mutes', 'owner'],
    by: text,
  }
  const all: { [T in ScreenEvent['type']]: Omit<EventOf<T>, 'type'> } = {
    ready: { schema: 2, room: text, user: text, users: [text, text], count: 2 },
    entered: { view: text, room: text, users: [text], count: 1 },
    message: {
      view: text,
      from: text,
      text,
      seq: 1,
      at: until,
      own: false,
      fingerprint: text,
      memberId: text,
      key: 'changed',
      mention: true,
    },
    pending: { view: text, id: 1, text, waiting: text },
    failed: { view: text, id: 1, text, reason: text, retry: true },
    joined: { view: text, user: text, fingerprint: text, memberId: text, rank: 'op' },
    left: { view: text, user: text, why: 'banned', by: text, reason: text },
    renamed: { view: text, from: text, to: text },
    away: { view: text, user: text, away: text },
    count: { view: text, count: 1, quiet: true },
    users: { view: text, users: [text], members: [member], count: 1, page: 2, more: true },
    charter,
    owner: { founded: false },
    recovery: { words: text },
    offered: { from: text },
    act: { what: 'ban', target: text, by: text, reason: text, until },
    expelled: { view: text, why: 'banned', by: text, reason: text },
    channel: { channel: text },
    channels: { channels: [{ channel: text, open: true, unread: 3 }] },
    opened: { view: text },
    closed: { view: text, reason: text },
    view: { view: text, unread: 3 },
    bans: {
      bans: [{ id: text, name: text, until, reason: text, by: text }],
      muted: [{ id: text, name: text }],
    },
    verify: { user: text, words: text, verified: true },
    moving: { by: text },
    moved: { room: text, carried: 3 },
    knock: { user: text, fingerprint: text, known: false },
    invite: { line: text },
    state: { state: 'offline', text },
    notice: { code: 'gap', text },
    error: { code: 'not-done', text },
    divider: {},
    elsewhere: { view: text, from: text, number: 3 },
    dropped: { count: 3 },
    // Made here, of block characters.
    qr: { text: '█▀▄' },
  }
  return Object.entries(all).map(([type, fields]) => ({ type, ...fields }) as ScreenEvent)
}

export function everyChatEvent(text: string): ChatEvent[] {
  return everyEvent(text).filter(isChatEvent)
}
