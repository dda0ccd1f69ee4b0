// The command line of pychat-admin: the program and its commands (commands/), and which exit code each failure ends with.
import { opsPortDefault } from '@pychat/protocol'
import { Command, CommanderError } from 'commander'
import { ApiError } from './api.ts'
import { type Cli, createCli } from './cli.ts'
import { addBans } from './commands/bans.ts'
import { addCompletion } from './commands/completion.ts'
import { addContexts } from './commands/contexts.ts'
import { addDefcon } from './commands/defcon.ts'
import { addDoctor } from './commands/doctor.ts'
import { addReads } from './commands/reads.ts'
import { addStopping } from './commands/stopping.ts'
import { addTop } from './commands/top.ts'
import { exitCodes, type Ports, UsageError } from './ports.ts'
import { clean } from './table.ts'

const examples = `
Examples:
  pychat-admin servers                     rooms in use, busiest first
  pychat-admin users abcd-efgh             who is in a room (sessions; names are sealed)
  pychat-admin stats --json | jq .users    one number for a script
  pychat-admin ban address 203.0.113.7 --for 1h --reason spam
  pychat-admin drain 1a2b --within 2m      empty a node, then end it; its clients move to the others
  pychat-admin top                         nodes and busiest rooms, live
  pychat-admin defcon 3 --for 1h           an attack: no new rooms for an hour
  pychat-admin doctor --url wss://chat.example.org
  pychat-admin shutdown --node 1a2b3c4d5e6f7081 --yes

Environment:
  PYCHAT_ADMIN_URL         ops address of any node (http://127.0.0.1:${opsPortDefault})
  PYCHAT_ADMIN_TOKEN       its admin token, or PYCHAT_ADMIN_TOKEN_FILE; not needed on the relay's own machine
  A context ("pychat-admin contexts") saves both.

Exit codes: 0 ok, 1 doctor found something wrong, 2 usage, 4 token missing or wrong, 6 some nodes did not answer, 7 unreachable, 130 Ctrl-C.`

/** The command table: each adds its commands to the program. */
const families: readonly ((program: Command, cli: Cli) => void)[] = [
  addReads,
  addBans,
  addDefcon,
  addStopping,
  addDoctor,
  addTop,
  addContexts,
  addCompletion,
]

/** Runs one command line. @param args without node and script  @returns the exit code */
export async function run(args: readonly string[], ports: Ports): Promise<number> {
  const program = new Command('pychat-admin')
  const cli = createCli(ports, () => program.opts<{ context?: string }>().context)
  program
    .description('Looks after a PyChat cluster through the admin API of any of its nodes.')
    .option('--context <name>', 'ask this named cluster ("pychat-admin contexts" lists them)')
    .version(ports.version)
    .addHelpText('after', examples)
    .showHelpAfterError('(--help shows how)')
    .exitOverride()
    .configureOutput({
      writeOut: ports.out,
      writeErr: ports.err,
      outputError: (text, write) => write(cleanLines(text)),
    })
  for (const add of families) add(program, cli)

  try {
    await program.parseAsync([...args], { from: 'user' })
    return cli.code()
  } catch (error) {
    if (error instanceof CommanderError) {
      if (args.length === 0) return exitCodes.usage
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    }
    if (error instanceof UsageError) {
      ports.err(`pychat-admin: ${error.message}\n`)
      return exitCodes.usage
    }
    if (error instanceof ApiError) {
      ports.err(`pychat-admin: ${clean(error.message)}\n`)
      if (error.kind === 'auth') ports.err(tokenHint)
      return { auth: exitCodes.auth, unreachable: exitCodes.unreachable, refused: exitCodes.usage }[
        error.kind
      ]
    }
    throw error
  }
}

const tokenHint =
  'Set PYCHAT_ADMIN_TOKEN or PYCHAT_ADMIN_TOKEN_FILE, or run pychat-admin as the user that runs the relay.\n'

/** Commander repeats what was typed: harmless lines only. */
function cleanLines(text: string): string {
  return text.split('\n').map(clean).join('\n')
}
