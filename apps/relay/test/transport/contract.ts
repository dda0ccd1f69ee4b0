// What every transport adapter must do, run on each by uws.test.ts and ws.test.ts. Real sockets on loopback: the ws
// package as a well-behaved client, raw TCP as a hostile one.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket as TcpSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { closeTable } from '@pychat/protocol'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { handshakesPerTurn } from '../../src/transport/gate.ts'
import type {
  CreateTransport,
  Socket,
  SocketHandler,
  Transport,
  TransportOptions,
  UpgradeDecision,
  UpgradeRequest,
} from '../../src/transport/transport.ts'

type Contract = {
  kind: Transport['kind']
  create: CreateTransport
  /** Whether the engine insists on masked frames, as RFC 6455 section 5.1 wants; uWebSockets.js does not look. */
  refusesUnmasked: boolean
  /** Whether a crowd's handshakes are spread over turns (docs/decisions/0012-handshakes-in-the-engines-call.md). */
  inPortions: boolean
}

const messageBytesMax = 20_000
const soon = { timeout: 5_000, interval: 5 }
const slow = { timeout: 28_000, interval: 50 }

/** The relay's side of one connection, written down. */
class Peer implements SocketHandler {
  readonly socket: Socket
  readonly taken: string[] = []
  readonly closes: number[] = []
  /** Set while one of its calls runs. */
  busy = false
  overlapped = false
  act: (peer: Peer, message: string) => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
  }

  binary(bytes: Uint8Array): void {
    this.#take(`binary ${Buffer.from(bytes).toString()}`)
  }

  text(text: string): void {
    this.#take(`text ${text}`)
  }

  closed(code: number): void {
    this.overlapped ||= this.busy
    this.closes.push(code)
  }

  #take(message: string): void {
    this.overlapped ||= this.busy || this.closes.length > 0
    this.busy = true
    this.taken.push(message)
    try {
      this.act(this, message)
    } finally {
      this.busy = false
    }
  }
}

class Relay {
  readonly transport: Transport
  readonly upgrades: UpgradeRequest[] = []
  readonly peers: Peer[] = []
  readonly faults: unknown[] = []
  readonly scheme: 'ws' | 'wss'
  decide: (request: UpgradeRequest) => UpgradeDecision = ({ peer }) => ({ accept: true, address: peer })
  opened: (peer: Peer) => void = () => {}
  port = 0

  constructor(create: CreateTransport, options: Partial<TransportOptions>) {
    this.scheme = options.tls ? 'wss' : 'ws'
    this.transport = create(
      {
        host: '127.0.0.1',
        port: 0,
        tls: null,
        messageBytesMax,
        backpressureBytesMax: 262_144,
        pingIntervalMs: 25_000,
        greeting: 'Good day.\n',
        ...options,
      },
      {
        upgrade: (request) => {
          this.upgrades.push(request)
          return this.decide(request)
        },
        open: (socket) => {
          const peer = new Peer(socket)
          this.peers.push(peer)
          this.opened(peer)
          return peer
        },
        fault: (error) => this.faults.push(error),
      },
    )
  }

  publish(topic: string, text: string): number {
    return this.transport.publish(topic, Buffer.from(text), false)
  }
}

/** A well-behaved client, and what it heard. */
class Client {
  readonly socket: WebSocket
  readonly heard: string[] = []
  bytes = 0
  /** Chunks of bytes as they came off the TCP connection since it opened. */
  chunks = 0
  pings = 0
  close: { code: number; reason: string } | null = null

  constructor(url: string, options: ClientOptions) {
    this.socket = new WebSocket(url, options)
    this.socket.on('message', (data: Buffer, isBinary) => {
      this.bytes += data.length
      this.heard.push(`${isBinary ? 'binary' : 'text'} ${data.length > 100 ? data.length : data.toString()}`)
    })
    this.socket.on('ping', () => this.pings++)
    this.socket.on('close', (code, reason) => {
      this.close = { code, reason: reason.toString() }
    })
    this.socket.on('error', () => {})
    this.socket.on('upgrade', ({ socket }) => {
      this.socket.on('open', () => socket.on('data', () => this.chunks++))
    })
  }
}

