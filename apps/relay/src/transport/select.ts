// Which adapter runs: PYCHAT_TRANSPORT, and what this machine can load. Knows the adapters by their doors only.
import type { CreateTransport, Transport } from './transport.ts'
import { createUwsTransport } from './uws.ts'
import { loadUwsBinary } from './uws-binary.ts'
import { createWsTransport } from './ws.ts'

export type TransportChoice = 'auto' | 'uws' | 'ws'

export type SelectedTransport = {
  kind: Transport['kind']
  create: CreateTransport
  /** One sentence for the log when `auto` had to take the slower adapter. */
  warning: string | null
}

/** @throws Error with a sentence, when `uws` was asked for and cannot be had */
export function selectTransport(choice: TransportChoice, load = loadUwsBinary): SelectedTransport {
  if (choice === 'ws') return { kind: 'ws', create: createWsTransport, warning: null }
  const binary = load()
  if (binary.ok) return { kind: 'uws', create: createUwsTransport(binary.module), warning: null }
  if (choice === 'uws') {
    throw new Error(
      `PYCHAT_TRANSPORT is uws, but ${binary.reason}; set PYCHAT_TRANSPORT to auto or ws, or see docs/decisions/0002-uwebsockets-from-the-registry.md.`,
    )
  }
  return {
    kind: 'ws',
    create: createWsTransport,
    warning: `Running on the slower ws transport, because ${binary.reason}.`,
  }
}
