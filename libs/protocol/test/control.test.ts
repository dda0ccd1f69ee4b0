// Control messages: one golden text each, and what the strict schemas refuse.
import {
  type CharterPair,
  type ClientControl,
  clientControlSchema,
  decodeClientControl,
  decodeRelayControl,
  type Epoch,
  encodeControl,
  errorTable,
  limits,
  type Member,
  type NameTag,
  type PublicKey,
  plainLine,
  type RelayControl,
  type RoomId,
  relayControlSchema,
  type SessionId,
} from '@pychat/protocol'
import { describe, expect, test } from 'vitest'
import { refusalOf } from './verdict.ts'

const room = 'aa'.repeat(16) as RoomId
const session = 'bb'.repeat(16) as SessionId
const tag = 'cc'.repeat(16) as NameTag
const epoch = 'dd'.repeat(8) as Epoch
const secret = 'ee'.repeat(16)
const profile = 'A'.repeat(390)
const key = 'ab'.repeat(32) as PublicKey
const signed = (doc: string) => ({ doc, key, signature: 'cd'.repeat(64) })
const pair: CharterPair = { charter: signed('{"a":1}'), rules: signed('{"b":"\\\\"}') }
const member: Member = { session, tag, profile, counter: 3, since: 1_767_225_600_000 }

const fromClient: { [T in ClientControl['t']]: Extract<ClientControl, { t: T }> } = {
  hello: { t: 'hello', version: 1, software: 'pychat/0.1.0' },
  join: { t: 'join', id: 1, room, session, secret, tag, profile },
  leave: { t: 'leave', id: 2, room },
  members: { t: 'members', id: 3, room, after: '64' },
  member: { t: 'member', id: 6, room, session },
  log: { t: 'log', id: 5, room, epoch, seq: 7 },
  profile: { t: 'profile', id: 7, room, tag, profile },
  charter: { t: 'charter', id: 8, room, ...pair },
  kick: { t: 'kick', id: 9, room, session },
  ping: { t: 'ping', id: 4 },
}
const fromRelay: { [T in RelayControl['t']]: Extract<RelayControl, { t: T }> } = {
  welcome: {
    t: 'welcome',
    version: 1,
    software: 'pychat-relay/0.1.0',
    pingIntervalMs: 25_000,
    frameBytesMax: 15_418,
    ackReplicas: 0,
  },
  joined: {
    t: 'joined',
    id: 1,
    room,
    epoch,
    seq: 9,
    counter: 0,
    count: 1,
    members: [member],
    next: '64',
    charter: pair,
    quiet: false,
  },
  members: { t: 'members', id: 3, room, members: [] },
  member: { t: 'member', id: 6, room, member },
  left: { t: 'left', id: 2, room },
  log: { t: 'log', id: 5, room, epoch, seq: 7, count: 2, missed: 0, more: false },
  profiled: { t: 'profiled', id: 7, room },
  chartered: { t: 'chartered', id: 8, room },
  kicked: { t: 'kicked', id: 9, room },
  pong: { t: 'pong', id: 4 },
  refused: { t: 'refused', id: 1, code: 'name-taken', message: 'Taken.', retryMs: 0 },
  arrived: { t: 'arrived', room, member },
  departed: { t: 'departed', room, session, why: 'lost' },
  expelled: { t: 'expelled', room, why: 'banned' },
  charter: { t: 'charter', room, ...pair },
  count: { t: 'count', room, count: 300, quiet: true },
  ack: { t: 'ack', room, session, counter: 3, seq: 9 },
  nack: { t: 'nack', room, session, counter: 4, code: 'gap', last: 2, retryMs: 50 },
  reset: { t: 'reset', room, epoch, seq: 1_048_585, was: { epoch, seq: 9 } },
  position: { t: 'position', room, epoch, seq: 9 },
  relay: { t: 'relay', state: 'degraded' },
  goaway: { t: 'goaway', afterMs: 1500 },
  announcement: { t: 'announcement', room, text: 'grüßt 🐝' },
}

