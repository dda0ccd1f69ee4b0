// The tables of facts hold together: close codes, refusals, limits, short codes.
import {
  adminTokenFileName,
  type CloseName,
  closeRule,
  closeSentence,
  closeStopFrom,
  closeTable,
  type ErrorCode,
  errorTable,
  limits,
  ProtocolError,
  paddingBucketsBytes,
  shortCode,
  stateDirectory,
} from '@pychat/protocol'
import { describe, expect, test } from 'vitest'

const closeRows = Object.entries(closeTable) as [CloseName, (typeof closeTable)[CloseName]][]
const errorRows = Object.entries(errorTable) as [ErrorCode, (typeof errorTable)[ErrorCode]][]

describe('close codes', () => {
  test('are all different, and inside the range that RFC 6455 leaves to applications', () => {
    const codes = closeRows.map(([, row]) => row.code)
    expect(new Set(codes).size).toBe(codes.length)
    for (const code of codes) {
      expect(code).toBeGreaterThanOrEqual(4000)
      expect(code).toBeLessThanOrEqual(4999)
    }
  })

  test.each(closeRows)('%s has the rule that its number says', (_, row) => {
    expect(closeRule(row.code)).toBe(row.rule)
    expect(row.rule === 'stop').toBe(row.code >= closeStopFrom)
    expect(closeSentence(row.code)).toBe(row.sentence)
  })

  test.each([
    [1000, 'reconnect'],
    [1001, 'reconnect'],
    [1006, 'reconnect'],
    [1012, 'reconnect'],
    [4000, 'reconnect'],
    [4499, 'reconnect'],
    [4500, 'stop'],
    [4999, 'stop'],
    [5000, 'reconnect'],
  ])('%i, known or not, means %s', (code, rule) => {
    expect(closeRule(code)).toBe(rule)
  })

  test('a code outside the table has no sentence', () => {
    expect(closeSentence(1006)).toBeNull()
    expect(closeSentence(4499)).toBeNull()
  })
})

test.each([...closeRows, ...errorRows])('%s comes with one sentence for a person', (_, row) => {
  expect(row.sentence).toMatch(/^[A-Z][^\n]*\.$/)
  expect(row.sentence.length).toBeLessThanOrEqual(120)
})

describe('refusals', () => {
  test('only those that time can cure may be tried again', () => {
    const later = errorRows.filter(([, row]) => row.retry === 'later').map(([code]) => code)
    expect(later.sort()).toEqual(['emergency', 'gap', 'too-fast', 'unavailable'])
  })

  test('fit the message field of "refused"', () => {
    for (const [code, row] of errorRows) {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/)
      expect(row.sentence.length).toBeLessThanOrEqual(256)
    }
  })

  test('a ProtocolError says its sentence, and the detail after it', () => {
    expect(new ProtocolError('room-full')).toMatchObject({ code: 'room-full', message: 'This room is full.' })
    expect(new ProtocolError('room-full', '200 of 200').message).toBe('This room is full. (200 of 200)')
    expect(new ProtocolError('gap')).toBeInstanceOf(Error)
  })
})

describe('limits', () => {
  test('padding buckets rise, and the ends are those of the frames', () => {
    expect([...paddingBucketsBytes].sort((a, b) => a - b)).toEqual([...paddingBucketsBytes])
    expect(new Set(paddingBucketsBytes).size).toBe(paddingBucketsBytes.length)
    expect(limits.frameBytesMin).toBe(42 + paddingBucketsBytes[0] + 16)
    expect(limits.frameBytesMax).toBe(42 + (paddingBucketsBytes.at(-1) as number) + 16)
  })

  test('are whole numbers above zero, with their unit as the last word', () => {
    for (const [name, value] of Object.entries(limits)) {
      expect(Number.isInteger(value) && value > 0, name).toBe(true)
      expect(name).toMatch(/(Ms|Min|Max)$/)
    }
  })
})

describe('short codes', () => {
  // RFC 4648 section 10, lower case: BASE32("fooba") = MZXW6YTB.
  test('are RFC 4648 base32 of the first five bytes in two groups', () => {
    expect(shortCode(new TextEncoder().encode('foobar'))).toBe('mzxw-6ytb')
    expect(shortCode(new Uint8Array(16))).toBe('aaaa-aaaa')
    expect(shortCode(new Uint8Array(16).fill(255))).toBe('7777-7777')
  })

  test('take no notice of the bytes after the fifth', () => {
    expect(shortCode(Uint8Array.of(1, 2, 3, 4, 5, 6))).toBe(shortCode(Uint8Array.of(1, 2, 3, 4, 5, 7)))
    expect(shortCode(Uint8Array.of(1, 2, 3, 4, 5))).not.toBe(shortCode(Uint8Array.of(1, 2, 3, 4, 6)))
  })
})

describe('where small private files lie', () => {
  test.each([
    [{ PYCHAT_STATE_DIR: '/s', XDG_STATE_HOME: '/x' }, 'linux', '/s'],
    [{ XDG_STATE_HOME: '/x' }, 'linux', '/x/pychat'],
    [{}, 'linux', '/home/ana/.local/state/pychat'],
    [{}, 'darwin', '/home/ana/.local/state/pychat'],
    [{ LOCALAPPDATA: 'C:\\l' }, 'win32', 'C:\\l\\pychat'],
  ])('%j on %s gives %s', (env, platform, expected) => {
    expect(stateDirectory(env, platform, '/home/ana')).toBe(expected)
  })

  test('two relays on one machine have two token files', () => {
    expect(adminTokenFileName(9765)).toBe('admin-9765.token')
    expect(adminTokenFileName(9766)).not.toBe(adminTokenFileName(9765))
  })
})
