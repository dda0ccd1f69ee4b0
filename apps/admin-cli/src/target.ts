// Which relay is asked, and with which token. Whoever names the relay names its token: the flag --context, else the
// environment, else the context in use, else this machine. So no token is ever sent to another cluster than its own.
import { opsPortDefault } from '@pychat/protocol'
import { contextOf, readContexts } from './contexts.ts'
import { type Ports, UsageError } from './ports.ts'
import { findToken } from './token.ts'

export type Target = { url: URL; token: string | null }

const urlDefault = `http://127.0.0.1:${opsPortDefault}`

/** @param from named in the sentence  @throws UsageError */
export function parseAdminUrl(text: string, from: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new UsageError(`${from} has to be like ${urlDefault}.`)
  }
  return url
}

/** @param context what --context says  @throws UsageError with a sentence */
export function findTarget(ports: Ports, context: string | undefined): Target {
  const { env, platform, home, read } = ports
  const fromEnv = context === undefined && Boolean(env['PYCHAT_ADMIN_URL'])
  const contexts = fromEnv ? null : readContexts(ports)
  const name = context ?? contexts?.current ?? null
  const named = contexts === null || name === null ? null : contextOf(contexts, name)
  const url =
    named === null
      ? parseAdminUrl(env['PYCHAT_ADMIN_URL'] || urlDefault, 'PYCHAT_ADMIN_URL')
      : parseAdminUrl(named.url, 'The address of the context')
  let token: string | null
  try {
    token =
      named !== null && named.tokenFile !== null
        ? readTokenFile(read, named.tokenFile)
        : findToken(env, url, platform, home, read)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'The token file cannot be read.')
  }
  if (token !== null && !/^[\x21-\x7e]{1,256}$/.test(token)) {
    throw new UsageError(
      'The admin token has characters that no token has; check PYCHAT_ADMIN_TOKEN or its file.',
    )
  }
  return { url, token }
}

function readTokenFile(read: Ports['read'], path: string): string {
  try {
    return read(path).trim()
  } catch (cause) {
    throw new Error(`The token file ${path} of the context cannot be read; check path and rights.`, { cause })
  }
}