const clientRows = Object.values(fromClient) as ClientControl[]
const relayRows = Object.values(fromRelay) as RelayControl[]

test('there is an example of every message', () => {
  const names = (schema: typeof clientControlSchema | typeof relayControlSchema) =>
    schema.options.map((option) => option.shape.t.value).sort()
  expect(Object.keys(fromClient).sort()).toEqual(names(clientControlSchema))
  expect(Object.keys(fromRelay).sort()).toEqual(names(relayControlSchema))
})

describe.each(clientRows)('client $t', (message) => {
  test('comes back as it was sent', () => {
    expect(decodeClientControl(encodeControl(message))).toEqual(message)
  })

  test('is refused with a field more or a field less', () => {
    expect(refusalOf(() => decodeClientControl(JSON.stringify({ ...message, extra: 1 })))).toBe('bad-message')
    for (const field of Object.keys(message)) {
      const { [field as 't']: _, ...rest } = message
      expect(
        refusalOf(() => decodeClientControl(JSON.stringify(rest))),
        field,
      ).toBe('bad-message')
    }
  })

  test('is refused with any field null', () => {
    for (const field of Object.keys(message)) {
      expect(
        refusalOf(() => decodeClientControl(JSON.stringify({ ...message, [field]: null }))),
        field,
      ).toBe('bad-message')
    }
  })
})

describe.each(relayRows)('relay $t', (message) => {
  test('comes back as it was sent', () => {
    expect(decodeRelayControl(encodeControl(message))).toEqual(message)
  })

  test('is refused with a field more, a field null, and without a field that is not optional', () => {
    expect(refusalOf(() => decodeRelayControl(JSON.stringify({ ...message, extra: 1 })))).toBe('bad-message')
    const optional: Record<string, string[]> = {
      joined: ['next', 'charter', 'quiet'],
      log: ['missed'],
      refused: ['id', 'retryMs'],
      nack: ['last', 'retryMs'],
      announcement: ['room'],
    }
    for (const field of Object.keys(message)) {
      expect(
        refusalOf(() => decodeRelayControl(JSON.stringify({ ...message, [field]: null }))),
        field,
      ).toBe('bad-message')
      const { [field as 't']: _, ...rest } = message
      const expected = optional[message.t]?.includes(field) ? null : 'bad-message'
      expect(
        refusalOf(() => decodeRelayControl(JSON.stringify(rest))),
        field,
      ).toBe(expected)
    }
  })
})

test('an announcement is ASCII on the wire, one harmless line, and bounded', () => {
  const said = encodeControl({ t: 'announcement', text: 'grüßt 🐝' })
  expect(said).toBe('{"t":"announcement","text":"gr\\u00fc\\u00dft \\ud83d\\udc1d"}')
  for (const text of ['', 'x'.repeat(501), 'a\nb', 'a\u001b[2J', 'a\u202eb', 'a\u200bb', 'a\u2028b']) {
    expect(refusalOf(() => decodeRelayControl(JSON.stringify({ t: 'announcement', text })))).toBe(
      'bad-message',
    )
    expect(plainLine(text)).not.toMatch(/[\p{C}\p{Zl}]/u)
  }
  expect(plainLine(' a\r\n\tb\u202e c ')).toBe('a b c')
})

test('a join may say what a returning member has', () => {
  const returning = { ...fromClient.join, counter: 17, after: { epoch, seq: 7 } }
  expect(decodeClientControl(encodeControl(returning))).toEqual(returning)
})

test('a join may prove a key', () => {
  const proving = { ...fromClient.join, key: { public: key, proof: 'ef'.repeat(64) } }
  expect(decodeClientControl(encodeControl(proving))).toEqual(proving)
})

