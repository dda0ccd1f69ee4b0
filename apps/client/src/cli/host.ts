// "pychat host": starts the relay in this program, tells how others get in, and chats through it like everybody else.

import { relayUrlOf } from '../host/addresses.ts'
import { startHost } from '../host/host.ts'
import { givenSettings } from '../settings.ts'
import { converse } from './converse.ts'
import { type CliPorts, isInteractive } from './ports.ts'
import type { HostFlags } from './program.ts'
import { findWayIn } from './way-in.ts'

/** @throws UsageError, Cancelled */
export async function host(flags: HostFlags, ports: CliPorts): Promise<number> {
  const { stdin, stdout, stderr, env } = ports
  const output = flags.json ? stderr : stdout
  const given = await givenSettings(flags, env, false, async () => '')
  // One's own relay, whatever is set for other times.
  given.relay = 'localhost'
  const wayIn = await findWayIn(['server', 'pin', 'user'], given, false, { input: stdin, output })
  const hosted = await startHost(
    flags.port === undefined ? null : Number(flags.port),
    ports.version,
    flags.logFile ?? null,
  )
  try {
    const relays = hosted.addresses.map((address) => relayUrlOf(address.host, hosted.port))
    const drawn = flags.qr && !flags.json && !flags.plain && isInteractive(ports)
    const own = relayUrlOf('127.0.0.1', hosted.port)
    return await converse({ ...wayIn, urls: [own] }, flags, ports, {
      input: stdin,
      relays: relays.length === 0 ? [own] : relays,
      begins({ line, qr }) {
        output.write(`\n${hostingText(hosted.port, relays)}\n${line}\n\n`)
        const rows = drawn ? qr(stdout.columns, !env['NO_COLOR']) : []
        if (rows.length > 0) output.write(`${rows.join('\n')}\n\n`)
      },
    })
  } finally {
    await hosted.stop()
    output.write('The room has ended here; everybody who was in it was told.\n')
  }
}

function hostingText(port: number, relays: readonly string[]): string {
  if (relays.length === 0) {
    return `Hosting on port ${port}, but this machine is in no local network: only people on this machine can join.
The invite:`
  }
  return `Hosting on this machine, until you leave:
${relays.map((url) => `  ${url}\n`).join('')}If others cannot connect, allow port ${port} in this machine's firewall.
They run "pychat join" and paste this invite. It opens the room: send it in private.
`
}
