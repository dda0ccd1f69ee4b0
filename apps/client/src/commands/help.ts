// Help that teaches: all commands by what they are for, or one with an example.
import { unknownSentence } from './suggest.ts'
import { type Command, commandTable, findCommand } from './table.ts'

const groups = ['Talking', 'People', 'Channels', 'Your name', 'Running the room', 'Program'] as const

const mark = { member: '', op: ' (ops)', owner: ' (owner)' } as const

/** @param about a command with or without its slash, or '' for all */
export function helpText(about: string): string {
  if (about !== '') {
    const command = findCommand(about)
    return command === null ? unknownSentence(about) : oneCommand(command)
  }
  const table: readonly Command[] = commandTable
  const width = Math.max(...table.map(({ usage }) => Math.min(usage.length, 24)))
  return [
    ...groups.flatMap((group) => [
      `${group}:`,
      ...table
        .filter((command) => command.group === group)
        .map(({ usage, summary, rank }) => `  ${usage.padEnd(width)}  ${summary}${mark[rank]}`),
    ]),
    'Everything else is a message. Begin with // to send a message that starts with a slash.',
    'Tab completes commands, names and channels. /help COMMAND shows one with an example.',
  ].join('\n')
}

function oneCommand({ usage, summary, details, example, rank, aliases }: Command): string {
  const who = rank === 'member' ? [] : [`For: ${rank === 'op' ? 'the owner and ops' : 'the owner'}.`]
  const also = aliases ? [`Also: ${aliases.map((alias) => `/${alias}`).join(', ')}`] : []
  return [usage, summary, ...(details ? [details] : []), ...who, ...also, `Example: ${example}`].join('\n')
}
