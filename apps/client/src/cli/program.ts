// The command line: which commands there are, their flags and help, and what is wrong with a line that is none of them.
// What a command does is in its own file.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { editDistance } from '../edit-distance.ts'
import { exitCodeLines, exitCodes } from '../exit-codes.ts'

/** Flags that say which room, and who comes. */
export type RoomFlags = {
  relay?: string
  server?: string
  user?: string
  pinFile?: string
  inviteFile?: string
  insecure?: true
  /** False: nothing is kept. */
  state: boolean
}

export type ScreenFlags = { plain?: true; json?: true; notify?: string; notifyText?: true }

export type ChatFlags = RoomFlags & ScreenFlags
export type JoinFlags = ChatFlags & { inviteInArgv?: true }
export type HostFlags = ChatFlags & { port?: string; logFile?: string; qr: boolean }
export type SendFlags = RoomFlags & { channel?: string; to?: string; lines?: true; timeout: string }
export type TailFlags = RoomFlags & { channel: string[]; json?: true; notify?: string; notifyText?: true }
export type RecoverFlags = RoomFlags & { wordsFile?: string; replace?: true }

/** Each gives the exit code. */
export type Commands = {
  chat(flags: ChatFlags): Promise<number>
  join(flags: JoinFlags, invite: string | undefined): Promise<number>
  host(flags: HostFlags): Promise<number>
  send(flags: SendFlags, text: string | undefined): Promise<number>
  tail(flags: TailFlags): Promise<number>
  recover(flags: RecoverFlags): Promise<number>
}

const topHelp = `
What is not given is asked for, in this order: relay (or a whole invite), server
name, PIN, username. The same server name with another PIN is another room.
PINs and invites are never flags: other programs could read them there. They are
asked for, or come from PYCHAT_PIN, --pin-file or --invite-file. Leave the PIN empty
when asked and you get a new code for a new room.

Relay addresses:
  localhost, 192.168.1.20, mybox.local   ws://, port 8765
  chat.example.org                       wss://, port 443
  ws://... or wss://...                  as written

Examples:
  pychat                                              asks for everything
  pychat join                                         asks for an invite
  pychat host                                         your own relay, for people on your network
  pychat --relay chat.example.org --server MyFriends  asks for PIN and username
  pychat --relay localhost --server MyFriends --user Bob --pin-file ~/friends.pin --json
  make 2>&1 | tail -1 | pychat send --invite-file team.invite --user ci

Environment: PYCHAT_RELAY, PYCHAT_SERVER, PYCHAT_USER, PYCHAT_PIN, PYCHAT_NOTIFY,
PYCHAT_STATE_DIR; flags win. NO_COLOR turns colours off; TERM=dumb means --plain, and
so does a pipe.

Exit codes:
${exitCodeLines.map((line) => `  ${line}`).join('\n')}`

const joinHelp = `
The invite is asked for and not shown. It opens the room to whoever has it, so it is
no argument: those can be read by other users, and shells keep them.

Examples:
  pychat join                                  paste it when asked
  pychat join --invite-file friends.invite
  pbpaste | pychat join --user Bob --plain     first line of a pipe; the rest are messages`

const hostHelp = `
Others on your network join with the invite that is printed (and shown as a QR code).
It works without any internet. When you leave, the room ends, and everybody is told.
Host again with the same server name and PIN, and it is the same room.

Examples:
  pychat host                                      asks for server name, PIN and username
  pychat host --server MyFriends --user Alice      asks for the PIN; Enter makes a new one
  pychat host --port 9000 --log-file relay.log`

const sendHelp = `
Sends TEXT, or all of stdin as one message, and ends when the relay has taken it:
exit code 0 means that. It does not wait for people to be there, but with --to that
person has to be. Several at once under one name take turns, for up to 10 s.

Examples:
  pychat send --invite-file team.invite --user ci "Build is green"
  git log -1 | pychat send --invite-file team.invite --user ci --channel '#dev'
  pychat send --relay localhost --server Work --user ci --to Bob "Please look"
  journalctl -f | pychat send --invite-file team.invite --user log --lines`

