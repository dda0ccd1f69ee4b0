// The commands of pychat-admin: what each prints, and which exit code it ends with. It knows the admin API through
// api.ts and the terminal through the ports given to `run`.
import { nodeIdSchema, opsPortDefault } from '@pychat/protocol'
import { Command, CommanderError } from 'commander'
import { type Api, ApiError, createApi, type Question, type Reply } from './api.ts'
import { type DrainOptions, drain, drainHelp } from './drain.ts'
import { exitCodes, type Ports, UsageError } from './ports.ts'
import { clean, renderAge, renderBytes, renderTable } from './table.ts'
import { findToken } from './token.ts'

const examples = `
Examples:
  pychat-admin servers                     rooms in use, busiest first
  pychat-admin users abcd-efgh             who is in a room (sessions; names are sealed)
  pychat-admin stats --json | jq .users    one number for a script
  pychat-admin drain 1a2b --within 2m      empty a node, then end it; its clients move to the others
  pychat-admin shutdown --node 1a2b3c4d5e6f7081 --yes

Environment:
  PYCHAT_ADMIN_URL         ops address of any node (http://127.0.0.1:${opsPortDefault})
  PYCHAT_ADMIN_TOKEN       its admin token, or PYCHAT_ADMIN_TOKEN_FILE; not needed on the relay's own machine

Exit codes: 0 ok, 2 usage, 4 token missing or wrong, 6 some nodes did not answer, 7 unreachable, 130 Ctrl-C.`

