// What a typed line means: a message, a command with its arguments, or a mistake with a sentence that says what to do.
import { normalizeName } from '@pychat/crypto'
import { parseDuration } from './duration.ts'
import { unknownSentence } from './suggest.ts'
import { type Argument, type Command, type CommandName, findCommand } from './table.ts'

/** What was given, by kind; absent when it was optional and left out. Texts are as typed: sanitise before showing. */
export type Arguments = {
  command?: string
  name?: string
  /** Without the '#'. */
  channel?: string
  view?: string
  text?: string
  number?: number
  on?: boolean
  ok?: boolean
  code?: string
  forMs?: number
}

export type Typed =
  | { kind: 'nothing' }
  | { kind: 'text'; text: string }
  | { kind: 'command'; name: CommandName; given: Arguments }
  | { kind: 'mistake'; text: string }

/**
 * "//word" is the message "/word".
 * @param names who is known here: a name with spaces is found without quotes then
 */
export function readLine(line: string, names: readonly string[] = []): Typed {
  if (line.trim() === '') return { kind: 'nothing' }
  if (line.startsWith('//')) return { kind: 'text', text: line.slice(1) }
  if (!line.startsWith('/')) return { kind: 'text', text: line }
  const [, word = '', rest = ''] = /^\/(\S*)\s*([\s\S]*)$/.exec(line) ?? []
  const command = findCommand(word)
  if (!command) return { kind: 'mistake', text: unknownSentence(word) }
  const given = readArguments(command, rest.trimEnd(), names)
  return given === null
    ? { kind: 'mistake', text: `Type it as ${command.usage}, e.g. ${command.example}` }
    : { kind: 'command', name: command.name, given }
}

/** @returns null when something is missing, too much or not what it has to be */
function readArguments(command: Command, typed: string, names: readonly string[]): Arguments | null {
  const given: Arguments = {}
  let rest = typed
  for (const argument of command.takes) {
    if (rest === '') {
      if (argument.optional) continue
      return null
    }
    const left = readArgument(argument, rest, given, names)
    if (left === null) return null
    rest = left
  }
  return rest === '' ? given : null
}

/** Adds one argument to `given`. @returns what is left of the line, or null when it does not fit */
function readArgument(
  { kind, optional }: Argument,
  rest: string,
  given: Arguments,
  names: readonly string[],
): string | null {
  if (kind === 'text') {
    given.text = rest
    return ''
  }
  if (kind === 'name') {
    const taken = takeName(rest, names)
    if (taken === null) return null
    given.name = taken.name
    return taken.rest
  }
  const [, word = '', left = ''] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? []
  switch (kind) {
    case 'for': {
      if (word !== '--for' && !word.startsWith('--for=')) return optional ? rest : null
      const [, next = '', after = ''] = /^(\S+)\s*([\s\S]*)$/.exec(left) ?? []
      const inOne = word.startsWith('--for=')
      const ms = parseDuration(inOne ? word.slice('--for='.length) : next)
      if (ms === null) return null
      given.forMs = ms
      return inOne ? left : after
    }
    case 'number': {
      if (!/^\d{1,9}$/.test(word)) return null
      given.number = Number(word)
      return left
    }
    case 'switch': {
      if (word !== 'on' && word !== 'off') return null
      given.on = word === 'on'
      return left
    }
    case 'answer': {
      if (word !== 'ok' && word !== 'no') return null
      given.ok = word === 'ok'
      return left
    }
    case 'code': {
      if (!/^\d{4}$/.test(word)) return null
      given.code = word
      return left
    }
    case 'channel': {
      given.channel = word.replace(/^#/, '')
      return given.channel === '' ? null : left
    }
    case 'view': {
      given.view = rest
      return ''
    }
    case 'command': {
      given.command = word
      return left
    }
  }
}

/** In quotes, or the longest known name that the line begins with, or one word. A leading @ does not count. */
function takeName(typed: string, names: readonly string[]): { name: string; rest: string } | null {
  const quoted = /^@?"([^"\n]+)"(?:\s+([\s\S]*))?$/.exec(typed)
  if (quoted) return { name: quoted[1] ?? '', rest: quoted[2] ?? '' }
  const plain = typed.replace(/^@/, '')
  const words = plain.split(/(\s+)/)
  const known = new Set(names.map(folded))
  // A name has 64 bytes at most, so no more than 32 words.
  for (let count = Math.min(words.length, 64); count > 1; count -= 1) {
    const candidate = words.slice(0, count).join('')
    if (candidate.trim() === '' || /\s$/.test(candidate)) continue
    if (known.has(folded(candidate))) return { name: candidate, rest: words.slice(count + 1).join('') }
  }
  const [first = ''] = words
  return first === '' ? null : { name: first, rest: words.slice(2).join('') }
}

function folded(name: string): string {
  try {
    return normalizeName(name)
  } catch {
    return name
  }
}
