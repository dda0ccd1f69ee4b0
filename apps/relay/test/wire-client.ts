// What the relay's tests speak with: frames and joins that are well formed, over a real WebSocket, without any crypto
// (the relay cannot tell).
import { randomBytes } from 'node:crypto'
import {
  type ClientControlOf,
  closeHeader,
  type Delivery,
  decodeDelivery,
  decodeRelayControl,
  encodeFrameHeader,
  encodeHex,
  type NameTag,
  type RelayControl,
  type RelayControlOf,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import { WebSocket } from 'ws'

export const hex = (bytes: number): string => encodeHex(randomBytes(bytes))
export const room = (): RoomId => hex(16) as RoomId
export const session = (): SessionId => hex(16) as SessionId

export function frame(from: SessionId, counter: number, bucket = 256): Buffer {
  const header = encodeFrameHeader({ session: from, counter, commitment: randomBytes(16) })
  return Buffer.concat([header, randomBytes(bucket + 16)])
}

export function joinMessage(
  id: number,
  more: Partial<ClientControlOf<'join'>> = {},
): ClientControlOf<'join'> {
  return {
    t: 'join',
    id,
    room: room(),
    session: session(),
    secret: hex(16),
    tag: hex(16) as NameTag,
    profile: randomBytes(292).toString('base64url'),
    ...more,
  }
}

export type WireClient = {
  socket: WebSocket
  controls: RelayControl[]
  deliveries: Delivery[]
  /** Resolves with the close code. */
  closed: Promise<number>
  send(message: object): void
  /** Waits for the first control message of this kind from `since` on. */
  control<T extends RelayControl['t']>(t: T, since?: number): Promise<RelayControlOf<T>>
  until(done: () => boolean, what?: string): Promise<void>
}

/** @param hello false leaves the greeting to the test */
export async function connect(
  url: string,
  hello = true,
  headers: Record<string, string> = {},
): Promise<WireClient> {
  const socket = new WebSocket(url, { headers, perMessageDeflate: false })
  const controls: RelayControl[] = []
  const deliveries: Delivery[] = []
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const check of waiting) check()
  }
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) deliveries.push(decodeDelivery(new Uint8Array(data)))
    else controls.push(decodeRelayControl(data.toString()))
    wake()
  })
  const closed = new Promise<number>((resolve) => {
    socket.on('close', (code) => {
      resolve(code)
      wake()
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => {})

  const until = (done: () => boolean, what = 'what the test waits for'): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(check)
        reject(new Error(`${what} did not come; last: ${JSON.stringify(controls.slice(-3))}`))
      }, 5000)
      const check = (): void => {
        if (!done()) return
        waiting.delete(check)
        clearTimeout(timer)
        resolve()
      }
      waiting.add(check)
      check()
    })

  const client: WireClient = {
    socket,
    controls,
    deliveries,
    closed,
    send: (message) => socket.send(JSON.stringify(message)),
    async control<T extends RelayControl['t']>(t: T, since = 0) {
      const find = () => controls.slice(since).find((each) => each.t === t) as RelayControlOf<T> | undefined
      await until(() => find() !== undefined, t)
      return find() as RelayControlOf<T>
    },
    until,
  }
  if (hello) {
    client.send({ t: 'hello', version: 1, software: 'test/1' })
    await client.control('welcome')
  }
  return client
}

/** @returns "open" (and closes again), or the refusal's status and its PyChat-Close */
export function tryHandshake(url: string, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers })
    socket.on('error', reject)
    socket.on('open', () => {
      socket.terminate()
      resolve('open')
    })
    socket.on('unexpected-response', (_request, response) =>
      resolve(`${response.statusCode} ${response.headers[closeHeader.toLowerCase()]}`),
    )
  })
}
