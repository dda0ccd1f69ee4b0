// A folder of small private files that several programs change at once. It decides how: under a lock, from the newest
// content, in one step (a new file takes the old one's place), so that a crash leaves the old or the new file, never
// half of one. What the files mean is their owners' matter.
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** A lock is held for milliseconds; one that is older was left behind by a crash. */
const lockStaleMs = 3000
const lockWaitMs = 8000
const lockLookMs = 15
/** Windows refuses to replace a file that somebody is reading just then. */
const renameTries = 20
const fileBytesMax = 16 * 1024 * 1024
const brokenMax = 1000

/** The state folder cannot be used. `message` is one sentence that says what to do. */
export class StateError extends Error {
  override readonly name = 'StateError'
}

export type StateFolder = {
  readonly path: string
  /** @returns the file's text, or null when there is none  @throws StateError */
  read(name: string): string | null
  /** Takes a file's rights away from everybody else. @returns whether others had any */
  shut(name: string): boolean
  /**
   * Changes one file while nobody else does. `change` gets the newest text (null: no file) and gives the new one, or
   * null to leave it. It may run again, when the lock was lost meanwhile.
   * `setAside` takes a damaged file out of the way first, and tells its new name (null: that is not possible).
   * @throws StateError, and what `change` throws
   */
  update(
    name: string,
    change: (before: string | null, setAside: () => string | null) => string | null,
  ): Promise<void>
}

/**
 * Makes the folder (0700) when there is none; one that exists keeps its rights.
 * @throws StateError when it cannot be made
 */
export function openStateFolder(path: string): StateFolder {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unusable(path, error)
  }

  function read(name: string): string | null {
    const file = join(path, name)
    try {
      // No file of ours is so long: it reads as a damaged one.
      if (statSync(file).size > fileBytesMax) return ''
      return readFileSync(file, 'utf8')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw unusable(path, error)
    }
  }

  return {
    path,
    read,
    shut(name) {
      const file = join(path, name)
      // Windows has no such rights; the user's own folders are private there.
      if (process.platform === 'win32' || (statSync(file).mode & 0o077) === 0) return false
      chmodSync(file, 0o600)
      return true
    },
    async update(name, change) {
      const file = join(path, name)
      try {
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
        for (;;) {
          const lock = await takeLock(`${file}.lock`)
          try {
            const after = change(read(name), () => setAside(file))
            if (after === null) return
            writeFresh(`${file}.tmp`, after)
            if (lock.held()) {
              await replace(`${file}.tmp`, file)
              return
            }
          } catch (error) {
            if (lock.held()) throw error
          } finally {
            lock.release()
          }
        }
      } catch (error) {
        throw codeOf(error) === '' ? error : unusable(path, error)
      }
    },
  }
}

function setAside(file: string): string | null {
  for (let n = 1; n <= brokenMax; n += 1) {
    const aside = `${file}.broken-${n}`
    try {
      // Reserves the name, so that nothing which was set aside before is overwritten.
      closeSync(openSync(aside, 'wx', 0o600))
      renameSync(file, aside)
      return basename(aside)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') return null
    }
  }
  return null
}

/** Writes a file that only this user can read, and waits until the disk has it. */
function writeFresh(file: string, text: string): void {
  // Only who holds the lock writes here: what lies there was left by a crash.
  rmSync(file, { force: true })
  const handle = openSync(file, 'wx', 0o600)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

async function replace(fresh: string, file: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      renameSync(fresh, file)
      return
    } catch (error) {
      if (tries >= renameTries || !['EPERM', 'EACCES', 'EBUSY'].includes(codeOf(error))) throw error
      await pause(lockLookMs)
    }
  }
}

type Lock = {
  /** False when others took it for left behind: then nothing may be written any more. */
  held(): boolean
  release(): void
}

async function takeLock(file: string): Promise<Lock> {
  const token = randomBytes(16).toString('hex')
  const deadline = performance.now() + lockWaitMs
  while (!createLock(file, token)) {
    if (isStale(file)) rmSync(file, { force: true })
    else if (performance.now() > deadline) {
      throw new StateError(
        `The file ${file} has been locked for too long: remove it, if no other PyChat is running.`,
      )
    } else await pause(lockLookMs)
  }
  const held = () => textOf(file) === token
  return {
    held,
    release() {
      if (held()) rmSync(file, { force: true })
    },
  }
}

function createLock(file: string, token: string): boolean {
  try {
    const handle = openSync(file, 'wx', 0o600)
    writeSync(handle, token)
    closeSync(handle)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    // Windows says so of a file that is just being removed.
    if (process.platform === 'win32' && ['EPERM', 'EACCES', 'EBUSY'].includes(codeOf(error))) return false
    throw error
  }
}

function isStale(file: string): boolean {
  try {
    return Math.abs(Date.now() - statSync(file).mtimeMs) > lockStaleMs
  } catch {
    return false
  }
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function unusable(path: string, cause: unknown): StateError {
  if (cause instanceof StateError) return cause
  return new StateError(
    `The state folder ${path} cannot be used (${codeOf(cause) || 'unknown'}): check its rights, set PYCHAT_STATE_DIR to another folder, or add --no-state.`,
    { cause },
  )
}
