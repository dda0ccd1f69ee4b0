// The ws package as the engine's socket, and connection errors as sentences for people.
import type { ClientSocket, SocketHandlers } from '@pychat/client-engine'
import { closeHeader, limits } from '@pychat/protocol'
import WebSocket from 'ws'
import { isLocalHost } from './settings.ts'

const handshakeTimeoutMs = 10_000
const closeTimeoutMs = 2000

export function openSocket(url: string, handlers: SocketHandlers): ClientSocket {
  let sentence = ''
  let refusedWith: number | null = null
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    handshakeTimeout: handshakeTimeoutMs,
    maxPayload: Math.max(limits.relayControlBytesMax, limits.deliveryBytesMax),
    followRedirects: false,
  })
  socket.on('open', () => handlers.open())
  socket.on('ping', () => handlers.ping())
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) handlers.binary(data)
    else handlers.text(data.toString('utf8'))
  })
  socket.on('error', (error) => {
    sentence ||= errorSentence(error, url)
  })
  socket.on('unexpected-response', (_request, response) => {
    sentence = errorSentence(new Error(`Unexpected server response: ${response.statusCode}`), url)
    refusedWith = closeCodeOf(response.headers[closeHeader.toLowerCase()])
    socket.terminate()
  })
  socket.on('close', (code, reason) =>
    handlers.closed(refusedWith ?? code, sentence || reason.toString('utf8')),
  )
  return {
    sendText(text) {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    sendBinary(bytes) {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes)
    },
    close(code) {
      socket.close(code)
      // A peer that does not answer the closing handshake must not keep the process.
      setTimeout(() => socket.terminate(), closeTimeoutMs).unref()
    },
  }
}

/** What a refused handshake stands for, where the relay says so; null for anything else. */
function closeCodeOf(header: string | string[] | undefined): number | null {
  return typeof header === 'string' && /^4[0-9]{3}$/.test(header) ? Number(header) : null
}

const certificateCodes = new Set([
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** Why a connection failed and what to do, in one sentence. */
export function errorSentence(error: Error, url: string): string {
  const { host, hostname } = new URL(url)
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ECONNREFUSED')
    return `Nothing answers at ${host}: is the relay running there?${hosted(hostname)}`
  if (code === 'ENOTFOUND') return `No machine is known as ${hostname}: check the relay address.`
  if (code === 'EAI_AGAIN') return `The name ${hostname} cannot be looked up right now: check the network.`
  if (['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL'].includes(code)) {
    return `There is no way to ${host} from here: check the network.${hosted(hostname)}`
  }
  if (code === 'ETIMEDOUT' || error.message.includes('handshake has timed out')) {
    return `${host} does not answer: check the address, and whether a firewall is in the way.${hosted(hostname)}`
  }
  if (certificateCodes.has(code)) {
    return `The certificate of ${hostname} cannot be trusted (${code}): ask who runs the relay.`
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return `${host} does not speak TLS: for a relay without it the address begins with ws://.`
  }
  const status = /Unexpected server response: (\d+)/.exec(error.message)?.[1]
  if (status === '429' || status === '503')
    return `The relay at ${host} is too busy right now (HTTP ${status}).`
  if (status) return `What answers at ${host} is not a PyChat relay (HTTP ${status}): check the address.`
  return `The connection to ${host} failed${code ? ` (${code})` : ''}.`
}

/** On a local network the relay may be somebody's program that has ended without a word. */
function hosted(hostname: string): string {
  const here = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
  if (here || !isLocalHost(hostname)) return ''
  return ' If somebody hosted this room there, ask them for a new invite, or host it yourself with "pychat host".'
}
