import { CryptoInputError, openRules, sealRules } from '@pychat/crypto'
import { limits, type MemberId, ProtocolError, type RulesText } from '@pychat/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { roomFrom, seededRandom } from './fixtures.ts'

const room = roomFrom('room')
const root = room.id
const id = 'ab'.repeat(16) as MemberId
const text: RulesText = {
  motd: 'Welcome.\nBe kind ☕',
  people: { [id]: { name: 'Mallory', reason: 'spam', by: 'Alice' } },
  channels: ['dev'],
}
const seal = (content: RulesText, seed = 'salt') => sealRules(room, root, content, seededRandom(seed))

describe('the sealed part of rules', () => {
  test('is read by members of this room and community alone', () => {
    expect(openRules(room, root, seal(text))).toEqual(text)
    expect(openRules(roomFrom('elsewhere'), root, seal(text))).toBeNull()
    expect(openRules(room, roomFrom('elsewhere').id, seal(text))).toBeNull()
  })

  test('shows the same few sizes from outside, and other bytes each time', () => {
    const sizes = new Set<number>()
    for (let length = 0; length <= limits.motdBytesMax; length += 50) {
      sizes.add(seal({ motd: 'm'.repeat(length), people: {}, channels: [] }).length)
    }
    expect([...sizes]).toEqual([256, 512, 1024, 2048].map((size) => Math.ceil(((size + 48) * 4) / 3)))
    expect(seal(text, 'one')).not.toBe(seal(text, 'two'))
    expect(openRules(room, root, seal(text, 'two'))).toEqual(text)
  })

  test('with any character changed is nothing', () => {
    const sealed = seal(text)
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.stringMatching(/^[A-Za-z0-9_-]$/), (at, character) => {
        const changed = sealed.slice(0, at) + character + sealed.slice(at + 1)
        expect(openRules(room, root, changed) === null).toBe(changed !== sealed)
      }),
    )
  })

  test('is null for any text, and never a throw', () => {
    for (const sealed of ['', 'A', '=', '☕', 'A'.repeat(406)])
      expect(openRules(room, root, sealed)).toBeNull()
    fc.assert(fc.property(fc.string(), (sealed) => openRules(room, root, sealed) === null))
  })

  test('refuses more than fits, and what its readers would refuse', () => {
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [
        i.toString(16).padStart(32, '0'),
        { name: 'Somebody', by: 'Alice' },
      ]),
    )
    expect(() => seal({ ...text, people: many })).toThrow(CryptoInputError)
    expect(() => seal({ ...text, motd: 'é'.repeat(1001) })).toThrow(ProtocolError)
    expect(() => seal({ ...text, motd: '\u001b[2J' })).toThrow(ProtocolError)
    expect(() =>
      seal({ ...text, people: { bob: { name: 'Bob', by: 'Alice' } } as RulesText['people'] }),
    ).toThrow(ProtocolError)
  })
})
