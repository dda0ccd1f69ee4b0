// What Tab offers at a place in the draft: commands, names (who spoke last comes first), channels, conversations.
import type { Sources } from '../../chat/screen.ts'
import { type ArgumentKind, commandTable, findCommand } from '../../commands/table.ts'
import type { Draft } from './editor.ts'

/** Texts that may stand between `from` and `to` instead of what is there, the best first. */
export type Offer = { from: number; to: number; items: readonly string[] }

const fold = (text: string) => text.normalize('NFKC').toLowerCase()

export function offersAt({ text, cursor }: Draft, sources: Sources): Offer {
  const before = text.slice(0, cursor)
  if (before.startsWith('/') && !before.startsWith('//')) return commandOffers(before, sources)
  const from = before.search(/\S*$/)
  const word = before.slice(from)
  if (word.startsWith('#')) return { from, to: cursor, items: channelItems(word, sources) }
  const atStart = before.slice(0, from).trim() === ''
  const typed = word.replace(/^@/, '')
  const items = namesLike(typed, sources).map((name) => (atStart ? `${name}: ` : `${name} `))
  return { from, to: cursor, items: word === '' && !atStart ? [] : items }
}

function commandOffers(before: string, sources: Sources): Offer {
  const to = before.length
  const word = /^\/\S*/.exec(before)?.[0] ?? '/'
  if (word.length === to) {
    const items = commandTable
      .filter(({ name }) => `/${name}`.startsWith(word.toLowerCase()))
      .map(({ name, takes }) => (takes.length === 0 ? `/${name}` : `/${name} `))
    return { from: 0, to, items }
  }
  const command = findCommand(word)
  const begin = word.length + (/^\s+/.exec(before.slice(word.length))?.[0].length ?? 0)
  const typed = before.slice(begin)
  // An open quote is one word; so is what has no space.
  const parts = typed.match(/@?"[^"]*"?|\S+/g) ?? []
  const fresh = typed === '' || /\s$/.test(typed.replace(/@?"[^"]*"?/g, 'q'))
  const index = fresh ? parts.length : parts.length - 1
  const last = fresh ? '' : (parts.at(-1) ?? '')
  const kind = command?.takes[index]?.kind
  return { from: to - last.length, to, items: kind === undefined ? [] : argumentItems(kind, last, sources) }
}

function argumentItems(kind: ArgumentKind, typed: string, sources: Sources): string[] {
  const starts = (item: string) => item.startsWith(fold(typed))
  switch (kind) {
    case 'name':
      return namesLike(typed.replace(/^@?"?/, ''), sources).map((name) => `${quoted(name)} `)
    case 'channel':
      return channelItems(typed.startsWith('#') ? typed : `#${typed}`, sources)
    case 'view':
      return [
        ...(typed.startsWith('@') ? [] : channelItems(typed.startsWith('#') ? typed : `#${typed}`, sources)),
        ...(typed.startsWith('#')
          ? []
          : namesLike(typed.replace(/^@/, ''), sources).map((name) => `@${name}`)),
      ]
    case 'command':
      return commandTable.map(({ name }) => name).filter(starts)
    case 'switch':
      return ['on', 'off'].filter(starts)
    case 'answer':
      return ['ok', 'no'].filter(starts)
    case 'for':
      return typed !== '' && '--for'.startsWith(typed) ? ['--for '] : []
    default:
      return []
  }
}

function namesLike(typed: string, { names }: Sources): string[] {
  return names.filter((name) => fold(name).startsWith(fold(typed)))
}

/** @param typed with its '#' */
function channelItems(typed: string, { channels }: Sources): string[] {
  return channels.filter((name) => fold(name).startsWith(fold(typed.slice(1)))).map((name) => `#${name} `)
}

function quoted(name: string): string {
  return /\s/.test(name) ? `"${name}"` : name
}
