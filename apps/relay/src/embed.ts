// The public door for a program that carries a relay inside itself (pychat host): one node that stands alone, without
// a log, a console or a signal handler of its own, and whose end its clients hear of as the end of their rooms.
import { randomBytes } from 'node:crypto'
import { loadConfig } from './config.ts'
import { drainOver } from './ops/drain.ts'
import { createLog } from './ops/log.ts'
import { createRelay } from './relay.ts'

export type EmbeddedRelay = {
  port: number
  /** Tells everybody that the rooms end, and ends. Safe to repeat. */
  stop(): Promise<void>
}

export type EmbeddedOptions = {
  /** 0..65535; 0 picks a free one. */
  port: number
  /** Version that clients are told. */
  version: string
  /** Gets the log, one line of JSON after another; without it there is none. */
  logLine?: (line: string) => void
}

/** The machine has no IPv6, or it is switched off. */
const noIpv6Codes = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'])

/**
 * Listens on all addresses of this machine, of IPv6 too where it has any.
 * @throws Error with one sentence for a person (the port is taken, mostly) and the system's `code`
 */
export async function startEmbeddedRelay(options: EmbeddedOptions): Promise<EmbeddedRelay> {
  try {
    return await start('[::]', options)
  } catch (error) {
    if (!noIpv6Codes.has(error instanceof Error && 'code' in error ? String(error.code) : '')) throw error
    return await start('0.0.0.0', options)
  }
}

async function start(host: string, { port, version, logLine }: EmbeddedOptions): Promise<EmbeddedRelay> {
  const config = loadConfig(
    {
      PYCHAT_LISTEN: `${host}:${port}`,
      PYCHAT_OPS_LISTEN: '127.0.0.1:0',
      // A token that nobody knows: no admin API, and no token file.
      PYCHAT_ADMIN_TOKEN: randomBytes(32).toString('hex'),
      PYCHAT_TRANSPORT: 'ws',
    },
    process.platform,
    '',
  )
  const relay = createRelay({
    config,
    version,
    log: createLog(logLine ? 'info' : 'silent', false, logLine ?? (() => {})),
    onStop: () => {},
    lastNode: true,
  })
  const running = await relay.start()
  return { port: running.port, stop: () => relay.stop(drainOver(0)) }
}
