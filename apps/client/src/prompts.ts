// Asks a person for what was not given: one table of questions, asked in the order that a command wants them.
// Without a terminal nothing is asked: the missing flag is named.

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { canonicalPin, decodeInvite, displayName, entropyFromWords, normalizeName } from '@pychat/crypto'
import { sanitiseLine } from './sanitise.ts'
import { type Given, relayUrl, UsageError } from './settings.ts'

/** The person ended the questions (Ctrl-C, Ctrl-D). */
export class Cancelled extends Error {
  override readonly name = 'Cancelled'
}

/** What may be asked: all that can be given, and the PIN of a room that is there already. */
export type Field = keyof Given | 'oldPin'

type Question = {
  prompt: string
  /** How to give it where nobody can be asked. */
  flag: string
  hidden?: true
  fallback?: string
  /** Throws the sentence for an answer that cannot be used. */
  check(text: string, insecure: boolean): void
}

const questions: Record<Field, Question> = {
  relay: {
    prompt: 'Relay or invite (Enter for localhost): ',
    flag: '--relay or PYCHAT_RELAY',
    fallback: 'localhost',
    check: (text, insecure) => void (isInvite(text) ? decodeInvite(text) : relayUrl(text, insecure)),
  },
  invite: {
    prompt: 'Invite (paste it; hidden): ',
    flag: '--invite-file',
    hidden: true,
    check: (text) => void decodeInvite(text),
  },
  server: {
    prompt: 'Server name: ',
    flag: '--server or PYCHAT_SERVER',
    check: (text) => void normalizeName(text, 'server name'),
  },
  pin: {
    prompt: 'PIN (hidden; Enter for a new code): ',
    flag: '--pin-file or PYCHAT_PIN',
    hidden: true,
    fallback: '',
    check: (text) => void (text === '' || canonicalPin(text)),
  },
  oldPin: {
    prompt: 'PIN (hidden): ',
    flag: '--pin-file or PYCHAT_PIN',
    hidden: true,
    check: (text) => void canonicalPin(text),
  },
  words: {
    prompt: 'The twelve recovery words (hidden): ',
    flag: '--words-file',
    hidden: true,
    check: (text) => void entropyFromWords(text),
  },
  user: {
    prompt: 'Username: ',
    flag: '--user or PYCHAT_USER',
    check: (text) => void displayName(text, 'username'),
  },
}

/** What an invite says need not be asked; one without a PIN leaves that to the person. */
const saidByInvite = new Set<Field>(['relay', 'server', 'pin', 'oldPin'])
/** A pasted line that was wrapped comes as several, all at once. */
const wrappedMs = 150

function answerOf(field: Field): keyof Given {
  return field === 'oldPin' ? 'pin' : field
}

export function isInvite(text: string): boolean {
  return /^\s*pychat:/i.test(text)
}

export type Terminal = {
  input: NodeJS.ReadableStream & { isTTY?: boolean }
  output: NodeJS.WritableStream & { isTTY?: boolean }
}

/** Fields that are still to be asked for. A relay answered by an invite counts as the invite. */
function missing(fields: readonly Field[], answers: Given): Field[] {
  const invite = answers.invite === undefined ? null : decodeInvite(answers.invite)
  const said = (field: Field) =>
    invite !== null &&
    saidByInvite.has(field) &&
    !(answerOf(field) === 'pin' && !('secret' in invite) && invite.pin === undefined)
  return fields.filter((field) => answers[answerOf(field)] === undefined && !said(field))
}

/**
 * @param fields in the order of asking
 * @param given answers by flag and environment
 * @returns them with all that was asked; a PIN may be '': the person wants a new code
 * @throws UsageError when something is missing and there is nobody to ask, or a given answer cannot be used
 * @throws Cancelled
 */
export async function askMissing(
  fields: readonly Field[],
  given: Given,
  insecure: boolean,
  terminal: Terminal,
): Promise<Given> {
  const answers: Given = { ...given }
  for (const [field, value] of Object.entries(given) as [keyof Given, string][]) {
    asUsage(() => questions[field].check(value, insecure))
  }
  if (terminal.input.isTTY) {
    if (missing(fields, answers).length > 0) await ask(fields, answers, insecure, terminal)
    return answers
  }
  // Where nobody can answer, the relay's usual place is good enough; nothing else can be guessed.
  const needed = missing(fields, answers).filter((field) => field !== 'relay')
  if (needed.length === 0) return answers
  throw new UsageError(
    `There is no terminal to ask in: give ${needed.map((field) => questions[field].flag).join(', and ')} (pychat --help shows how).`,
  )
}

function asUsage<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    throw error instanceof Error ? new UsageError(error.message) : error
  }
}

async function ask(
  fields: readonly Field[],
  answers: Given,
  insecure: boolean,
  { input, output }: Terminal,
): Promise<void> {
  let muted = false
  const screen = new Writable({
    write(chunk, _encoding, done) {
      // An invite in place of a relay is as secret as one that was asked for.
      if (!muted && !isInvite(reader.line)) output.write(chunk)
      done()
    },
  })
  const reader = createInterface({ input, output: screen, terminal: true, historySize: 0 })
  const lines = createLines(reader)
  try {
    for (let [field] = missing(fields, answers); field; [field] = missing(fields, answers)) {
      const question = questions[field]
      muted = false
      if (question.hidden) {
        output.write(question.prompt)
        reader.setPrompt('')
        muted = true
      } else {
        reader.setPrompt(question.prompt)
        reader.prompt()
      }
      let line = await lines.next()
      if (field === 'invite' || isInvite(line)) line = await wrapped(line, lines)
      if (question.hidden || isInvite(line)) output.write('\n')
      const answer = line === '' && question.fallback !== undefined ? question.fallback : line
      try {
        question.check(answer, insecure)
        answers[field === 'relay' && isInvite(answer) ? 'invite' : answerOf(field)] = answer
      } catch (error) {
        output.write(`${sanitiseLine(error instanceof Error ? error.message : 'Try again.')}\n`)
      }
    }
  } finally {
    reader.close()
  }
}

/** @returns the invite with its further lines, as long as they come at once and it is not whole */
async function wrapped(first: string, lines: Lines): Promise<string> {
  let text = first
  for (;;) {
    try {
      decodeInvite(text)
      return text
    } catch {
      const more = await lines.soon(wrappedMs)
      if (more === null) return text
      text += more
    }
  }
}

type Lines = {
  /** @throws Cancelled */
  next(): Promise<string>
  /** @returns null when none came within the time */
  soon(ms: number): Promise<string | null>
}

function createLines(reader: ReturnType<typeof createInterface>): Lines {
  const typed: string[] = []
  let waiting: { resolve(line: string | null): void; reject(error: Error): void } | null = null
  let over = false
  reader.on('line', (line) => {
    if (!waiting) typed.push(line)
    waiting?.resolve(line)
    waiting = null
  })
  reader.on('SIGINT', () => reader.close())
  reader.on('close', () => {
    over = true
    waiting?.reject(new Cancelled())
    waiting = null
  })
  const line = () =>
    new Promise<string | null>((resolve, reject) => {
      const first = typed.shift()
      if (first !== undefined) resolve(first)
      else if (over) reject(new Cancelled())
      else waiting = { resolve, reject }
    })
  return {
    next: async () => (await line()) ?? '',
    async soon(ms) {
      const timer = setTimeout(() => {
        waiting?.resolve(null)
        waiting = null
      }, ms)
      try {
        return await line()
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