/** A masked client frame with any first byte and any claimed length. */
function frame(firstByte: number, payload: Uint8Array, claimedLength = payload.length): Buffer {
  const head = Buffer.alloc(14)
  head[0] = firstByte
  let headBytes = 2
  if (claimedLength < 126) {
    head[1] = 0x80 | claimedLength
  } else if (claimedLength < 65_536) {
    head[1] = 0x80 | 126
    head.writeUInt16BE(claimedLength, 2)
    headBytes = 4
  } else {
    head[1] = 0x80 | 127
    head.writeBigUInt64BE(BigInt(claimedLength), 2)
    headBytes = 10
  }
  // The mask key is all zero, so that the payload goes as it is.
  return Buffer.concat([head.subarray(0, headBytes), Buffer.alloc(4), payload])
}

const handshake =
  'GET / HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

const text = Buffer.from('text')
const brokenStreams: [name: string, bytes: () => Buffer][] = [
  ['a reserved bit', () => frame(0xc1, text)],
  ['a reserved opcode', () => frame(0x83, text)],
  ['a length that lies by exabytes', () => frame(0x82, text, Number.MAX_SAFE_INTEGER)],
  ['a length with the top bit set', () => Buffer.from('82ffffffffffffffffff00000000', 'hex')],
  ['a ping of 126 bytes', () => frame(0x89, Buffer.alloc(126))],
  ['a ping in fragments', () => frame(0x09, text)],
  ['a continuation of nothing', () => frame(0x80, text)],
  ['text that is not UTF-8', () => frame(0x81, Buffer.from([0xc3, 0x28, 0xff, 0xfe]))],
  [
    'endless fragments',
    () =>
      Buffer.concat([
        frame(0x02, Buffer.alloc(1)),
        ...Array.from({ length: 60_000 }, () => frame(0, Buffer.alloc(1))),
      ]),
  ],
]

