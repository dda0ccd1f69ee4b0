import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { selectTransport } from '../../src/transport/select.ts'
import { loadUwsBinary, type UwsBinarySource } from '../../src/transport/uws-binary.ts'
import { uwsBinaryHashes } from '../../src/transport/uws-binary-hashes.ts'

const folder = mkdtempSync(join(tmpdir(), 'pychat-uws-'))
afterAll(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'uWebSockets.js'))

function sourceOf(fileName: string, bytes: string, pinned: string): UwsBinarySource {
  writeFileSync(join(folder, 'uWebSockets.js', fileName), bytes)
  return { fileName, folders: [join(folder, 'empty'), folder], hashes: { [fileName]: pinned } }
}

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')

describe('loading the uWebSockets.js binary', () => {
  it('refuses a file with another hash without loading it', () => {
    const result = loadUwsBinary(sourceOf('other.node', 'not what was pinned', sha256('pinned')))
    expect(result).toMatchObject({ ok: false })
    expect(result.ok || result.reason).toContain('is not the uWebSockets.js binary')
  })

  it('says in one line why a file with the right hash does not load', () => {
    const result = loadUwsBinary(sourceOf('broken.node', 'not a library', sha256('not a library')))
    expect(result.ok || result.reason).toMatch(/^the uWebSockets.js binary does not load here: [^\n]+$/)
  })

  it('says when the package is not installed, and when the platform has no binary', () => {
    const missing = loadUwsBinary({ fileName: 'a.node', folders: [folder], hashes: { 'a.node': sha256('') } })
    expect(missing.ok || missing.reason).toContain('a.node is not installed')
    const unknown = loadUwsBinary({ fileName: 'uws_plan9.node', folders: [folder], hashes: {} })
    expect(unknown.ok || unknown.reason).toContain('no uWebSockets.js binary is known for Node')
  })

  it('pins what is installed here, for Node 20, 22 and 24', () => {
    const folders = createRequire(import.meta.url).resolve.paths('uWebSockets.js') ?? []
    const installed = folders.map((path) => join(path, 'uWebSockets.js')).find(existsSync)
    for (const abi of [115, 127, 137]) expect(uwsBinaryHashes).toHaveProperty([`uws_linux_x64_${abi}.node`])
    if (installed === undefined) return
    for (const [fileName, pinned] of Object.entries(uwsBinaryHashes)) {
      const path = join(installed, fileName)
      if (existsSync(path)) expect([fileName, sha256(readFileSync(path))]).toEqual([fileName, pinned])
    }
  })
})

describe('selecting a transport', () => {
  const without = () => ({ ok: false as const, reason: 'it is raining' })

  it('takes ws with one warning where uWebSockets.js does not load', () => {
    const selected = selectTransport('auto', without)
    expect(selected.kind).toBe('ws')
    expect(selected.warning).toBe('Running on the slower ws transport, because it is raining.')
  })

  it('refuses to take anything else when uws was asked for', () => {
    expect(() => selectTransport('uws', without)).toThrow(/^PYCHAT_TRANSPORT is uws, but it is raining; set /)
  })

  it('takes ws without a word when it was asked for, and does not even look for the other', () => {
    const selected = selectTransport('ws', () => {
      throw new Error('looked')
    })
    expect([selected.kind, selected.warning]).toEqual(['ws', null])
  })

  it('takes uws where it loads', () => {
    const binary = loadUwsBinary()
    expect(selectTransport('auto').kind).toBe(binary.ok ? 'uws' : 'ws')
  })
})
