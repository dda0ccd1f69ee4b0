// Looks at the public way in as a client has it: whether it is wss, whether a real message passes, and whether a socket that
// says nothing is cut. Speaks docs/protocol.md with random bytes, which no relay can tell from sealed ones.
import { randomBytes } from 'node:crypto'
import {
  type ClientControl,
  decodeDelivery,
  decodeFrameHeader,
  decodeRelayControl,
  encodeFrameHeader,
  encodeHex,
  limits,
  type NameTag,
  protocolVersion,
  type RelayControl,
  type RoomId,
  reachOf,
  type SessionId,
} from '@pychat/protocol'
import { WebSocket } from 'ws'
import { clean } from '../table.ts'
import { bad, type Finding, ok } from './finding.ts'

const stepMs = 10_000
const certificateWarnDays = 14

const hex = (bytes: number): string => encodeHex(randomBytes(bytes))

type Guest = {
  socket: WebSocket
  say(message: ClientControl): void
  /** Resolves with the first control message that fits. @throws Error with a sentence */
  control(fits: (message: RelayControl) => boolean): Promise<RelayControl>
  /** Resolves when a frame of the session has come. @throws Error with a sentence */
  frameOf(session: SessionId): Promise<void>
  /** The close code, once it is closed. */
  closed: Promise<number>
  certificateEndsAt: number | null
}

/** @param url ws:// or wss://  @param idleMs how long a socket is held silent */
export async function lookAtFrontDoor(url: URL, idleMs: number, now: () => number): Promise<Finding[]> {
  const findings = [judgeScheme(url)]
  let first: Guest
  try {
    first = await enter(url)
  } catch (error) {
    findings.push(
      bad(
        'fail',
        'url.connect',
        `Nobody can chat through ${shown(url)}: ${sentenceOf(error)}`,
        'See that the name leads to the front door, that it passes WebSockets on to the relays, and that its certificate is in order.',
      ),
    )
    return findings
  }
  if (first.certificateEndsAt !== null) findings.push(judgeCertificate(first.certificateEndsAt, now()))
  const [message, idle] = await Promise.all([sendOne(url, first), holdSilent(url, idleMs, now)])
  return [...findings, message, idle]
}

function judgeScheme(url: URL): Finding {
  const check = 'url.tls'
  if (url.protocol === 'wss:') return ok(check, `Clients reach ${shown(url)} by TLS.`)
  const reach = reachOf(url.hostname)
  return reach === 'loopback'
    ? ok(check, `${shown(url)} is this machine alone and needs no TLS.`)
    : bad(
        reach === 'public' ? 'fail' : 'warn',
        check,
        `Clients reach ${shown(url)} without TLS: whoever is on the way sees who talks when, and can cut them off.`,
        'Let the front door speak TLS (deploy/compose.tls.yml does) and give people wss://.',
      )
}

function judgeCertificate(endsAt: number, now: number): Finding {
  const days = Math.floor((endsAt - now) / 86_400_000)
  if (days >= certificateWarnDays) return ok('url.certificate', `The certificate is good for ${days} days.`)
  return bad(
    'warn',
    'url.certificate',
    `The certificate ends in ${days} days.`,
    'Renew it, and see why that did not happen by itself.',
  )
}

async function sendOne(url: URL, sender: Guest): Promise<Finding> {
  const room = hex(16) as RoomId
  const sessions = [hex(16), hex(16)] as [SessionId, SessionId]
  let receiver: Guest | null = null
  try {
    receiver = await enter(url)
    for (const [i, guest] of [sender, receiver].entries()) {
      guest.say({
        ...{ t: 'join', id: 1, room, session: sessions[i] as SessionId, secret: hex(16) },
        ...{ tag: hex(16) as NameTag, profile: randomBytes(292).toString('base64url') },
      })
      const answer = await guest.control(({ t }) => t === 'joined' || t === 'refused')
      if (answer.t === 'refused') throw new Error(`a room could not be entered (${answer.code}).`)
    }
    const startedAt = performance.now()
    const received = receiver.frameOf(sessions[0])
    const header = encodeFrameHeader({ session: sessions[0], counter: 1, commitment: randomBytes(16) })
    sender.socket.send(Buffer.concat([header, randomBytes(256 + 16)]))
    await received
    return ok(
      'url.message',
      `A real message went through ${shown(url)} in ${Math.round(performance.now() - startedAt)} ms.`,
    )
  } catch (error) {
    return bad(
      'fail',
      'url.message',
      `No message passed through ${shown(url)}: ${sentenceOf(error)}`,
      'Mend what else is found here first; then compare with what a node says of itself.',
    )
  } finally {
    for (const guest of [sender, receiver]) leave(guest)
  }
}

