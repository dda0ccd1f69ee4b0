// The one table of settings: names, parsers with ranges, defaults, units, sentences. It loads the environment, refuses
// what it does not know, prints --help and docs/configuration.md. Files named by settings are read by their users.
import { BlockList, isIP } from 'node:net'
import { opsPortDefault, relayPortDefault, stateDirectory } from '@pychat/protocol'
import { parseRedisAddress, redisAddressForms } from './redis/address.ts'

export type ListenAddress = { host: string; port: number }
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

type Setting<T> = {
  env: string
  /** What the setting says in words of documentation: range or form. */
  form: string
  /** As a person would write it; null when there is no value without one. */
  default: string | null
  /** Printed in place of `default` where that depends on the machine or is computed. */
  defaultWords?: string
  unit?: string
  sentence: string
  secret?: true
  /** @throws Error whose message continues "NAME " and says what is wanted */
  parse(text: string): T
}

const addressForm = 'host:port, [IPv6]:port'

function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) {
    throw new Error(`has to be ${addressForm}, for example 0.0.0.0:8765 (port 0 picks a free one)`)
  }
  return { host, port }
}

function integer(min: number, max: number): Pick<Setting<number>, 'form' | 'parse'> {
  return {
    form: `${min}..${max}`,
    parse: (text) => {
      const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
      if (!(value >= min && value <= max)) throw new Error(`has to be a whole number from ${min} to ${max}`)
      return value
    },
  }
}

function oneOf<const T extends string>(...words: readonly T[]): Pick<Setting<T>, 'form' | 'parse'> {
  return {
    form: words.join(', '),
    parse: (text) => {
      const word = words.find((each) => each === text)
      if (word === undefined) throw new Error(`has to be one of: ${words.join(', ')}`)
      return word
    },
  }
}

/** Keeps the text: the store reads it again, by the same parser. */
function parseRedisUrl(text: string): string {
  try {
    parseRedisAddress(text)
  } catch {
    throw new Error(`has to be ${redisAddressForms}`)
  }
  return text
}

function list(text: string): string[] {
  return text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
}

function parseOrigins(text: string): readonly string[] {
  return list(text).map((origin) => {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw new Error('has to be a list of origins like https://chat.example.org, separated by commas')
    }
    return origin
  })
}

function parseProxies(text: string): BlockList {
  const proxies = new BlockList()
  for (const part of list(text)) {
    const [address = '', bits, ...rest] = part.split('/')
    const kind = isIP(address)
    const bitsMax = kind === 6 ? 128 : 32
    const prefix = bits === undefined ? bitsMax : /^[0-9]{1,3}$/.test(bits) ? Number(bits) : Number.NaN
    if (kind === 0 || rest.length > 0 || !(prefix <= bitsMax)) {
      throw new Error(
        'has to be a list of addresses or CIDRs like 10.0.0.0/8 or fd00::/8, separated by commas',
      )
    }
    proxies.addSubnet(address, prefix, kind === 6 ? 'ipv6' : 'ipv4')
  }
  return proxies
}

function parseToken(text: string): string {
  if (!/^[\x21-\x7e]{16,256}$/.test(text)) {
    throw new Error(
      'has to be 16 to 256 printable ASCII characters without spaces, for example from: openssl rand -hex 32',
    )
  }
  return text
}

const path = { form: 'path', parse: (text: string) => text }

/** Keeps each row's own type. */
const row = <T>(setting: Setting<T>): Setting<T> => setting

