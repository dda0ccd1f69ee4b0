// What both adapters say and read around the WebSocket handshake: the peer's address as text, and refusals in HTTP.
// RFC 6455 section 4.2. Who is refused is decided by TransportEvents.upgrade.
import { SocketAddress } from 'node:net'
import { closeHeader } from '@pychat/protocol'
import type { TransportEvents, UpgradeDecision, UpgradeRequest } from './transport.ts'

type Refusal = Extract<UpgradeDecision, { accept: false }>

const phrases = {
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
} as const satisfies Record<Refusal['status'], string>

/** What every path but GET / answers. */
export const notFound: Refusal = { accept: false, status: 404, message: 'There is nothing here.' }

/** A decision that throws is our fault, and refuses. */
export function decideUpgrade(events: TransportEvents, request: UpgradeRequest): UpgradeDecision {
  try {
    return events.upgrade(request)
  } catch (error) {
    events.fault(error)
    return { accept: false, status: 503, message: 'The relay made a mistake; try again later.' }
  }
}

/** `403 Forbidden` and the like. */
export function statusLine(refusal: Refusal): string {
  return `${refusal.status} ${phrases[refusal.status]}`
}

/** Header names and values of a refusal. */
export function refusalHeaders(refusal: Refusal): [name: string, value: string][] {
  const headers: [string, string][] = [['Content-Type', 'text/plain; charset=utf-8']]
  if (refusal.retryAfterSeconds !== undefined) {
    headers.push(['Retry-After', String(Math.ceil(refusal.retryAfterSeconds))])
  }
  if (refusal.closeCode !== undefined) headers.push([closeHeader, String(refusal.closeCode)])
  return headers
}

const mapped = '::ffff:'

/** IPv4 that came in over an IPv6 socket reads as IPv4. */
export function plainAddress(text: string): string {
  return text.startsWith(mapped) && text.includes('.') ? text.slice(mapped.length) : text
}

/** @param bytes 4 or 16; any other length gives an empty string (a peer that is gone already) */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) return ''
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16)
  const groups: string[] = []
  for (let at = 0; at < 16; at += 2) groups.push(view.getUint16(at).toString(16))
  return plainAddress(new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address)
}
