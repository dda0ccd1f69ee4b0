// "pychat join": chat by an invite, which is asked for, read from a file, or the first line of a pipe.
import { isInvite } from '../prompts.ts'
import { UsageError } from '../settings.ts'
import { chatWith } from './chat.ts'
import type { CliPorts } from './ports.ts'
import type { JoinFlags } from './program.ts'

/** @throws UsageError, Cancelled */
export async function join(flags: JoinFlags, invite: string | undefined, ports: CliPorts): Promise<number> {
  if (invite !== undefined && !flags.inviteInArgv) {
    throw new UsageError(
      isInvite(invite)
        ? 'An invite on the command line can be read by others and stays in the history of the shell: run "pychat join" and paste it there (or, where nobody else is, add --invite-in-argv).'
        : `"${invite.slice(0, 32)}" is no invite: run "pychat join" and paste it there.`,
    )
  }
  if (invite !== undefined && flags.inviteFile !== undefined) {
    throw new UsageError('There are two invites: leave out one.')
  }
  // Where nobody can paste it, it is the first line that comes.
  const piped = invite === undefined && flags.inviteFile === undefined && !ports.stdin.isTTY
  return chatWith(['invite', 'oldPin', 'user'], piped ? { ...flags, inviteFile: '-' } : flags, ports, {
    invited: true,
    ...(invite === undefined ? {} : { invite }),
  })
}