/** Runs one command line. @param args without node and script  @returns the exit code */
export async function run(args: readonly string[], ports: Ports): Promise<number> {
  let code: number = exitCodes.ok
  const program = new Command('pychat-admin')
    .description('Looks after a PyChat cluster through the admin API of any of its nodes.')
    .version(ports.version)
    .addHelpText('after', examples)
    .showHelpAfterError('(--help shows how)')
    .exitOverride()
    .configureOutput({
      writeOut: ports.out,
      writeErr: ports.err,
      outputError: (text, write) => write(cleanLines(text)),
    })

  /** Prints a reply as JSON or by `show`, and says when nodes are missing. */
  function print<Q extends Question>(reply: Reply<Q>, json: boolean | undefined, show: () => string): void {
    ports.out(json ? `${JSON.stringify(reply)}\n` : show())
    const { asked, answered } = reply.nodes
    if (answered < asked) {
      ports.err(`Partial: ${answered} of ${asked} nodes answered.\n`)
      code = exitCodes.partial
    }
  }

  program
    .command('servers')
    .description('list the rooms in use on all nodes')
    .option('--json', 'print the reply as JSON')
    .action(async (options: { json?: boolean }) => {
      const reply = await openApi(ports).ask('servers')
      print<'servers'>(reply, options.json, () =>
        reply.servers.length === 0
          ? 'No rooms in use.\n'
          : renderTable(
              ['ROOM', 'USERS', 'NODES', 'MESSAGES', 'SIZE', 'AGE', 'IDLE'],
              reply.servers.map((room) => [
                room.short,
                String(room.users),
                String(room.nodes),
                String(room.messages),
                renderBytes(room.bytes),
                renderAge(room.createdAt, ports.now()),
                renderAge(room.lastActiveAt, ports.now()),
              ]),
            ),
      )
    })

  program
    .command('stats')
    .description('show totals of all nodes')
    .option('--json', 'print the reply as JSON')
    .action(async (options: { json?: boolean }) => {
      const reply = await openApi(ports).ask('stats')
      print<'stats'>(reply, options.json, () =>
        renderTable(
          ['ROOMS', 'USERS', 'CONNECTIONS', 'IN', 'OUT', 'BYTES IN', 'BYTES OUT', 'STORE', 'NODES'],
          [
            [
              String(reply.servers),
              String(reply.users),
              String(reply.connections),
              String(reply.messagesIn),
              String(reply.messagesOut),
              renderBytes(reply.bytesIn),
              renderBytes(reply.bytesOut),
              reply.store,
              `${reply.nodes.answered}/${reply.nodes.asked}`,
            ],
          ],
        ),
      )
    })

  program
    .command('users')
    .description('list the sessions in a room; names are sealed and unknown to the relay')
    .argument('<room>', 'hash of the room (32 hex digits) or its short form, like abcd-efgh')
    .option('--json', 'print the reply as JSON')
    .action(async (room: string, options: { json?: boolean }) => {
      if (!/^([0-9a-f]{32}|[a-z2-7]{4}-[a-z2-7]{4})$/.test(room)) {
        throw new UsageError(
          'ROOM is 32 hex digits or a short form like abcd-efgh, as "pychat-admin servers" shows it.',
        )
      }
      const reply = await openApi(ports).ask('users', { room })
      print<'users'>(reply, options.json, () =>
        renderTable(
          ['SESSION', 'NODE', 'MESSAGES', 'SINCE'],
          reply.users.map((user) => [
            user.session,
            user.node,
            String(user.messages),
            renderAge(user.joinedAt, ports.now()),
          ]),
        ),
      )
    })

  program
    .command('nodes')
    .description('list the nodes of the cluster')
    .option('--json', 'print the reply as JSON')
    .action(async (options: { json?: boolean }) => {
      const reply = await openApi(ports).ask('nodes')
      print<'nodes'>(reply, options.json, () =>
        renderTable(
          ['NODE', 'STATE', 'LISTEN', 'CONNECTIONS', 'ROOMS', 'MEMBERS', 'ENGINE', 'VERSION', 'AGE'],
          reply.list.map((node) => [
            node.node,
            node.state,
            node.listen,
            String(node.connections),
            String(node.rooms),
            String(node.members),
            node.transport,
            node.version,
            renderAge(node.startedAt, ports.now()),
          ]),
        ),
      )
    })

  program
    .command('shutdown')
    .description('stop all nodes, or one: clients are told to reconnect, then the nodes exit')
    .option('--node <id>', 'only this node, 16 hex digits as "pychat-admin nodes" shows them')
    .option('--yes', 'do not ask')
    .option('--json', 'print the reply as JSON')
    .action(async (options: { node?: string; yes?: boolean; json?: boolean }) => {
      const node = options.node === undefined ? undefined : nodeIdSchema.safeParse(options.node)
      if (node?.success === false) {
        throw new UsageError('--node wants 16 hex digits, as "pychat-admin nodes" shows them.')
      }
      if (!options.yes) {
        if (ports.confirm === null)
          throw new UsageError('shutdown asks first, and here is no terminal: add --yes.')
        const what = node === undefined ? 'the WHOLE cluster' : `node ${node.data}`
        if (!(await ports.confirm(`Stop ${what}? Type "yes": `))) {
          ports.err('Nothing was stopped.\n')
          return
        }
      }
      const reply = await openApi(ports).ask(
        'shutdown',
        node === undefined ? {} : { body: { node: node.data } },
      )
      print<'shutdown'>(
        reply,
        options.json,
        () =>
          reply.stopping.map((id) => `Stopping ${clean(id)}.\n`).join('') || 'No node said it is stopping.\n',
      )
    })

  program
    .command('drain')
    .description(
      'empty one node and end it: its clients move to the others, and it is watched until it is gone',
    )
    .argument('<node>', 'its 16 hex digits, or the first 4 or more, as "pychat-admin nodes" shows them')
    .option('--within <time>', 'by when it has to be gone, 1s to 10m', '30s')
    .option('--yes', 'do not ask')
    .option('--json', 'print progress and outcome as lines of JSON')
    .addHelpText('after', drainHelp)
    .action(async (node: string, options: DrainOptions) => {
      code = await drain(openApi(ports), ports, node, options)
    })

  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
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

function openApi(ports: Ports): Api {
  const { env, platform, home, read } = ports
  const given = env['PYCHAT_ADMIN_URL'] || `http://127.0.0.1:${opsPortDefault}`
  const url = URL.canParse(given) ? new URL(given) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`PYCHAT_ADMIN_URL has to be like http://127.0.0.1:${opsPortDefault}.`)
  }
  let token: string | null
  try {
    token = findToken(env, url, platform, home, read)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'The token file cannot be read.')
  }
  if (token !== null && !/^[\x21-\x7e]{1,256}$/.test(token)) {
    throw new UsageError(
      'The admin token has characters that no token has; check PYCHAT_ADMIN_TOKEN or its file.',
    )
  }
  return createApi(url.href, token)
}
