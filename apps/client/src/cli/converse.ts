// A chat on whatever screen this terminal allows: state, community, screen and notify hook are put together here, and
// taken apart at the end.
import type { InviteParts } from '@pychat/client-engine'
import type { Invitation } from '../chat/actions.ts'
import { runChat } from '../chat/chat.ts'
import type { Screen } from '../chat/screen.ts'
import { type InviteText, inviteText } from '../invite.ts'
import { sanitiseLine } from '../sanitise.ts'
import { createJsonScreen, createPlainScreen } from '../ui/line-screens.ts'
import { createTerminalScreen } from '../ui/terminal-screen.ts'
import { enter } from './enter.ts'
import { notifierOf, withNotify } from './notifying.ts'
import { type CliPorts, isInteractive } from './ports.ts'
import type { ChatFlags } from './program.ts'
import { createSayings } from './sayings.ts'
import type { WayIn } from './way-in.ts'

export type Conversing = {
  /** What is typed, where it is not a terminal. */
  input: NodeJS.ReadableStream
  /** Relays as others reach them. */
  relays: readonly string[]
  /** Called once, before there is a screen, with what lets others in. */
  begins?(invite: InviteText): void
}

/** @returns the exit code  @throws UsageError */
export async function converse(
  wayIn: WayIn,
  flags: ChatFlags,
  ports: CliPorts,
  { input, relays, begins }: Conversing,
): Promise<number> {
  const sayings = createSayings()
  const notifier = notifierOf(flags, ports, sayings.say)
  const { community, state } = await enter(wayIn, { keep: flags.state, founds: true }, ports, sayings.say)
  begins?.(inviteText(community.invite(), relays))
  const screen = withNotify(await openScreen(wayIn, flags, ports, input), notifier)
  for (const notice of wayIn.notices) screen.show({ type: 'notice', ...notice })
  sayings.follow((text) => screen.show({ type: 'notice', code: 'state', text }))
  const drawn = !flags.json && !flags.plain && isInteractive(ports)
  const invitation = (parts: InviteParts): Invitation => {
    const { line, qr } = inviteText(parts, relays)
    return { line, qr: drawn ? qr(ports.stdout.columns, !ports.env['NO_COLOR']).join('\n') : '' }
  }
  try {
    const { name: server, pinSentence } = wayIn
    return await runChat({ server, pinSentence, invitation }, screen, community)
  } finally {
    screen.close()
    sayings.follow((text) => ports.stderr.write(`pychat: ${sanitiseLine(text)}\n`))
    notifier?.stop()
    await state.flush()
  }
}

async function openScreen(
  { name }: WayIn,
  flags: ChatFlags,
  ports: CliPorts,
  input: NodeJS.ReadableStream,
): Promise<Screen> {
  if (flags.json) return createJsonScreen(input, ports.stdout)
  if (flags.plain || !isInteractive(ports)) return createPlainScreen(input, ports.stdout)
  return createTerminalScreen(ports.stdin, ports.stdout, ports.env, name)
}
