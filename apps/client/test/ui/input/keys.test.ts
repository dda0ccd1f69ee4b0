// Bytes of a terminal as keys, however they are cut.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKeyDecoder, type Key, pasteCharactersMax } from '../../../src/ui/input/keys.ts'

const decode = (...chunks: string[]): Key[] => {
  const decoder = createKeyDecoder()
  return [...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.flush()]
}
const key = (name: string): Key => ({ kind: 'key', name })

describe('the key decoder', () => {
  it.each([
    ['hi ✓', [{ kind: 'text', text: 'hi ✓' }]],
    ['\r', [key('enter')]],
    ['\x1b\r', [key('newline')]],
    ['\x1b[13;2u', [key('newline')]],
    ['\x1b[27;5;13~', [key('newline')]],
    ['\x01\x05\x0b', [key('ctrl-a'), key('ctrl-e'), key('ctrl-k')]],
    ['\x1bb\x1bF', [key('alt-b'), key('alt-f')]],
    ['\x1b1\x1ba', [key('alt-1'), key('alt-a')]],
    ['\x1b[A\x1bOB\x1b[C\x1b[D', [key('up'), key('down'), key('right'), key('left')]],
    ['\x1b[H\x1b[4~\x1bOF\x1b[3~', [key('home'), key('end'), key('end'), key('delete')]],
    ['\x1b[1;5C\x1b[1;3D', [key('word-right'), key('word-left')]],
    ['\x7f\b\x1b\x7f', [key('backspace'), key('backspace'), key('alt-backspace')]],
    ['\t\x1b[Z', [key('tab'), key('shift-tab')]],
    ['\x1b[I\x1b[O', [key('focus'), key('blur')]],
    ['\x1b', [key('escape')]],
    [
      'a\x1b[99~b\x1b[?1;2cc',
      [
        { kind: 'text', text: 'a' },
        { kind: 'text', text: 'b' },
        { kind: 'text', text: 'c' },
      ],
    ],
  ] as [string, Key[]][])('knows %j', (bytes, keys) => {
    expect(decode(bytes)).toEqual(keys)
    expect(decode(...bytes).filter(({ kind }) => kind === 'key')).toEqual(
      keys.filter(({ kind }) => kind === 'key'),
    )
  })

  it('takes a paste whole, with its line breaks and whatever looks like keys in it', () => {
    const bytes = '\x1b[200~one\r\ntwo\rthree\x1b[A\x03\x1b[201~x'
    const keys = [
      { kind: 'paste', text: 'one\ntwo\nthree\x1b[A\x03' },
      { kind: 'text', text: 'x' },
    ]
    expect(decode(bytes)).toEqual(keys)
    expect(decode(...bytes)).toEqual(keys)
  })

  it('says what is open, so that a lone Escape and a paste without end are taken in time', () => {
    const decoder = createKeyDecoder()
    expect(decoder.push('\x1b')).toEqual([])
    expect(decoder.waiting()).toBe('escape')
    expect(decoder.flush()).toEqual([key('escape')])
    decoder.push('\x1b[200~never ended')
    expect(decoder.waiting()).toBe('paste')
    expect(decoder.flush()).toEqual([{ kind: 'paste', text: 'never ended' }])
    expect(decoder.waiting()).toBe(null)
  })

  it('keeps no more of a paste than anybody could send', () => {
    const [paste] = decode(`\x1b[200~${'x'.repeat(10_000_000)}\x1b[201~`)
    expect(paste).toMatchObject({ kind: 'paste' })
    expect(paste?.kind === 'paste' && paste.text.length).toBe(pasteCharactersMax)
  })

  it('never gives control characters as text, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: fc.constantFrom('\x1b', '[', '2', '0', '~', 'a', ';', '\r', '\x00', 'é') }),
        ),
        (chunks) => {
          for (const got of decode(...chunks)) {
            if (got.kind === 'text') expect(got.text).not.toMatch(/[\x00-\x1f\x7f]/)
          }
        },
      ),
    )
  })
})
