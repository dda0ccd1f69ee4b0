// The relay's own counts as plain integers: bumped on the hot path, read by ops when somebody asks.
import {
  type BanKind,
  banKinds,
  type CloseName,
  closeTable,
  type ErrorCode,
  errorTable,
} from '@pychat/protocol'

/** Every limit that can refuse something; docs/operations.md says which setting moves it. */
export const limitNames = [
  'node-connections',
  'address-connections',
  'address-handshakes',
  'address-joins',
  'address-rooms',
  'address-frames',
  'address-bytes',
  'room-members',
  'room-frames',
  'room-bytes',
  'emergency',
  'connection-requests',
  'connection-rooms',
  'connection-frames',
  'connection-bytes',
] as const
export type LimitName = (typeof limitNames)[number]

/** HTTP statuses that refuse a handshake. */
const refusedStatuses = [403, 404, 429, 503] as const
export type RefusedStatus = (typeof refusedStatuses)[number]

/** By the room's rules, or by the relay's operator. */
const putOuts = ['kicked', 'banned', 'removed', 'room-banned', 'key-banned'] as const
export type PutOut = (typeof putOuts)[number]

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
  joinsRefused: Record<ErrorCode, number>
  /** Charters that members put into force, as "taken" or by error code. */
  charters: Partial<Record<ErrorCode | 'taken', number>>
  /** Members of this node put out of their rooms. */
  expelled: Record<PutOut, number>
  /** Handshakes and joins refused because of a ban of the operator, by what it names. */
  banRefusals: Record<BanKind, number>
  /** Refused requests and frames by error code. */
  refused: Record<ErrorCode, number>
  /** Connections that the relay closed, by reason. */
  closed: Record<CloseName, number>
  /** Handshakes refused, by HTTP status. */
  upgradesRefused: Record<RefusedStatus, number>
  /** What was refused by a limit: handshakes, joins, frames, requests. */
  limited: Record<LimitName, number>
}

/** Every label from the start: a counter that begins with its first event never shows that one to an alert. */
function zeros<const K extends string | number>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>
}

const errorCodes = Object.keys(errorTable) as ErrorCode[]

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
    joinsRefused: zeros(errorCodes),
    charters: { taken: 0 },
    expelled: zeros(putOuts),
    banRefusals: zeros(banKinds),
    refused: zeros(errorCodes),
    closed: zeros(Object.keys(closeTable) as CloseName[]),
    upgradesRefused: zeros(refusedStatuses),
    limited: zeros(limitNames),
  }
}

export function bump<K extends string | number>(counts: Partial<Record<K, number>>, key: K): void {
  counts[key] = ((counts[key] as number | undefined) ?? 0) + 1
}
