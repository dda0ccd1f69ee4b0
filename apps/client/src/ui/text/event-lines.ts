// Events as lines of text, harmless: what the plain and the interactive screen have in common. Keeps only what is
// needed to say nothing twice: the day, the connection's state, the conversation that is shown.
import type { ChatEvent } from '../../chat/events.ts'
import type { ScreenEvent } from '../../chat/screen.ts'
import { sanitiseLine, sanitiseName, sanitiseText } from '../../sanitise.ts'
import type { Paint } from './paint.ts'
import * as say from './sentences.ts'

/** Warnings have to be seen: they may be the only sign of an attack. */
const warningNotices: ReadonlySet<string> = new Set([
  'weak-pin',
  'insecure',
  'state',
  'gap',
  'rewound',
  'unrepaired',
  'fork',
  'key-changed',
  'unreadable',
  'not-sent-yet',
  'rekey-offer',
  'confirm',
  'locked-out',
  'announcement',
  'charter-old',
  'charter-foreign',
  'charter-invalid',
  'not-enforced',
])

/** Our own sentences are far below; what they quote may be longer. */
const noticeCharactersMax = 16_000
const noticeLinesMax = 100
const sameEventMs = 5000

/** @returns whole lines without the last newline, or null for an event that has nothing new to show */
export type EventLines = (event: ScreenEvent) => string | null

/**
 * @param mixed all conversations are shown at once: each line says which it belongs to
 * @param now for what has no time of its own
 */
