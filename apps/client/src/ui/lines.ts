// Events as lines of text, sanitised: what the plain and the interactive screen have in common.
import type { ChatEvent } from '../chat-events.ts'
import { sanitiseLine, sanitiseName, sanitiseText } from '../sanitise.ts'

export type Style = 'time' | 'own' | 'name' | 'quiet' | 'warning'
/** Colours text that is already safe; the plain screen's returns it as it is. */
export type Paint = (style: Style, text: string) => string

export const noPaint: Paint = (_style, text) => text

const codes: Record<Style, string> = { time: '2', own: '1;36', name: '1', quiet: '2', warning: '1;33' }
/** Colours of the terminal's own theme, so that they are readable on light and dark. */
export const colourPaint: Paint = (style, text) => `\x1b[${codes[style]}m${text}\x1b[0m`

/** Warnings have to be seen: they may be the only sign of an attack. */
const warningNotices = new Set([
  'weak-pin',
  'insecure',
  'gap',
  'rewound',
  'unrepaired',
  'fork',
  'key-changed',
  'unreadable',
  'not-sent-yet',
])

export type EventLines = (event: ChatEvent) => string | null

/**
 * Repeated tries of a long outage are one line, not hundreds.
 * @returns makes whole lines without the last newline, or null for an event that has nothing new to show
 */
export function createEventLines(paint: Paint): EventLines {
  let shownState: (ChatEvent & { type: 'state' }) | null = null
  return (event) => {
    if (event.type === 'state') {
      if (event.state === 'connecting' && shownState !== null) return null
      if (event.state === shownState?.state && event.text === shownState.text) return null
      shownState = event
    }
    return eventLines(event, paint, new Date())
  }
}

function eventLines(event: ChatEvent, paint: Paint, now: Date): string {
  switch (event.type) {
    case 'ready': {
      const others = event.users.filter((name) => name !== event.user)
      const who = others.length === 0 ? '' : ` Here: ${others.map(sanitiseName).join(', ')}.`
      return paint(
        'quiet',
        `* You are ${sanitiseName(event.user)} in room ${event.room}.${who} /help shows commands.`,
      )
    }
    case 'message': {
      const time = paint('time', clock(new Date(event.at)))
      const name = paint(event.own ? 'own' : 'name', `${sanitiseName(event.from)}:`)
      return `${time} ${name} ${sanitiseText(event.text)}`
    }
    case 'joined':
      return paint('quiet', `${clock(now)} * ${sanitiseName(event.user)} joined.`)
    case 'left':
      return paint(
        'quiet',
        `${clock(now)} * ${sanitiseName(event.user)} ${event.why === 'left' ? 'left.' : 'lost the connection.'}`,
      )
    case 'users':
      return [
        `* ${event.members.length} here:`,
        ...event.members.map(
          ({ name, fingerprint, own }) => `*   ${sanitiseName(name)}  ${fingerprint}${own ? '  (you)' : ''}`,
        ),
      ].join('\n')
    case 'state':
      return paint(event.state === 'online' ? 'quiet' : 'warning', `${clock(now)} * ${stateText(event)}`)
    case 'notice':
      return event.text
        .split('\n')
        .map((line) => paint(warningNotices.has(event.code) ? 'warning' : 'quiet', `* ${sanitiseLine(line)}`))
        .join('\n')
    case 'error':
      return paint('warning', `! ${sanitiseLine(event.text)}`)
  }
}

function stateText(event: ChatEvent & { type: 'state' }): string {
  const text = sanitiseLine(event.text)
  return event.state === 'offline' ? `${text} Trying again until it works.` : text
}

function clock(time: Date): string {
  return `${String(time.getHours()).padStart(2, '0')}:${String(time.getMinutes()).padStart(2, '0')}`
}
