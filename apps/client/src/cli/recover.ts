// "pychat recover": the key of one room comes back from twelve words, into the state folder. Nobody is asked over the
// network: whether the words are the owner's shows when the room is entered.
import { entropyFromWords, memberKey } from '@pychat/crypto'
import { exitCodes } from '../exit-codes.ts'
import { sanitiseName } from '../sanitise.ts'
import { givenSettings, readSecretFile, UsageError } from '../settings.ts'
import { readFirstLine } from './input.ts'
import type { CliPorts } from './ports.ts'
import type { RecoverFlags } from './program.ts'
import { openOwnState } from './state.ts'
import { findWayIn } from './way-in.ts'

/** @throws UsageError, Cancelled, StateError */
export async function recover(flags: RecoverFlags, ports: CliPorts): Promise<number> {
  const { stdin, stdout, stderr, env } = ports
  if (!flags.state) throw new UsageError('Recovering is keeping: leave out --no-state.')
  if (flags.wordsFile === '-' && flags.inviteFile === '-') {
    throw new UsageError('Only one of --words-file and --invite-file can be stdin.')
  }
  const readInput = async () => (await readFirstLine(stdin)).line
  const given = await givenSettings(flags, env, false, readInput)
  // The relay has no part in it.
  delete given.relay
  if (flags.wordsFile !== undefined) {
    given.words =
      flags.wordsFile === '-'
        ? await readInput()
        : readSecretFile(flags.wordsFile, '--words-file', 'the twelve words')
  }
  const fields =
    given.invite === undefined ? (['server', 'oldPin', 'words'] as const) : (['oldPin', 'words'] as const)
  const { root, name, words } = await findWayIn(fields, given, true, { input: stdin, output: stdout })
  const entropy = entropyFromWords(words ?? '')
  const state = await openOwnState(ports, (sentence) => stderr.write(`pychat: ${sentence}\n`))
  if (!(await state.restore(root, entropy, flags.replace === true))) {
    throw new UsageError(
      'Another key was recovered here for this room before: add --replace, and that one is lost unless you have its words.',
    )
  }
  stdout.write(
    `Done: in ${sanitiseName(name)} your key is ${memberKey(entropy).fingerprint} again. Enter the room as always; if the key owns it, you are told so.\n`,
  )
  return exitCodes.quit
}
