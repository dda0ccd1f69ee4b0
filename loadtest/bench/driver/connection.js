// A client that costs as little as possible: raw TCP, a WebSocket handshake, then what is delivered is only counted.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { FrameReader, pong } from './frames.js'

const openTimeoutMs = 30_000

/** Code and reason of a close frame (RFC 6455 section 5.5.1). */
const closeWords = (payload) =>
  payload.length < 2 ? 'without a reason' : `${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`

/** One connection that has joined a room. */
export class Connection {
  /** Deliveries of messages since it joined. */
  delivered = 0
  closed = false
  /** Called after `delivered` has grown, with what it was before. */
  heard = null
  identity = { session: randomBytes(16), counter: 0 }
  #socket
  #dialect
  #room

  /**
   * @param dialect how a system is spoken to (systems/)
   * @returns a connection that has joined, with its socket open
   * @throws Error when the server refuses or does not answer
   */
  static open(dialect, port, room) {
    const connection = new Connection()
    connection.#dialect = dialect
    connection.#room = room
    return connection.#open(port)
  }

  #open(port) {
    const dialect = this.#dialect
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      this.#socket = socket
      const late = setTimeout(() => {
        reject(new Error('a server did not let a connection into its room in time'))
        socket.destroy()
      }, openTimeoutMs)
      const fail = (error) => {
        clearTimeout(late)
        socket.destroy()
        reject(error)
      }
      socket.once('error', fail)
      socket.once('close', () => {
        this.closed = true
        fail(new Error('a server closed a connection that was about to join'))
      })
      socket.once('connect', () => {
        socket.write(
          `GET ${dialect.path(this.#room)} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
            `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
        )
      })
      let head = ''
      const upgrading = (chunk) => {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        if (!head.startsWith('HTTP/1.1 101'))
          return fail(new Error(`a server refused: ${head.slice(0, end)}`))
        socket.off('data', upgrading)
        const reader = this.#reader(() => {
          clearTimeout(late)
          resolve(this)
        }, fail)
        socket.on('data', (counted) => {
          const before = this.delivered
          reader.read(counted)
          if (this.heard !== null && this.delivered > before) this.heard(before)
        })
        const first = dialect.first?.(this.#room, this.identity)
        if (first) socket.write(first)
        const early = head.slice(end + 4)
        if (early.length > 0) reader.read(Buffer.from(early, 'latin1'))
      }
      socket.on('data', upgrading)
    })
  }

  /** Answers frames until the room is joined, then counts. */
  #reader(joined, fail) {
    const { deliveriesIn, next, heard, counts = 2 } = this.#dialect
    let inRoom = false
    const enter = () => {
      inRoom = true
      reader.whole = deliveriesIn !== undefined || heard !== undefined
      joined()
    }
    const reader = new FrameReader((opcode, payload) => {
      if (opcode === 9) this.#socket.write(pong)
      else if (opcode === 8 && !inRoom)
        fail(new Error(`a server closed a connection: ${closeWords(payload)}`))
      else if (inRoom) {
        if (opcode === counts) this.delivered += deliveriesIn === undefined ? 1 : deliveriesIn(payload)
        heard?.(payload)
      } else {
        try {
          const step = next(payload.toString('latin1'))
          if (step === 'joined') enter()
          else if (step) this.#socket.write(step)
        } catch (error) {
          fail(error)
        }
      }
    }, true)
    if (next === null) enter()
    return reader
  }

  /** Publishes so many messages with one write. */
  send(messages) {
    const parts = []
    for (let i = 0; i < messages; i += 1) {
      this.identity.counter += 1
      parts.push(this.#dialect.message(this.identity, this.#room))
    }
    this.#socket.write(parts.length === 1 ? parts[0] : Buffer.concat(parts))
  }

  /** @param frames whole client frames (frames.js) */
  write(frames) {
    this.#socket.write(frames)
  }

  close() {
    this.#socket.destroy()
  }
}
