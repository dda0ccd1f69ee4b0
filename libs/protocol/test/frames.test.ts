// Golden bytes and the malformed list of docs/protocol.md, "Data frames".
import {
  checkFrame,
  type Delivery,
  decodeDelivery,
  decodeFrameHeader,
  decodeHex,
  deliveryHeaderBytes,
  deliveryOffsets,
  type Epoch,
  encodeDelivery,
  encodeFrameHeader,
  encodeHex,
  frameHeaderBytes,
  frameOffsets,
  frameTable,
  limits,
  paddingBucketsBytes,
  type RoomId,
  type SessionId,
  writeDeliveryHeader,
} from '@pychat/protocol'
import { describe, expect, test } from 'vitest'
import { insideBigger, refusalOf } from './verdict.ts'

const session = '000102030405060708090a0b0c0d0e0f' as SessionId
const commitment = decodeHex('c0c1c2c3c4c5c6c7c8c9cacbcccdcecf')
const room = 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff' as RoomId
const epoch = 'e0e1e2e3e4e5e6e7' as Epoch

const goldenHeader = [
  '01', // version
  '01', // type: message
  '000102030405060708090a0b0c0d0e0f', // session
  '0000000000010203', // counter 66051
  'c0c1c2c3c4c5c6c7c8c9cacbcccdcecf', // commitment
].join('')
const goldenDeliveryHeader = [
  '01', // version
  '81', // type: delivery
  'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', // room
  'e0e1e2e3e4e5e6e7', // epoch
  '000000010000002a', // seq 2^32 + 42
  '0000019b76daa87b', // at 1767225600123
].join('')

function frameOf(padded = 256, counter = 66_051): Uint8Array {
  const frame = new Uint8Array(frameHeaderBytes + padded + 16).fill(0xee)
  frame.set(encodeFrameHeader({ session, counter, commitment }))
  return frame
}

const delivery = (frame = frameOf()): Delivery => ({
  room,
  epoch,
  seq: 2 ** 32 + 42,
  at: 1_767_225_600_123,
  frame,
})

/** A frame or delivery with some bytes written over. */
function patched(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice()
  copy.set(values, at)
  return copy
}

describe('sealed frames', () => {
  test('have the golden header', () => {
    expect(encodeHex(encodeFrameHeader({ session, counter: 66_051, commitment }))).toBe(goldenHeader)
    expect(decodeFrameHeader(frameOf())).toEqual({ session, counter: 66_051, commitment })
  })

  test.each(paddingBucketsBytes)('may carry %i padded bytes', (padded) => {
    expect(refusalOf(() => checkFrame(frameOf(padded)))).toBeNull()
  })

  test('may count from 1 to 2^24', () => {
    expect(refusalOf(() => checkFrame(frameOf(256, 1)))).toBeNull()
    expect(refusalOf(() => checkFrame(frameOf(256, limits.framesPerSessionMax)))).toBeNull()
  })

  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'bad-message'],
    ['one byte', Uint8Array.of(1), 'bad-message'],
    ['a header alone', frameOf().subarray(0, frameHeaderBytes), 'bad-message'],
    ['a header cut off', frameOf().subarray(0, 20), 'bad-message'],
    ['one byte too few', frameOf().subarray(0, 313), 'bad-message'],
    ['one byte too many', Uint8Array.from([...frameOf(), 0]), 'bad-message'],
    ['a length between two buckets', frameOf(300), 'bad-message'],
    ['a payload as long as the tag', frameOf(0), 'bad-message'],
    ['more than the longest frame', frameOf(15_361), 'too-long'],
    ['a megabyte', new Uint8Array(2 ** 20), 'too-long'],
    ['version 0', patched(frameOf(), 0, 0), 'unsupported-version'],
    ['version 2', patched(frameOf(), 0, 2), 'unsupported-version'],
    ['type 0', patched(frameOf(), 1, 0), 'bad-message'],
    ['type 129, which only a relay sends', patched(frameOf(), 1, 129), 'bad-message'],
    ['counter 0', patched(frameOf(), frameOffsets.counter, 0, 0, 0, 0, 0, 0, 0, 0), 'bad-message'],
    ['counter 2^24 + 1', patched(frameOf(), frameOffsets.counter, 0, 0, 0, 0, 1, 0, 0, 1), 'bad-message'],
    ['counter 2^53', patched(frameOf(), frameOffsets.counter, 0, 0x20, 0, 0, 0, 0, 0, 0), 'bad-message'],
    ['counter 2^64 - 1', patched(frameOf(), frameOffsets.counter, ...Array(8).fill(255)), 'bad-message'],
  ])('refuses %s', (_, bytes, code) => {
    expect(refusalOf(() => checkFrame(bytes))).toBe(code)
    expect(refusalOf(() => decodeFrameHeader(bytes))).toBe(code)
    expect(refusalOf(() => checkFrame(insideBigger(bytes, 0)))).toBe(code)
  })

  test('are read in place: the commitment is a view into the frame', () => {
    const frame = frameOf()
    const header = decodeFrameHeader(frame)
    frame[frameOffsets.commitment] = 0x77
    expect(header.commitment[0]).toBe(0x77)
  })
})

