// Programs written in Go that runs and tests drive and no other registry has: built by `go install` at a fixed version, and
// kept in the user's cache, outside the repository. What they are is said by who needs them.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'

/** Where they are kept. */
export const toolsFolder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pychat-tools')

const place = ({ name, module }) => join(toolsFolder, `${name}-${module.slice(module.lastIndexOf('@') + 1)}`)

/** Its path, or null when this version was not built here yet. */
export function builtTool(tool) {
  return existsSync(place(tool)) ? place(tool) : null
}

/** Builds it; takes a minute or more the first time. @returns its path  @throws Error when Go is missing or fails */
export function buildTool(tool) {
  mkdirSync(toolsFolder, { recursive: true })
  const folder = mkdtempSync(join(toolsFolder, 'install-'))
  try {
    execFileSync('go', ['install', '-ldflags', tool.flags, tool.module], {
      env: { ...process.env, GOBIN: folder, GOFLAGS: '', CGO_ENABLED: '0' },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    renameSync(join(folder, basename(tool.module.slice(0, tool.module.lastIndexOf('@')))), place(tool))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return place(tool)
}
