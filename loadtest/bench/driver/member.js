// A PyChat member that goes by the book (docs/protocol.md, sections 3, 6 and 7) without looking into what is sealed: it
// comes back after a loss, repeats what was not acknowledged, and knows exactly which places of the log it has seen.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { helloText, joinText, sealedFrame } from '../systems/pychat.js'
import { FrameReader, pong, text } from './frames.js'

const [epochAt, seqAt, sessionAt, counterAt, stampAt] = [18, 26, 44, 60, 84]
const frameStampAt = 50

/** Its time is negative once its sender could not send it at once, or had to send it again. */
function markLate(frame) {
  frame.writeDoubleBE(-Math.abs(frame.readDoubleBE(frameStampAt)), frameStampAt)
}

export class Member {
  room
  identity = { session: randomBytes(16), counter: 0 }
  joined = false
  /** Where it stands, or null before it first came in. */
  position = null
  /** Seq of its first `joined`. */
  start = 0
  received = 0
  /** Messages that the relay said are gone, and how often it did not know how many. */
  missed = 0
  unknownGaps = 0
  /** counter -> frame, until its delivery comes back */
  unacknowledged = new Map()
  #crowd
  #socket = null
  #attempt = 0
  #resendAt = 0
  #gone = false
  /** A log was asked for: what comes before the answer is part of it. */
  #asking = false

  /** @param crowd { port(): where to connect, heard(member, latencyMs, late: its sender had to wait), back(member), bytes: of a frame } */
  constructor(room, crowd) {
    this.room = room
    this.#crowd = crowd
  }

  open() {
    const socket = connect({ port: this.#crowd.port(this), host: '127.0.0.1', noDelay: true })
    this.#socket = socket
    let head = ''
    const upgrading = (chunk) => {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!head.startsWith('HTTP/1.1 101')) return socket.destroy()
      socket.off('data', upgrading)
      const reader = new FrameReader((opcode, payload) => this.#frame(opcode, payload), true)
      socket.on('data', (bytes) => reader.read(bytes))
      const after = this.position ?? undefined
      socket.write(Buffer.concat([text(helloText), text(joinText(this.room, this.identity, after))]))
      const early = head.slice(end + 4)
      if (early.length > 0) reader.read(Buffer.from(early, 'latin1'))
    }
    socket.on('data', upgrading)
    socket.on('error', () => {})
    socket.on('close', () => {
      if (socket !== this.#socket) return
      this.joined = false
      if (this.#gone) return
      const pauseMs = Math.random() * Math.min(4000, 500 * 2 ** this.#attempt)
      this.#attempt += 1
      setTimeout(() => this.open(), pauseMs)
    })
    socket.on('connect', () =>
      socket.write(
        `GET / HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
      ),
    )
  }

  say() {
    this.identity.counter += 1
    const frame = sealedFrame(this.identity, this.#crowd.bytes)
    frame.writeDoubleBE(performance.now(), frameStampAt)
    this.unacknowledged.set(this.identity.counter, frame)
    if (this.joined && this.#resendAt === 0) this.#socket.write(frame)
    else markLate(frame)
  }

  /** As when the network drops the connection; it comes back by itself. */
  lose() {
    this.joined = false
    this.#socket?.destroy()
  }

  pause() {
    this.#socket.pause()
  }

  close() {
    this.#gone = true
    this.#socket?.destroy()
  }

  #frame(opcode, payload) {
    if (opcode === 9) this.#socket.write(pong)
    else if (opcode === 2) this.#delivery(payload)
    else if (opcode === 1) this.#control(JSON.parse(payload.toString('latin1')))
  }

  #delivery(bytes) {
    if (this.#asking) return
    const epoch = bytes.toString('hex', epochAt, seqAt)
    const seq = Number(bytes.readBigUInt64BE(seqAt))
    if (this.position === null || epoch !== this.position.epoch || seq <= this.position.seq) return
    if (seq > this.position.seq + 1) return this.#catchUp()
    this.position.seq = seq
    this.received += 1
    const stamp = bytes.readDoubleBE(stampAt)
    this.#crowd.heard(this, performance.now() - Math.abs(stamp), stamp < 0)
    if (this.identity.session.compare(bytes, sessionAt, counterAt) === 0) {
      this.unacknowledged.delete(Number(bytes.readBigUInt64BE(counterAt)))
    }
  }

  #control(message) {
    if (message.t === 'joined') this.#entered(message)
    else if (message.t === 'log') this.#moved(message)
    else if (message.t === 'position') {
      if (this.position !== null && message.seq > this.position.seq) this.#catchUp()
    } else if (message.t === 'nack') this.#refused(message)
    else if (message.t === 'ack') {
      for (const counter of this.unacknowledged.keys()) {
        if (counter <= message.counter) this.unacknowledged.delete(counter)
      }
    } else if (message.t === 'goaway') this.#leaveIn(message.afterMs)
    else if (message.t === 'refused' && message.id === 1) this.#socket.destroy()
  }

  #entered({ epoch, seq, counter }) {
    this.joined = true
    this.#asking = false
    this.#attempt = 0
    if (this.position === null) {
      this.position = { epoch, seq }
      this.start = seq
    }
    for (const known of this.unacknowledged.keys()) if (known <= counter) this.unacknowledged.delete(known)
    this.#resendAt = 0
    this.#resend()
    this.#crowd.back(this)
  }

  #moved({ epoch, seq, missed, more }) {
    this.#asking = false
    if (missed === undefined) this.unknownGaps += 1
    else this.missed += missed
    this.position = { epoch, seq }
    if (more) setImmediate(() => this.#catchUp())
  }

  #catchUp() {
    if (this.#asking) return
    this.#asking = true
    this.#socket.write(text(JSON.stringify({ t: 'log', id: 2, room: this.#roomId(), ...this.position })))
  }

  #roomId() {
    return Buffer.from(String(this.room).padStart(16, '0')).toString('hex')
  }

  #refused({ code, retryMs = 1000 }) {
    if (code === 'gap' && this.#resendAt > 0) return
    if (this.#resendAt > 0) return
    this.#resendAt = performance.now() + (code === 'gap' ? 0 : retryMs)
    setTimeout(
      () => {
        this.#resendAt = 0
        this.#resend()
      },
      code === 'gap' ? 0 : retryMs,
    )
  }

  #resend() {
    if (this.joined && this.unacknowledged.size > 0) {
      for (const frame of this.unacknowledged.values()) markLate(frame)
      this.#socket.write(Buffer.concat([...this.unacknowledged.values()]))
    }
  }

  #leaveIn(afterMs) {
    const socket = this.#socket
    setTimeout(() => {
      if (socket !== this.#socket || this.#gone) return
      this.joined = false
      this.#socket = null
      socket.destroy()
      this.open()
    }, afterMs)
  }
}