async function holdSilent(url: URL, idleMs: number, now: () => number): Promise<Finding> {
  let guest: Guest | null = null
  try {
    guest = await enter(url)
    const since = now()
    let timer: NodeJS.Timeout | undefined
    const held = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), idleMs)
    })
    const code = await Promise.race([guest.closed, held])
    clearTimeout(timer)
    const seconds = ((now() - since) / 1000).toFixed(1)
    if (code === null) {
      const enough = idleMs > limits.pingIntervalMs
      return ok(
        'url.idle',
        `A silent connection was held for ${idleMs / 1000} s${enough ? ', longer than the pause between two pings of a relay' : ''}.`,
      )
    }
    return bad(
      'fail',
      'url.idle',
      code === 1006
        ? `Something on the way cuts a silent connection after ${seconds} s.`
        : `A silent connection was closed with ${code} after ${seconds} s.`,
      `Raise the idle timeout of the proxy or load balancer in front to 60 s or more (proxy_read_timeout, timeout tunnel, idle timeout): relays send a ping every ${limits.pingIntervalMs / 1000} s.`,
    )
  } catch (error) {
    return bad(
      'fail',
      'url.idle',
      `A second connection to ${shown(url)} failed: ${sentenceOf(error)}`,
      'Try again; if it stays so, look at the limits per address of the front door.',
    )
  } finally {
    leave(guest)
  }
}

/** Connects and greets. @throws Error with the rest of a sentence */
async function enter(url: URL): Promise<Guest> {
  const socket = new WebSocket(url, { handshakeTimeout: stepMs, perMessageDeflate: false })
  const waiting = new Set<() => void>()
  const controls: RelayControl[] = []
  const heard = new Set<SessionId>()
  let code: number | null = null
  let certificateEndsAt: number | null = null
  const wake = (): void => {
    for (const check of waiting) check()
  }
  socket.on('message', (data: Buffer, isBinary) => {
    try {
      if (isBinary) heard.add(decodeFrameHeader(decodeDelivery(new Uint8Array(data)).frame).session)
      else controls.push(decodeRelayControl(data.toString()))
    } catch {
      // Not of this version; what is waited for then does not come.
    }
    wake()
  })
  socket.on('upgrade', ({ socket: stream }) => {
    const certificate = 'getPeerCertificate' in stream ? (stream as TlsStream).getPeerCertificate() : null
    const endsAt = Date.parse(certificate?.valid_to ?? '')
    if (!Number.isNaN(endsAt)) certificateEndsAt = endsAt
  })
  const closed = new Promise<number>((resolve) => {
    socket.once('close', (given) => {
      code = given
      resolve(given)
      wake()
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('unexpected-response', (_, response) =>
      reject(new Error(`it answers ${response.statusCode ?? 0} in place of a WebSocket.`)),
    )
    socket.once('error', (error: Error & { code?: string }) =>
      reject(new Error(`${error.code ?? error.message}.`)),
    )
  }).catch((error: unknown) => {
    socket.on('error', () => {})
    socket.terminate()
    throw error
  })
  socket.on('error', () => {})

  const until = (done: () => boolean, what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!done() && code === null) return
        waiting.delete(check)
        clearTimeout(timer)
        if (done()) resolve()
        else reject(new Error(`the connection was closed with ${code}.`))
      }
      const timer = setTimeout(() => {
        waiting.delete(check)
        reject(new Error(`${what} did not come within ${stepMs / 1000} s.`))
      }, stepMs)
      waiting.add(check)
      check()
    })

  const guest: Guest = {
    socket,
    say: (message) => socket.send(JSON.stringify(message)),
    async control(fits) {
      await until(() => controls.some(fits), 'an answer')
      return controls.find(fits) as RelayControl
    },
    frameOf: (session) => until(() => heard.has(session), 'the message'),
    closed,
    certificateEndsAt,
  }
  guest.say({ t: 'hello', version: protocolVersion, software: 'pychat-admin/1' })
  await guest.control(({ t }) => t === 'welcome')
  return { ...guest, certificateEndsAt }
}

type TlsStream = { getPeerCertificate(): { valid_to?: string } }

function leave(guest: Guest | null): void {
  guest?.socket.close(1000)
  setTimeout(() => guest?.socket.terminate(), 500).unref()
}

/** The address without anything that might be a secret. */
const shown = (url: URL): string => clean(`${url.protocol}//${url.host}`)

const sentenceOf = (error: unknown): string => clean(error instanceof Error ? error.message : 'it failed.')
