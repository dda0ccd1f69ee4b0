// What the engine needs from the world: a WebSocket, randomness, a clock, a timer, and jitter.
// Tests pass scripted ones; the terminal client passes ws and node's; a web page would pass the browser's.
import type { createOpener } from '@pychat/crypto'

/** What the engine does with a socket's events. Calls never overlap; after `closed` nothing more comes. */
export type SocketHandlers = {
  open(): void
  text(text: string): void
  /** @param bytes kept by the engine: do not reuse the buffer */
  binary(bytes: Uint8Array): void
  /** A WebSocket ping arrived (and was answered). Hosts that cannot see pings never call it. */
  ping(): void
  /** @param code WebSocket close code, 1006 when the peer vanished or was never reached  @param reason for people */
  closed(code: number, reason: string): void
}

/** One connection. Every method is safe on a closed socket: it then does nothing. */
export type ClientSocket = {
  sendText(text: string): void
  sendBinary(bytes: Uint8Array): void
  /** Closes in order; `closed` follows, at the latest when the host's own closing timeout ends. */
  close(code?: number): void
}

export type ClientPorts = {
  openSocket(url: string, handlers: SocketHandlers): ClientSocket
  /** Exactly so many fresh random bytes. */
  random(bytes: number): Uint8Array
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `fn` once after `ms`. @returns cancels it */
  setTimer(ms: number, fn: () => void): () => void
  /** 0 <= jitter < 1, evenly spread. */
  jitter(): number
  /** In place of `@pychat/crypto`'s: many clients of one room in one process may share the work of opening a frame. */
  createOpener?: typeof createOpener
}
