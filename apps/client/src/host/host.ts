// "pychat host": a relay inside this program, for people on one network, with no machine of its own and no internet.
// It starts the relay and says where others find it; chatting and inviting are done like anywhere else.
import { appendFileSync } from 'node:fs'
import { relayPortDefault } from '@pychat/protocol'
import { UsageError } from '../settings.ts'
import { type LanAddress, ownAddresses } from './addresses.ts'

export type Host = {
  port: number
  /** Where others on the network reach it, the likeliest first; empty without a network. */
  addresses: LanAddress[]
  /** Tells everybody that the room ended, and ends the relay. Safe to repeat. */
  stop(): Promise<void>
}

/**
 * @param port null: the usual one, or a free one if that is taken
 * @param logFile gets the relay's log (no names, no texts); null: none is kept
 * @throws UsageError when the port or the file cannot be used
 */
export async function startHost(port: number | null, version: string, logFile: string | null): Promise<Host> {
  // Loaded here only: who does not host needs no relay.
  const { startEmbeddedRelay } = await import('@pychat/relay/embed')
  const logLine = logFile === null ? null : logWriter(logFile)
  const start = (port: number) =>
    startEmbeddedRelay({ port, version, ...(logLine === null ? {} : { logLine }) })
  let relay: Awaited<ReturnType<typeof start>>
  try {
    relay = await start(port ?? relayPortDefault).catch((error: unknown) => {
      if (port !== null || codeOf(error) !== 'EADDRINUSE') throw error
      return start(0)
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'The relay could not be started.')
  }
  return {
    port: relay.port,
    addresses: await ownAddresses(),
    stop: () => relay.stop(),
  }
}

function logWriter(file: string): (line: string) => void {
  const append = (line: string) => appendFileSync(file, line, { mode: 0o600 })
  try {
    append('')
  } catch (error) {
    throw new UsageError(
      `The log file ${file} cannot be written (${codeOf(error)}): check its path and rights.`,
    )
  }
  return (line) => {
    try {
      append(line)
    } catch {
      // A full disk must not end the room.
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
