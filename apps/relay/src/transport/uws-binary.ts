// Finds the one uWebSockets.js binary for this platform, checks it against uws-binary-hashes.ts, and only then loads it.
// The package is a third party's copy of upstream's build: docs/decisions/0002-uwebsockets-from-the-registry.md.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { uwsBinaryHashes } from './uws-binary-hashes.ts'

export type UwsModule = typeof import('uWebSockets.js')

/** `reason` is one sentence for an operator. */
export type UwsBinary = { ok: true; module: UwsModule } | { ok: false; reason: string }

const packageName = 'uWebSockets.js'

/** Where to look and what to trust; tests give their own. */
export type UwsBinarySource = {
  /** As in the package: `uws_<platform>_<arch>_<modules ABI>.node`. */
  fileName: string
  /** Folders that may hold the package, nearest first. */
  folders: readonly string[]
  /** SHA-256 in hex by file name. */
  hashes: Readonly<Record<string, string>>
}

const requireHere = createRequire(import.meta.url)

const here: UwsBinarySource = {
  fileName: `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`,
  folders: requireHere.resolve.paths(packageName) ?? [],
  hashes: uwsBinaryHashes,
}

/** Never throws. Safe to repeat: the process loads the binary once. */
export function loadUwsBinary(source: UwsBinarySource = here): UwsBinary {
  const pinned = source.hashes[source.fileName]
  const platform = `Node ${process.versions.node} on ${process.platform} ${process.arch}`
  if (pinned === undefined) return { ok: false, reason: `no uWebSockets.js binary is known for ${platform}` }

  const path = source.folders.map((folder) => join(folder, packageName, source.fileName)).find(existsSync)
  if (path === undefined) {
    return { ok: false, reason: `${source.fileName} is not installed (it is an optional dependency)` }
  }
  try {
    if (createHash('sha256').update(readFileSync(path)).digest('hex') !== pinned) {
      return {
        ok: false,
        reason: `${path} is not the uWebSockets.js binary that this release was checked with`,
      }
    }
    return { ok: true, module: requireHere(path) as UwsModule }
  } catch (error) {
    const [cause] = (error instanceof Error ? error.message : String(error)).split('\n')
    return { ok: false, reason: `the uWebSockets.js binary does not load here: ${cause}` }
  }
}
