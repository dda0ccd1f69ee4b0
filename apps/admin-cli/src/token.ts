// Where the admin token comes from: PYCHAT_ADMIN_TOKEN, PYCHAT_ADMIN_TOKEN_FILE, or the file that a relay on this
// machine leaves in the state folder. The file is only used for loopback addresses: it is nobody else's secret.
import { adminTokenFileName, stateDirectory } from '@pychat/protocol'

type Environment = Readonly<Record<string, string | undefined>>
export type ReadFile = (path: string) => string

const loopback = /^(localhost|127(\.[0-9]+){3}|\[::1\])$/

/**
 * @returns the token, or null when there is none to be found
 * @throws Error with a sentence when the named file cannot be read
 */
export function findToken(
  env: Environment,
  url: URL,
  platform: string,
  home: string,
  read: ReadFile,
): string | null {
  if (env['PYCHAT_ADMIN_TOKEN']) return env['PYCHAT_ADMIN_TOKEN'].trim()
  const file = env['PYCHAT_ADMIN_TOKEN_FILE']
  if (file) {
    try {
      return read(file).trim()
    } catch (cause) {
      throw new Error(
        `The token file ${file} (PYCHAT_ADMIN_TOKEN_FILE) cannot be read; check path and rights.`,
        { cause },
      )
    }
  }
  if (!loopback.test(url.hostname)) return null
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  try {
    return read(`${stateDirectory(env, platform, home)}/${adminTokenFileName(port)}`).trim()
  } catch {
    return null
  }
}
