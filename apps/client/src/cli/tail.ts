// "pychat tail": a chat that only listens. Messages go to stdout, everything else to stderr; with --json every event is
// a line of stdout, as in a chat.
import { runChat } from '../chat/chat.ts'
import type { Person, Screen, ScreenEvent } from '../chat/screen.ts'
import { jsonLine } from '../sanitise.ts'
import { givenSettings } from '../settings.ts'
import { noPaint } from '../ui/text/paint.ts'
import { createTextLines } from '../ui/text/text-lines.ts'
import { enter } from './enter.ts'
import { readFirstLine } from './input.ts'
import { notifierOf, withNotify } from './notifying.ts'
import type { CliPorts } from './ports.ts'
import type { TailFlags } from './program.ts'
import { createSayings } from './sayings.ts'
import { findWayIn } from './way-in.ts'

/** @throws UsageError, Cancelled */
export async function tail(flags: TailFlags, ports: CliPorts): Promise<number> {
  const { stdin, stderr, env } = ports
  const given = await givenSettings(flags, env, false, async () => (await readFirstLine(stdin)).line)
  const wayIn = await findWayIn(['relay', 'server', 'oldPin', 'user'], given, flags.insecure === true, {
    input: stdin,
    output: stderr,
  })
  const sayings = createSayings()
  const notifier = notifierOf(flags, ports, sayings.say)
  const { community, state } = await enter(wayIn, { keep: flags.state, founds: false }, ports, sayings.say)
  const screen = withNotify(listeningScreen(flags, ports), notifier)
  for (const notice of wayIn.notices) {
    if (notice.code === 'insecure') screen.show({ type: 'notice', ...notice })
  }
  sayings.follow((text) => screen.show({ type: 'notice', code: 'state', text }))
  try {
    return await runChat({ server: wayIn.name, pinSentence: null, invitation: () => null }, screen, community)
  } finally {
    notifier?.stop()
    await state.flush()
  }
}

/** Pictures and hints for people. */
const screenOnly: ReadonlySet<string> = new Set(['divider', 'elsewhere', 'dropped', 'qr'])

/** Shows what comes, and types nothing but the joins of its channels. */
function listeningScreen({ json, channel }: TailFlags, { stdout, stderr }: CliPorts): Screen {
  const linesTo = (output: NodeJS.WritableStream) =>
    createTextLines({ paint: noPaint, mixed: true, write: (text) => output.write(`${text}\n`) })
  const messages = linesTo(stdout)
  const others = linesTo(stderr)
  let person: Person | null = null

  function show(event: ScreenEvent): void {
    if (json && !screenOnly.has(event.type)) stdout.write(`${jsonLine(event)}\n`)
    else if (!json) (event.type === 'message' ? messages : others).show(event)
    if (event.type !== 'ready') return
    for (const name of channel) person?.line(`/join #${name.replace(/^#/, '')}`)
  }
  return {
    mixed: true,
    personal: false,
    show,
    status: () => {},
    heard: () => {},
    listen(listener) {
      person = listener
    },
    pause: () => {},
    resume: () => {},
    renamed: () => {},
    close() {
      messages.close()
      others.close()
    },
  }
}
