// Where the admin API's token comes from: the setting, its file, or a file made for people on this machine.
// Null means that the admin API stays off.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { adminTokenFileName } from '@pychat/protocol'
import { isLoopback } from '../session/address-limits.ts'

export type AdminToken = {
  token: string | null
  /** One sentence when the API is off. */
  warning: string | null
  /** Removes the file that was made; safe to repeat. */
  remove(): void
}

/** Reads PYCHAT_ADMIN_TOKEN_FILE. @throws Error with a sentence */
export function readAdminTokenFile(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new Error(
      `The admin token file ${file} (PYCHAT_ADMIN_TOKEN_FILE) cannot be read; check path and rights.`,
      {
        cause,
      },
    )
  }
  if (!/^[\x21-\x7e]{16,256}$/.test(text)) {
    throw new Error(`The admin token file ${file} has to hold 16 to 256 printable characters without spaces.`)
  }
  return text
}

/**
 * @param given the token from the settings, or null
 * @param host what ops listens on, and @param port its real port
 * @param random makes a fresh token
 */
export function settleAdminToken(
  given: string | null,
  host: string,
  port: number,
  stateDir: string,
  random: () => string,
): AdminToken {
  if (given !== null) return { token: given, warning: null, remove() {} }
  if (host !== 'localhost' && !isLoopback(host)) {
    return {
      token: null,
      warning:
        'The admin API is off, because ops listens beyond this machine without a token; set PYCHAT_ADMIN_TOKEN or PYCHAT_ADMIN_TOKEN_FILE.',
      remove() {},
    }
  }
  const token = random()
  const file = join(stateDir, adminTokenFileName(port))
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 })
    rmSync(file, { force: true })
    // A fresh file only: what somebody else put there meanwhile is not written to.
    writeFileSync(file, `${token}\n`, { mode: 0o600, flag: 'wx' })
    chmodSync(file, 0o600)
  } catch {
    return {
      token: null,
      warning: `The admin API is off, because its token file cannot be written in ${stateDir}; set PYCHAT_STATE_DIR or PYCHAT_ADMIN_TOKEN.`,
      remove() {},
    }
  }
  return {
    token,
    warning: null,
    remove() {
      try {
        // Another relay may have taken the port and the file since.
        if (readFileSync(file, 'utf8').trim() === token) rmSync(file)
      } catch {
        // Already gone.
      }
    },
  }
}
