// Which state a command works with: the folder of this user, or none; and what is said when the folder cannot be used.
import { randomBytes } from 'node:crypto'
import { homedir } from 'node:os'
import { stateDirectory } from '@pychat/protocol'
import { StateError } from '../state/folder.ts'
import { forgetfulState, openState, type State } from '../state/state.ts'
import type { CliPorts } from './ports.ts'

const random = (bytes: number): Uint8Array => randomBytes(bytes)

/** @throws StateError */
export function openOwnState({ env }: CliPorts, say: (sentence: string) => void): Promise<State> {
  return openState(stateDirectory(env, process.platform, homedir()), { random, say })
}

/** A folder that cannot be used keeps nobody from chatting. @param keep false: nothing is read or kept */
export async function openChatState(
  keep: boolean,
  ports: CliPorts,
  say: (sentence: string) => void,
): Promise<State> {
  if (!keep) return forgetfulState({ random })
  try {
    return await openOwnState(ports, say)
  } catch (error) {
    if (!(error instanceof StateError)) throw error
    say(`${error.message} This time nothing is kept, and people see a new key of yours.`)
    return forgetfulState({ random })
  }
}
