// The community's events as the chat's: the same things in the words of docs/json-events.md, with a sentence where a
// person has to understand what happened. Decides nothing about what is shown when.
import type { Community, CommunityEvents, Person, View } from '@pychat/client-engine'
import { viewKey } from '@pychat/client-engine'
import { sanitiseLine, sanitiseName } from '../sanitise.ts'
import { type ChatEvent, isoTime, type Member, type NoticeCode } from './events.ts'
import { mentions } from './mention.ts'

/** What docs and screens call a view. */
export function viewLabel(view: View): string {
  if (view.kind === 'room') return 'room'
  return view.kind === 'channel' ? `#${view.name}` : `@${view.user}`
}

/** `viewKey`, for views of whatever name. */
export function keyOf(view: View): string {
  try {
    return viewKey(view)
  } catch {
    return viewLabel(view)
  }
}

export function memberOf(person: Person): Member {
  const { name, fingerprint, memberId, rank, muted, away, since, verified, self } = person
  return { name, fingerprint, memberId, rank, muted, away, since: isoTime(since), verified, own: self }
}

export function untilTime(until: number | null): string | null {
  return until === null ? null : isoTime(until)
}

/** @param tell `key` of the view an event belongs to; null: to none */
export function translate(
  community: Community,
  tell: (key: string | null, event: ChatEvent) => void,
  ownName: () => string,
): void {
  const notice = (key: string | null, code: NoticeCode, text: string) =>
    tell(key, { type: 'notice', code, text })
  const inView = <E extends { view: View }>(event: E, make: (view: string) => ChatEvent) =>
    tell(keyOf(event.view), make(viewLabel(event.view)))

  community.on('message', (event) => inView(event, (view) => messageEvent(event, view, ownName())))
  community.on('pending', (event) => inView(event, (view) => ({ type: 'pending', ...event, view })))
  community.on('failed', (event) => inView(event, (view) => ({ type: 'failed', ...event, view })))
  community.on('joined', (event) =>
    inView(event, (view) => {
      const { name, fingerprint, memberId, rank } = event.person
      return { type: 'joined', view, user: name, fingerprint, memberId, rank }
    }),
  )
  community.on('left', (event) =>
    inView(event, (view) => {
      const { by, reason, why } = event
      const left = { type: 'left', view, user: event.person.name, why } as const
      return { ...left, ...(by === undefined ? {} : { by }), ...(reason === undefined ? {} : { reason }) }
    }),
  )
  community.on('away', (event) =>
    inView(event, (view) => ({ type: 'away', view, user: event.person.name, away: event.person.away })),
  )
  community.on('count', (event) => inView(event, (view) => ({ type: 'count', ...event, view })))
  community.on('keychange', (event) => notice(keyOf(event.view), 'key-changed', keyText(event)))
  community.on('charter', (event) => tell(null, { type: 'charter', ...event }))
  community.on('offered', (event) => tell(null, { type: 'offered', ...event }))
  community.on('act', (event) => tell(null, { type: 'act', ...event, until: untilTime(event.until) }))
  community.on('expelled', (event) => tell(null, { type: 'expelled', ...event, view: viewLabel(event.view) }))
  community.on('channel', ({ name }) => {
    const key = keyOf({ kind: 'channel', name })
    if (community.views().some((view) => keyOf(view) === key)) return
    tell(null, { type: 'channel', channel: `#${name}` })
  })
  community.on('moving', (event) => tell(null, { type: 'moving', ...event }))
  community.on('moved', (event) => tell(null, { type: 'moved', ...event }))
  community.on('knock', ({ name, fingerprint, known }) =>
    tell(null, { type: 'knock', user: name, fingerprint, known }),
  )
  community.on('locked-out', ({ sentence }) => notice(null, 'locked-out', sentence))
  community.on('announcement', ({ text }) =>
    notice(null, 'announcement', `From whoever runs this relay: ${sanitiseLine(text)}`),
  )
  community.on('warning', ({ code, sentence }) => notice(null, code, sentence))
  community.on('gap', (event) => notice(keyOf(event.view), 'gap', gapText(event.missed)))
  community.on('rewound', (event) => notice(keyOf(event.view), 'rewound', rewoundText(event.lost)))
  community.on('unrepaired', (event) => notice(keyOf(event.view), 'unrepaired', unrepairedText(event.count)))
  community.on('fork', (event) =>
    notice(
      null,
      'fork',
      `The relay does not show ${sanitiseName(event.from)} the same messages as you: do not trust it, and tell the others another way.`,
    ),
  )
}

function messageEvent(event: CommunityEvents['message'], view: string, self: string): ChatEvent {
  const { from, text, seq, at, own, fingerprint, memberId, key, id } = event
  const mention = !own && mentions(text, self)
  const message = { type: 'message', view, from, text, seq, at: isoTime(at), own } as const
  return { ...message, fingerprint, memberId, key, mention, ...(id === undefined ? {} : { id }) }
}

function keyText({ name, old, new: now, wasVerified }: CommunityEvents['keychange']): string {
  const who = sanitiseName(name)
  const change = `${who} is here with another key (${sanitiseName(now)}, before ${sanitiseName(old)}).`
  return wasVerified
    ? `${change} You had compared the old one: this may be somebody else. Ask ${who} by voice, then /verify ${who}.`
    : `${change} That may be another person by the same name, or ${who} on another machine: ask by voice, /verify ${who} shows what to compare.`
}

function gapText(missed: number | null): string {
  if (missed === null) return 'Messages may have been missed here; nobody knows how many.'
  return missed === 1 ? '1 message was missed here.' : `${missed} messages were missed here.`
}

function rewoundText(lost: number): string {
  return `The relay lost the last ${lost === 1 ? 'message' : `${lost} messages`} that you saw; the senders' clients send again what they still have.`
}

function unrepairedText(count: number): string {
  return `The relay lost ${count === 1 ? 'a message' : `${count} messages`} of yours, sent too long ago to be sent again; who was not here then may miss ${count === 1 ? 'it' : 'them'}.`
}