export function describeTransport({ kind, create, refusesUnmasked, inPortions }: Contract): void {
  const cleanups: (() => unknown)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })

  async function listen(options: Partial<TransportOptions> = {}): Promise<Relay> {
    const relay = new Relay(create, options)
    cleanups.push(() => relay.transport.close())
    relay.port = await relay.transport.listen()
    return relay
  }

  /** @returns both ends of a new connection */
  async function join(relay: Relay, options: ClientOptions = {}): Promise<[Client, Peer]> {
    const index = relay.peers.length
    const client = new Client(`${relay.scheme}://127.0.0.1:${relay.port}/`, options)
    cleanups.push(() => client.socket.terminate())
    await vi.waitFor(() => expect(client.socket.readyState).toBe(WebSocket.OPEN), soon)
    const peer = await vi.waitFor(() => {
      const found = relay.peers[index]
      if (found === undefined) throw new Error('not open yet')
      return found
    }, soon)
    return [client, peer]
  }

  async function raw(
    relay: Relay,
  ): Promise<{ socket: TcpSocket; heard: () => string; ended: () => boolean }> {
    const socket = connect(relay.port, '127.0.0.1')
    cleanups.push(() => socket.destroy())
    const chunks: Buffer[] = []
    let ended = false
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', () => {})
    socket.on('end', () => {
      ended = true
    })
    socket.on('close', () => {
      ended = true
    })
    await new Promise((resolve) => socket.once('connect', resolve))
    return { socket, heard: () => Buffer.concat(chunks).toString('latin1'), ended: () => ended }
  }

  async function expectAlive(relay: Relay): Promise<void> {
    relay.opened = (peer) => peer.socket.sendText('alive')
    const client = new Client(`${relay.scheme}://127.0.0.1:${relay.port}/`, {})
    cleanups.push(() => client.socket.terminate())
    await vi.waitFor(() => expect(client.heard).toEqual(['text alive']), soon)
  }

  const url = (relay: Relay, path = '/') => `http://127.0.0.1:${relay.port}${path}`

  describe(`a connection on ${kind}`, () => {
    it('carries text and bytes both ways', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.act = ({ socket }, message) => {
        if (message.startsWith('text')) socket.sendText('grüß dich')
        else socket.sendBinary(Buffer.from('bytes'))
      }
      client.socket.send('hej')
      client.socket.send(Buffer.from('raw'))
      await vi.waitFor(() => expect(client.heard).toEqual(['text grüß dich', 'binary bytes']), soon)
      expect(peer.taken).toEqual(['text hej', 'binary raw'])
    })

    it.each([0, 125, 126, 65_535, 65_536, 131_072])('delivers a message of %i bytes whole', async (bytes) => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.socket.subscribe('room')
      relay.transport.publish('room', Buffer.alloc(bytes, 'x'), true)
      peer.socket.sendBinary(Buffer.alloc(bytes, 'y'))
      await vi.waitFor(() => expect(client.heard).toHaveLength(2), soon)
      expect(client.bytes).toBe(2 * bytes)
    })

    it('takes a message of exactly the greatest length, and closes with 1009 above it', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      client.socket.send(Buffer.alloc(messageBytesMax))
      await vi.waitFor(() => expect(peer.taken).toHaveLength(1), soon)
      client.socket.send(Buffer.alloc(messageBytesMax + 1))
      await vi.waitFor(() => expect(client.close?.code).toBe(1009), soon)
      await vi.waitFor(() => expect(peer.closes).toEqual([1009]), soon)
      expect(peer.taken).toHaveLength(1)
    })

    it('says 1009 to its handler for a message far too long', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      client.socket.send(Buffer.alloc(messageBytesMax * 10))
      await vi.waitFor(() => expect(peer.closes).toEqual([1009]), soon)
      expect(peer.taken).toEqual([])
    })

    it('ends with the given code and reason, after what was sent and published before', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.socket.subscribe('room')
      relay.publish('room', 'published')
      peer.socket.sendText('sent')
      relay.publish('room', 'last')
      peer.socket.end(closeTable.replaced.code, closeTable.replaced.sentence)
      expect(peer.closes).toEqual([])
      await vi.waitFor(() => expect(client.close).not.toBeNull(), soon)
      expect(client.close).toEqual({ code: closeTable.replaced.code, reason: closeTable.replaced.sentence })
      expect(client.heard).toEqual(['text published', 'text sent', 'text last'])
      expect(peer.closes).toEqual([closeTable.replaced.code])
    })

    it('calls closed once, never inside another call, and does nothing afterwards', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.act = ({ socket }) => {
        socket.end(4500, 'first')
        socket.end(4501, 'second')
        socket.sendText('too late')
        socket.subscribe('room')
      }
      client.socket.send('one')
      client.socket.send('two')
      await vi.waitFor(() => expect(client.close?.code).toBe(4500), soon)
      await vi.waitFor(() => expect(peer.closes).toEqual([4500]), soon)
      expect(relay.publish('room', 'nobody')).toBe(0)
      peer.socket.sendBinary(Buffer.from('x'))
      peer.socket.unsubscribe('room')
      expect(peer.socket.bufferedBytes()).toBe(0)
      expect(peer.taken).toEqual(['text one'])
      expect(peer.overlapped).toBe(false)
      expect(client.heard).toEqual([])
      expect(peer.closes).toEqual([4500])
    })

    it("passes on the peer's close code, and 1006 when it vanishes", async () => {
      const relay = await listen()
      const [polite, first] = await join(relay)
      const [rude, second] = await join(relay)
      polite.socket.close(4123, 'bye')
      rude.socket.terminate()
      await vi.waitFor(() => expect([first.closes, second.closes]).toEqual([[4123], [1006]]), soon)
    })

    it('closes one connection as our fault when its handler throws, and reports it', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      const fault = new Error('a bug')
      peer.act = () => {
        throw fault
      }
      client.socket.send('boom')
      await vi.waitFor(() => expect(client.close?.code).toBe(closeTable.internal.code), soon)
      expect(relay.faults).toEqual([fault])
      expect(peer.closes).toEqual([closeTable.internal.code])
      await expectAlive(relay)
    })

    it('survives a handler that cannot be made and one that throws when told of the end', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.closed = () => {
        throw new Error('closed')
      }
      client.socket.terminate()
      await vi.waitFor(() => expect(relay.faults).toHaveLength(1), soon)
      relay.opened = () => {
        throw new Error('open')
      }
      const second = new Client(`ws://127.0.0.1:${relay.port}/`, {})
      await vi.waitFor(() => expect(second.close?.code).toBe(closeTable.internal.code), soon)
      expect(relay.faults).toHaveLength(2)
      relay.opened = () => {}
      await expectAlive(relay)
    })

    it('may be ended while it is being opened', async () => {
      const relay = await listen()
      relay.opened = ({ socket }) => socket.end(4000, 'full')
      const client = new Client(`ws://127.0.0.1:${relay.port}/`, {})
      await vi.waitFor(() => expect(client.close?.code).toBe(4000), soon)
      await vi.waitFor(() => expect(relay.peers[0]?.closes).toEqual([4000]), soon)
    })

    it('answers pings, and keeps a byte order mark', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      const pong = vi.fn()
      client.socket.on('pong', (data) => pong(data.toString()))
      client.socket.ping('are you there')
      client.socket.send('\ufeffmarked')
      await vi.waitFor(() => expect(pong).toHaveBeenCalledWith('are you there'), soon)
      await vi.waitFor(() => expect(peer.taken).toEqual(['text \ufeffmarked']), soon)
    })

    it('does not negotiate compression', async () => {
      const relay = await listen()
      const [client] = await join(relay, { perMessageDeflate: true })
      expect(client.socket.extensions).toBe('')
    })
  })

  describe(`publishing on ${kind}`, () => {
    it('keeps the order of what is published and what is sent', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.socket.subscribe('room')
      const expected: string[] = []
      for (let i = 0; i < 200; i++) {
        if (i % 7 === 3) peer.socket.sendText(`${i}`)
        else relay.publish('room', `${i}`)
        expected.push(`text ${i}`)
      }
      await vi.waitFor(() => expect(client.heard).toHaveLength(200), soon)
      expect(client.heard).toEqual(expected)
    })

    it('keeps the order across topics of one socket', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      const [other, otherPeer] = await join(relay)
      for (const topic of ['a', 'b', 'c']) peer.socket.subscribe(topic)
      otherPeer.socket.subscribe('b')
      for (let i = 0; i < 60; i++) relay.publish(['a', 'b', 'c'][i % 3] ?? '', `${i}`)
      await vi.waitFor(() => expect(client.heard).toHaveLength(60), soon)
      await vi.waitFor(() => expect(other.heard).toHaveLength(20), soon)
      expect(client.heard).toEqual(Array.from({ length: 60 }, (_, i) => `text ${i}`))
      expect(other.heard).toEqual(Array.from({ length: 20 }, (_, i) => `text ${i * 3 + 1}`))
    })

    it('reaches every subscriber, and nobody else, and says how many', async () => {
      const relay = await listen()
      const members = await Promise.all(Array.from({ length: 50 }, () => join(relay)))
      const [outsider, outsiderPeer] = await join(relay)
      for (const peer of relay.peers) if (peer !== outsiderPeer) peer.socket.subscribe('room')
      outsiderPeer.socket.subscribe('other')
      expect(relay.publish('room', 'hello')).toBe(50)
      expect(relay.publish('nobody', 'hello')).toBe(0)
      await vi.waitFor(() => {
        for (const [client] of members) expect(client.heard).toEqual(['text hello'])
      }, soon)
      expect(outsider.heard).toEqual([])
      members[0]?.[0].socket.terminate()
      await vi.waitFor(() => expect(relay.publish('room', 'again')).toBe(49), soon)
    })

    it('writes what one turn publishes in one piece', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.socket.subscribe('room')
      const before = client.chunks
      for (let i = 0; i < 20; i++) relay.publish('room', `${i}`)
      await vi.waitFor(() => expect(client.heard).toHaveLength(20), soon)
      expect(client.chunks - before).toBe(1)
    })

    it('delivers a long burst of one turn whole and in order', async () => {
      const relay = await listen({ backpressureBytesMax: 8_388_608 })
      const [client, peer] = await join(relay)
      peer.socket.subscribe('room')
      const filler = 'x'.repeat(90)
      for (let i = 0; i < 5_000; i++) relay.publish('room', `${i} ${filler}`.slice(0, 90))
      await vi.waitFor(() => expect(client.heard).toHaveLength(5_000), soon)
      expect(client.heard.map((line) => Number(line.split(' ')[1]))).toEqual([...Array(5_000).keys()])
    })

    it('copies the message before it returns', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.socket.subscribe('room')
      const message = Buffer.from('before')
      relay.transport.publish('room', message, false)
      peer.socket.sendBinary(message)
      relay.transport.publish('room', message, false)
      message.fill('#')
      await vi.waitFor(() => expect(client.heard).toHaveLength(3), soon)
      expect(client.heard).toEqual(['text before', 'binary before', 'text before'])
    })

    it('counts from the moment of subscribing to the moment of unsubscribing, within one turn too', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      const [other, otherPeer] = await join(relay)
      otherPeer.socket.subscribe('room')
      relay.publish('room', '1')
      peer.socket.subscribe('room')
      peer.socket.subscribe('room')
      relay.publish('room', '2')
      peer.socket.unsubscribe('room')
      relay.publish('room', '3')
      peer.socket.unsubscribe('room')
      peer.socket.unsubscribe('never')
      await vi.waitFor(() => expect(other.heard).toEqual(['text 1', 'text 2', 'text 3']), soon)
      await vi.waitFor(() => expect(client.heard).toEqual(['text 2']), soon)
      // The last one to leave gets its messages too.
      relay.publish('room', '4')
      otherPeer.socket.unsubscribe('room')
      expect(relay.publish('room', '5')).toBe(0)
      await vi.waitFor(() => expect(other.heard).toHaveLength(4), soon)
    })

    it('cuts off a reader that stopped reading, with the code for it, while the others get everything', async () => {
      const relay = await listen()
      const stuck = await raw(relay)
      stuck.socket.write(handshake)
      await vi.waitFor(() => expect(relay.peers).toHaveLength(1), soon)
      stuck.socket.pause()
      const [stuckPeer] = relay.peers
      const [client, peer] = await join(relay)
      stuckPeer?.socket.subscribe('room')
      peer.socket.subscribe('room')
      let published = 0
      while (stuckPeer?.closes.length === 0 && published < 5_000) {
        for (let i = 0; i < 10; i++) relay.transport.publish('room', Buffer.alloc(15_000), true)
        published += 10
        await vi.waitFor(() => expect(client.heard).toHaveLength(published), { timeout: 5_000, interval: 1 })
      }
      expect(stuckPeer?.closes).toEqual([closeTable.slowReader.code])
      expect(client.bytes).toBe(published * 15_000)
      expect(peer.closes).toEqual([])
      expect(relay.publish('room', 'on')).toBe(1)
    }, 30_000)

    it('cuts off a stuck reader also when messages are sent to it alone', async () => {
      const relay = await listen()
      const stuck = await raw(relay)
      stuck.socket.write(handshake)
      await vi.waitFor(() => expect(relay.peers).toHaveLength(1), soon)
      stuck.socket.pause()
      const [peer] = relay.peers
      let buffered = 0
      for (let i = 0; i < 5_000 && peer?.closes.length === 0; i++) {
        peer.socket.sendBinary(Buffer.alloc(15_000))
        buffered = Math.max(buffered, peer.socket.bufferedBytes())
        if (i % 10 === 9) await new Promise((resolve) => setImmediate(resolve))
      }
      await vi.waitFor(() => expect(peer?.closes).toEqual([closeTable.slowReader.code]), soon)
      expect(buffered).toBeGreaterThan(200_000)
      expect(buffered).toBeLessThan(262_144 + 300_000)
    }, 30_000)
  })

  describe(`the handshake on ${kind}`, () => {
    it('answers GET / with the greeting and everything else with 404', async () => {
      const relay = await listen()
      const greeting = await fetch(url(relay))
      expect(greeting.headers.get('content-type')).toBe('text/plain; charset=utf-8')
      expect([greeting.status, await greeting.text()]).toEqual([200, 'Good day.\n'])
      for (const request of [fetch(url(relay, '/x')), fetch(url(relay), { method: 'POST', body: 'x' })]) {
        expect((await request).status).toBe(404)
      }
    })

    it('shows path, origin, all lines of X-Forwarded-For and the address', async () => {
      const relay = await listen()
      const socket = await raw(relay)
      socket.socket.write(
        handshake
          .replace('GET / ', 'GET /chat?token=1 ')
          .replace(
            '\r\n\r\n',
            '\r\nOrigin: https://a.example\r\nX-Forwarded-For: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2, 10.0.0.3\r\n\r\n',
          ),
      )
      await vi.waitFor(() => expect(relay.upgrades).toHaveLength(1), soon)
      expect(relay.upgrades).toEqual([
        {
          path: '/chat',
          origin: 'https://a.example',
          forwardedFor: '10.0.0.1, 10.0.0.2, 10.0.0.3',
          peer: '127.0.0.1',
        },
      ])
    })

    it('leaves out what was not said, and names the socket as it was decided', async () => {
      const relay = await listen()
      relay.decide = () => ({ accept: true, address: '203.0.113.7' })
      const [, peer] = await join(relay)
      expect(relay.upgrades).toEqual([{ path: '/', origin: '', forwardedFor: '', peer: '127.0.0.1' }])
      expect(peer.socket.address).toBe('203.0.113.7')
    })

    it('writes the address of an IPv4 peer on an IPv6 socket as IPv4', async () => {
      const relay = await listen({ host: '::' })
      await join(relay)
      expect(relay.upgrades[0]?.peer).toBe('127.0.0.1')
      const six = new WebSocket(`ws://[::1]:${relay.port}/`)
      await vi.waitFor(() => expect(relay.upgrades[1]?.peer).toBe('::1'), soon)
      six.terminate()
    })

    it.each([
      [403, 'Forbidden'],
      [404, 'Not Found'],
      [429, 'Too Many Requests'],
      [503, 'Service Unavailable'],
    ] as const)('refuses with %i and the given text', async (status, phrase) => {
      const relay = await listen()
      relay.decide = () => ({
        accept: false,
        status,
        message: 'Not here.',
        retryAfterSeconds: 7,
        closeCode: 4503,
      })
      const socket = await raw(relay)
      socket.socket.write(handshake)
      await vi.waitFor(() => expect(socket.ended()).toBe(true), soon)
      expect(socket.heard()).toMatch(new RegExp(`^HTTP/1.1 ${status} ${phrase}\r\n`))
      expect(socket.heard()).toMatch(/\r\nRetry-After: 7\r\n/)
      expect(socket.heard()).toMatch(/\r\nPyChat-Close: 4503\r\n/)
      expect(socket.heard()).toMatch(/\r\n\r\nNot here\.\n$/)
      expect(relay.peers).toHaveLength(0)
    })

    it('refuses when the decision throws, and reports it', async () => {
      const relay = await listen()
      relay.decide = () => {
        throw new Error('a bug')
      }
      const socket = await raw(relay)
      socket.socket.write(handshake)
      await vi.waitFor(() => expect(socket.ended()).toBe(true), soon)
      expect(socket.heard()).toMatch(/^HTTP\/1.1 503 /)
      expect(relay.faults).toHaveLength(1)
    })

    it.each([
      ['no key', handshake.replace(/Sec-WebSocket-Key.*\r\n/, '')],
      ['a short key', handshake.replace('dGhlIHNhbXBsZSBub25jZQ==', 'short')],
      ['another method', handshake.replace('GET', 'POST')],
      ['a header without an end', handshake.replace('\r\n\r\n', `\r\nX: ${'x'.repeat(65_536)}`)],
      ['no HTTP at all', '\u0016\u0003\u0001 hello\r\n\r\n'],
    ])('opens nothing for an upgrade with %s', async (_name, bytes) => {
      const relay = await listen()
      const socket = await raw(relay)
      socket.socket.write(bytes)
      await vi.waitFor(() => expect(socket.ended() || socket.heard() !== '').toBe(true), soon)
      expect(socket.heard()).not.toMatch(/^HTTP\/1.1 101/)
      expect(relay.peers).toHaveLength(0)
      await expectAlive(relay)
    })
  })

  describe(`a hostile peer on ${kind}`, () => {
    it.each(brokenStreams)('is closed for %s, and nobody else notices', async (_name, bytes) => {
      const relay = await listen()
      const [client, neighbour] = await join(relay)
      const socket = await raw(relay)
      socket.socket.write(handshake)
      await vi.waitFor(() => expect(relay.peers).toHaveLength(2), soon)
      socket.socket.write(bytes())
      await vi.waitFor(() => expect(relay.peers[1]?.closes).toHaveLength(1), soon)
      expect(relay.peers[1]?.taken).toEqual([])
      expect(relay.peers[1]?.closes[0]).not.toBe(1000)
      neighbour.socket.sendText('still here')
      await vi.waitFor(() => expect(client.heard).toEqual(['text still here']), soon)
      expect(relay.faults).toEqual([])
    })

    it('is not heard through an unmasked frame', async () => {
      const relay = await listen()
      const socket = await raw(relay)
      socket.socket.write(handshake)
      await vi.waitFor(() => expect(relay.peers).toHaveLength(1), soon)
      socket.socket.write(
        Buffer.concat([Buffer.from([0x82, 8]), Buffer.from('unmasked'), frame(0x88, Buffer.alloc(0))]),
      )
      const [peer] = relay.peers
      if (refusesUnmasked) await vi.waitFor(() => expect(peer?.closes).toEqual([1002]), soon)
      else await vi.waitFor(() => expect(peer?.taken).toHaveLength(1), soon)
      expect(peer?.taken).not.toContain('binary unmasked')
      await expectAlive(relay)
    })

    it('lets a crowd in, and whoever has vanished meanwhile is none of it', async () => {
      const relay = await listen()
      let turn = 0
      let counting = true
      const count = (): void => {
        turn += 1
        if (counting) setImmediate(count)
      }
      count()
      const openedAt: number[] = []
      relay.opened = () => openedAt.push(turn)
      const crowd = await Promise.all(Array.from({ length: 200 }, () => raw(relay)))
      for (const { socket } of crowd) socket.write(handshake)
      for (const { socket } of crowd.slice(100)) socket.resetAndDestroy()
      await vi.waitFor(() => {
        for (const { heard } of crowd.slice(0, 100)) expect(heard()).toContain('101 Switching')
      }, soon)
      counting = false
      const inOneTurn = new Map<number, number>()
      for (const at of openedAt) inOneTurn.set(at, (inOneTurn.get(at) ?? 0) + 1)
      // What comes before the counter of a turn and what comes behind it may be of two turns.
      if (inPortions) expect(Math.max(...inOneTurn.values())).toBeLessThanOrEqual(2 * handshakesPerTurn)
      await vi.waitFor(
        () => expect(relay.peers.filter(({ closes }) => closes.length === 0)).toHaveLength(100),
        soon,
      )
      await expectAlive(relay)
      expect(relay.faults).toEqual([])
    })

    it('drops who still waits for its handshake when it closes', async () => {
      const relay = await listen()
      const crowd = await Promise.all(Array.from({ length: 100 }, () => raw(relay)))
      relay.opened = () => void relay.transport.close()
      for (const { socket } of crowd) socket.write(handshake)
      await vi.waitFor(() => expect(crowd.every(({ ended }) => ended())).toBe(true), soon)
      expect(relay.peers.length).toBeLessThan(100)
      expect(relay.faults).toEqual([])
    })

    it('may vanish in the middle of anything', async () => {
      const relay = await listen()
      const whole = Buffer.concat([Buffer.from(handshake), frame(0x81, text), frame(0x82, Buffer.alloc(200))])
      for (let cut = 1; cut < whole.length; cut += 7) {
        const socket = await raw(relay)
        socket.socket.end(whole.subarray(0, cut))
        socket.socket.resetAndDestroy()
      }
      await expectAlive(relay)
      await vi.waitFor(
        () => expect(relay.peers.filter(({ closes }) => closes.length === 0)).toHaveLength(1),
        soon,
      )
      expect(relay.faults).toEqual([])
    })
  })

  // Each of these waits for timers of 4 to 16 seconds inside the engines, so they wait together.
  it('pings quiet peers, drops silent ones, keeps those that answer, and waits for no half header', async () => {
    const relay = await listen({ pingIntervalMs: 4_000 })
    const half = await raw(relay)
    half.socket.write('GET / HTTP/1.1\r\nHost: rel')
    const [answering, kept] = await join(relay)
    const [silent, dropped] = await join(relay, { autoPong: false })
    await vi.waitFor(() => expect(answering.pings).toBeGreaterThan(0), slow)
    await vi.waitFor(() => expect(dropped.closes).toEqual([1006]), slow)
    await vi.waitFor(() => expect(half.ended()).toBe(true), slow)
    expect(silent.pings).toBeGreaterThan(0)
    expect(kept.closes).toEqual([])
    kept.socket.sendText('well')
    await vi.waitFor(() => expect(answering.heard).toEqual(['text well']), soon)
  }, 60_000)

  describe(`listening on ${kind}`, () => {
    it('says EADDRINUSE in a sentence when the port is taken', async () => {
      const relay = await listen()
      const second = new Relay(create, { port: relay.port })
      await expect(second.transport.listen()).rejects.toMatchObject({
        code: 'EADDRINUSE',
        message: `Another program already listens on 127.0.0.1:${relay.port}; stop it or choose another port.`,
      })
      await second.transport.close()
      await expectAlive(relay)
    })

    it('says EADDRNOTAVAIL for an address that this machine does not have', async () => {
      const relay = new Relay(create, { host: '203.0.113.1' })
      await expect(relay.transport.listen()).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
    })

    it('keeps open connections when it stops listening, and takes no new ones', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.socket.subscribe('room')
      relay.transport.stopListening()
      relay.transport.stopListening()
      await vi.waitFor(() => expect(fetch(url(relay))).rejects.toThrow(), soon)
      expect(relay.publish('room', 'still')).toBe(1)
      await vi.waitFor(() => expect(client.heard).toEqual(['text still']), soon)
      expect(peer.closes).toEqual([])
    })

    it('drops what is open when it closes, and frees the port', async () => {
      const relay = await listen()
      const [client, peer] = await join(relay)
      peer.socket.subscribe('room')
      await relay.transport.close()
      await vi.waitFor(() => expect(client.close?.code).toBe(1006), soon)
      expect(peer.closes).toEqual([1006])
      expect(relay.publish('room', 'gone')).toBe(0)
      peer.socket.sendText('gone')
      const next = await listen({ port: relay.port })
      await expectAlive(next)
      await relay.transport.close()
    })
  })

  it(`closes ${kind} without waiting for a peer that does not answer the closing handshake`, async () => {
    const relay = await listen()
    const socket = await raw(relay)
    socket.socket.write(handshake)
    await vi.waitFor(() => expect(relay.peers).toHaveLength(1), soon)
    const [peer] = relay.peers
    peer?.socket.end(4000, 'going')
    await vi.waitFor(() => expect(peer?.closes).toEqual([4000]), soon)
    let closed = false
    const closing = relay.transport.close().then(() => {
      closed = true
    })
    await vi.waitFor(() => expect(closed).toBe(true), { timeout: 1_000, interval: 5 })
    await closing
    expect(peer?.closes).toEqual([4000])
  })

  describe(`TLS on ${kind}`, () => {
    function certificate(): { certFile: string; keyFile: string } {
      const folder = mkdtempSync(joinPath(tmpdir(), 'pychat-tls-'))
      cleanups.push(() => rmSync(folder, { recursive: true }))
      const tls = { certFile: joinPath(folder, 'cert.pem'), keyFile: joinPath(folder, 'key.pem') }
      const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'
      execFileSync('openssl', [...args.split(' '), '-keyout', tls.keyFile, '-out', tls.certFile], {
        stdio: 'ignore',
      })
      return tls
    }

    it('speaks wss with a certificate from files', async () => {
      const relay = await listen({ tls: certificate() })
      const [client, peer] = await join(relay, { rejectUnauthorized: false })
      peer.socket.subscribe('room')
      for (let i = 0; i < 100; i++) relay.publish('room', `${i}`)
      peer.socket.sendText('end')
      await vi.waitFor(() => expect(client.heard).toHaveLength(101), soon)
      expect(client.heard.at(-1)).toBe('text end')
      client.socket.send('up')
      await vi.waitFor(() => expect(peer.taken).toEqual(['text up']), soon)
      const plain = await raw(relay)
      plain.socket.write(handshake)
      await vi.waitFor(() => expect(plain.ended()).toBe(true), soon)
      expect(relay.peers).toHaveLength(1)
    })

    it('names the file that cannot be read, and files that are no certificate', async () => {
      const tls = certificate()
      const missing = new Relay(create, { tls: { ...tls, keyFile: '/nowhere/key.pem' } })
      await expect(missing.transport.listen()).rejects.toThrow(
        'The TLS key file /nowhere/key.pem cannot be read (ENOENT).',
      )
      writeFileSync(tls.certFile, 'not a certificate')
      const wrong = new Relay(create, { tls })
      await expect(wrong.transport.listen()).rejects.toThrow(`${tls.certFile} and ${tls.keyFile} are not`)
    })
  })
}
