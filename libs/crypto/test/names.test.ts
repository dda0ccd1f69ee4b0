import { awayText, CryptoInputError, channelName, displayName, normalizeName } from '@pychat/crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

function codeOf(run: () => unknown): string | null {
  try {
    run()
  } catch (error) {
    if (error instanceof CryptoInputError) return error.code
    throw error
  }
  return null
}

describe('normalizeName', () => {
  test.each([
    ['case', 'LOBBY', 'lobby'],
    ['width', 'Ｌｏｂｂｙ', 'lobby'],
    ['ligatures', 'ﬁsh', 'fish'],
    ['composition', 'Cafe\u0301', 'caf\u00e9'],
    ['kinds of space, in runs and at the ends', ' \u3000the\u00a0\t lobby\n', 'the lobby'],
    ['capitals that only NFKC shows', '\u2102at', 'cat'],
    ['circled digits', '①②', '12'],
    ['letters that compose only in lower case', 'J\u030c', '\u01f0'],
    ['the final sigma', 'ΟΔΟΣ', 'οδος'],
  ])('makes names one that differ in %s', (_, typed, expected) => {
    expect(normalizeName(typed)).toBe(expected)
  })

  test('keeps names apart that differ in a letter, an accent or a hyphen', () => {
    const names = ['lobby', 'lobbý', 'lob-by', 'lob by', 'lobbyy', 'straße', 'strasse']
    expect(new Set(names.map((name) => normalizeName(name))).size).toBe(names.length)
  })

  test.each([
    ['nothing', '', 'name-empty'],
    ['only spaces', ' \u3000\t', 'name-empty'],
    ['a zero-width space', 'a\u200bb', 'name-character'],
    ['a change of direction', 'a\u202eb', 'name-character'],
    ['a NUL', 'a\0b', 'name-character'],
    ['an escape', '\u001b[31mred', 'name-character'],
    ['a lone surrogate', '\ud800', 'name-character'],
    ['private use', '\ue000', 'name-character'],
    ['an unassigned code point', '\u0378', 'name-character'],
    ['65 bytes', 'a'.repeat(65), 'name-too-long'],
    ['33 letters of two bytes', 'é'.repeat(33), 'name-too-long'],
    ['what grows over 64 bytes by mapping', 'ﷺ'.repeat(3), 'name-too-long'],
  ])('refuses %s', (_, typed, code) => {
    expect(codeOf(() => normalizeName(typed))).toBe(code)
  })

  test('takes exactly 64 bytes, spaces around them not counted', () => {
    expect(normalizeName(` ${'é'.repeat(32)} `)).toBe('é'.repeat(32))
  })

  test('says what to do, what it is about, and never what was typed', () => {
    const typed = 'secret\u200b'
    expect(() => normalizeName(typed, 'server name')).toThrow(/^The server name has .*; type it again.*\.$/)
    expect(() => normalizeName(typed)).not.toThrow(/secret/)
  })
})

describe('displayName', () => {
  test('keeps case and width and tidies composition and spaces', () => {
    expect(displayName('  Ａna   E\u0301va ')).toBe('Ａna Éva')
  })

  test('refuses what normalizeName refuses for its characters', () => {
    expect(codeOf(() => displayName('a\u200bb'))).toBe('name-character')
    expect(codeOf(() => displayName(' '))).toBe('name-empty')
    expect(codeOf(() => displayName('a'.repeat(65)))).toBe('name-too-long')
  })

  test('changes nothing the second time, and names the same person before and after', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 24 }), (text) => {
        if (codeOf(() => displayName(text)) !== null || codeOf(() => normalizeName(text)) !== null) return
        const shown = displayName(text)
        expect(displayName(shown)).toBe(shown)
        expect(normalizeName(shown)).toBe(normalizeName(text))
      }),
    )
  })
})

test('any text is either taken or refused with CryptoInputError', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      codeOf(() => normalizeName(text))
      codeOf(() => displayName(text))
    }),
  )
})

describe('channelName', () => {
  test.each([
    ['#dev', 'dev'],
    [' Dev ', 'dev'],
    ['Ｓtraße', 'straße'],
    ['c'.repeat(32), 'c'.repeat(32)],
  ])('makes %j the channel %j', (typed, name) => {
    expect(channelName(typed)).toBe(name)
    expect(channelName(name)).toBe(name)
  })

  test.each([
    '',
    ' ',
    '#',
    '##dev',
    'a b',
    'a/b',
    'a,b',
    'a#b',
    'a\u202eb',
    'c'.repeat(33),
    'é'.repeat(17),
    'ﷺ',
  ])('refuses %j', (typed) => {
    expect(codeOf(() => channelName(typed))).toBe('channel-name')
  })
})

describe('awayText', () => {
  test('is tidied as a name is, and may be empty or have joined emoji', () => {
    expect(awayText('  at\n lunch ')).toBe('at lunch')
    expect(awayText(' ')).toBe('')
    expect(awayText('with 👩\u200d💻')).toBe('with 👩\u200d💻')
    expect(awayText('x'.repeat(57))).toBe('x'.repeat(57))
  })

  test.each([
    ['x'.repeat(58), 'away-too-long'],
    ['é'.repeat(29), 'away-too-long'],
    ['\u001b[2J', 'name-character'],
    ['\u202eback', 'name-character'],
  ])('refuses %j', (typed, code) => {
    expect(codeOf(() => awayText(typed))).toBe(code)
  })
})
