import {
  decodeNotice,
  type Epoch,
  encodeNotice,
  type Handover,
  limits,
  type MemberId,
  type Notice,
  type PublicKey,
} from '@pychat/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { refusalOf } from './verdict.ts'

const id = 'ab'.repeat(16) as MemberId
const key = 'cd'.repeat(32) as PublicKey
const handover: Handover = { version: 3, from: key, to: key, signature: 'ef'.repeat(64) }
const notices: Notice[] = [
  { t: 'act', what: 'ban', id, name: 'Mallory', reason: 'spam ☕', until: 1_767_225_600_000 },
  { t: 'channel', name: 'dev' },
  { t: 'offer', handover },
  { t: 'after', epoch: '8899aabbccddeeff' as Epoch, seq: 41 },
]
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

describe('notices', () => {
  test.each(notices)('$t comes back as it was written', (notice) => {
    expect(decodeNotice(encodeNotice(notice))).toEqual(notice)
  })

  test('the longest of each fits its limit', () => {
    const longest: Notice = {
      t: 'act',
      what: 'unmute',
      id,
      // Quotation marks take two bytes each.
      name: '"'.repeat(limits.nameBytesMax),
      reason: '"'.repeat(limits.reasonBytesMax),
      until: 2 ** 53 - 1,
    }
    expect(encodeNotice(longest).length).toBeLessThanOrEqual(limits.noticeBytesMax)
    const most: Handover = { ...handover, version: 2 ** 53 - 1 }
    expect(encodeNotice({ t: 'offer', handover: most }).length).toBeLessThanOrEqual(limits.noticeBytesMax)
  })

  test.each<[string, unknown]>([
    ['an unknown one', { t: 'weather' }],
    ['an unknown act', { ...notices[0], what: 'promote' }],
    ['a field more', { ...notices[1], more: 1 }],
    ['a field less', { t: 'act', what: 'kick', id, name: 'Bob', until: 0 }],
    ['no name', { ...notices[0], name: '' }],
    ['a name that moves the cursor', { ...notices[0], name: 'Bob\u001b[2J' }],
    ['a reason of two lines', { ...notices[0], reason: 'a\nb' }],
    ['a reason too long in bytes', { ...notices[0], reason: 'é'.repeat(129) }],
    ['half a character', { ...notices[0], reason: '\ud800' }],
    ['a channel name too long', { t: 'channel', name: 'c'.repeat(33) }],
    ['an end that is no time', { ...notices[0], until: -1 }],
    ['an offer to nobody', { t: 'offer', handover: { ...handover, to: '' } }],
    ['null', null],
  ])('refuses %s, on both ends', (_, value) => {
    expect(decodeNotice(bytes(value))).toBeNull()
    expect(refusalOf(() => encodeNotice(value as Notice))).toBe('bad-message')
  })

  test('are null for whatever bytes a member sends, and never a throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1100 }), (body) => decodeNotice(body) === null))
    fc.assert(fc.property(fc.json(), (json) => decodeNotice(new TextEncoder().encode(json)) === null))
    const padded = new Uint8Array(limits.noticeBytesMax + 1).fill(0x20)
    padded.set(bytes(notices[1]))
    expect(decodeNotice(padded)).toBeNull()
    expect(decodeNotice(padded.subarray(0, limits.noticeBytesMax))).toEqual(notices[1])
  })
})
