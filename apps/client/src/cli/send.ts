// "pychat send": one message, or one for each line, from an argument or a pipe. Exit code 0 only when the relay has
// taken all of it.
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { View } from '@pychat/client-engine'
import { exitCodes } from '../exit-codes.ts'
import { sanitiseLine } from '../sanitise.ts'
import { givenSettings, UsageError } from '../settings.ts'
import { deliver } from './deliver.ts'
import { enter } from './enter.ts'
import { readAll, readFirstLine } from './input.ts'
import { partsOf } from './parts.ts'
import type { CliPorts } from './ports.ts'
import type { SendFlags } from './program.ts'
import { findWayIn } from './way-in.ts'

/** More is a file, not a message. */
const inputBytesMax = 262_144
/** So long a bot waits for its own name. */
const nameWaitMs = 10_000
const nameLookMs = 700
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** @throws UsageError, Cancelled */
export async function send(flags: SendFlags, argument: string | undefined, ports: CliPorts): Promise<number> {
  const { stdin, stderr, env } = ports
  const fromInput = argument === undefined || argument === '-'
  if (fromInput && flags.inviteFile === '-') {
    throw new UsageError('Invite and message cannot both come from stdin: give the message as an argument.')
  }
  if (!fromInput && flags.lines) throw new UsageError('--lines reads stdin: leave out the text.')
  if (fromInput && stdin.isTTY) {
    throw new UsageError('There is nothing to send: give a text, or pipe something in.')
  }
  const say = (sentence: string) => stderr.write(`pychat: ${sanitiseLine(sentence)}\n`)
  const given = await givenSettings(flags, env, false, async () => (await readFirstLine(stdin)).line)
  const texts = flags.lines
    ? linesOf(stdin)
    : partsOf(fromInput ? await readAll(stdin, inputBytesMax) : (argument ?? ''))
  if (Array.isArray(texts) && texts.length === 0) {
    throw new UsageError('The message is empty: give a text, or pipe something in.')
  }
  const wayIn = await findWayIn(['relay', 'server', 'oldPin', 'user'], given, flags.insecure === true, {
    input: stdin,
    output: stderr,
  })
  for (const { code, text } of wayIn.notices) if (code === 'insecure') say(text)
  const timeoutMs = Number(flags.timeout) * 1000
  const nameFreeBy = performance.now() + Math.min(timeoutMs, nameWaitMs)
  for (;;) {
    const said: string[] = []
    const { community, state } = await enter(wayIn, { keep: flags.state, founds: false }, ports, say)
    const { done, giveUp } = deliver({
      community,
      view: viewOf(flags),
      texts,
      timeoutMs,
      setTimer(ms, run) {
        const timer = setTimeout(run, ms)
        return () => clearTimeout(timer)
      },
      say: (sentence) => said.push(sentence),
    })
    for (const signal of signals) process.once(signal, giveUp)
    const code = await done
    for (const signal of signals) process.removeListener(signal, giveUp)
    await state.flush()
    // Mostly the same bot, sending something else: it is gone in a moment. Nothing was read or sent yet.
    if (code === exitCodes.nameTaken && performance.now() < nameFreeBy) {
      await pause(nameLookMs * (0.5 + Math.random()))
      continue
    }
    for (const sentence of said) say(sentence)
    return code
  }
}

function viewOf({ channel, to }: SendFlags): View {
  if (to !== undefined) return { kind: 'private', user: to.replace(/^@/, '') }
  if (channel !== undefined) return { kind: 'channel', name: channel.replace(/^#/, '') }
  return { kind: 'room' }
}

async function* linesOf(input: NodeJS.ReadableStream): AsyncGenerator<string> {
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    yield* partsOf(line)
  }
}