describe('deliveries', () => {
  test('have the golden header, and then the sender’s bytes untouched', () => {
    const bytes = encodeDelivery(delivery())
    expect(encodeHex(bytes.subarray(0, deliveryHeaderBytes))).toBe(goldenDeliveryHeader)
    expect(bytes.subarray(deliveryHeaderBytes)).toEqual(frameOf())
    expect(decodeDelivery(bytes)).toEqual(delivery())
  })

  test('are the same when the header is written in place', () => {
    const target = new Uint8Array(deliveryHeaderBytes + 314)
    target.set(frameOf(), deliveryHeaderBytes)
    writeDeliveryHeader(target, decodeHex(room), decodeHex(epoch), 2 ** 32 + 42, 1_767_225_600_123)
    expect(target).toEqual(encodeDelivery(delivery()))
  })

  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'bad-message'],
    ['a header cut off', encodeDelivery(delivery()).subarray(0, 41), 'bad-message'],
    ['a header alone', encodeDelivery(delivery()).subarray(0, 42), 'bad-message'],
    ['version 2', patched(encodeDelivery(delivery()), 0, 2), 'unsupported-version'],
    ['type 1, which only a client sends', patched(encodeDelivery(delivery()), 1, 1), 'bad-message'],
    ['seq 0', encodeDelivery({ ...delivery(), seq: 0 }), 'bad-message'],
    [
      'seq 2^53',
      patched(encodeDelivery(delivery()), deliveryOffsets.seq, 0, 0x20, 0, 0, 0, 0, 0, 0),
      'bad-message',
    ],
    [
      'a time of 2^64 - 1',
      patched(encodeDelivery(delivery()), deliveryOffsets.at, ...Array(8).fill(255)),
      'bad-message',
    ],
    [
      'a sealed frame of another version',
      encodeDelivery(delivery(patched(frameOf(), 0, 9))),
      'unsupported-version',
    ],
    ['a sealed frame of no padding bucket', encodeDelivery(delivery(frameOf(257))), 'bad-message'],
    ['a delivery inside a delivery', encodeDelivery(delivery(encodeDelivery(delivery()))), 'bad-message'],
    ['more than the longest delivery', encodeDelivery(delivery(frameOf(15_361))), 'too-long'],
  ])('are refused when they are %s', (_, bytes, code) => {
    expect(refusalOf(() => decodeDelivery(bytes))).toBe(code)
    expect(refusalOf(() => decodeDelivery(insideBigger(bytes, 0)))).toBe(code)
  })
})

test('the table of frames agrees with the limits', () => {
  expect(frameTable.message).toMatchObject({
    bytesMin: frameOf(256).length,
    bytesMax: frameOf(15_360).length,
  })
  expect(frameTable.delivery.bytesMin).toBe(encodeDelivery(delivery(frameOf(256))).length)
  expect(frameTable.delivery.bytesMax).toBe(encodeDelivery(delivery(frameOf(15_360))).length)
  expect(frameTable.delivery.bytesMax).toBeLessThan(16 * 1024)
  for (const row of Object.values(frameTable)) expect(row.type < 128).toBe(row.from === 'client')
})
