// A chat on whatever screen this terminal allows: state, community, screen and notify hook are put together here, and
// taken apart at the end.

import { runChat } from '../chat.ts'
import type { ChatEvent, Screen } from '../chat-events.ts'
import { openSocket } from '../socket.ts'
import { createInteractiveScreen } from '../ui/interactive.ts'
import { createJsonScreen } from '../ui/json.ts'
import { colourPaint, noPaint } from '../ui/lines.ts'
import { createPlainScreen } from '../ui/plain.ts'
import { type CliPorts, isInteractive } from './ports.ts'
import type { ChatFlags } from './program.ts'
import type { WayIn } from './way-in.ts'

export async function converse(
  wayIn: WayIn,
  flags: ChatFlags,
  ports: CliPorts,
  { input }: { input: NodeJS.ReadableStream; invited?: readonly string[] },
): Promise<number> {
  const { door, name, username, pinSentence, notices } = wayIn
  if (!('keys' in door)) throw new Error('not yet')
  const paint = ports.env['NO_COLOR'] ? noPaint : colourPaint
  let screen: Screen
  if (flags.json) screen = createJsonScreen(input, ports.stdout)
  else if (flags.plain || !isInteractive(ports)) screen = createPlainScreen(input, ports.stdout)
  else screen = createInteractiveScreen(ports.stdin, ports.stdout, name, paint)
  try {
    for (const notice of notices) screen.show({ type: 'notice', ...notice } as ChatEvent)
    const software = `pychat/${ports.version}`
    return await runChat(
      { url: wayIn.urls[0], room: door.keys, username, software, pinSentence },
      screen,
      openSocket,
    )
  } finally {
    screen.close()
  }
}
