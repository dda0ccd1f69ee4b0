// The console of a relay that runs in a terminal: the admin commands, typed with a slash. Rooms are shown by their
// short form; nothing a client sent is ever printed.
import { createInterface } from 'node:readline'
import {
  type DefconReply,
  defconRequestSchema,
  type NodesReply,
  type ServersReply,
  type StatsReply,
  type UsersReply,
} from '@pychat/protocol'
import { runBanLine } from './console-bans.ts'
import { adminCommands } from './ops/admin-commands.ts'
import { type AdminContext, AdminError } from './ops/admin-context.ts'
import { banCommands } from './ops/ban-commands.ts'

export type RelayConsole = { close(): void }

const readNames = ['servers', 'stats', 'users', 'nodes'] as const
const banNames = Object.keys(banCommands) as (keyof typeof banCommands)[]
const names = [...readNames, 'defcon', ...banNames] as const
type Name = (typeof names)[number]

/** One word shows the level and sets it, where the admin API has two commands. */
const argsOf = (name: Name): readonly string[] =>
  name === 'defcon' ? adminCommands.setDefcon.args.map((arg) => `[${arg}]`) : adminCommands[name].args

export function consoleHelp(): string {
  const rows: [string, string][] = names.map((name) => [
    [`/${name}`, ...argsOf(name)].join(' '),
    adminCommands[name].help,
  ])
  rows.push(['/help', 'this'], ['/exit', 'stop this relay'])
  return rows.map(([usage, help]) => `  ${usage.padEnd(usage.length < 14 ? 14 : 44)}${help}\n`).join('')
}

/**
 * Carries out one line.
 * @returns the text to show, or null when the relay is to stop
 */
export async function runConsoleLine(context: AdminContext, line: string): Promise<string | null> {
  const [word = '', ...args] = line.trim().split(/\s+/)
  if (word === '') return ''
  if (word === '/help') return consoleHelp()
  if (word === '/exit' || word === '/quit') return null
  const name = names.find((each) => `/${each}` === word)
  if (name === undefined) return 'Unknown command; /help lists them.\n'
  const usage = `Usage: ${[word, ...argsOf(name)].join(' ')}\n`
  try {
    if (isBanName(name)) return (await runBanLine(context, name, args)) ?? usage
    if (name === 'defcon') return (await runDefconLine(context, args)) ?? usage
    if (args.length !== argsOf(name).length) return usage
    switch (name) {
      case 'servers':
        return showServers(await adminCommands.servers.run(context))
      case 'stats':
        return showStats(await adminCommands.stats.run(context))
      case 'users':
        return showUsers(await adminCommands.users.run(context, args[0] ?? ''))
      case 'nodes':
        return showNodes(await adminCommands.nodes.run(context))
    }
  } catch (error) {
    return error instanceof AdminError ? `${error.message}\n` : 'The cluster cannot be asked right now.\n'
  }
}

const isBanName = (name: Name): name is keyof typeof banCommands => name in banCommands

/** @returns null for a line that cannot be meant */
async function runDefconLine(context: AdminContext, [level, ...more]: string[]): Promise<string | null> {
  if (level === undefined) return showDefcon(await adminCommands.defcon.run(context))
  const request = defconRequestSchema.safeParse({ level: /^\d$/.test(level) ? Number(level) : null })
  if (more.length > 0 || !request.success) return null
  return showDefcon(await adminCommands.setDefcon.run(context, request.data))
}

const asked = ({ nodes }: { nodes: { asked: number; answered: number } }): string =>
  nodes.answered === nodes.asked ? '' : `Only ${nodes.answered} of ${nodes.asked} nodes answered.\n`

function showServers(reply: ServersReply): string {
  if (reply.servers.length === 0) return `No rooms in use.\n${asked(reply)}`
  const lines = reply.servers.map(
    (room) => `  ${room.short}  ${room.users} users, ${room.messages} messages, ${room.nodes} nodes\n`,
  )
  return lines.join('') + asked(reply)
}

function showStats(reply: StatsReply): string {
  const { servers, users, connections, messagesIn, messagesOut, store } = reply
  return `  ${servers} rooms, ${users} users, ${connections} connections, ${messagesIn} messages in, ${messagesOut} out, ${store}\n${asked(reply)}`
}

function showUsers(reply: UsersReply): string {
  const lines = reply.users.map(
    (user) =>
      `  ${user.session.slice(0, 8)}  since ${user.joinedAt}, ${user.messages} messages, node ${user.node}\n`,
  )
  return lines.join('') + asked(reply)
}

function showNodes(reply: NodesReply): string {
  const lines = reply.list.map(
    (node) =>
      `  ${node.node}  ${node.state}, ${node.connections} connections, ${node.rooms} rooms, ${node.listen}\n`,
  )
  return lines.join('') + asked(reply)
}

function showDefcon(reply: DefconReply): string {
  const { level, until, inForce, nodes } = reply
  const end = until === null ? '' : ` until ${until}`
  return `  level ${level}${end}, in force on ${inForce.length} of ${nodes.asked} nodes\n${asked(reply)}`
}

/** @param stop called once for /exit or Ctrl-C */
export function openConsole(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  context: AdminContext,
  stop: () => void,
): RelayConsole {
  const readline = createInterface({ input, output, prompt: '' })
  readline.on('line', (line) => {
    runConsoleLine(context, line).then(
      (text) => {
        if (text === null) stop()
        else output.write(text)
      },
      () => output.write('That did not work.\n'),
    )
  })
  readline.on('SIGINT', stop)
  return { close: () => readline.close() }
}
