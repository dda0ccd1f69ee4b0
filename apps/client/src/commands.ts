// The table of what a person may type besides messages. Help, arity and suggestions all come from it.

export type Command = {
  name: string
  usage: string
  summary: string
  example: string
  argumentsMax: number
}

export const commandTable = [
  {
    name: 'help',
    usage: '/help [COMMAND]',
    summary: 'Shows all commands, or one with an example.',
    example: '/help users',
    argumentsMax: 1,
  },
  {
    name: 'users',
    usage: '/users',
    summary: 'Shows who is here, each with the fingerprint of their key.',
    example: '/users',
    argumentsMax: 0,
  },
  {
    name: 'quit',
    usage: '/quit',
    summary: 'Sends what still waits, leaves the room and ends the program.',
    example: '/quit',
    argumentsMax: 0,
  },
] as const satisfies readonly Command[]

export type CommandName = (typeof commandTable)[number]['name']

export type Typed =
  | { kind: 'nothing' }
  | { kind: 'text'; text: string }
  | { kind: 'command'; name: CommandName; argument: string }
  | { kind: 'mistake'; text: string }

/** What a typed line means. "//word" is the message "/word". */
export function readLine(line: string): Typed {
  if (line.trim() === '') return { kind: 'nothing' }
  if (line.startsWith('//')) return { kind: 'text', text: line.slice(1) }
  if (!line.startsWith('/')) return { kind: 'text', text: line }
  const [word = '', ...rest] = line.slice(1).trim().split(/\s+/)
  const command = commandTable.find(({ name }) => name === word.toLowerCase())
  if (!command) return { kind: 'mistake', text: unknownSentence(word) }
  if (rest.length > command.argumentsMax) {
    return { kind: 'mistake', text: `Type it as ${command.usage}, e.g. ${command.example}.` }
  }
  return { kind: 'command', name: command.name, argument: rest[0] ?? '' }
}

/** @param about a command with or without its slash, or nothing */
export function helpText(about: string): string {
  if (about === '') {
    const width = Math.max(...commandTable.map(({ usage }) => usage.length))
    return [
      ...commandTable.map(({ usage, summary }) => `${usage.padEnd(width)}  ${summary}`),
      'Everything else is a message. Begin with // to send a message that starts with a slash.',
    ].join('\n')
  }
  const word = about.replace(/^\//, '')
  const command = commandTable.find(({ name }) => name === word.toLowerCase())
  return command ? `${command.usage}\n${command.summary}\nExample: ${command.example}` : unknownSentence(word)
}

function unknownSentence(word: string): string {
  const near = commandTable
    .map(({ name }) => ({ name, distance: editDistance(word.toLowerCase().slice(0, 32), name) }))
    .sort((a, b) => a.distance - b.distance)[0]
  const hint =
    near && near.distance <= 2
      ? `did you mean /${near.name}?`
      : '/help shows all, and // begins a message with a slash.'
  return `There is no command /${word.slice(0, 32)}: ${hint}`
}

/** Levenshtein distance, with neighbours swapped counting as one. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(i - 1, j - 1) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, at(i - 2, j - 2) + 1)
      row.push(best)
    }
  }
  return at(a.length, b.length)
}
