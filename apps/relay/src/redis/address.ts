// Reads PYCHAT_REDIS_URL:
//   redis://[[user]:password@]host[:port][/db]                    one Redis or Valkey server
//   redis+sentinel://[[user]:password@]host[:port],.../NAME[/db]  the primary NAME, by some of its Sentinels
//   redis+cluster://[[user]:password@]host[:port],...             a Redis Cluster, by some of its nodes
// rediss instead of redis is the same over TLS. User and password are percent-encoded, and those of the servers:
// Sentinels are asked without. Nothing of them ever stands in an error.
import { StoreError } from '../rooms/rooms.ts'

export type RedisAddress = {
  kind: 'single' | 'sentinel' | 'cluster'
  /** At least one; exactly one for a single server. Of Sentinels, not of servers, for that kind. */
  hosts: { host: string; port: number }[]
  /** What the Sentinels call the primary; null for the other kinds. */
  name: string | null
  username: string | null
  password: string | null
  db: number
  tls: boolean
  /** "host:port, host:port" for messages. */
  shown: string
}

/** How the address is written, for messages. */
export const redisAddressForms =
  'redis://[user:password@]host:port, redis+sentinel://host:port,host:port/NAME for the primary that Sentinels call ' +
  'NAME, or redis+cluster://host:port,host:port for a Redis Cluster; rediss in place of redis for TLS'

const form =
  /^(?<scheme>rediss?(?:\+cluster|\+sentinel)?):\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^/@?#]+)(?:\/(?<path>[^?#]*))?$/
const hostForm = /^(?<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::(?<port>[0-9]{1,5}))?$/
const pathForms = {
  single: /^(?<db>[0-9]{1,4})?$/,
  sentinel: /^(?<name>[A-Za-z0-9._-]{1,64})(?:\/(?<db>[0-9]{1,4})?)?$/,
  cluster: /^0?$/,
}

/** @throws StoreError refused, with a sentence that says how the address is written */
export function parseRedisAddress(url: string): RedisAddress {
  const fields = form.exec(url)?.groups
  const wrong = new StoreError('refused', `PYCHAT_REDIS_URL cannot be read; write ${redisAddressForms}.`)
  if (fields === undefined) throw wrong
  const { scheme = '', hosts: hostList = '', user, password: secret, path = '' } = fields
  const [, kind = 'single'] = scheme.split('+') as [string, RedisAddress['kind']?]
  const hosts: RedisAddress['hosts'] = []
  for (const text of hostList.split(',')) {
    const part = hostForm.exec(text)?.groups
    if (part === undefined) throw wrong
    const { host = '', port: digits = kind === 'sentinel' ? '26379' : '6379' } = part
    const port = Number(digits)
    if (port < 1 || port > 65_535) throw wrong
    hosts.push({ host: host.replace(/^\[|\]$/g, ''), port })
  }
  if (kind === 'single' && hosts.length > 1) throw wrong
  const place = pathForms[kind].exec(path)
  if (place === null) throw wrong
  const { name = null, db = '0' } = place.groups ?? {}
  let username: string | null
  let password: string | null
  try {
    username = user ? decodeURIComponent(user) : null
    password = secret ? decodeURIComponent(secret) : null
  } catch {
    throw wrong
  }
  return {
    kind,
    hosts,
    name,
    username,
    password,
    db: Number(db),
    tls: scheme.startsWith('rediss'),
    shown: hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(', '),
  }
}
