// A community for one command: what is kept of it, its options, and the world that the engine needs.
import { randomBytes } from 'node:crypto'
import { type Community, createCommunity } from '@pychat/client-engine'
import { openSocket } from '../socket.ts'
import type { State } from '../state/state.ts'
import type { CliPorts } from './ports.ts'
import { openChatState } from './state.ts'
import type { WayIn } from './way-in.ts'

export type Entered = {
  /** Not started yet. */
  community: Community
  state: State
}

/**
 * @param how.keep whether the state folder is read and written  @param how.founds whether an empty room becomes this
 * person's  @param say gets sentences about the state folder, at any time
 */
export async function enter(
  { urls, name, door, username, root }: WayIn,
  how: { keep: boolean; founds: boolean },
  ports: CliPorts,
  say: (sentence: string) => void,
): Promise<Entered> {
  const state = await openChatState(how.keep, ports, say)
  const { entropy, memory } = await state.community(root)
  const software = `pychat/${ports.version}`
  const community = createCommunity(
    { urls, software, name, door, username, entropy, founds: how.founds },
    {
      openSocket,
      random: (bytes) => randomBytes(bytes),
      now: () => Date.now(),
      setTimer(ms, fn) {
        const timer = setTimeout(fn, ms)
        return () => clearTimeout(timer)
      },
      jitter: () => Math.random(),
      memory,
    },
  )
  return { community, state }
}
