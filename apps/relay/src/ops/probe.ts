// One real message through this node's own front door: a WebSocket to its listen address, a room that all probed nodes
// enter, one frame of random bytes. Whose frames are received says which nodes reach each other.
import { randomBytes } from 'node:crypto'
import {
  type ClientControl,
  decodeDelivery,
  decodeFrameHeader,
  decodeRelayControl,
  encodeFrameHeader,
  encodeHex,
  type NameTag,
  type NodeId,
  nodeIdSchema,
  type ProbeResult,
  protocolVersion,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import { WebSocket } from 'ws'

export type ProbeOptions = {
  /** ws:// or wss:// with this node's own port. */
  url: string
  node: NodeId
  room: RoomId
  /** So many nodes speak in the room. */
  nodes: number
}

const probeMs = 3500
/** A newcomer is answered after so long, together with those who came at the same time. */
const answerPauseMs = 100
const sealedBytes = 256 + 16

const hex = (bytes: number): string => encodeHex(randomBytes(bytes))

/** Takes at most 3.5 s. Never rejects. */
export function probe({ url, node, room, nodes }: ProbeOptions): Promise<ProbeResult> {
  return new Promise((resolve) => {
    // The session says whose it is.
    const session = `${node}${hex(8)}` as SessionId
    const heard = new Set<NodeId>()
    let stage = 'No connection came about'
    let failed: string | null = null
    let ownMs: number | null = null
    let counter = 0
    let sentAt = 0
    let answering: NodeJS.Timeout | null = null
    // To itself: a certificate is made out for another name.
    const socket = new WebSocket(url, {
      rejectUnauthorized: false,
      handshakeTimeout: probeMs,
      perMessageDeflate: false,
    })
    const say = (message: ClientControl): void => socket.send(JSON.stringify(message))

    function end(): void {
      clearTimeout(timer)
      if (answering !== null) clearTimeout(answering)
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.close(1000)
      setTimeout(() => socket.terminate(), 500).unref()
      const why = ownMs === null ? (failed ?? `${stage} within ${probeMs / 1000} s.`) : null
      resolve({ failed: why === null ? null : why.slice(0, 256), ownMs, heard: [...heard] })
    }

    function speak(): void {
      counter += 1
      sentAt = performance.now()
      const header = encodeFrameHeader({ session, counter, commitment: randomBytes(16) })
      socket.send(Buffer.concat([header, randomBytes(sealedBytes)]))
    }

    /** Whoever came later has not heard what was said before. */
    function speakAgain(): void {
      answering ??= setTimeout(() => {
        answering = null
        speak()
      }, answerPauseMs)
    }

    const timer = setTimeout(end, probeMs)
    socket.on('unexpected-response', (_, response) => {
      failed = `The handshake was refused with ${response.statusCode ?? 0}.`
      end()
    })
    socket.on('error', (error: Error & { code?: string }) => {
      failed = `No connection to ${url} (${error.code ?? 'refused'}).`
      end()
    })
    socket.on('close', (code) => {
      failed ??= `The connection was closed with ${code}.`
      end()
    })
    socket.on('open', () => {
      stage = 'No greeting came'
      say({ t: 'hello', version: protocolVersion, software: 'pychat-probe/1' })
    })
    socket.on('message', (data: Buffer, isBinary) => {
      try {
        if (isBinary) received(decodeFrameHeader(decodeDelivery(new Uint8Array(data)).frame).session)
        else told(decodeRelayControl(data.toString()))
      } catch {
        // Not for this program.
      }
    })

    function told(message: ReturnType<typeof decodeRelayControl>): void {
      if (message.t === 'welcome') {
        stage = 'The room could not be entered'
        const names = { secret: hex(16), tag: hex(16) as NameTag }
        say({ t: 'join', id: 1, room, session, ...names, profile: randomBytes(292).toString('base64url') })
      } else if (message.t === 'joined') {
        stage = 'The message did not come back'
        speak()
      } else if (message.t === 'refused' || message.t === 'nack') {
        failed = `The message was refused (${message.code}).`
      }
    }

    function received(from: SessionId): void {
      const other = nodeIdSchema.safeParse(from.slice(0, 16))
      if (!other.success) return
      const isNew = !heard.has(other.data)
      heard.add(other.data)
      if (from === session) ownMs ??= Math.round(performance.now() - sentAt)
      else if (isNew) speakAgain()
      if (heard.size < nodes) return
      // The last newcomer still has to be answered.
      if (answering === null) end()
      else setTimeout(end, answerPauseMs * 2)
    }
  })
}