/** The table. A row without a default is null in the configuration when it is unset. */
const settings = {
  listen: row({
    env: 'PYCHAT_LISTEN',
    form: addressForm,
    default: `0.0.0.0:${relayPortDefault}`,
    sentence: 'Where chat clients connect.',
    parse: parseListen,
  }),
  opsListen: row({
    env: 'PYCHAT_OPS_LISTEN',
    form: addressForm,
    default: `127.0.0.1:${opsPortDefault}`,
    sentence: 'Where /livez, /readyz, /metrics and the admin API are served. Keep it away from the internet.',
    parse: parseListen,
  }),
  redisUrl: row({
    env: 'PYCHAT_REDIS_URL',
    form: 'redis://h:p, redis+sentinel://h:p,h:p/NAME, redis+cluster://h:p,h:p (rediss for TLS)',
    default: null,
    defaultWords: 'unset: one embedded node',
    sentence:
      'The Redis (7.0 or newer) or Valkey (7.2 or newer) that all nodes of a cluster share: one server, a primary by its Sentinels, or a Redis Cluster. Unset, this node stands alone and keeps its rooms in memory.',
    secret: true,
    parse: parseRedisUrl,
  }),
  redisPrefix: row({
    env: 'PYCHAT_REDIS_PREFIX',
    form: '1..32 of a-z, 0-9, "-", "_"',
    default: 'pychat',
    sentence: 'First part of every Redis key and channel. Clusters that share a Redis need different ones.',
    parse: (text: string) => {
      if (!/^[a-z0-9_-]{1,32}$/.test(text)) throw new Error('has to be 1 to 32 of a-z, 0-9, "-" and "_"')
      return text
    },
  }),
  adminToken: row({
    env: 'PYCHAT_ADMIN_TOKEN',
    form: '16..256 characters',
    default: null,
    defaultWords: 'unset: a token file on loopback',
    sentence:
      'Bearer token of the admin API, the same on all nodes. Unset, a relay whose ops address is loopback makes a token file in the state folder, which pychat-admin finds; on another address the admin API is off.',
    secret: true,
    parse: parseToken,
  }),
  adminTokenFile: row({
    env: 'PYCHAT_ADMIN_TOKEN_FILE',
    ...path,
    default: null,
    sentence: 'File that holds the admin token instead (a container secret, for example).',
  }),
  transport: row({
    env: 'PYCHAT_TRANSPORT',
    ...oneOf('auto', 'uws', 'ws'),
    default: 'auto',
    sentence:
      'WebSocket engine: uws is the fast native one, ws runs anywhere, auto takes uws where it loads.',
  }),
  tlsCertFile: row({
    env: 'PYCHAT_TLS_CERT',
    ...path,
    default: null,
    sentence: 'PEM certificate chain: clients then connect by wss://. Needs PYCHAT_TLS_KEY.',
  }),
  tlsKeyFile: row({
    env: 'PYCHAT_TLS_KEY',
    ...path,
    default: null,
    sentence: 'PEM private key of the certificate.',
  }),
  logLevel: row({
    env: 'PYCHAT_LOG_LEVEL',
    ...oneOf(...logLevels),
    default: 'info',
    sentence: 'How much is logged on stderr. No level logs names, texts, PINs, tokens or whole addresses.',
  }),
  stateDir: row({
    env: 'PYCHAT_STATE_DIR',
    ...path,
    default: null,
    defaultWords: '$XDG_STATE_HOME/pychat, else ~/.local/state/pychat',
    sentence: 'Folder of the token file, and of the bans of a node without Redis.',
  }),
  origins: row({
    env: 'PYCHAT_ORIGINS',
    form: 'origins, separated by commas',
    default: '',
    defaultWords: 'none',
    sentence:
      'Web pages that may connect, like https://chat.example.org. Every other request with an Origin header gets 403; terminal clients send none.',
    parse: parseOrigins,
  }),
  trustedProxies: row({
    env: 'PYCHAT_TRUSTED_PROXIES',
    form: 'addresses or CIDRs, separated by commas',
    default: '',
    defaultWords: 'none',
    sentence:
      'Front doors whose X-Forwarded-For is believed, read from right to left. From everybody else the header is ignored.',
    parse: parseProxies,
  }),
  connectionsMax: row({
    env: 'PYCHAT_CONNECTIONS_MAX',
    ...integer(1, 1_000_000),
    default: '50000',
    unit: 'connections',
    sentence: 'Connections this node holds; further ones get 503.',
  }),
  connectionsPerAddressMax: row({
    env: 'PYCHAT_CONNECTIONS_PER_ADDRESS_MAX',
    ...integer(1, 1_000_000),
    default: '100',
    unit: 'connections',
    sentence: 'Connections of one IPv4 address or IPv6 /64; further ones get 429. Loopback is exempt.',
  }),
  handshakesPerAddressPerSecond: row({
    env: 'PYCHAT_HANDSHAKES_PER_ADDRESS_PER_SECOND',
    ...integer(1, 100_000),
    default: '10',
    unit: 'per second',
    sentence: 'New connections of one address, with bursts of five times as many. Loopback is exempt.',
  }),
  roomsPerAddressPerMinute: row({
    env: 'PYCHAT_ROOMS_PER_ADDRESS_PER_MINUTE',
    ...integer(1, 1_000_000),
    default: '300',
    unit: 'per minute',
    sentence:
      'Different rooms that one address may try: the bound on guessing PINs through the relay. A channel or a private conversation is a room too, and one connection may be in 64: so it leaves room for several people behind one address. Loopback is exempt.',
  }),
  joinsPerAddressPerSecond: row({
    env: 'PYCHAT_JOINS_PER_ADDRESS_PER_SECOND',
    ...integer(1, 100_000),
    default: '50',
    unit: 'per second',
    sentence:
      'Joins of one address, with bursts of ten times as many (who comes back joins all its rooms). Loopback is exempt.',
  }),
  framesPerAddressPerSecond: row({
    env: 'PYCHAT_FRAMES_PER_ADDRESS_PER_SECOND',
    ...integer(1, 1_000_000),
    default: '1000',
    unit: 'per second',
    sentence:
      'Messages of all connections of one address to this node, with bursts of twice as many. Loopback is exempt.',
  }),
  bytesPerAddressPerSecond: row({
    env: 'PYCHAT_BYTES_PER_ADDRESS_PER_SECOND',
    ...integer(65_536, 10_737_418_240),
    default: '8388608',
    unit: 'bytes per second',
    sentence: 'Message bytes of all of them, with bursts of twice as many. Loopback is exempt.',
  }),
  framesPerSecond: row({
    env: 'PYCHAT_FRAMES_PER_SECOND',
    ...integer(1, 100_000),
    default: '20',
    unit: 'per second',
    sentence: 'Messages of one connection, with bursts of twice as many.',
  }),
  bytesPerSecond: row({
    env: 'PYCHAT_BYTES_PER_SECOND',
    ...integer(16_384, 1_073_741_824),
    default: '131072',
    unit: 'bytes per second',
    sentence: 'Message bytes of one connection, with bursts of twice as many.',
  }),
  roomMembersMax: row({
    env: 'PYCHAT_ROOM_MEMBERS_MAX',
    ...integer(1, 10_000),
    default: '250',
    unit: 'members',
    sentence:
      'Members of one room; the next one is told that it is full (its owner comes in all the same). In a room of more than 256 nobody is told who comes and goes, only how many there are. Give all nodes the same.',
  }),
  roomFramesPerSecond: row({
    env: 'PYCHAT_ROOM_FRAMES_PER_SECOND',
    ...integer(1, 1_000_000),
    default: '2000',
    unit: 'per second',
    sentence:
      'Messages that the members of one room send through this node, with bursts of twice as many: each is carried to everybody in the room.',
  }),
  roomBytesPerSecond: row({
    env: 'PYCHAT_ROOM_BYTES_PER_SECOND',
    ...integer(65_536, 10_737_418_240),
    default: '16777216',
    unit: 'bytes per second',
    sentence: 'Bytes of those messages, with bursts of twice as many.',
  }),
  joinsPerSecond: row({
    env: 'PYCHAT_JOINS_PER_SECOND',
    ...integer(1, 100_000),
    default: '300',
    unit: 'per second',
    sentence:
      'Joins this node carries out; further ones wait their turn. Of several who wait for one room, each after the first counts a third. It spreads the load on Redis when many clients come back at once.',
  }),
  graceMs: row({
    env: 'PYCHAT_GRACE_MS',
    ...integer(0, 60_000),
    default: '15000',
    unit: 'milliseconds',
    sentence:
      'How long a member whose connection was lost keeps its name and place before others hear that it left. Give all nodes the same.',
  }),
  logMessagesMax: row({
    env: 'PYCHAT_LOG_MESSAGES_MAX',
    ...integer(0, 100_000),
    default: '1000',
    unit: 'messages',
    sentence:
      'Newest messages of a room that are kept, as ciphertext, for members who were away for a moment; 0 keeps none. Give all nodes the same.',
  }),
  logBytesMax: row({
    env: 'PYCHAT_LOG_BYTES_MAX',
    ...integer(65_536, 1_073_741_824),
    default: '4194304',
    unit: 'bytes',
    sentence: 'Bytes of those messages per room; older ones go.',
  }),
  logSeconds: row({
    env: 'PYCHAT_LOG_SECONDS',
    ...integer(1, 86_400),
    default: '600',
    unit: 'seconds',
    sentence: 'Age of those messages; older ones go.',
  }),
  ackReplicas: row({
    env: 'PYCHAT_ACK_REPLICAS',
    ...integer(0, 5),
    default: '0',
    unit: 'replicas',
    sentence:
      'Redis replicas that have to hold a message before its sender is told that it was sent; 0 asks for none. With 1 or more no such message is lost in a failover; each costs a round trip to the replica. Give all nodes the same.',
  }),
  backpressureBytesMax: row({
    env: 'PYCHAT_BACKPRESSURE_BYTES_MAX',
    ...integer(524_288, 67_108_864),
    default: '1048576',
    unit: 'bytes',
    sentence:
      'Bytes that may wait for one slow reader before it is disconnected (it reconnects; nothing is skipped).',
  }),
  drainMs: row({
    env: 'PYCHAT_DRAIN_MS',
    ...integer(0, 60_000),
    default: '3000',
    unit: 'milliseconds',
    sentence:
      'How long a node that gets SIGTERM spreads out the reconnects of its clients; it ends at most 6 s later. Give it more than both together before it is killed: stop_grace_period in compose, terminationGracePeriodSeconds in Kubernetes. "pychat-admin drain" names its own time.',
  }),
} satisfies Record<string, Setting<unknown>>