const tailHelp = `
Prints what is said, from now on, until it is stopped (Ctrl-C). It says nothing
itself, and comes back by itself after every outage.

Examples:
  pychat tail --invite-file team.invite --user logger
  pychat tail --invite-file team.invite --user bot --json | jq -r 'select(.type == "message").text'
  pychat tail --relay localhost --server Work --user logger --channel '#dev' --channel '#ops'`

const recoverHelp = `
Gives you back who you were in one room, on a new machine or after the state folder was
lost: an owner owns the room again. It asks for the room's name and PIN (or takes an
invite) and the twelve words that "/recovery" showed; none of them is ever a flag.

Examples:
  pychat recover
  pychat recover --server MyFriends
  pychat recover --invite-file friends.invite`

function withRoomFlags(command: Command, { user = true, relay = true } = {}): Command {
  if (relay) command.option('--relay <address>', 'Where the relay is.')
  command.option('--server <name>', "The room's server name.")
  if (user) command.option('--user <name>', 'Your name in the room.')
  command.option('--pin-file <path>', 'Read the PIN from the first line of this file.')
  if (relay) {
    command
      .option('--invite-file <path>', 'Read an invite from this file; - is stdin.')
      .option('--insecure', 'Allow ws:// to a host that is not on your own network.')
  }
  return command.option('--no-state', 'Keep nothing on this machine: a new key, and everybody is new.')
}

function withNotifyFlags(command: Command): Command {
  return command
    .option('--notify <command>', 'Run this program for each message; JSON on its stdin.')
    .option('--notify-text', "Give it the message's text too.")
}

function withScreenFlags(command: Command): Command {
  return withNotifyFlags(
    command
      .addOption(new Option('--plain', 'Lines only, nothing redrawn, no colour.').conflicts('json'))
      .option('--json', 'For scripts: typed lines in, one JSON event per line out (docs/json-events.md).'),
  )
}

/** Digits only: a number with a unit or a sign is a mistake. */
function wholeNumber(min: number, max: number): (text: string) => string {
  return (text) => {
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return text
    throw new InvalidArgumentError(`It has to be a whole number from ${min} to ${max}.`)
  }
}

type Outcome = { run: () => Promise<number> }

function createProgram(version: string, commands: Commands, chosen: (outcome: Outcome) => void): Command {
  const program = withScreenFlags(
    withRoomFlags(
      new Command('pychat')
        .description('Private group chat: messages are sealed on this machine with a server name and a PIN.')
        .version(version, '-V, --version', 'Print the version.')
        .enablePositionalOptions(),
    ),
  )
    .helpOption('-h, --help', 'Print this help.')
    .helpCommand('help [command]', 'Print the help of a command.')
    .addHelpText('after', topHelp)
    .action((flags: ChatFlags) => chosen({ run: () => commands.chat(flags) }))

  const add = (name: string, summary: string, help: string) =>
    program
      .command(name)
      .description(summary)
      .helpOption('-h, --help', 'Print this help.')
      .addHelpText('after', `${help}\n\nExit codes are in: pychat --help`)

  withScreenFlags(withRoomFlags(add('join', 'Join a room by an invite.', joinHelp)))
    .addOption(new Option('--invite-in-argv', 'Take the invite as an argument, though others can read it.'))
    .argument('[invite]', 'Only with --invite-in-argv.')
    .action((invite: string | undefined, flags: JoinFlags) =>
      chosen({ run: () => commands.join(flags, invite) }),
    )
  withScreenFlags(
    withRoomFlags(add('host', 'Host a room on this machine, without any other relay.', hostHelp), {
      relay: false,
    }),
  )
    .addOption(new Option('--port <port>', 'Port for the others.').argParser(wholeNumber(1, 65_535)))
    .option('--log-file <path>', "Write the relay's log there; it has no names and no texts.")
    .option('--no-qr', 'Print no QR code.')
    .action((flags: HostFlags) => chosen({ run: () => commands.host(flags) }))
  withRoomFlags(add('send', 'Send one message and end.', sendHelp))
    .addOption(new Option('--channel <name>', 'To this channel.').conflicts('to'))
    .option('--to <name>', 'To this person alone.')
    .option('--lines', 'Each line of stdin is a message, as it comes.')
    .addOption(
      new Option('--timeout <seconds>', 'Give up after so long without progress.')
        .default('30')
        .argParser(wholeNumber(1, 86_400)),
    )
    .argument('[text]', 'The message; - or nothing: stdin.')
    .action((text: string | undefined, flags: SendFlags) => chosen({ run: () => commands.send(flags, text) }))
  withNotifyFlags(
    withRoomFlags(add('tail', 'Print what is said, and say nothing.', tailHelp))
      .addOption(
        new Option('--channel <name>', 'This channel too; may be repeated.')
          .default([], 'none')
          .argParser((name: string, names: string[]) => [...names, name]),
      )
      .option('--json', 'One JSON event per line (docs/json-events.md).'),
  ).action((flags: TailFlags) => chosen({ run: () => commands.tail(flags) }))
  withRoomFlags(add('recover', 'Be who you were in a room again, by twelve words.', recoverHelp), {
    user: false,
  })
    .option('--words-file <path>', 'Read the words from this file; - is stdin.')
    .option('--replace', 'Even if another key was recovered here before; that one is lost.')
    .action((flags: RecoverFlags) => chosen({ run: () => commands.recover(flags) }))

  for (const each of [program, ...program.commands]) {
    each.allowExcessArguments(false).exitOverride().showSuggestionAfterError()
  }
  return program
}

