// A Python with the packages of python/requirements.txt, made on demand: for tests that hold PyChat to programs in
// another language.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const windows = process.platform === 'win32'

/** The folder of the Python programs. */
export const pythonDir = fileURLToPath(new URL('python/', import.meta.url))

export type Python = { path: string } | { missing: string }

/** Makes the virtual environment once per set of packages, below node_modules; later runs find it there. */
export async function findPython(): Promise<Python> {
  const requirements = join(pythonDir, 'requirements.txt')
  const key = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 16)
  const cache = fileURLToPath(new URL('../../../node_modules/.cache/', import.meta.url))
  const venv = join(cache, `pychat-python-${key}`)
  const bin = windows ? join('Scripts', 'python.exe') : join('bin', 'python')
  const works = () =>
    run(join(venv, bin), ['-c', 'import argon2, cryptography, mnemonic, websocket'], { timeout: 60_000 })
  try {
    await works()
    return { path: join(venv, bin) }
  } catch {
    // Not there yet, or its Python is gone: made below.
  }
  const draft = `${venv}.${process.pid}`
  try {
    await mkdir(cache, { recursive: true })
    await run(windows ? 'python' : 'python3', ['-m', 'venv', draft], { timeout: 60_000 })
    const install = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--retries', '1']
    await run(join(draft, bin), [...install, '-r', requirements], { timeout: 100_000 })
    // Two test runs may come here at once: the first one's folder stays.
    await rename(draft, venv).catch(() => undefined)
    await works()
    return { path: join(venv, bin) }
  } catch (error) {
    const reason = String(error instanceof Error ? error.message : error)
    return { missing: `no Python with the packages of requirements.txt: ${reason.trim().split('\n').at(-1)}` }
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}
