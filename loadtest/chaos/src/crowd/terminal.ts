// The real program in the room: `pychat --json`, asked for /users as a script would.
import { fileURLToPath } from 'node:url'
import { type Piped, runFolder, runPiped, until } from '../processes.ts'

const bin = fileURLToPath(new URL('../../../../apps/client/bin/pychat.js', import.meta.url))
const answerWithinMs = 20_000

type Line = { type: string; [field: string]: unknown }

export type UsersPage = { users: string[]; count: number; page: number; more: boolean }

export type Terminal = {
  readonly name: string
  readonly words: { from: string; text: string }[]
  /** Lines that say that somebody came or went. */
  readonly comings: number
  /** Of the room, as it was told last. */
  readonly count: number
  /** Whether it is in the room, or could not come in. */
  readonly entered: boolean
  readonly alive: boolean
  say(text: string): void
  /** `/users PAGE`. @returns null when no answer came */
  users(page: number): Promise<UsersPage | null>
}

/** @param url of a node */
export function openTerminal(name: string, url: string, room: { name: string; pin: string }): Terminal {
  const env: NodeJS.ProcessEnv = {}
  for (const [key, value] of Object.entries(process.env)) if (!key.startsWith('PYCHAT_')) env[key] = value
  const program: Piped = runPiped(
    'terminal',
    process.execPath,
    [bin, '--relay', url, '--server', room.name, '--user', name, '--no-state', '--json'],
    { ...env, PYCHAT_PIN: room.pin, PYCHAT_STATE_DIR: runFolder() },
  )
  const lines: Line[] = []
  program.lines((line) => lines.push(JSON.parse(line) as Line))
  const of = (type: string) => lines.filter((line) => line.type === type)
  return {
    name,
    get words() {
      return of('message').map(({ from, text }) => ({ from: String(from), text: String(text) }))
    },
    get comings() {
      return of('joined').length + of('left').length
    },
    get count() {
      return Number(lines.findLast((line) => line.type === 'count' || line.type === 'ready')?.['count'])
    },
    get entered() {
      return of('ready').length > 0
    },
    get alive() {
      return program.running.alive
    },
    say: (text) => program.write(text),
    async users(page) {
      const before = of('users').length
      program.write(page === 1 ? '/users' : `/users ${page}`)
      await until(() => of('users').length > before, answerWithinMs)
      return (of('users')[before] as UsersPage | undefined) ?? null
    },
  }
}
