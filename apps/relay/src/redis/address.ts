// Reads PYCHAT_REDIS_URL:
//   redis://[[user]:password@]host[:port][/db]          one Redis or Valkey server
//   rediss://...                                        the same over TLS
//   redis+cluster://[[user]:password@]host[:port],...   a Redis Cluster, by some of its nodes; rediss+cluster:// with TLS
// User and password are percent-encoded. Nothing of them ever stands in an error.
import { StoreError } from '../rooms/rooms.ts'

export type RedisAddress = {
  kind: 'single' | 'cluster'
  /** At least one; exactly one for a single server. */
  hosts: { host: string; port: number }[]
  username: string | null
  password: string | null
  db: number
  tls: boolean
  /** "host:port, host:port" for messages. */
  shown: string
}

const form =
  /^(?<scheme>rediss?(?:\+cluster)?):\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^/@?#]+)(?:\/(?<db>[0-9]{1,4})?)?$/
const hostForm = /^(?<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::(?<port>[0-9]{1,5}))?$/

/** @throws StoreError refused, with a sentence that says how the address is written */
export function parseRedisAddress(url: string): RedisAddress {
  const fields = form.exec(url)?.groups
  const wrong = new StoreError(
    'refused',
    'PYCHAT_REDIS_URL cannot be read; write redis://[user:password@]host:port, rediss://... for TLS, ' +
      'or redis+cluster://host:port,host:port for a Redis Cluster.',
  )
  if (fields === undefined) throw wrong
  const { scheme = '', hosts: hostList = '', user, password: secret, db = '0' } = fields
  const kind = scheme.endsWith('+cluster') ? 'cluster' : 'single'
  const hosts: RedisAddress['hosts'] = []
  for (const text of hostList.split(',')) {
    const part = hostForm.exec(text)?.groups
    if (part === undefined) throw wrong
    const { host = '', port: digits = '6379' } = part
    const port = Number(digits)
    if (port < 1 || port > 65_535) throw wrong
    hosts.push({ host: host.replace(/^\[|\]$/g, ''), port })
  }
  if (kind === 'single' && hosts.length > 1) throw wrong
  if (kind === 'cluster' && Number(db) !== 0) throw wrong
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
    username,
    password,
    db: Number(db),
    tls: scheme.startsWith('rediss'),
    shown: hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(', '),
  }
}
