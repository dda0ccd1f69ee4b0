// The two binary frames: what a client publishes and what a relay delivers (docs/protocol.md, "Data frames").
// Everything after a sealed frame's 42-byte header is ciphertext and is never looked into here.
import { decodeHex, encodeHex, readUint64, writeUint64 } from './bytes.ts'
import { ProtocolError } from './errors.ts'
import type { Epoch, RoomId, SessionId } from './ids.ts'
import { limits, paddingBucketsBytes, protocolVersion } from './limits.ts'

/** One row per binary frame. Type numbers below 128 travel from client to relay, the rest back. */
export const frameTable = {
  message: { type: 1, from: 'client', bytesMin: limits.frameBytesMin, bytesMax: limits.frameBytesMax },
  delivery: {
    type: 129,
    from: 'relay',
    bytesMin: 42 + limits.frameBytesMin,
    bytesMax: limits.deliveryBytesMax,
  },
} as const

export const frameHeaderBytes = 42
export const deliveryHeaderBytes = 42
export const commitmentBytes = 16
export const tagBytes = 16

/** Where each field of a sealed frame's header starts. */
export const frameOffsets = {
  version: 0,
  type: 1,
  session: 2,
  counter: 18,
  commitment: 26,
  sealed: 42,
} as const

/** Where each field of a delivery starts. */
export const deliveryOffsets = {
  version: 0,
  type: 1,
  room: 2,
  epoch: 18,
  seq: 26,
  at: 34,
  frame: 42,
} as const

export type FrameHeader = {
  session: SessionId
  /** 1 for the first frame of a session, then one more each time. */
  counter: number
  /** 16 bytes; a view into the input. */
  commitment: Uint8Array
}

export type Delivery = {
  room: RoomId
  epoch: Epoch
  /** Place in the room's log, from 1. */
  seq: number
  /** Relay's clock when it took the frame, milliseconds since 1970. */
  at: number
  /** The sealed frame exactly as its sender published it; a view into the input. */
  frame: Uint8Array
}

/** @returns 42 bytes, owned by the caller */
export function encodeFrameHeader(header: FrameHeader): Uint8Array {
  const bytes = new Uint8Array(frameHeaderBytes)
  bytes[frameOffsets.version] = protocolVersion
  bytes[frameOffsets.type] = frameTable.message.type
  bytes.set(decodeHex(header.session), frameOffsets.session)
  writeUint64(bytes, frameOffsets.counter, header.counter)
  bytes.set(header.commitment, frameOffsets.commitment)
  return bytes
}

/**
 * Checks that a client's binary message has the shape of a sealed frame, without allocating: a relay calls it
 * once per message and then reads the fields it needs by `frameOffsets`.
 * @throws ProtocolError too-long, unsupported-version or bad-message
 */
export function checkFrame(frame: Uint8Array): void {
  if (frame.length > limits.frameBytesMax) throw new ProtocolError('too-long')
  if (frame.length < 2) throw new ProtocolError('bad-message', 'frame without a header')
  if (frame[frameOffsets.version] !== protocolVersion) throw new ProtocolError('unsupported-version')
  if (frame[frameOffsets.type] !== frameTable.message.type) {
    throw new ProtocolError('bad-message', 'unknown frame type')
  }
  const padded = frame.length - frameHeaderBytes - tagBytes
  if (!(paddingBucketsBytes as readonly number[]).includes(padded)) {
    throw new ProtocolError('bad-message', 'frame length is no padding bucket')
  }
  const counter = readUint64(frame, frameOffsets.counter)
  if (counter < 1 || counter > limits.framesPerSessionMax) {
    throw new ProtocolError('bad-message', 'counter out of range')
  }
}

/** Reads the header of a sealed frame. @throws as `checkFrame` */
export function decodeFrameHeader(frame: Uint8Array): FrameHeader {
  checkFrame(frame)
  return {
    session: encodeHex(frame.subarray(frameOffsets.session, frameOffsets.counter)) as SessionId,
    counter: readUint64(frame, frameOffsets.counter),
    commitment: frame.subarray(frameOffsets.commitment, frameOffsets.sealed),
  }
}

/**
 * Writes the 42 bytes that a relay puts before a sealed frame.
 * @param room 16 bytes  @param epoch 8 bytes  @param seq from 1  @param at milliseconds since 1970
 */
export function writeDeliveryHeader(
  target: Uint8Array,
  room: Uint8Array,
  epoch: Uint8Array,
  seq: number,
  at: number,
): void {
  target[deliveryOffsets.version] = protocolVersion
  target[deliveryOffsets.type] = frameTable.delivery.type
  target.set(room, deliveryOffsets.room)
  target.set(epoch, deliveryOffsets.epoch)
  writeUint64(target, deliveryOffsets.seq, seq)
  writeUint64(target, deliveryOffsets.at, at)
}

/** @returns a new buffer, owned by the caller */
export function encodeDelivery(delivery: Delivery): Uint8Array {
  const bytes = new Uint8Array(deliveryHeaderBytes + delivery.frame.length)
  writeDeliveryHeader(bytes, decodeHex(delivery.room), decodeHex(delivery.epoch), delivery.seq, delivery.at)
  bytes.set(delivery.frame, deliveryOffsets.frame)
  return bytes
}

/** Reads a delivery, the sealed frame's shape included. @throws ProtocolError */
export function decodeDelivery(bytes: Uint8Array): Delivery {
  if (bytes.length > limits.deliveryBytesMax) throw new ProtocolError('too-long')
  if (bytes.length < deliveryHeaderBytes) throw new ProtocolError('bad-message', 'delivery without a header')
  if (bytes[deliveryOffsets.version] !== protocolVersion) throw new ProtocolError('unsupported-version')
  if (bytes[deliveryOffsets.type] !== frameTable.delivery.type) {
    throw new ProtocolError('bad-message', 'unknown frame type')
  }
  const frame = bytes.subarray(deliveryOffsets.frame)
  checkFrame(frame)
  const seq = readUint64(bytes, deliveryOffsets.seq)
  if (seq < 1) throw new ProtocolError('bad-message', 'seq starts at 1')
  return {
    room: encodeHex(bytes.subarray(deliveryOffsets.room, deliveryOffsets.epoch)) as RoomId,
    epoch: encodeHex(bytes.subarray(deliveryOffsets.epoch, deliveryOffsets.seq)) as Epoch,
    seq,
    at: readUint64(bytes, deliveryOffsets.at),
    frame,
  }
}
