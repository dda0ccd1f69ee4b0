// The token's three homes, and the log's promise to let out only what it names.
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { readAdminTokenFile, settleAdminToken } from '../../src/ops/admin-token.ts'
import { createLog, describeError } from '../../src/ops/log.ts'

const top = mkdtempSync(join(tmpdir(), 'pychat-token-test-'))
afterAll(() => rmSync(top, { recursive: true, force: true }))

describe('the admin token', () => {
  let dir = ''
  let count = 0
  beforeEach(() => {
    count += 1
    dir = join(top, String(count), 'state')
  })
  const random = () => 'f'.repeat(64)

  test('a given token makes no file', () => {
    expect(settleAdminToken('given', '0.0.0.0', 9765, dir, random).token).toBe('given')
    expect(() => statSync(dir)).toThrow()
  })

  test('on loopback a file only this user can read is made, and removed again', () => {
    const settled = settleAdminToken(null, '127.0.0.1', 9765, dir, random)
    const file = join(dir, 'admin-9765.token')
    expect(readFileSync(file, 'utf8').trim()).toBe(settled.token)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    settled.remove()
    expect(() => statSync(file)).toThrow()
    settled.remove()
  })

  test('a link that lies in its place is replaced, not followed', () => {
    settleAdminToken(null, '::1', 1, dir, random).remove()
    const target = join(dir, 'precious')
    writeFileSync(target, 'precious')
    symlinkSync(target, join(dir, 'admin-1.token'))
    settleAdminToken(null, '::1', 1, dir, random)
    expect(readFileSync(target, 'utf8')).toBe('precious')
  })

  test('the file of a relay that came later is left alone', () => {
    const early = settleAdminToken(null, '127.0.0.1', 2, dir, random)
    const late = settleAdminToken(null, '127.0.0.1', 2, dir, () => 'e'.repeat(64))
    early.remove()
    expect(readFileSync(join(dir, 'admin-2.token'), 'utf8').trim()).toBe(late.token)
  })

  test('beyond loopback without a token, and without a folder to write to, the API is off with a sentence', () => {
    expect(settleAdminToken(null, '0.0.0.0', 3, dir, random)).toMatchObject({
      token: null,
      warning: expect.stringContaining('PYCHAT_ADMIN_TOKEN'),
    })
    writeFileSync(join(top, 'file'), '')
    expect(settleAdminToken(null, '127.0.0.1', 3, join(top, 'file', 'x'), random)).toMatchObject({
      token: null,
      warning: expect.stringContaining('PYCHAT_STATE_DIR'),
    })
  })

  test('a token file is trimmed, and refused when it is missing or holds no token', () => {
    const file = join(top, 'token')
    writeFileSync(file, 'sixteen-characters-or-more\n')
    expect(readAdminTokenFile(file)).toBe('sixteen-characters-or-more')
    writeFileSync(file, 'short')
    expect(() => readAdminTokenFile(file)).toThrow('16 to 256')
    expect(() => readAdminTokenFile(join(top, 'missing'))).toThrow('PYCHAT_ADMIN_TOKEN_FILE')
  })
})

describe('the log', () => {
  test('lets out its sentence and the fields it knows, nothing else', () => {
    const lines: string[] = []
    const log = createLog('info', false, (line) => lines.push(line))
    log.warn('Something.', { code: 4001, pin: 'canary', count: 2 } as never)
    log.debug('Not shown.')
    expect(lines.length).toBe(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 40, msg: 'Something.', code: 4001, count: 2 })
    expect(lines[0]).not.toContain('canary')
  })

  test('is short lines for a person', () => {
    const lines: string[] = []
    createLog('info', true, (line) => lines.push(line)).warn('Something.', { network: '192.0.2.0/24' })
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d warn {2}Something\. network=192\.0\.2\.0\/24\n$/)
  })

  test('an error is told by class and place, not by its words', () => {
    const told = describeError(new TypeError('canary'))
    expect(told).toMatch(/^TypeError at admin-token\.test\.ts:\d+$/)
    expect(describeError('canary')).toBe('unknown')
  })
})
