// The bans of one embedded node: in memory, and in a file of the state folder that only its user may read, so that they
// outlive a restart. The file is replaced in one step: a crash leaves the old one or the new one.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { type BanList, decodeBans } from './ban-list.ts'
import type { BanStore } from './bans.ts'

const fileSchema = z.strictObject({
  schema: z.literal(1),
  version: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  bans: z.array(z.unknown()),
})

/** The file of the relay that listens for clients on this port. */
export function bansFileName(port: number): string {
  return `bans-${port}.json`
}

/** @param file null keeps nothing over a restart */
export function createFileBanStore(file: string | null): BanStore {
  let known: BanList = { version: 0, bans: [] }
  let tell: (list: BanList) => void = () => {}
  return {
    async start(changed) {
      tell = changed
      known = file === null ? known : read(file)
      tell(known)
    },
    async change(edit) {
      const next = { version: known.version + 1, bans: edit(known.bans) }
      if (file !== null) write(file, next)
      known = next
      tell(known)
      return known
    },
    stop() {},
  }
}

function read(file: string): BanList {
  const fault = (what: string, cause?: unknown) =>
    new Error(
      `The bans in ${file} ${what}: nobody would be kept out. Repair the file, or remove it to begin without bans.`,
      { cause },
    )
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { version: 0, bans: [] }
    throw fault('cannot be read', cause)
  }
  try {
    const { version, bans } = fileSchema.parse(JSON.parse(text))
    const read = decodeBans(JSON.stringify(bans))
    if (read !== null) return { version, bans: read }
  } catch (cause) {
    throw fault('are damaged', cause)
  }
  throw fault('are damaged')
}

function write(file: string, { version, bans }: BanList): void {
  const fresh = `${file}.new`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    rmSync(fresh, { force: true })
    writeFileSync(fresh, `${JSON.stringify({ schema: 1, version, bans })}\n`, { mode: 0o600, flag: 'wx' })
    renameSync(fresh, file)
  } catch (cause) {
    throw new BansFileError(
      `Nothing was changed: the bans cannot be written to ${file}. See that there is room, and that the relay may write there.`,
      { cause },
    )
  }
}

/** The message is a sentence for the operator. */
export class BansFileError extends Error {
  override readonly name = 'BansFileError'
}