test('neither side takes the other side’s messages', () => {
  for (const message of clientRows) {
    // "members" and "charter" are words of both sides with different fields.
    expect(
      refusalOf(() => decodeRelayControl(encodeControl(message))),
      message.t,
    ).toBe('bad-message')
  }
  for (const message of relayRows) {
    expect(
      refusalOf(() => decodeClientControl(encodeControl(message))),
      message.t,
    ).toBe('bad-message')
  }
})

const { join, hello, leave, charter } = fromClient
test.each<[string, unknown]>([
  ['an array', [hello]],
  ['a number', 7],
  ['null', null],
  ['no name', { id: 1 }],
  ['an unknown name', { t: 'kick', id: 1 }],
  ['a room in capitals', { ...leave, room: room.toUpperCase() }],
  ['a room one digit short', { ...leave, room: room.slice(1) }],
  ['a room with a line end', { ...leave, room: `${room.slice(1)}\n` }],
  ['a room followed by a line end', { ...leave, room: `${room}\n` }],
  ['id 0', { ...leave, id: 0 }],
  ['id 2^31', { ...leave, id: 2 ** 31 }],
  ['an id with a fraction', { ...leave, id: 1.5 }],
  ['an id in quotes', { ...leave, id: '1' }],
  ['a negative version', { ...hello, version: -1 }],
  ['software with a space', { ...hello, software: 'py chat' }],
  ['software with an escape', { ...hello, software: 'py\u001b[2J' }],
  ['software of 65 characters', { ...hello, software: 'x'.repeat(65) }],
  ['no software', { ...hello, software: '' }],
  ['a profile below its least size', { ...join, profile: 'A'.repeat(42) }],
  ['a profile above its greatest size', { ...join, profile: 'A'.repeat(684) }],
  ['a profile in standard base64', { ...join, profile: `${'A'.repeat(388)}+/` }],
  ['a padded profile', { ...join, profile: `${'A'.repeat(388)}==` }],
  ['a short secret', { ...join, secret: secret.slice(2) }],
  ['a counter that no session reaches', { ...join, counter: limits.framesPerSessionMax + 1 }],
  ['a place without its epoch', { ...join, after: { seq: 7 } }],
  ['a place with more than a place', { ...join, after: { epoch, seq: 7, count: 1 } }],
  ['a place that is null', { ...join, after: null }],
  ['a place before the first', { ...join, after: { epoch, seq: -1 } }],
  ['a cursor that is no number', { ...fromClient.members, after: 'x' }],
  ['a key without its proof', { ...join, key: { public: key } }],
  ['a proof one digit short', { ...join, key: { public: key, proof: 'e'.repeat(127) } }],
  ['a document with a line end', { ...charter, rules: signed('{}\n') }],
  ['a document that is not ASCII', { ...charter, rules: signed('{"ü":1}') }],
  ['a document with an escape', { ...charter, charter: signed('\u001b[2J') }],
  ['a charter longer than one', { ...charter, charter: signed('x'.repeat(limits.charterDocBytesMax + 1)) }],
  ['rules longer than any', { ...charter, rules: signed('x'.repeat(limits.rulesDocBytesMax + 1)) }],
  ['a charter alone', { t: 'charter', id: 8, room, charter: pair.charter }],
])('a relay refuses %s', (_, value) => {
  expect(refusalOf(() => decodeClientControl(JSON.stringify(value)))).toBe('bad-message')
})

test.each(['', '{', 'hello', '{"t":"ping","id":1}x', "{'t':'ping','id':1}", '\ufeff{"t":"ping","id":1}'])(
  'refuses %j, which is no JSON',
  (text) => {
    expect(refusalOf(() => decodeClientControl(text))).toBe('bad-message')
  },
)

