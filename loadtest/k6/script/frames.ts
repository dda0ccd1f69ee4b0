// What members say: frames that look sealed and carry, in place of ciphertext, what their receivers check. A session's id
// ends in the number of its member, so that nobody has to look one up.
import {
  deliveryOffsets,
  encodeHex,
  frameHeaderBytes,
  frameOffsets,
  frameTable,
  protocolVersion,
  type SessionId,
  tagBytes,
  writeUint64,
} from '@pychat/protocol'

declare const crypto: { getRandomValues(bytes: Uint8Array): void }

const memberAt = frameOffsets.session + 12
const dueAt = frameOffsets.sealed
const proofAt = dueAt + 8

/** @returns noise, a new buffer */
export function noise(bytes: number): Uint8Array {
  const out = new Uint8Array(bytes)
  crypto.getRandomValues(out)
  return out
}

/** @param member its number in its room */
export function newSession(member: number): Uint8Array {
  const session = noise(16)
  new DataView(session.buffer).setUint32(12, member)
  return session
}

export const sessionText = (session: Uint8Array): SessionId => encodeHex(session) as SessionId

/** So that one frame's bytes in another's place are noticed. */
const proofOf = (member: number, counter: number): number =>
  (Math.imul(counter, 0x9e3779b1) ^ Math.imul(member + 1, 0x85ebca6b)) >>> 0

let template: Uint8Array = new Uint8Array(0)

/** @param bytes of padded text  @param due when it was to be said, milliseconds of the run */
export function encodeSaid(session: Uint8Array, member: number, counter: number, bytes: number, due: number) {
  const length = frameHeaderBytes + bytes + tagBytes
  if (template.length !== length) template = noise(length)
  const frame = template.slice()
  frame[frameOffsets.version] = protocolVersion
  frame[frameOffsets.type] = frameTable.message.type
  frame.set(session, frameOffsets.session)
  writeUint64(frame, frameOffsets.counter, counter)
  const view = new DataView(frame.buffer)
  view.setFloat64(dueAt, due)
  view.setUint32(proofAt, proofOf(member, counter))
  return frame
}

const inDelivery = (offset: number) => deliveryOffsets.frame + offset
const [member, low, high, due, proof] = [
  memberAt,
  frameOffsets.counter + 4,
  frameOffsets.counter,
  dueAt,
  proofAt,
].map(inDelivery) as [number, number, number, number, number]

/** The fields of a delivery, each read only when asked for: this is the hot path. */
export const said = {
  seq: (view: DataView): number =>
    view.getUint32(deliveryOffsets.seq) * 2 ** 32 + view.getUint32(deliveryOffsets.seq + 4),
  /** The epoch's two halves. */
  epochHigh: (view: DataView): number => view.getUint32(deliveryOffsets.epoch),
  epochLow: (view: DataView): number => view.getUint32(deliveryOffsets.epoch + 4),
  member: (view: DataView): number => view.getUint32(member),
  counter: (view: DataView): number => view.getUint32(high) * 2 ** 32 + view.getUint32(low),
  due: (view: DataView): number => view.getFloat64(due),
  /** Whether it is, in its length too, what that member said under that counter. */
  isTrue: (view: DataView, bytes: number): boolean =>
    view.byteLength === inDelivery(frameHeaderBytes) + bytes + tagBytes &&
    view.getUint32(proof) === proofOf(said.member(view), said.counter(view)),
}
