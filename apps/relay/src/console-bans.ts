// What is typed at the relay's console about bans, kicks and announcements, and how it is answered. Nothing a client sent is
// printed: reasons are the operator's own.

import type { RoomId } from '@pychat/protocol'
import { type AdminBan, banForMsOf, banKindSchema, type NodesAsked } from '@pychat/protocol'
import { type AdminContext, roomShort } from './ops/admin-context.ts'
import { banCommands } from './ops/ban-commands.ts'

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`

const enforced = ({ asked, answered }: NodesAsked): string =>
  answered === asked ? '' : `Only ${answered} of ${asked} nodes answered; the others follow when they do.\n`

function shown({ kind, value, until, reason }: AdminBan): string {
  const what = kind === 'room' ? `${roomShort(value as RoomId)} (${value})` : value
  const end = until === null ? 'until lifted' : `until ${until}`
  return `${kind} ${what}, ${end}${reason === '' ? '' : `: ${reason}`}`
}

/** @returns the text to show, or null when it was not typed as it has to be  @throws AdminError */
export async function runBanLine(
  context: AdminContext,
  name: keyof typeof banCommands,
  args: readonly string[],
): Promise<string | null> {
  const [first = '', second = '', ...rest] = args
  const kind = banKindSchema.safeParse(first)
  switch (name) {
    case 'bans': {
      if (args.length > 0) return null
      const reply = await banCommands.bans.run(context)
      const lines = reply.bans.map((ban) => `  ${shown(ban)}\n`).join('')
      return (lines || 'Nobody is banned.\n') + enforced(reply.nodes)
    }
    case 'ban': {
      if (!kind.success || second === '') return null
      const forMs = banForMsOf(rest[0] ?? '') ?? undefined
      const reason = rest.slice(forMs === undefined ? 0 : 1).join(' ')
      const wish = { kind: kind.data, value: second, reason, dryRun: false }
      const reply = await banCommands.ban.run(context, forMs === undefined ? wish : { ...wish, forMs })
      return `Banned ${shown(reply.ban)}. It met ${reply.met}.\n${enforced(reply.nodes)}`
    }
    case 'unban': {
      if (!kind.success || second === '' || rest.length > 0) return null
      const reply = await banCommands.unban.run(context, { kind: kind.data, value: second, dryRun: false })
      return `Lifted the ban of ${reply.ban.kind} ${reply.ban.value}.\n${enforced(reply.nodes)}`
    }
    case 'kick': {
      if (first === '' || rest.length > 0) return null
      if (second !== '' && !/^[0-9a-f]{8,32}$/.test(second)) return null
      const session = second === '' ? {} : { session: second }
      const reply = await banCommands.kick.run(context, { room: first, ...session, dryRun: false })
      return `Put out ${counted(reply.kicked, 'member')}.\n${enforced(reply.nodes)}`
    }
    case 'announce': {
      if (first === '') return null
      const reply = await banCommands.announce.run(context, { text: args.join(' '), dryRun: false })
      return `Told ${counted(reply.told, 'connection')}.\n${enforced(reply.nodes)}`
    }
  }
}
