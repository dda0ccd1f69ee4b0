import { CryptoInputError, decodeInvite, encodeInvite } from '@pychat/crypto'
import { type Invite, ProtocolError, type RoomId } from '@pychat/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const invite: Invite = { v: 1, relays: ['wss://chat.example/'], name: 'Lobby', pin: '482133' }
const line = encodeInvite(invite)

const codeOf = (text: string) => {
  try {
    decodeInvite(text)
  } catch (error) {
    if (error instanceof CryptoInputError) return error.code
    throw error
  }
  return null
}

describe('an invite', () => {
  test.each<Invite>([
    invite,
    { v: 1, relays: [], name: 'Straße 9' },
    {
      v: 1,
      relays: Array<string>(4).fill(`ws://${'a'.repeat(251)}`),
      name: 'n'.repeat(64),
      pin: '"'.repeat(128),
    },
    { v: 1, relays: [], name: '日本', secret: 'ab'.repeat(32), root: 'cd'.repeat(16) as RoomId },
  ])('comes back as it was made: $name', (each) => {
    expect(decodeInvite(encodeInvite(each))).toEqual(each)
  })

  test('is one line without spaces that a shell leaves alone', () => {
    expect(line).toMatch(/^pychat:[A-Za-z0-9_-]+\.[a-z2-7]{6}$/)
  })

  test('is read wherever a mail program broke it', () => {
    const gap = fc.constantFrom(' ', '\n', '\r\n  ', '\t', '\u00a0')
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(line.length), gap), { maxLength: 6 }), (breaks) => {
        let text = line
        for (const [at, space] of breaks) text = text.slice(0, at) + space + text.slice(at)
        expect(decodeInvite(text)).toEqual(invite)
      }),
    )
  })

  test('that was cut anywhere, or has one character more, less or other, is noticed', () => {
    for (let at = 0; at < line.length; at += 1) {
      const spoilt = [
        line.slice(0, at),
        line.slice(0, at) + line.slice(at + 1),
        `${line.slice(0, at)}a${line.slice(at)}`,
        line.slice(0, at) + (line[at] === 'b' ? 'c' : 'b') + line.slice(at + 1),
      ]
      for (const text of spoilt) if (text !== line) expect(codeOf(text), text).toBe('invite')
    }
  })

  test('of any text is refused with one sentence that does not repeat it', () => {
    fc.assert(fc.property(fc.string(), (text) => codeOf(text) === 'invite'))
    expect(codeOf(`${line}${' '.repeat(5000)}`)).toBe('invite')
    expect(() => decodeInvite('pychat:hunter2')).toThrow(/^The invite is cut off or mistyped; .*\.$/)
    expect(() => decodeInvite('pychat:hunter2')).not.toThrow(/hunter2/)
  })

  test('is not made of what leads nowhere', () => {
    expect(() => encodeInvite({ ...invite, relays: ['https://chat.example/'] })).toThrow(ProtocolError)
    expect(() => encodeInvite({ ...invite, relays: Array<string>(5).fill('ws://a') })).toThrow(ProtocolError)
    expect(() => encodeInvite({ ...invite, name: 'a\u200b' })).toThrow(CryptoInputError)
    expect(() => encodeInvite({ ...invite, pin: 'a\ue000' })).toThrow(CryptoInputError)
  })
})
