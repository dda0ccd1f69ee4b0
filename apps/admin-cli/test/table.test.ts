// How numbers, ages and cells look.
import { describe, expect, test } from 'vitest'
import { clean, renderAge, renderBytes, renderTable } from '../src/table.ts'
import { findToken } from '../src/token.ts'

describe('tables', () => {
  test('columns line up by two spaces, without spaces at line ends', () => {
    expect(
      renderTable(
        ['A', 'LONG'],
        [
          ['1', 'x'],
          ['longer', 'y'],
        ],
      ),
    ).toBe('A       LONG\n1       x\nlonger  y\n')
  })

  test('cells are cleaned and cut', () => {
    expect(clean('a\u001bb\u202ec\u0085')).toBe('a?b?c?')
    expect(clean('x'.repeat(1000)).length).toBe(256)
  })

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [500 * 1024, '500 KiB'],
    [3 * 2 ** 30, '3.0 GiB'],
  ])('%d bytes are %s', (bytes, text) => expect(renderBytes(bytes)).toBe(text))

  test.each([
    [0, '0s'],
    [61, '1m1s'],
    [3600, '1h'],
    [90_061, '1d1h'],
  ])('%d seconds ago is %s', (seconds, text) => {
    expect(
      renderAge('2026-01-01T00:00:00.000Z', Date.parse('2026-01-01T00:00:00.000Z') + seconds * 1000),
    ).toBe(text)
  })
})

describe('the token', () => {
  const files: Record<string, string> = { '/given': 'from file\n', '/state/admin-9765.token': 'from relay\n' }
  const read = (path: string): string => {
    const text = files[path]
    if (text === undefined) throw new Error('ENOENT')
    return text
  }
  const find = (env: Record<string, string>, url: string) =>
    findToken({ PYCHAT_STATE_DIR: '/state', ...env }, new URL(url), 'linux', '/home/x', read)

  test('the setting wins over its file, and both over the relay file', () => {
    const url = 'http://127.0.0.1:9765'
    expect(find({ PYCHAT_ADMIN_TOKEN: 'set', PYCHAT_ADMIN_TOKEN_FILE: '/given' }, url)).toBe('set')
    expect(find({ PYCHAT_ADMIN_TOKEN_FILE: '/given' }, url)).toBe('from file')
    expect(find({}, url)).toBe('from relay')
    expect(() => find({ PYCHAT_ADMIN_TOKEN_FILE: '/missing' }, url)).toThrow('PYCHAT_ADMIN_TOKEN_FILE')
  })

  test('the relay file is never sent to another machine', () => {
    expect(find({}, 'http://relay.example:9765')).toBeNull()
    expect(find({}, 'http://127.0.0.1.evil.example:9765')).toBeNull()
    expect(find({}, 'http://127.0.0.1:9766')).toBeNull()
    expect(find({}, 'http://[::1]:9765')).toBe('from relay')
  })
})
