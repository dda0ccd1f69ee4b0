// The relay's own counts as plain integers: bumped on the hot path, read by ops when somebody asks.
import type { CloseName, ErrorCode } from '@pychat/protocol'

export type Figures = {
  connections: number
  connectionsTotal: number
  messagesIn: number
  messagesOut: number
  bytesIn: number
  bytesOut: number
  joins: number
  /** Answers to "log", and the deliveries in them. */
  logPages: number
  logDeliveries: number
  faults: number
  /** Joins refused by error code; they are among `refused` too. */
  joinsRefused: Partial<Record<ErrorCode, number>>
  /** Charters that members put into force, as "taken" or by error code. */
  charters: Partial<Record<ErrorCode | 'taken', number>>
  /** Members of this node put out of their rooms. */
  expelled: Partial<Record<'kicked' | 'banned', number>>
  /** Refused requests and frames by error code. */
  refused: Partial<Record<ErrorCode, number>>
  /** Connections that the relay closed, by reason. */
  closed: Partial<Record<CloseName, number>>
  /** Handshakes refused, by HTTP status. */
  upgradesRefused: Partial<Record<number, number>>
}

export function createFigures(): Figures {
  return {
    connections: 0,
    connectionsTotal: 0,
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    joins: 0,
    logPages: 0,
    logDeliveries: 0,
    faults: 0,
    joinsRefused: {},
    charters: {},
    expelled: {},
    refused: {},
    closed: {},
    upgradesRefused: {},
  }
}

export function bump<K extends string | number>(counts: Partial<Record<K, number>>, key: K): void {
  counts[key] = ((counts[key] as number | undefined) ?? 0) + 1
}
