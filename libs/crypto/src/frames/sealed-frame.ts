// Sealing and opening message frames (docs/protocol.md, "Sealed frames"): per-session AES-128-GCM with a counter
// nonce and key commitment, an Ed25519 signature inside, padded to a few sizes. Order, gaps and acknowledgement
// belong to the client engine; an opener only refuses to go back.
import {
  commitmentBytes,
  decodeFrameHeader,
  decodeHex,
  type Epoch,
  encodeFrameHeader,
  encodeHex,
  frameHeaderBytes,
  limits,
  paddingBucketsBytes,
  readUint64,
  type SessionId,
  writeUint64,
} from '@pychat/protocol'
import { CryptoInputError } from '../errors.ts'
import { concat, label, uint16 } from '../labels.ts'
import {
  ed25519Sign,
  ed25519Verify,
  ed25519VerifyingKey,
  equalBytes,
  gcmOpen,
  gcmSeal,
  hkdfExpand,
  sha256,
} from '../primitives.ts'
import { orNull } from '../refused.ts'
import type { RoomKeys } from '../room-keys.ts'
import type { Session } from '../session.ts'

/** Kinds of frame bodies. A receiver passes over kinds that it does not know. 16..31 are kept for files. */
export const frameKinds = { text: 1, call: 2, notice: 3, move: 4, knock: 5 } as const

/** What the sender had seen when it sealed: the last delivery's place and the chain there; null for nothing. */
export type View = { epoch: Epoch; seq: number; chain: Uint8Array } | null

export type OpenedFrame = {
  counter: number
  kind: number
  /** Bytes of the body; kind `text` is checked to be UTF-8. */
  body: Uint8Array
  /** Sender's clock, milliseconds since 1970. */
  sentAt: number
  view: View
}

export type Sealer = {
  /**
   * @param counter 1..2^24, higher at every call: a repeat is made by sending the same bytes, never by sealing again
   * @param kind 0..255  @param body at most `bodyBytesMax`  @param sentAt milliseconds since 1970
   * @returns a frame of one of seven sizes, owned by the caller
   * @throws CryptoInputError text-too-long
   */
  seal(counter: number, kind: number, body: Uint8Array, sentAt: number, view: View): Uint8Array
}

export type Opener = {
  /**
   * Opens each frame of its session once, in rising order; frames may be missing.
   * @returns null for a frame that is not valid, is another session's, or is not newer than the last one opened
   */
  open(frame: Uint8Array): OpenedFrame | null
}

const viewBytes = 24
const signatureBytes = 64
const bodyOffset = 3
/** Kind, length, time, view, signature. */
const overheadBytes = bodyOffset + 8 + viewBytes + signatureBytes

/** The longest body of one frame: 15,261 bytes. */
export const bodyBytesMax = (paddingBucketsBytes.at(-1) as number) - overheadBytes

type SenderKeys = { key: Uint8Array; baseNonce: Uint8Array; commitment: Uint8Array }

function senderKeys(room: RoomKeys, session: Uint8Array, publicKey: Uint8Array): SenderKeys {
  const bytes = hkdfExpand(room.roomKey, concat(label('sender'), session, publicKey), 44)
  return { key: bytes.subarray(0, 16), baseNonce: bytes.subarray(16, 28), commitment: bytes.subarray(28, 44) }
}

function nonceAt(baseNonce: Uint8Array, counter: number): Uint8Array {
  const nonce = new Uint8Array(12)
  writeUint64(nonce, 4, counter)
  for (let i = 0; i < 12; i += 1) nonce[i] = (nonce[i] as number) ^ (baseNonce[i] as number)
  return nonce
}

function bucketFor(bytes: number): number | undefined {
  return paddingBucketsBytes.find((size) => size >= bytes)
}

/** @param signed kind up to view, as it stands in the plaintext */
function signatureInput(room: RoomKeys, header: Uint8Array, signed: Uint8Array): Uint8Array {
  return concat(label('frame sign'), room.idBytes, header, sha256(signed))
}

function writeView(target: Uint8Array, offset: number, view: View): void {
  if (view === null) return
  target.set(decodeHex(view.epoch), offset)
  writeUint64(target, offset + 8, view.seq)
  target.set(view.chain, offset + 16)
}

