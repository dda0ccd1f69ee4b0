// The program pychat: gives the commands the real world, and ends with their exit code. What went wrong becomes one
// sentence on stderr.
import { readFileSync } from 'node:fs'
import { chat } from './cli/chat.ts'
import { host } from './cli/host.ts'
import { join } from './cli/join.ts'
import type { CliPorts } from './cli/ports.ts'
import { runProgram } from './cli/program.ts'
import { recover } from './cli/recover.ts'
import { send } from './cli/send.ts'
import { tail } from './cli/tail.ts'
import { exitCodes } from './exit-codes.ts'
import { Cancelled } from './prompts.ts'
import { jsonLine, sanitiseLine } from './sanitise.ts'
import { UsageError } from './settings.ts'
import { StateError } from './state/folder.ts'

const { stdin, stdout, stderr, env } = process

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}
const ports: CliPorts = { stdin, stdout, stderr, env, version }

/** @returns the exit code */
async function main(argv: readonly string[]): Promise<number> {
  let json = false
  const asJson = <F extends { json?: true }>(flags: F): F => {
    json = flags.json === true
    return flags
  }
  try {
    return await runProgram(argv, version, {
      chat: (flags) => chat(asJson(flags), ports),
      join: (flags, invite) => join(asJson(flags), invite, ports),
      host: (flags) => host(asJson(flags), ports),
      send: (flags, text) => send(flags, text, ports),
      tail: (flags) => tail(asJson(flags), ports),
      recover: (flags) => recover(flags, ports),
    })
  } catch (error) {
    if (error instanceof Cancelled) return exitCodes.cancelled
    if (!(error instanceof UsageError || error instanceof StateError)) throw error
    if (json) stdout.write(`${jsonLine({ type: 'error', code: 'usage', text: error.message })}\n`)
    stderr.write(`pychat: ${sanitiseLine(error.message)}\n`)
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failed
  }
}

stdout.on('error', () => process.exit(exitCodes.quit))
const code = await main(process.argv.slice(2))
process.exitCode = code
// Whatever still holds the process (a closing socket, a terminal's stdin) is not worth waiting for.
stdin.destroy()
setTimeout(() => process.exit(code), 200).unref()
