// One or more sentences for each event that is no message: what people read. Everything from elsewhere is made
// harmless and short here.
import type { ChatEvent, Member } from '../../chat/events.ts'
import type { ScreenEvent } from '../../chat/screen.ts'
import { sanitiseLine, sanitiseName, sanitiseText } from '../../sanitise.ts'
import { columns } from './table.ts'

const namesShownMax = 20
const reasonCharactersMax = 300

export type Of<T extends ScreenEvent['type']> = Extract<ScreenEvent, { type: T }>

export const name = sanitiseName

/** A name at the begin of a line, in quotes when it could be taken for something of our own there. */
export function speaker(text: string): string {
  const shown = sanitiseName(text)
  return /^[\p{L}\p{N}\p{Extended_Pictographic}_][^:"]*$/u.test(shown) ? shown : `"${shown}"`
}

export function clock(time: Date): string {
  return `${String(time.getHours()).padStart(2, '0')}:${String(time.getMinutes()).padStart(2, '0')}`
}

const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = 'January February March April May June July August September October November December'.split(
  ' ',
)

/** The same on every machine: Intl's own form differs from one Node to the next. */
export function day(time: Date): string {
  return `${weekdays[time.getDay()]}, ${time.getDate()} ${months[time.getMonth()]} ${time.getFullYear()}`
}

/** Local date and time; today's without the date. */
function moment(iso: string, now: Date): string {
  const time = new Date(iso)
  return day(time) === day(now) ? clock(time) : `${day(time)}, ${clock(time)}`
}

function because(reason: string): string {
  const short = reason.length > reasonCharactersMax ? `${reason.slice(0, reasonCharactersMax)}…` : reason
  return short.trim() === '' ? '.' : `: ${sanitiseLine(short)}`
}

export function readyText({ user, room, users }: Of<'ready'>): string {
  const others = users.filter((one) => one !== user)
  const shown = others.slice(0, namesShownMax).map(name).join(', ')
  const more = others.length > namesShownMax ? ` and ${others.length - namesShownMax} more` : ''
  const who = others.length === 0 ? '' : ` Here: ${shown}${more}.`
  return `You are ${name(user)} in room ${name(room)}.${who} /help shows commands.`
}

export function enteredText({ view, users, count }: Of<'entered'>): string {
  const shown = users.slice(0, namesShownMax).map(name).join(', ')
  return `${count === 1 ? '1 person is' : `${count} people are`} in ${name(view)}: ${shown}.`
}

export function leftText({ user, why, by, reason = '' }: Of<'left'>): string {
  if (why === 'left') return `${name(user)} left.`
  if (why === 'lost') return `${name(user)} lost the connection.`
  const actor = by === undefined ? '' : ` by ${name(by)}`
  return `${name(user)} was ${why}${actor}${because(reason)}`
}

export function awayText({ user, away }: Of<'away'>): string {
  return away === null ? `${name(user)} is back.` : `${name(user)} is away${because(away)}`
}

export function actText({ what, target, by, reason, until }: Of<'act'>, now: Date): string {
  const [actor, who] = [name(by), name(target)]
  const end = until === null ? '' : ` until ${moment(until, now)}`
  switch (what) {
    case 'kick':
      return `${actor} kicked ${who}${because(reason)}`
    case 'ban':
      return `${actor} banned ${who}${end}${because(reason)}`
    case 'unban':
      return `${actor} lifted the ban of ${who}.`
    case 'mute':
      return `${actor} muted ${who}${because(reason)}`
    case 'unmute':
      return `${actor} lets ${who} write again.`
    case 'op':
      return `${actor} made ${who} an op.`
    case 'deop':
      return `${actor} made ${who} a member again.`
  }
}

const rankText = { owner: 'You own this room.', op: 'You are an op here.', member: 'You are a member here.' }

/** What changed, or, when nothing did, what is worth to be known at a glance. */
export function charterText({ motd, rank, lock, limit, history, changed, by }: Of<'charter'>): string[] {
  const all = changed.length === 0
  const has = (what: (typeof changed)[number], always: boolean) => changed.includes(what) || (all && always)
  const who = by === null ? 'Somebody' : name(by)
  const lines: string[] = []
  if (has('motd', motd !== '')) {
    if (motd === '') lines.push(`${who} took the message of the day away.`)
    else lines.push(`Message of the day: ${sanitiseText(motd)}`)
  }
  if (has('lock', lock))
    lines.push(lock ? 'The room is locked: nobody new gets in.' : 'The room is open again.')
  if (has('limit', limit > 0)) {
    lines.push(limit > 0 ? `No more than ${limit} people get in.` : 'There is no limit of people any more.')
  }
  if (has('history', false)) {
    lines.push(
      history ? 'Newcomers get the messages of the last minutes.' : 'Newcomers get no older messages.',
    )
  }
  if (has('owner', false)) lines.push('The room has another owner.')
  // Who becomes the owner is told so by an event of its own.
  const toldElsewhere = rank === 'owner' && changed.includes('rank')
  if (has('rank', rank !== 'member') && !toldElsewhere) lines.push(rankText[rank])
  return lines
}

function memberRow(member: Member, now: Date): string[] {
  const role = member.muted ? `${member.rank}, muted` : member.rank
  const away = member.away === null ? '' : `away${member.away === '' ? '' : `: ${name(member.away)}`}`
  const marks = [member.own ? '(you)' : '', member.verified ? 'verified' : '', away]
  const since = `since ${moment(member.since, now)}`
  return [
    name(member.name),
    role,
    name(member.fingerprint),
    since,
    marks.filter((mark) => mark !== '').join(', '),
  ]
}

export function usersText({ view, members, count, page, more }: Of<'users'>, now: Date): string[] {
  const where = view === 'room' ? 'here' : `in ${name(view)}`
  const part = page > 1 || more ? `, page ${page}` : ''
  return [
    `${count} ${where}${part}:`,
    ...columns(members.map((member) => memberRow(member, now))).map((row) => `  ${row}`),
    ...(more ? [`/users ${page + 1} shows more.`] : []),
  ]
}

export function channelsText({ channels }: Of<'channels'>): string[] {
  if (channels.length === 0) return ['No channels are known: /join #dev makes one.']
  const rows = channels.map(({ channel, open, unread }) => [
    name(channel),
    open ? 'open' : '',
    unread > 0 ? `${unread} unread` : '',
  ])
  return ['Channels:', ...columns(rows).map((row) => `  ${row}`)]
}

export function bansText({ bans, muted }: Of<'bans'>, now: Date): string[] {
  const rows = bans.map(({ id, name: who, until, reason, by }) => [
    name(who),
    name(id.slice(0, 8)),
    until === null ? 'for ever' : `until ${moment(until, now)}`,
    `by ${name(by)}${reason === '' ? '' : because(reason)}`,
  ])
  const quiet = muted.map(({ id, name: who }) => [name(who), name(id.slice(0, 8))])
  return [
    ...(rows.length === 0 ? ['Nobody is banned.'] : ['Banned:', ...columns(rows).map((row) => `  ${row}`)]),
    ...(quiet.length === 0 ? [] : ['Muted:', ...columns(quiet).map((row) => `  ${row}`)]),
  ]
}

export function verifyText({ user, words, verified }: Of<'verify'>): string[] {
  const who = name(user)
  return [
    `Call ${who} and read these words to each other; ${who} gets them with /verify and your name:`,
    `  ${name(words)}`,
    `The same words? Then: /verify ${who} ok   Others? Then: /verify ${who} no`,
    ...(verified ? [`${who} was verified before.`] : []),
  ]
}

export function knockText({ user, fingerprint, known }: Of<'knock'>): string {
  const key = known
    ? `with the known key ${name(fingerprint)}`
    : `with an UNKNOWN key ${name(fingerprint)}: ask by voice before you let anybody in`
  return `${name(user)} was away when the room moved and wants in, ${key}. /admit ${name(user)}`
}

export function expelledText({ view, why, by, reason }: Of<'expelled'>): string {
  const where = view === 'room' ? '' : ` from ${name(view)}`
  return `You were ${why}${where}${by === null ? '' : ` by ${name(by)}`}${because(reason)}`
}

export function closedText({ view, reason }: Of<'closed'>): string | null {
  return reason === '' ? null : `${name(view)} is closed: ${sanitiseLine(reason)}`
}

export function stateText({ state, text }: ChatEvent & { type: 'state' }): string {
  const sentence = sanitiseLine(text)
  return state === 'offline' ? `${sentence} Trying again until it works.` : sentence
}