/**
 * Reads the command line and carries it out.
 * @returns the exit code
 */
export async function runProgram(
  argv: readonly string[],
  version: string,
  commands: Commands,
): Promise<number> {
  let outcome: Outcome | null = null
  const program = createProgram(version, commands, (found) => {
    outcome = found
  })
  const names = program.commands.map((command) => command.name())
  const first = argv[0] ?? ''
  if (/^[a-z]/i.test(first) && !names.includes(first) && first !== 'help') {
    process.stderr.write(`${unknownCommand(first, names)}\n`)
    return exitCodes.usage
  }
  try {
    program.parse(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const advice = secretAdvice(argv)
    if (error.exitCode !== 0 && advice !== null) process.stderr.write(`${advice}\n`)
    return error.exitCode === 0 ? exitCodes.quit : exitCodes.usage
  }
  const early = program.options.find(
    (option) => program.getOptionValueSource(option.attributeName()) === 'cli',
  )
  if (early !== undefined && names.includes(program.args[0] ?? '')) {
    process.stderr.write(`Write flags after the command: pychat ${program.args[0]} ${early.long} ...\n`)
    return exitCodes.usage
  }
  return outcome === null ? exitCodes.usage : await (outcome as Outcome).run()
}

function unknownCommand(word: string, names: readonly string[]): string {
  if (/^pychat:/i.test(word)) {
    return 'An invite on the command line can be read by others: run "pychat join" and paste it there.'
  }
  const near = names
    .map((name) => ({ name, distance: editDistance(word.toLowerCase().slice(0, 32), name) }))
    .sort((a, b) => a.distance - b.distance)[0]
  const hint = near && near.distance <= 2 ? `did you mean "pychat ${near.name}"?` : 'pychat --help shows all.'
  return `There is no command ${word.slice(0, 32)}: ${hint}`
}

/** What a person meant who gave a secret as a flag. */
function secretAdvice(argv: readonly string[]): string | null {
  const isFlag = (name: string) => argv.some((word) => word === name || word.startsWith(`${name}=`))
  if (isFlag('--pin')) return 'A PIN on the command line can be read by others: use PYCHAT_PIN or --pin-file.'
  if (isFlag('--invite')) {
    return 'An invite on the command line can be read by others: use --invite-file, or paste it into "pychat join".'
  }
  if (isFlag('--words')) return 'Words on the command line can be read by others: type them when asked.'
  return null
}