test('refuses text over its limit before it looks at it, and takes text at the limit', () => {
  const padded = (length: number) => `{"t":"ping","id":1${' '.repeat(length - 19)}}`
  expect(padded(100).length).toBe(100)
  expect(refusalOf(() => decodeClientControl(padded(limits.controlBytesMax)))).toBeNull()
  expect(refusalOf(() => decodeClientControl(padded(limits.controlBytesMax + 1)))).toBe('too-long')
  expect(refusalOf(() => decodeRelayControl(' '.repeat(limits.relayControlBytesMax + 1)))).toBe('too-long')
})

test('only a charter may be longer than the rest, and says so with its first word', () => {
  const padded = (start: string, length: number) => `${start}${' '.repeat(length - start.length - 1)}}`
  const long = JSON.stringify(charter).slice(0, -1)
  expect(refusalOf(() => decodeClientControl(padded(long, limits.charterControlBytesMax)))).toBeNull()
  expect(refusalOf(() => decodeClientControl(padded(long, limits.charterControlBytesMax + 1)))).toBe(
    'too-long',
  )
  const late = `{"id":8,"t":"charter",${long.slice('{"t":"charter","id":8,'.length)}`
  expect(refusalOf(() => decodeClientControl(padded(late, limits.controlBytesMax)))).toBeNull()
  expect(refusalOf(() => decodeClientControl(padded(late, limits.controlBytesMax + 1)))).toBe('too-long')
  const disguised = '{"t":"charter","t":"ping","id":1'
  expect(refusalOf(() => decodeClientControl(padded(disguised, limits.controlBytesMax)))).toBeNull()
  expect(refusalOf(() => decodeClientControl(padded(disguised, limits.controlBytesMax + 1)))).toBe('too-long')
})

test('the largest messages of each side fit their limits', () => {
  const big: Member = {
    ...member,
    profile: 'A'.repeat(683),
    counter: Number.MAX_SAFE_INTEGER,
    since: Number.MAX_SAFE_INTEGER,
  }
  const members = Array<Member>(limits.rosterPageMembersMax).fill(big)
  // More quotation marks than a document of this length can have: each takes two characters.
  const fullest: CharterPair = {
    charter: signed('""xxxxxxxx'.repeat(limits.charterDocBytesMax / 10)),
    rules: signed('""xxxxxxxx'.repeat(limits.rulesDocBytesMax / 10)),
  }
  const joined = encodeControl({ ...fromRelay.joined, members, next: '9'.repeat(20), charter: fullest })
  expect(refusalOf(() => decodeRelayControl(joined))).toBeNull()
  expect(refusalOf(() => decodeClientControl(encodeControl({ ...charter, ...fullest })))).toBeNull()
  const longest = encodeControl({
    ...join,
    id: 2 ** 31 - 1,
    profile: big.profile,
    key: { public: key, proof: 'ef'.repeat(64) },
    after: { epoch, seq: Number.MAX_SAFE_INTEGER },
  })
  expect(refusalOf(() => decodeClientControl(longest))).toBeNull()
})

test('a roster page of more members than the limit is refused', () => {
  const members = Array<Member>(limits.rosterPageMembersMax + 1).fill(member)
  expect(refusalOf(() => decodeRelayControl(JSON.stringify({ ...fromRelay.members, members })))).toBe(
    'bad-message',
  )
})

test('a refusal may carry any code of the table and no other', () => {
  for (const code of Object.keys(errorTable)) {
    const text = JSON.stringify({ ...fromRelay.refused, code })
    expect(
      refusalOf(() => decodeRelayControl(text)),
      code,
    ).toBeNull()
  }
  expect(refusalOf(() => decodeRelayControl(JSON.stringify({ ...fromRelay.refused, code: 'nope' })))).toBe(
    'bad-message',
  )
})

test('what is wrong is named without the peer’s own words', () => {
  const text = JSON.stringify({ ...leave, room: 'hunter2' })
  expect(() => decodeClientControl(text)).toThrow(/\(room: /)
  expect(() => decodeClientControl(text)).not.toThrow(/hunter2/)
})
