import {
  bodyBytesMax,
  createOpener,
  createSealer,
  createSession,
  frameKinds,
  type View,
} from '@pychat/crypto'
import { checkFrame, type Epoch, limits, paddingBucketsBytes, type SessionId } from '@pychat/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromUtf8, hex, roomFrom, seededRandom, spoilt, utf8 } from '../fixtures.ts'

const room = roomFrom('room')
const { text } = frameKinds
const view: View = {
  epoch: '0123456789abcdef' as Epoch,
  seq: 41,
  chain: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
}

function person(name: string, where = room) {
  const session = createSession(seededRandom(name))
  return {
    session,
    sealer: createSealer(where, session),
    heardBy: (there = where) => createOpener(there, session.id, session.publicKey),
  }
}

const say = (from: ReturnType<typeof person>, counter: number, words: string) =>
  from.sealer.seal(counter, text, utf8(words), 1000 + counter, null)

describe('Alice and Bob', () => {
  test('Bob reads what Alice wrote, with counter, time and view', () => {
    const alice = person('alice')
    const frame = alice.sealer.seal(1, text, utf8('grüße 👋'), 1_767_225_600_123, view)
    expect(alice.heardBy().open(frame)).toEqual({
      counter: 1,
      kind: text,
      body: utf8('grüße 👋'),
      sentAt: 1_767_225_600_123,
      view,
    })
  })

  test('Bob reads on after frames were lost', () => {
    const alice = person('alice')
    const bob = alice.heardBy()
    const frames = [1, 2, 3, 4, 5].map((n) => say(alice, n, `${n}`))
    const heard = [0, 1, 4].map((at) => fromUtf8(bob.open(frames[at] as Uint8Array)?.body as Uint8Array))
    expect(heard).toEqual(['1', '2', '5'])
  })

  test('Bob refuses a replay, and an earlier frame after a later one', () => {
    const alice = person('alice')
    const bob = alice.heardBy()
    const [one, two, three] = [1, 2, 3].map((n) => say(alice, n, `${n}`)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    expect(bob.open(one)).not.toBeNull()
    expect(bob.open(one)).toBeNull()
    expect(bob.open(three)).not.toBeNull()
    expect(bob.open(two)).toBeNull()
    expect(bob.open(say(alice, 4, 'still fine'))).not.toBeNull()
  })

  test('a forged frame with a high counter does not make Bob deaf', () => {
    const alice = person('alice')
    const bob = alice.heardBy()
    const forged = say(person('alice'), 900, 'x')
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1
    expect(bob.open(forged)).toBeNull()
    expect(bob.open(say(alice, 1, 'hello'))).not.toBeNull()
  })

  test('a frame of another room does not open, even with the same session', () => {
    const elsewhere = roomFrom('elsewhere')
    const alice = person('alice', elsewhere)
    const frame = say(alice, 1, 'hello')
    expect(alice.heardBy(room).open(frame)).toBeNull()
    // Same keys, other room id: what a relay splices is refused by the authenticated data alone.
    expect(alice.heardBy({ ...elsewhere, idBytes: room.idBytes }).open(frame)).toBeNull()
    expect(alice.heardBy(elsewhere).open(frame)).not.toBeNull()
  })

  test('a frame of another member does not open as Alice’s', () => {
    const [alice, mallory] = [person('alice'), person('mallory')]
    const frame = say(mallory, 1, 'I am Alice')
    expect(alice.heardBy().open(frame)).toBeNull()
    frame.set(alice.session.idBytes, 2)
    expect(alice.heardBy().open(frame)).toBeNull()
  })

  test('a member who knows the room key cannot sign as Alice', () => {
    const alice = person('alice')
    const mallory = createSession(seededRandom('mallory'))
    // Mallory derives Alice's frame keys, which every member can, and signs with the only key that she has.
    const forger = createSealer(room, { ...alice.session, signingKey: mallory.signingKey })
    expect(alice.heardBy().open(forger.seal(1, text, utf8('I am Alice'), 1, null))).toBeNull()
  })

  test('header of one frame and body of another do not go together', () => {
    const alice = person('alice')
    const [one, two] = [say(alice, 1, 'one'), say(alice, 2, 'two')]
    const spliced = Uint8Array.from([...two.subarray(0, 42), ...one.subarray(42)])
    expect(alice.heardBy().open(spliced)).toBeNull()
  })
})

test('a change of any single byte is refused', () => {
  const alice = person('alice')
  const frame = alice.sealer.seal(3, text, utf8('hello'), 1000, view)
  const bob = alice.heardBy()
  const opened = []
  for (let at = 0; at < frame.length; at += 1) if (bob.open(spoilt(frame, at)) !== null) opened.push(at)
  expect(opened).toEqual([])
  expect(bob.open(frame)).not.toBeNull()
})

test('a frame cut or lengthened at any place is refused', () => {
  const alice = person('alice')
  const frame = say(alice, 1, 'hello')
  const bob = alice.heardBy()
  for (let length = 0; length < frame.length; length += 1)
    expect(bob.open(frame.subarray(0, length))).toBeNull()
  expect(bob.open(Uint8Array.from([...frame, 0]))).toBeNull()
})

test('any bytes at all are opened to null without a throw', () => {
  const bob = person('alice').heardBy()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
      expect(bob.open(bytes)).toBeNull()
    }),
  )
})

