// What a relay address means, and which settings were given by flag or environment. Asking is prompts.ts's part.

import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { relayPortDefault } from '@pychat/protocol'

/** A person's mistake in flags, environment or answers; `message` is one sentence that says what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export type Relay = {
  url: string /** A sentence when the connection is not private on its way. */
  warning?: string
}

const privateV4 = [/^127\./, /^10\./, /^192\.168\./, /^169\.254\./, /^172\.(1[6-9]|2[0-9]|3[01])\./]
const privateV6 = [/^::1$/, /^f[cd][0-9a-f]{2}:/, /^fe[89ab][0-9a-f]:/]

/** Whether traffic to this host stays on this machine or its own network. @param host as URL spells it, lower case */
export function isLocalHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isIP(bare) === 4) return privateV4.some((pattern) => pattern.test(bare))
  if (isIP(bare) === 6) return privateV6.some((pattern) => pattern.test(bare))
  return bare === 'localhost' || bare.endsWith('.localhost') || bare.endsWith('.local')
}

/**
 * A bare host means ws://host:8765 on this machine and private networks, and wss://host anywhere else.
 * @param insecure allow ws:// to a public host  @throws UsageError
 */
export function relayUrl(text: string, insecure: boolean): Relay {
  const typed = text.trim()
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(typed)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== 'ws' && scheme !== 'wss') {
    throw new UsageError(
      `A relay address begins with ws:// or wss://, not ${scheme}://; a bare host name is enough too, e.g. chat.example.org.`,
    )
  }
  const bareV6 = scheme === undefined && isIP(typed) === 6 ? `[${typed}]` : typed
  const url = parsed(scheme === undefined ? `ws://${bareV6}` : typed)
  if (
    url === null ||
    url.hostname === '' ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new UsageError(
      'This is no relay address; give a host like localhost, 192.168.1.20:8765 or chat.example.org, or a ws:// or wss:// URL.',
    )
  }
  const local = isLocalHost(url.hostname)
  const path = url.pathname === '/' ? '' : url.pathname
  // URL hides a port that is the scheme's own: read it from what was typed.
  const port = /:(\d+)(?=\/|$)/.exec(bareV6.replace(/^[a-z]+:\/\//i, '').replace(/^\[[^\]]*\]/, ''))?.[1]
  if (scheme === undefined) {
    return local
      ? { url: `ws://${url.hostname}:${port ?? relayPortDefault}${path}` }
      : { url: `wss://${url.hostname}${port === undefined ? '' : `:${port}`}${path}` }
  }
  const full = `${scheme}://${url.hostname}${port === undefined ? '' : `:${port}`}${path}`
  if (scheme === 'wss' || local) return { url: full }
  if (!insecure) {
    throw new UsageError(
      `ws:// to ${url.hostname} would show everybody on the way when and with whom you talk; use wss://, or add --insecure to do it anyway.`,
    )
  }
  return {
    url: full,
    warning: `The connection to ${url.hostname} is not encrypted on its way (--insecure): messages stay sealed, but everybody on the way sees when and from where you talk.`,
  }
}

function parsed(text: string): URL | null {
  try {
    return new URL(text)
  } catch {
    return null
  }
}

export type Given = { relay?: string; server?: string; pin?: string; user?: string }

/**
 * Flags win over the environment; what is left out has to be asked for.
 * @throws UsageError when the PIN file cannot be read
 */
export function givenSettings(
  flags: { relay?: string; server?: string; user?: string; pinFile?: string },
  env: Record<string, string | undefined>,
): Given {
  const given: Given = {}
  const relay = flags.relay ?? env['PYCHAT_RELAY']
  const server = flags.server ?? env['PYCHAT_SERVER']
  const user = flags.user ?? env['PYCHAT_USER']
  if (relay) given.relay = relay
  if (server) given.server = server
  if (user) given.user = user
  if (flags.pinFile !== undefined) given.pin = pinFromFile(flags.pinFile)
  else if (env['PYCHAT_PIN']) given.pin = env['PYCHAT_PIN']
  return given
}

function pinFromFile(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new UsageError(`The file of --pin-file cannot be read (${code}): check its path and rights.`)
  }
  const pin = text.replace(/\r?\n$/, '')
  if (pin === '') throw new UsageError('The file of --pin-file is empty: write the PIN into its first line.')
  return pin
}
