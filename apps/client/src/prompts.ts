// Asks a person for what was not given, in this order: relay, server name, PIN (hidden), username.
// Without a terminal nothing is asked: the missing flag is named.

import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { canonicalPin, displayName, generateCode, normalizeName } from '@pychat/crypto'
import { sanitiseLine } from './sanitise.ts'
import { type Given, type Relay, relayUrl, UsageError } from './settings.ts'

export type Answers = { relay: Relay; server: string; pin: string; user: string; pinIsGenerated: boolean }

/** The person ended the questions (Ctrl-C, Ctrl-D). */
export class Cancelled extends Error {
  override readonly name = 'Cancelled'
}

type Question = { field: keyof Given; prompt: string; flag: string; hidden?: true; fallback?: string }

const questions: readonly Question[] = [
  {
    field: 'relay',
    prompt: 'Relay (Enter for localhost): ',
    flag: '--relay or PYCHAT_RELAY',
    fallback: 'localhost',
  },
  { field: 'server', prompt: 'Server name: ', flag: '--server or PYCHAT_SERVER' },
  {
    field: 'pin',
    prompt: 'PIN (hidden; Enter for a new code): ',
    flag: '--pin-file or PYCHAT_PIN',
    hidden: true,
    fallback: '',
  },
  { field: 'user', prompt: 'Username: ', flag: '--user or PYCHAT_USER' },
]

export type Terminal = {
  input: NodeJS.ReadableStream & { isTTY?: boolean }
  output: NodeJS.WritableStream & { isTTY?: boolean }
}

/** Throws the sentence for an answer that cannot be used. */
function check(field: keyof Given, text: string, insecure: boolean): void {
  if (field === 'relay') relayUrl(text, insecure)
  else if (field === 'server') normalizeName(text, 'server name')
  else if (field === 'user') displayName(text, 'username')
  else if (text !== '') canonicalPin(text)
}

/**
 * @param given answers by flag and environment
 * @throws UsageError when something is missing and there is nobody to ask, or a given answer cannot be used
 * @throws Cancelled
 */
export async function askMissing(given: Given, insecure: boolean, terminal: Terminal): Promise<Answers> {
  const answers: Given = { ...given }
  for (const { field } of questions) {
    const value = answers[field]
    if (value !== undefined) asUsage(() => check(field, value, insecure))
  }
  const missing = questions.filter(({ field }) => answers[field] === undefined)
  // Where nobody can answer, the relay's usual place is good enough; nothing else can be guessed.
  const needed = missing.filter(({ field }) => field !== 'relay')
  if (needed.length > 0 && !terminal.input.isTTY) {
    throw new UsageError(
      `There is no terminal to ask in: give ${needed.map(({ flag }) => flag).join(', and ')} (pychat --help shows how).`,
    )
  }
  if (terminal.input.isTTY && missing.length > 0) await ask(missing, answers, insecure, terminal)
  let pinIsGenerated = false
  if (answers.pin === undefined || answers.pin === '') {
    answers.pin = generateCode((bytes) => randomBytes(bytes))
    pinIsGenerated = true
    terminal.output.write(
      `Your new code: ${answers.pin}\nIt is the PIN of this room: tell it your friends in private, with the server name.\n`,
    )
  }
  const { relay = 'localhost', server = '', user = '', pin } = answers
  return { relay: asUsage(() => relayUrl(relay, insecure)), server, pin, user, pinIsGenerated }
}

function asUsage<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    throw error instanceof Error ? new UsageError(error.message) : error
  }
}

async function ask(
  missing: readonly Question[],
  answers: Given,
  insecure: boolean,
  { input, output }: Terminal,
): Promise<void> {
  let muted = false
  const screen = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) output.write(chunk)
      done()
    },
  })
  const reader = createInterface({ input, output: screen, terminal: true, historySize: 0 })
  const lines: string[] = []
  let waiting: { resolve(line: string): void; reject(error: Error): void } | null = null
  let over = false
  reader.on('line', (line) => {
    if (!waiting) lines.push(line)
    waiting?.resolve(line)
    waiting = null
  })
  reader.on('SIGINT', () => reader.close())
  reader.on('close', () => {
    over = true
    waiting?.reject(new Cancelled())
    waiting = null
  })
  const next = () =>
    new Promise<string>((resolve, reject) => {
      const typed = lines.shift()
      if (typed !== undefined) resolve(typed)
      else if (over) reject(new Cancelled())
      else waiting = { resolve, reject }
    })
  try {
    for (const question of missing) {
      for (;;) {
        muted = false
        if (question.hidden) {
          output.write(question.prompt)
          reader.setPrompt('')
          muted = true
        } else {
          reader.setPrompt(question.prompt)
          reader.prompt()
        }
        const line = await next()
        if (question.hidden) output.write('\n')
        const answer = line === '' && question.fallback !== undefined ? question.fallback : line
        try {
          check(question.field, answer, insecure)
          answers[question.field] = answer
          break
        } catch (error) {
          output.write(`${sanitiseLine(error instanceof Error ? error.message : 'Try again.')}\n`)
        }
      }
    }
  } finally {
    reader.close()
  }
}
