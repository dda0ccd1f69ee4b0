// "pychat": a chat at the terminal, in a pipe or for a script, by whatever way in was given.
import { ownAddresses, seenFromOutside } from '../host/addresses.ts'
import type { Field } from '../prompts.ts'
import { givenSettings } from '../settings.ts'
import { converse } from './converse.ts'
import { readFirstLine } from './input.ts'
import type { CliPorts } from './ports.ts'
import type { ChatFlags } from './program.ts'
import { findWayIn } from './way-in.ts'

/** @throws UsageError, Cancelled */
export function chat(flags: ChatFlags, ports: CliPorts): Promise<number> {
  return chatWith(['relay', 'server', 'pin', 'user'], flags, ports)
}

/**
 * @param fields what has to be known, in the order of asking
 * @param how.invited the way in is an invite  @param how.invite which one, where it is known already
 */
export async function chatWith(
  fields: readonly Field[],
  flags: ChatFlags,
  ports: CliPorts,
  how: { invited?: boolean; invite?: string } = {},
): Promise<number> {
  let input: NodeJS.ReadableStream = ports.stdin
  const given = await givenSettings(flags, ports.env, how.invited === true, async () => {
    const { line, rest } = await readFirstLine(ports.stdin)
    input = rest
    return line
  })
  if (how.invite !== undefined) given.invite = how.invite
  // In --json mode stdout belongs to events: questions go to stderr.
  const output = flags.json ? ports.stderr : ports.stdout
  const wayIn = await findWayIn(fields, given, flags.insecure === true, { input: ports.stdin, output })
  const relays = seenFromOutside(wayIn.urls, await ownAddresses())
  return converse(wayIn, flags, ports, { input, relays })
}
