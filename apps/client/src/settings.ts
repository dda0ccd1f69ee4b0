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
  if (/^pychat:/i.test(typed)) {
    throw new UsageError('This is an invite, not a relay address: run "pychat join" and paste it there.')
  }
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

/**
 * All addresses of an invite that may be used; what one may not use is left out as long as another one remains.
 * @throws UsageError when none is left
 */
export function relayUrls(
  texts: readonly string[],
  insecure: boolean,
): { urls: [string, ...string[]]; warning?: string } {
  const relays: Relay[] = []
  let refusal: unknown = new UsageError(
    'This invite names no relay: give one with --relay, or ask for a new invite.',
  )
  for (const text of texts) {
    try {
      relays.push(relayUrl(text, insecure))
    } catch (error) {
      refusal = error
    }
  }
  const [first, ...others] = relays.map(({ url }) => url)
  if (first === undefined) throw refusal
  const warning = relays.find((relay) => relay.warning !== undefined)?.warning
  return { urls: [first, ...others], ...(warning === undefined ? {} : { warning }) }
}

function parsed(text: string): URL | null {
  try {
    return new URL(text)
  } catch {
    return null
  }
}

export type Given = {
  relay?: string
  /** The whole line. */
  invite?: string
  server?: string
  pin?: string
  user?: string
  words?: string
}

export type GivenFlags = {
  relay?: string
  server?: string
  user?: string
  pinFile?: string
  inviteFile?: string
}

/**
 * Flags win over the environment; what is left out has to be asked for. Beside an invite the environment's relay, server
 * and PIN do not count: it names others.
 * @param env loses its PIN: nothing that is started later shall inherit it
 * @param invited whether the way in is an invite, even if it is yet to be asked for
 * @param readInput what `--invite-file -` is read from
 * @throws UsageError when flags exclude each other, or a file cannot be used
 */
export async function givenSettings(
  flags: GivenFlags,
  env: Record<string, string | undefined>,
  invited: boolean,
  readInput: () => Promise<string>,
): Promise<Given> {
  const byInvite = invited || flags.inviteFile !== undefined
  if (byInvite && flags.server !== undefined) {
    throw new UsageError('An invite names the server itself: leave out --server, or the invite.')
  }
  const given: Given = {}
  const user = flags.user ?? env['PYCHAT_USER']
  const relay = flags.relay ?? (byInvite ? '' : env['PYCHAT_RELAY'])
  const server = flags.server ?? (byInvite ? '' : env['PYCHAT_SERVER'])
  const pin = flags.pinFile === undefined ? (byInvite ? '' : env['PYCHAT_PIN']) : pinFromFile(flags.pinFile)
  delete env['PYCHAT_PIN']
  if (user) given.user = user
  if (relay) given.relay = relay
  if (server) given.server = server
  if (pin) given.pin = pin
  if (flags.inviteFile === '-') given.invite = await readInput()
  else if (flags.inviteFile !== undefined) {
    given.invite = readSecretFile(flags.inviteFile, '--invite-file', 'the invite')
  }
  return given
}

function pinFromFile(path: string): string {
  return readSecretFile(path, '--pin-file', 'the PIN')
}

/** @returns the file without its last line break @throws UsageError */
export function readSecretFile(path: string, flag: string, what: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new UsageError(`The file of ${flag} cannot be read (${code}): check its path and rights.`)
  }
  const line = text.replace(/\r?\n$/, '')
  if (line === '') throw new UsageError(`The file of ${flag} is empty: write ${what} into its first line.`)
  return line
}