/** Rows that are null when unset. */
type Optional = 'redisUrl' | 'adminToken' | 'adminTokenFile' | 'tlsCertFile' | 'tlsKeyFile'

type Table = typeof settings
type Parsed = { [K in keyof Table]: ReturnType<Table[K]['parse']> | (K extends Optional ? null : never) }

/** The frozen settings of one relay; `stateDir` is always resolved, `tls` is both files or null. */
export type RelayConfig = Readonly<Omit<Parsed, 'tlsCertFile' | 'tlsKeyFile'>> & {
  readonly tls: { certFile: string; keyFile: string } | null
}

/** Names of the sibling commands, which may share an environment with the relay. */
const siblingNames = new Set([
  'PYCHAT_PIN',
  'PYCHAT_ADMIN_URL',
  'PYCHAT_RELAY',
  'PYCHAT_USER',
  'PYCHAT_SERVER',
  'PYCHAT_NOTIFY',
])

/** Every fault of an environment at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(
      `PyChat relay: ${faults.length === 1 ? 'one setting is' : `${faults.length} settings are`} wrong:\n${faults
        .map((fault) => `  ${fault}\n`)
        .join('')}"pychat-relay --help" lists all settings.`,
    )
    this.faults = faults
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads and checks the environment. Empty values count as unset.
 * @param platform `process.platform`, and @param home the user's home: only for the default state folder
 * @throws ConfigError naming every fault
 */
