// WebSocket frames (RFC 6455 section 5.2) as cheap as can be: what the driver sends, and counting what it gets.

/** A client frame with an all-zero mask, so that the payload goes out as it is. */
export function clientFrame(opcode, payload) {
  const head = payload.length < 126 ? Buffer.alloc(6) : Buffer.alloc(8)
  head[0] = 0x80 | opcode
  if (payload.length < 126) head[1] = 0x80 | payload.length
  else {
    head[1] = 0x80 | 126
    head.writeUInt16BE(payload.length, 2)
  }
  return Buffer.concat([head, payload])
}

export const text = (value) => clientFrame(1, Buffer.from(value))
export const binary = (payload) => clientFrame(2, payload)
export const pong = clientFrame(10, Buffer.alloc(0))

const none = Buffer.alloc(0)

/** Splits a stream of server frames. Payloads are handed on only when somebody wants to look into them. */
export class FrameReader {
  #rest = none
  #skip = 0
  /** What the frame being skipped is. */
  #opcode = 0
  /** May be changed between frames. */
  whole

  /**
   * @param each called per finished frame with its opcode, and its payload (valid during the call) if `whole`
   * @param whole whether payloads are wanted
   */
  constructor(each, whole) {
    this.each = each
    this.whole = whole
  }

  read(chunk) {
    let bytes = chunk
    if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, chunk])
      this.#rest = none
    }
    let at = 0
    if (this.#skip > 0) {
      at = Math.min(this.#skip, bytes.length)
      this.#skip -= at
      if (this.#skip > 0) return
      this.each(this.#opcode, null)
    }
    while (at < bytes.length) {
      const left = bytes.length - at
      let head = 2
      let length = left > 1 ? bytes[at + 1] & 127 : 0
      if (length === 126) head = 4
      else if (length === 127) head = 10
      if (left < head || left < 2) break
      if (head === 4) length = bytes.readUInt16BE(at + 2)
      else if (head === 10) length = Number(bytes.readBigUInt64BE(at + 2))
      const opcode = bytes[at] & 15
      if (left < head + length) {
        if (this.whole) break
        this.#opcode = opcode
        this.#skip = head + length - left
        return
      }
      this.each(opcode, this.whole ? bytes.subarray(at + head, at + head + length) : null)
      at += head + length
    }
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at))
  }
}
