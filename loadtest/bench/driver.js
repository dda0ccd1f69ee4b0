// A client that costs as little as possible: raw TCP, a WebSocket handshake, then bytes are only counted.
// It speaks three dialects: bare WebSocket, Socket.IO 4, and PyChat.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

export const paddedBytes = 256
const sealedBytes = 42 + paddedBytes + 16
const deliveredBytes = 42 + sealedBytes

/** A client frame with an all-zero mask, so that the payload goes out as it is (RFC 6455 section 5.2). */
function clientFrame(opcode, payload) {
  const head = payload.length < 126 ? Buffer.alloc(6) : Buffer.alloc(8)
  head[0] = 0x80 | opcode
  if (payload.length < 126) head[1] = 0x80 | payload.length
  else {
    head[1] = 0x80 | 126
    head.writeUInt16BE(payload.length, 2)
  }
  return Buffer.concat([head, payload])
}

const aliveMs = 10_000
const pong = clientFrame(10, Buffer.alloc(0))
const text = (value) => clientFrame(1, Buffer.from(value))
const serverFrameBytes = (payloadBytes) => payloadBytes + (payloadBytes < 126 ? 2 : 4)

const socketIoHead = '451-["m",{"_placeholder":true,"num":0}]'

export const dialects = {
  bare: {
    path: (room) => `/?room=${room}`,
    deliveryBytes: serverFrameBytes(deliveredBytes),
    /** Answers what the server says until the connection has joined its room. */
    greet: () => ({ first: null, next: (said) => (said.includes('joined') ? 'joined' : null) }),
    /** @returns the bytes that publish message number `counter` */
    message: () => clientFrame(2, randomBytes(deliveredBytes)),
  },
  socketIo: {
    path: (room) => `/socket.io/?EIO=4&transport=websocket&room=${room}`,
    deliveryBytes: serverFrameBytes(socketIoHead.length) + serverFrameBytes(deliveredBytes),
    greet: () => ({
      first: null,
      next: (said) => (said.includes('40{') ? 'joined' : said.includes('0{') ? text('40') : null),
    }),
    message: () => Buffer.concat([text(socketIoHead), clientFrame(2, randomBytes(deliveredBytes))]),
  },
  pychat: {
    path: () => '/',
    deliveryBytes: serverFrameBytes(deliveredBytes),
    greet: (room, identity) => {
      const join = {
        t: 'join',
        id: 1,
        room: Buffer.from(String(room).padStart(16, '0')).toString('hex'),
        session: identity.session.toString('hex'),
        secret: randomBytes(16).toString('hex'),
        tag: randomBytes(16).toString('hex'),
        profile: randomBytes(292).toString('base64url'),
      }
      return {
        first: Buffer.concat([
          text('{"t":"hello","version":1,"software":"bench/1"}'),
          text(JSON.stringify(join)),
        ]),
        next: (said) => {
          if (said.includes('"refused"')) throw new Error(`the relay refused: ${said}`)
          return said.includes('"t":"joined"') ? 'joined' : null
        },
      }
    },
    message: (identity, counter) => {
      const frame = randomBytes(sealedBytes)
      frame[0] = 1
      frame[1] = 1
      identity.session.copy(frame, 2)
      frame.writeBigUInt64BE(BigInt(counter), 18)
      return clientFrame(2, frame)
    },
  },
}

/** One connection that has joined a room; `bytes` counts what arrived since. */
export class Connection {
  bytes = 0
  identity = { session: randomBytes(16) }
  #counter = 0
  #socket
  #dialect

  /** @param host a loopback address: several of them give more than 28,000 ports */
  static open(dialect, port, room, host = '127.0.0.1') {
    const connection = new Connection()
    connection.#dialect = dialect
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, noDelay: true })
      connection.#socket = socket
      let said = ''
      let upgraded = false
      const greeting = dialect.greet(room, connection.identity)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.write(
          `GET ${dialect.path(room)} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
            `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
        )
      })
      const joining = (chunk) => {
        said += chunk.toString('latin1')
        if (!upgraded) {
          const end = said.indexOf('\r\n\r\n')
          if (end < 0) return
          if (!said.startsWith('HTTP/1.1 101')) return reject(new Error(said.slice(0, end)))
          upgraded = true
          said = said.slice(end + 4)
          if (greeting.first) socket.write(greeting.first)
        }
        try {
          const step = greeting.next(said)
          if (step === 'joined') {
            socket.off('data', joining)
            socket.on('data', (counted) => {
              connection.bytes += counted.length
            })
            // Servers cut off who never answers a ping. A pong that nobody asked for (RFC 6455 section 5.5.3) says as
            // much, and the driver need not look into what it counts.
            const alive = setInterval(() => socket.write(pong), aliveMs)
            socket.once('close', () => clearInterval(alive))
            resolve(connection)
          } else if (step) {
            said = ''
            socket.write(step)
          }
        } catch (error) {
          reject(error)
        }
      }
      socket.on('data', joining)
    })
  }

  /** Publishes so many messages with one write. */
  send(messages) {
    const parts = []
    for (let i = 0; i < messages; i += 1) {
      this.#counter += 1
      parts.push(this.#dialect.message(this.identity, this.#counter))
    }
    this.#socket.write(parts.length === 1 ? parts[0] : Buffer.concat(parts))
  }

  close() {
    this.#socket.destroy()
  }
}
