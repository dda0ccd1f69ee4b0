// From argv to an exit code: reads flags, asks what is missing, derives the room's keys, picks a screen, chats.
// The PIN lives in one local variable until the keys are made; it is never logged and never in argv.
import { readFileSync } from 'node:fs'
import { deriveRoom, isGeneratedCode, pinStrength, type RoomKeys } from '@pychat/crypto'
import { Command, CommanderError, Option } from 'commander'
import { runChat } from './chat.ts'
import type { Screen } from './chat-events.ts'
import { exitCodeLines, exitCodes } from './exit-codes.ts'
import { askMissing, Cancelled } from './prompts.ts'
import { sanitiseLine } from './sanitise.ts'
import { givenSettings, UsageError } from './settings.ts'
import { openSocket } from './socket.ts'
import { createInteractiveScreen } from './ui/interactive.ts'
import { createJsonScreen } from './ui/json.ts'
import { colourPaint, noPaint } from './ui/lines.ts'
import { createPlainScreen } from './ui/plain.ts'

/** Below this many guesses (log10) a PIN is called weak before joining: some days for one graphics card. */
const weakLog10 = 9

const examples = `
What is not given is asked for, in this order: relay, server name, PIN, username.
The PIN is never a flag: other programs could read it there. It is asked for, or
comes from PYCHAT_PIN or --pin-file. Leave it empty when asked and you get a new
code for a new room. The same server name with another PIN is another room.

Relay addresses:
  localhost, 192.168.1.20, mybox.local   ws://, port 8765
  chat.example.org                       wss://, port 443
  ws://... or wss://...                  as written

Examples:
  pychat                                              asks for everything
  pychat --relay chat.example.org --server MyFriends  asks for PIN and username
  pychat --relay localhost --server MyFriends --user Bob --pin-file ~/friends.pin --json
  echo "Build is green" | PYCHAT_PIN=... pychat --server Work --user ci --plain

Environment: PYCHAT_RELAY, PYCHAT_SERVER, PYCHAT_USER, PYCHAT_PIN; flags win.
NO_COLOR turns colours off; TERM=dumb means --plain, and so does a pipe.

Exit codes:
${exitCodeLines.map((line) => `  ${line}`).join('\n')}`

type Flags = {
  relay?: string
  server?: string
  user?: string
  pinFile?: string
  plain?: true
  json?: true
  insecure?: true
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}

/** @returns flags, or the exit code when the command line was answered already */
function readFlags(argv: readonly string[]): Flags | number {
  const command = new Command('pychat')
    .description('Private group chat: messages are sealed on this machine with a server name and a PIN.')
    .version(version(), '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Print this help.')
    .option('--relay <address>', 'Where the relay is.')
    .option('--server <name>', "The room's server name.")
    .option('--user <name>', 'Your name in the room.')
    .option('--pin-file <path>', 'Read the PIN from the first line of this file.')
    .addOption(new Option('--plain', 'Lines only, nothing redrawn, no colour.').conflicts('json'))
    .option('--json', 'For scripts: typed lines in, one JSON event per line out (docs/json-events.md).')
    .option('--insecure', 'Allow ws:// to a host that is not on your own network.')
    .addHelpText('after', examples)
    .allowExcessArguments(false)
    .exitOverride()
  try {
    command.parse(argv, { from: 'user' })
    return command.opts<Flags>()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (argv.some((word) => word === '--pin' || word.startsWith('--pin='))) {
      process.stderr.write('A PIN on the command line can be read by others: use PYCHAT_PIN or --pin-file.\n')
    }
    return error.exitCode === 0 ? exitCodes.quit : exitCodes.usage
  }
}

async function main(): Promise<number> {
  const flags = readFlags(process.argv.slice(2))
  if (typeof flags === 'number') return flags
  const { env, stdin, stdout, stderr } = process
  const json = flags.json === true
  const plain = flags.plain === true || !stdin.isTTY || !stdout.isTTY || env['TERM'] === 'dumb'

  let screen: Screen | null = null
  try {
    // In --json mode stdout belongs to events: questions go to stderr.
    const answers = await askMissing(givenSettings(flags, env), flags.insecure === true, {
      input: stdin,
      output: json ? stderr : stdout,
    })
    delete env['PYCHAT_PIN']
    const { relay, server, user } = answers
    const generated = answers.pinIsGenerated || isGeneratedCode(answers.pin)
    let pin: string | null = answers.pin
    answers.pin = ''
    const strength = generated ? null : await pinStrength(pin)
    const keys = deriveRoom(server, pin)
    pin = null
    const room: RoomKeys = await keys

    const paint = env['NO_COLOR'] ? noPaint : colourPaint
    if (json) screen = createJsonScreen(stdin, stdout)
    else if (plain) screen = createPlainScreen(stdin, stdout)
    else screen = createInteractiveScreen(stdin, stdout, server, paint)
    if (relay.warning !== undefined) screen.show({ type: 'notice', code: 'insecure', text: relay.warning })
    const weak = strength !== null && strength.guessesLog10 < weakLog10
    if (weak) {
      screen.show({
        type: 'notice',
        code: 'weak-pin',
        text: `This PIN is weak: guessing it takes ${strength.sentence}. For real privacy leave the PIN empty once and share the code you get.`,
      })
    }
    return await runChat(
      {
        url: relay.url,
        room,
        username: user,
        software: `pychat/${version()}`,
        // Said once is enough.
        pinSentence: weak ? null : (strength?.sentence ?? null),
      },
      screen,
      openSocket,
    )
  } catch (error) {
    if (error instanceof Cancelled) return exitCodes.cancelled
    if (!(error instanceof UsageError)) throw error
    if (json) createJsonScreen(stdin, stdout).show({ type: 'error', code: 'usage', text: error.message })
    stderr.write(`pychat: ${sanitiseLine(error.message)}\n`)
    return exitCodes.usage
  } finally {
    screen?.close()
  }
}

process.stdout.on('error', () => process.exit(exitCodes.quit))
const code = await main()
process.exitCode = code
// Whatever still holds the process (a closing socket, a terminal's stdin) is not worth waiting for.
process.stdin.destroy()
setTimeout(() => process.exit(code), 200).unref()