/** @throws ProtocolError on a seq above 2^53-1 */
function readView(source: Uint8Array, offset: number): View {
  const bytes = source.subarray(offset, offset + viewBytes)
  if (bytes.every((byte) => byte === 0)) return null
  return {
    epoch: encodeHex(bytes.subarray(0, 8)) as Epoch,
    seq: readUint64(bytes, 8),
    chain: bytes.slice(16),
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** One sealer for the life of a session in a room: two would use a counter twice. */
export function createSealer(room: RoomKeys, session: Session): Sealer {
  const keys = senderKeys(room, session.idBytes, session.publicKey)
  const aadStart = concat(label('frame'), room.idBytes)
  let lastCounter = 0
  return {
    seal(counter, kind, body, sentAt, view) {
      const padded = bucketFor(body.length + overheadBytes)
      if (padded === undefined) throw new CryptoInputError('text-too-long', 'text')
      if (!Number.isInteger(counter) || counter <= lastCounter || counter > limits.framesPerSessionMax) {
        throw new Error('a frame counter has to rise and to stay below the limit of a session')
      }
      if (!Number.isInteger(kind) || kind < 0 || kind > 255) throw new Error('a frame kind is one byte')
      if (!Number.isSafeInteger(sentAt) || sentAt < 0)
        throw new Error('a time is whole milliseconds since 1970')
      lastCounter = counter

      const header = encodeFrameHeader({ session: session.id, counter, commitment: keys.commitment })
      const plaintext = new Uint8Array(padded)
      plaintext[0] = kind
      plaintext.set(uint16(body.length), 1)
      plaintext.set(body, bodyOffset)
      const tail = bodyOffset + body.length
      writeUint64(plaintext, tail, sentAt)
      writeView(plaintext, tail + 8, view)
      const signedEnd = tail + 8 + viewBytes
      const signed = plaintext.subarray(0, signedEnd)
      plaintext.set(ed25519Sign(session.signingKey, signatureInput(room, header, signed)), signedEnd)
      return concat(
        header,
        gcmSeal(keys.key, nonceAt(keys.baseNonce, counter), concat(aadStart, header), plaintext),
      )
    },
  }
}

/**
 * One opener for the life of a member's session: it remembers the last counter, which is what refuses replays.
 * @param publicKey 32 bytes, from the member's opened profile
 */
export function createOpener(room: RoomKeys, sessionId: SessionId, publicKey: Uint8Array): Opener {
  const keys = senderKeys(room, decodeHex(sessionId), publicKey)
  const verifyingKey = ed25519VerifyingKey(publicKey)
  const aadStart = concat(label('frame'), room.idBytes)
  let lastCounter = 0

  /** @throws ProtocolError on a header or a number that is out of range */
  function openValid(frame: Uint8Array): OpenedFrame | null {
    const { session, counter, commitment } = decodeFrameHeader(frame)
    if (session !== sessionId || counter <= lastCounter) return null
    if (!equalBytes(commitment.subarray(0, commitmentBytes), keys.commitment)) return null
    const header = frame.subarray(0, frameHeaderBytes)
    const plaintext = gcmOpen(
      keys.key,
      nonceAt(keys.baseNonce, counter),
      concat(aadStart, header),
      frame.subarray(frameHeaderBytes),
    )
    if (plaintext === null) return null

    const bodyBytes = ((plaintext[1] as number) << 8) | (plaintext[2] as number)
    if (bucketFor(bodyBytes + overheadBytes) !== plaintext.length) return null
    const tail = bodyOffset + bodyBytes
    const signedEnd = tail + 8 + viewBytes
    const signatureEnd = signedEnd + signatureBytes
    if (plaintext.subarray(signatureEnd).some((byte) => byte !== 0)) return null
    const input = signatureInput(room, header, plaintext.subarray(0, signedEnd))
    if (!ed25519Verify(verifyingKey, input, plaintext.subarray(signedEnd, signatureEnd))) return null

    const kind = plaintext[0] as number
    const body = plaintext.slice(bodyOffset, tail)
    if (kind === frameKinds.text && !isUtf8(body)) return null
    return { counter, kind, body, sentAt: readUint64(plaintext, tail), view: readView(plaintext, tail + 8) }
  }

  return {
    open(frame) {
      const opened = orNull(() => openValid(frame))
      if (opened !== null) lastCounter = opened.counter
      return opened
    },
  }
}
