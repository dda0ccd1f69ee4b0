// The notify hook: runs a person's own program for each message of somebody else, with one JSON object on its stdin. It
// decides how: no shell, one at a time, at most so many waiting, ended when it hangs. What the program does with it (a
// bubble, a lamp, a log) is its own affair. docs/json-events.md describes the object.
import { type ChildProcess, spawn } from 'node:child_process'
import { jsonLine, sanitiseName, sanitiseText } from './sanitise.ts'

const schema = 1
const waitingMax = 32
const runMsMax = 5000

export type Notification = {
  /** '' for the room, '#dev' for a channel, '@bob' for a private conversation. */
  view: string
  from: string
  mention: boolean
  private: boolean
  /** ISO 8601, UTC. */
  at: string
  text: string
}

export type Notifier = {
  tell(notification: Notification): void
  /** Ends what runs and forgets what waits. */
  stop(): void
}

export type NotifyOptions = {
  /** The program and its arguments, not empty. */
  command: readonly string[]
  /** Whether the text is given too; without it nothing of it leaves this program. */
  withText: boolean
  env: Readonly<Record<string, string | undefined>>
  /** Gets each kind of failure once, in one sentence. */
  say(sentence: string): void
}

export function createNotifier({ command, withText, env, say }: NotifyOptions): Notifier {
  const [program = '', ...args] = command
  const waiting: string[] = []
  const said = new Set<string>()
  let running: ChildProcess | null = null
  let stopped = false

  function sayOnce(what: string, advice: string): void {
    if (said.has(what)) return
    said.add(what)
    say(`The notify program ${program} ${what}: ${advice}`)
  }

  function next(): void {
    if (running !== null || stopped) return
    const line = waiting.shift()
    if (line !== undefined) run(line)
  }

  function run(line: string): void {
    const ownGroup = process.platform !== 'win32'
    const child = spawn(program, args, {
      stdio: ['pipe', 'ignore', 'ignore'],
      // Its own group, so that what it started ends with it.
      detached: ownGroup,
      windowsHide: true,
      env: withoutSecrets(env),
    })
    running = child
    let over = false
    const timer = setTimeout(() => {
      sayOnce(
        `ran for more than ${runMsMax / 1000} s and was ended`,
        'let it start what takes long and leave.',
      )
      end(child, ownGroup)
    }, runMsMax)
    const finish = () => {
      if (over) return
      over = true
      clearTimeout(timer)
      running = null
      next()
    }
    child.once('error', (error) => {
      const code = 'code' in error ? String(error.code) : 'unknown'
      sayOnce(`cannot be run (${code})`, 'give --notify the path of a program.')
      finish()
    })
    child.once('exit', (code) => {
      if (code !== null && code !== 0) sayOnce(`failed (exit code ${code})`, 'run it by hand to see why.')
      finish()
    })
    // It need not read.
    child.stdin?.on('error', () => {})
    child.stdin?.end(line)
  }

  return {
    tell({ text, from, ...rest }) {
      if (stopped) return
      if (waiting.length >= waitingMax) {
        sayOnce('is too slow for so many messages', 'some are passed over.')
        return
      }
      const safe = { schema, ...rest, from: sanitiseName(from) }
      waiting.push(`${jsonLine(withText ? { ...safe, text: sanitiseText(text) } : safe)}\n`)
      next()
    },
    stop() {
      stopped = true
      waiting.length = 0
      if (running !== null) end(running, process.platform !== 'win32')
    },
  }
}

function end(child: ChildProcess, ownGroup: boolean): void {
  try {
    if (ownGroup && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    else child.kill('SIGKILL')
  } catch {
    // Gone already.
  }
}

function withoutSecrets(env: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('PYCHAT_')))
}

/**
 * Words of a command, as a person writes them: spaces divide, quotes of either kind hold together. Nothing is expanded,
 * since no shell runs it.
 * @returns null for a quote without an end, and for no word at all
 */
export function commandWords(text: string): string[] | null {
  const words: string[] = []
  let word: string | null = null
  let quote = ''
  for (const character of text) {
    if (quote !== '') {
      if (character === quote) quote = ''
      else word = (word ?? '') + character
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + character
  }
  if (word !== null) words.push(word)
  return quote !== '' || !words[0] ? null : words
}
