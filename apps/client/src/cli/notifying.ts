// The notify hook of a command: which program it is, by flag or environment, and that it hears all that is said, also in conversations that are not shown.
import type { Screen } from '../chat/screen.ts'
import { commandWords, createNotifier, type Notifier } from '../notify.ts'
import { UsageError } from '../settings.ts'
import type { CliPorts } from './ports.ts'

/** @returns null when none is wanted  @throws UsageError when its command cannot be read */
export function notifierOf(
  flags: { notify?: string; notifyText?: true },
  { env }: CliPorts,
  say: (sentence: string) => void,
): Notifier | null {
  const text = flags.notify ?? env['PYCHAT_NOTIFY']
  if (!text) return null
  const command = commandWords(text)
  if (command === null) throw new UsageError('The notify command has a quote without an end, or no word.')
  return createNotifier({ command, withText: flags.notifyText === true, env, say })
}

/** The same screen; messages of others go to the notifier too. */
export function withNotify(screen: Screen, notifier: Notifier | null): Screen {
  if (notifier === null) return screen
  return {
    ...screen,
    heard(message, calls) {
      screen.heard(message, calls)
      const { view, from, mention, at, text } = message
      notifier.tell({ view, from, mention, private: view.startsWith('@'), at, text })
    },
  }
}
