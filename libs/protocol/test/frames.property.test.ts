// Any bytes: every decoder takes all of them or throws ProtocolError, and it does not matter where they lie.
import {
  checkFrame,
  decodeClientControl,
  decodeDelivery,
  decodeFrameHeader,
  decodeRelayControl,
  deliveryHeaderBytes,
  type Epoch,
  encodeDelivery,
  encodeFrameHeader,
  encodeHex,
  frameHeaderBytes,
  limits,
  paddingBucketsBytes,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { insideBigger, refusalOf } from './verdict.ts'

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const hexOf = (length: number) => bytesOf(length).map(encodeHex)
const safe = fc.nat(Number.MAX_SAFE_INTEGER)
const counter = fc.integer({ min: 1, max: limits.framesPerSessionMax })
// The small buckets: the large ones have the same code and cost more time.
const padded = fc.constantFrom(...paddingBucketsBytes.slice(0, 3))

const header = fc.record({
  session: hexOf(16).map((id) => id as SessionId),
  counter,
  commitment: bytesOf(16),
})
const frame = fc.tuple(header, padded, fc.nat(255)).map(([fields, size, fill]) => {
  const bytes = new Uint8Array(frameHeaderBytes + size + 16).fill(fill)
  bytes.set(encodeFrameHeader(fields))
  return { fields, bytes }
})
const delivery = fc.record({
  room: hexOf(16).map((id) => id as RoomId),
  epoch: hexOf(8).map((id) => id as Epoch),
  seq: safe.map((n) => Math.max(1, n)),
  at: safe,
  frame: frame.map((one) => one.bytes),
})

/** Noise, and valid messages with a few bytes changed or cut off: those reach the deeper checks. */
const nearlyValid = fc
  .tuple(
    fc.oneof(
      frame.map((one) => one.bytes),
      delivery.map(encodeDelivery),
    ),
    fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 3 }),
    fc.oneof(fc.constant(0), fc.nat(320)),
  )
  .map(([bytes, changes, cut]) => {
    const copy = bytes.slice(0, bytes.length - Math.min(cut, bytes.length))
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value
    return copy
  })
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 120 }), nearlyValid)

const decoders = { checkFrame, decodeFrameHeader, decodeDelivery }

describe.each(Object.entries(decoders))('%s', (_, decode) => {
  test('throws nothing but ProtocolError, and says the same of a view into a bigger buffer', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const verdict = refusalOf(() => decode(bytes))
        for (const filler of [0, 1, 0xff]) {
          expect(refusalOf(() => decode(insideBigger(bytes, filler)))).toBe(verdict)
        }
        if (verdict === null) expect(decode(insideBigger(bytes))).toEqual(decode(bytes))
      }),
      { numRuns: 300 },
    )
  })

  test('leaves its input as it was', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const before = bytes.slice()
        refusalOf(() => decode(bytes))
        expect(bytes).toEqual(before)
      }),
    )
  })
})

test('what a frame header is made of comes back', () => {
  fc.assert(
    fc.property(frame, ({ fields, bytes }) => {
      expect(decodeFrameHeader(bytes)).toEqual(fields)
    }),
  )
})

test('what a delivery is made of comes back', () => {
  fc.assert(
    fc.property(delivery, (fields) => {
      const bytes = encodeDelivery(fields)
      expect(bytes.length).toBe(deliveryHeaderBytes + fields.frame.length)
      expect(decodeDelivery(bytes)).toEqual(fields)
    }),
  )
})

test('whatever is taken as a delivery is written back the same', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      if (refusalOf(() => decodeDelivery(bytes)) !== null) return
      expect(encodeDelivery(decodeDelivery(bytes))).toEqual(bytes)
    }),
    { numRuns: 300 },
  )
})

test('control decoders throw nothing but ProtocolError on any text and any JSON', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc
      .record(
        {
          t: fc.constantFrom('hello', 'join', 'leave', 'joined', 'ack', 'nack', 'refused', '__proto__'),
          id: fc.oneof(fc.integer(), fc.jsonValue()),
          room: fc.oneof(hexOf(16), fc.jsonValue()),
          version: fc.oneof(fc.integer(), fc.double()),
        },
        { requiredKeys: ['t'] },
      )
      .map((value) => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(text, (one) => {
      refusalOf(() => decodeClientControl(one))
      refusalOf(() => decodeRelayControl(one))
    }),
    { numRuns: 300 },
  )
})