export function createEventLines(paint: Paint, mixed: boolean, now: () => Date): EventLines {
  let shownState: (ChatEvent & { type: 'state' }) | null = null
  let shownDay = say.day(now())
  let current = 'room'
  const quietViews = new Set<string>()
  /** Who was just told to be put out, and when: their leaving needs no second line. */
  const putOut = new Map<string, number>()

  const quiet = (text: string) => paint.style('quiet', text)
  const warn = (text: string) => paint.style('warning', text)
  const told = (text: string) => `${say.clock(now())} * ${text}`
  /** Which conversation, when that is not plain. */
  const label = (view: string) => (view === (mixed ? 'room' : current) ? '' : `[${sanitiseName(view)}] `)
  const notices = (lines: readonly string[], how: (text: string) => string) =>
    lines.length === 0 ? null : lines.map((line) => how(`* ${line}`)).join('\n')

  function message(event: ChatEvent & { type: 'message' }): string {
    const at = new Date(event.at)
    const today = say.day(at)
    const dayLine = today === shownDay ? '' : `${quiet(`── ${today} ──`)}\n`
    shownDay = today
    const changed = event.key === 'changed' ? ` ${warn('[NEW KEY]')}` : ''
    const shown = say.speaker(event.from)
    const from = event.own ? paint.style('own', shown) : paint.name(event.memberId, shown)
    const call = event.mention ? `${paint.style('call', '»')} ` : ''
    const time = paint.style('time', say.clock(at))
    return `${dayLine}${time} ${label(event.view)}${call}${from}${changed}: ${sanitiseText(event.text)}`
  }
  function state(event: ChatEvent & { type: 'state' }): string | null {
    if (event.state === 'connecting' && shownState !== null) return null
    if (event.state === shownState?.state && event.text === shownState.text) return null
    shownState = event
    return (event.state === 'online' ? quiet : warn)(told(say.stateText(event)))
  }
  function count({ view, quiet: isQuiet }: ChatEvent & { type: 'count' }): string | null {
    if (isQuiet === quietViews.has(view)) return null
    if (isQuiet) quietViews.add(view)
    else quietViews.delete(view)
    const what = isQuiet ? 'not shown any more: there are very many' : 'shown again'
    return quiet(told(`${label(view)}Who comes and goes is ${what}.`))
  }
  function view(event: ChatEvent & { type: 'view' }): string {
    current = event.view
    const where = event.view === 'room' ? 'the room' : sanitiseName(event.view)
    if (mixed) return `* What you type goes to ${where} now.`
    return paint.style('strong', `── ${where}${event.unread > 0 ? ` ── ${event.unread} unread` : ''} ──`)
  }
  function renamed({ view: where, from, to }: ChatEvent & { type: 'renamed' }): string {
    const line = quiet(told(`${label(where)}${say.name(from)} is now called ${say.name(to)}.`))
    if (where === current && where.startsWith('@')) current = `@${to}`
    return line
  }

  return (event) => {
    switch (event.type) {
      case 'message':
        return message(event)
      case 'ready':
        return quiet(`* ${say.readyText(event)}`)
      case 'entered':
        return event.view.startsWith('@')
          ? null
          : quiet(told(`${label(event.view)}${say.enteredText(event)}`))
      case 'pending':
        return event.waiting === null
          ? null
          : quiet(told(`${label(event.view)}${sanitiseLine(event.waiting)}`))
      case 'failed': {
        const how = event.retry ? ` /retry ${event.id} tries again, /drop ${event.id} gives up.` : ''
        return warn(`! ${label(event.view)}Not sent: ${sanitiseLine(event.reason)}${how}`)
      }
      case 'joined':
        return quiet(told(`${label(event.view)}${say.name(event.user)} joined.`))
      case 'left':
        if (now().getTime() - (putOut.get(event.user) ?? 0) < sameEventMs && event.why !== 'left') return null
        return quiet(told(`${label(event.view)}${say.leftText(event)}`))
      case 'renamed':
        return renamed(event)
      case 'away':
        return quiet(told(`${label(event.view)}${say.awayText(event)}`))
      case 'count':
        return count(event)
      case 'users':
        return notices(say.usersText(event, now()), (text) => text)
      case 'charter':
        return notices(say.charterText(event), quiet)
      case 'owner':
        return quiet(
          `* ${event.founded ? 'You made this room and own it' : 'You own this room now'}: /help shows what you can do.`,
        )
      case 'recovery':
        return notices(
          [
            'Write these words on paper: they bring you back as yourself on another machine. Show them to nobody.',
            `  ${sanitiseLine(event.words)}`,
          ],
          (text) => paint.style('strong', text),
        )
      case 'offered':
        return warn(told(`${say.name(event.from)} offers you this room: /transfer accept takes it.`))
      case 'act':
        if (event.what === 'kick' || event.what === 'ban') {
          if (putOut.size > 100) putOut.clear()
          putOut.set(event.target, now().getTime())
        }
        return quiet(told(say.actText(event, now())))
      case 'expelled':
        return warn(told(say.expelledText(event)))
      case 'channel':
        return quiet(told(`There is a channel ${say.name(event.channel)}: /join ${say.name(event.channel)}`))
      case 'channels':
        return notices(say.channelsText(event), (text) => text)
      case 'opened':
        return null
      case 'closed': {
        const text = say.closedText(event)
        return text === null ? null : warn(told(text))
      }
      case 'view':
        return view(event)
      case 'bans':
        return notices(say.bansText(event, now()), (text) => text)
      case 'verify':
        return notices(say.verifyText(event), (text) => text)
      case 'moving':
        return quiet(told(`${say.name(event.by)} gives the room new keys: stay, it takes a moment.`))
      case 'moved':
        return quiet(
          told(
            `The room has new keys (room id ${say.name(event.room)}); ${event.carried} came along. The old PIN opens it no more.`,
          ),
        )
      case 'knock':
        return warn(told(say.knockText(event)))
      case 'invite':
        return `* Whoever has this line can join. Send it in private:\n${sanitiseLine(event.line)}`
      case 'qr':
        return event.text
      case 'state':
        return state(event)
      case 'notice':
        return notices(
          event.text.slice(0, noticeCharactersMax).split('\n').slice(0, noticeLinesMax).map(sanitiseLine),
          warningNotices.has(event.code) ? warn : quiet,
        )
      case 'error':
        return warn(`! ${sanitiseLine(event.text)}`)
      case 'divider':
        return warn('── unread ──')
      case 'elsewhere': {
        const go = `/go ${say.name(event.view)}`
        const how = event.number <= 9 ? `Alt-${event.number} or ${go}` : go
        return paint.style('strong', told(`${say.name(event.from)} wrote to you privately: ${how}`))
      }
      case 'dropped':
        return quiet(`* ${event.count} older lines are not kept.`)
    }
  }
}