export function loadConfig(env: Environment, platform: string, home: string): RelayConfig {
  const faults: string[] = []
  const known = new Set<string>(Object.values(settings).map((setting) => setting.env))
  for (const name of Object.keys(env).sort()) {
    if (!name.startsWith('PYCHAT_') || known.has(name)) continue
    if (siblingNames.has(name) || name.startsWith('PYCHAT_TEST_')) continue
    const near = nearest(name, known)
    faults.push(`${name} is not a setting${near === null ? '' : `; did you mean ${near}?`}`)
  }
  const parsed: Record<string, unknown> = {}
  for (const [key, setting] of Object.entries(settings) as [string, Setting<unknown>][]) {
    const text = env[setting.env]?.trim() || setting.default
    if (text === null) {
      parsed[key] = null
      continue
    }
    try {
      parsed[key] = setting.parse(text)
    } catch (error) {
      faults.push(`${setting.env} ${error instanceof Error ? error.message : 'is wrong'}`)
    }
  }
  const values = parsed as Parsed
  if (values.adminToken && values.adminTokenFile) {
    faults.push('PYCHAT_ADMIN_TOKEN and PYCHAT_ADMIN_TOKEN_FILE are both set; keep one')
  }
  if ((values.tlsCertFile === null) !== (values.tlsKeyFile === null)) {
    faults.push('PYCHAT_TLS_CERT and PYCHAT_TLS_KEY go together; set both or none')
  }
  if (values.listen && values.opsListen && values.listen.port !== 0) {
    const { host, port } = values.listen
    if (values.opsListen.port === port && values.opsListen.host === host) {
      faults.push('PYCHAT_LISTEN and PYCHAT_OPS_LISTEN are the same address; give one another port')
    }
  }
  if (faults.length > 0) throw new ConfigError(faults)
  const { tlsCertFile, tlsKeyFile, ...rest } = values
  return Object.freeze({
    ...rest,
    stateDir: stateDirectory(env, platform, home),
    tls: tlsCertFile !== null && tlsKeyFile !== null ? { certFile: tlsCertFile, keyFile: tlsKeyFile } : null,
  })
}