describe('padding', () => {
  test.each(paddingBucketsBytes.map((size, i) => [size, paddingBucketsBytes[i + 1]] as const))(
    'fills %i bytes to the brim, and one more byte takes the next size',
    (size, next) => {
      const alice = person('alice')
      const full = alice.sealer.seal(1, text, new Uint8Array(size - 99).fill(97), 1, null)
      expect(full.length).toBe(42 + size + 16)
      checkFrame(full)
      const bob = alice.heardBy()
      expect(bob.open(full)?.body.length).toBe(size - 99)
      if (next === undefined) return
      const over = alice.sealer.seal(2, text, new Uint8Array(size - 98).fill(97), 1, null)
      expect(over.length).toBe(42 + next + 16)
      expect(bob.open(over)?.body.length).toBe(size - 98)
    },
  )

  test('texts of 0 to 157 bytes cannot be told apart by length', () => {
    const alice = person('alice')
    const lengths = new Set<number>()
    for (let n = 0; n <= 157; n += 1)
      lengths.add(alice.sealer.seal(n + 1, text, new Uint8Array(n), 1, null).length)
    expect([...lengths]).toEqual([limits.frameBytesMin])
  })

  test('refuses a body of 15262 bytes, and the counter is free for a shorter one', () => {
    const { sealer } = person('alice')
    expect(bodyBytesMax).toBe(15_261)
    expect(() => sealer.seal(1, text, new Uint8Array(bodyBytesMax + 1), 1, null)).toThrow(/too long.*parts/)
    expect(sealer.seal(1, text, new Uint8Array(bodyBytesMax), 1, null).length).toBe(limits.frameBytesMax)
  })
})

describe('seal', () => {
  test('never seals twice under one counter, nor goes back', () => {
    const { sealer } = person('alice')
    sealer.seal(5, text, utf8('x'), 1, null)
    expect(() => sealer.seal(5, text, utf8('y'), 1, null)).toThrow('counter')
    expect(() => sealer.seal(4, text, utf8('y'), 1, null)).toThrow('counter')
  })

  test.each([
    ['counter 0', 0, 1, 0],
    ['a counter with a fraction', 1.5, 1, 0],
    ['a counter above 2^24', 2 ** 24 + 1, 1, 0],
    ['kind 256', 1, 256, 0],
    ['a time before 1970', 1, 1, -1],
  ])('throws on %s', (_, counter, kind, sentAt) => {
    expect(() => person('alice').sealer.seal(counter, kind, utf8('x'), sentAt, null)).toThrow()
  })

  test('the same words under two counters share no block of ciphertext', () => {
    const alice = person('alice')
    const [one, two] = [say(alice, 1, 'same'), say(alice, 2, 'same')]
    const blocks = new Set<string>()
    for (const frame of [one, two]) {
      for (let at = 42; at + 16 <= frame.length; at += 16) blocks.add(hex(frame.subarray(at, at + 16)))
    }
    expect(blocks.size).toBe(2 * 17)
  })
})

describe('open', () => {
  test('takes kinds that it does not know, whatever their bytes', () => {
    const alice = person('alice')
    const body = Uint8Array.of(0xff, 0xfe)
    expect(alice.heardBy().open(alice.sealer.seal(1, 77, body, 1, null))).toMatchObject({ kind: 77, body })
  })

  test('refuses text that is not UTF-8, though well sealed and signed', () => {
    const alice = person('alice')
    for (const [i, body] of [[0xc3, 0x28], [0xed, 0xa0, 0x80], [0xff], [0xe2, 0x82]].entries()) {
      expect(alice.heardBy().open(alice.sealer.seal(i + 1, text, Uint8Array.from(body), 1, null))).toBeNull()
    }
  })

  test('gives back bytes that stay when the frame’s buffer is used again', () => {
    const alice = person('alice')
    const frame = alice.sealer.seal(1, text, utf8('hello'), 1, view)
    const opened = alice.heardBy().open(frame)
    frame.fill(0)
    expect(opened).toMatchObject({ body: utf8('hello'), view })
  })

  test('reads a frame that is a view into a bigger buffer', () => {
    const alice = person('alice')
    const frame = say(alice, 1, 'hello')
    const big = new Uint8Array(frame.length + 100).fill(0xaa)
    big.set(frame, 37)
    expect(alice.heardBy().open(big.subarray(37, 37 + frame.length))?.counter).toBe(1)
  })

  test('a session id that is not the opener’s opens nothing', () => {
    const alice = person('alice')
    const opener = createOpener(room, 'ff'.repeat(16) as SessionId, alice.session.publicKey)
    expect(opener.open(say(alice, 1, 'hello'))).toBeNull()
  })
})

test('whatever is sealed comes back', () => {
  const alice = person('alice')
  const bob = alice.heardBy()
  let counter = 0
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 600 }),
      fc.nat(Number.MAX_SAFE_INTEGER),
      fc.option(
        fc.record({
          epoch: fc.uint8Array({ minLength: 7, maxLength: 7 }).map((bytes) => `01${hex(bytes)}` as Epoch),
          seq: fc.nat(Number.MAX_SAFE_INTEGER),
          chain: fc.uint8Array({ minLength: 8, maxLength: 8 }),
        }),
      ),
      (words, sentAt, seen) => {
        counter += 1
        const body = utf8(words)
        const opened = bob.open(alice.sealer.seal(counter, text, body, sentAt, seen))
        expect(opened).toEqual({ counter, kind: text, body, sentAt, view: seen })
      },
    ),
  )
})