/** The known name at most three edits away, or null. */
function nearest(name: string, known: Iterable<string>): string | null {
  let best: string | null = null
  let bestDistance = 4
  for (const candidate of known) {
    const distance = editDistance(name, candidate)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(swap, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}

function defaultOf(setting: Setting<unknown>): string {
  return setting.defaultWords ?? setting.default ?? 'unset'
}

/** Wraps a sentence to lines of at most `width` characters, each after `indent`. */
function wrap(text: string, indent: string, width: number): string {
  let line = indent
  let all = ''
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > width && line !== indent) {
      all += `${line.trimEnd()}\n`
      line = indent
    }
    line += `${word} `
  }
  return `${all}${line.trimEnd()}\n`
}

/** The text of `pychat-relay --help`. */
export function configHelp(): string {
  let text = `pychat-relay: carries sealed messages between PyChat clients; it cannot read them.

Usage: pychat-relay [--check-config | --print-docs | --version | --help]

  npx pychat-relay                                            one node, nothing else needed
  PYCHAT_REDIS_URL=redis://10.0.0.5:6379 npx pychat-relay     one of many nodes
  npx pychat-admin servers                                    the rooms it carries

Options:
  --check-config   check the settings and say so, without starting
  --print-docs     print docs/configuration.md
  --version        print the version
  --help           print this

On SIGTERM or Ctrl-C it tells its clients to reconnect and stops, at most 6 s after PYCHAT_DRAIN_MS; a second signal
stops it at once.
Exit codes: 0 stopped, 1 could not start, 2 unknown option, 78 wrong settings.

Settings (environment):
`
  for (const setting of Object.values(settings) as Setting<unknown>[]) {
    text += `\n  ${setting.env}  (${defaultOf(setting)})\n`
    text += wrap(
      `${setting.sentence} [${setting.form}${setting.unit ? ` ${setting.unit}` : ''}]`,
      '      ',
      100,
    )
  }
  return text
}

/** The text of docs/configuration.md. */
export function configDocs(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  let text = `# Settings of pychat-relay

Printed by \`pychat-relay --print-docs\` from the table in \`apps/relay/src/config.ts\`; edit that, not this page.

The relay reads its settings from the environment and nowhere else. An empty value counts as unset. All faults are named
in one message, names beginning with \`PYCHAT_\` that nobody knows are refused, and the exit code is then 78.
\`pychat-relay --check-config\` checks without starting. Settings marked *secret* are never printed or logged.

| Name | Default | Form | Unit | What it does |
|---|---|---|---|---|
`
  for (const setting of Object.values(settings) as Setting<unknown>[]) {
    const value = setting.defaultWords ?? (setting.default === null ? 'unset' : `\`${setting.default}\``)
    const sentence = `${setting.sentence}${setting.secret ? ' *Secret.*' : ''}`
    text += `| \`${setting.env}\` | ${cell(value)} | ${cell(setting.form)} | ${setting.unit ?? ''} | ${cell(sentence)} |\n`
  }
  text += `
These names belong to the sibling commands and are ignored here: ${[...siblingNames].map((name) => `\`${name}\``).join(', ')}.
`
  return text
}
