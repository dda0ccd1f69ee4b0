// A node's sessions on fake sockets and the memory rooms, or a scripted store, with a clock that tests move.
import { BlockList } from 'node:net'
import { decodeDelivery, decodeRelayControl, type RelayControl, type RelayControlOf } from '@pychat/protocol'
import { type BanMatcher, createMatcher } from '../../src/bans/ban-matcher.ts'
import { type EmergencyWatch, measures } from '../../src/emergency/emergency.ts'
import { noTracing } from '../../src/ops/tracing.ts'
import { createMemoryRooms } from '../../src/rooms/rooms.memory.ts'
import type { QuietBounds, Rooms, RoomsEvents } from '../../src/rooms/rooms.ts'
import { createAddressLimits } from '../../src/session/address-limits.ts'
import { createRates } from '../../src/session/budget.ts'
import { createFigures } from '../../src/session/figures.ts'
import { createLatency } from '../../src/session/latency.ts'
import { createRegistry } from '../../src/session/registry.ts'
import type { Session } from '../../src/session/session.ts'
import { createRoomShares, type ShareRates, shareRates } from '../../src/session/shares.ts'
import type { Socket } from '../../src/transport/transport.ts'
import { nodeOptionsDefault } from '../rooms/contract.ts'

export type Peer = {
  session: Session
  controls: RelayControl[]
  seqs: number[]
  order: string[]
  topics: Set<string>
  closedWith: number | null
  say(message: object): void
  last<T extends RelayControl['t']>(t: T): RelayControlOf<T> | undefined
  /** The peer's side of the socket is gone. */
  vanish(): void
}

export function house(
  change: (rooms: Rooms, events: RoomsEvents) => Rooms = (rooms) => rooms,
  more: {
    ackReplicas?: number
    graceMs?: number
    joinTurn?: () => Promise<void>
    bufferedBytes?: number
    quiet?: QuietBounds
    roomShare?: ShareRates
    addressFramesPerSecond?: number
    bans?: BanMatcher
    emergency?: Pick<EmergencyWatch, 'measures' | 'admits'>
  } = {},
) {
  let now = 1_000_000
  const peers: Peer[] = []
  const faults: unknown[] = []
  const events: RoomsEvents = {
    deliver(id, message, isBinary) {
      for (const peer of peers) if (peer.topics.has(id)) receive(peer, message, isBinary)
      registry.hold(id, message, isBinary)
    },
    replaced: (membership) => registry.replaced(membership),
    expelled: (membership, why) => registry.expelled(membership, why),
    availability: (available) => registry.availability(available),
    leaseLost: () => registry.leaseLost(),
  }
  let seed = 0
  const memory = createMemoryRooms(
    {
      ...nodeOptionsDefault,
      graceMs: more.graceMs ?? 0,
      ...(more.quiet === undefined ? {} : { quiet: more.quiet }),
      roomMembersMax: 3,
      now: () => now,
      random: (bytes) => new Uint8Array(bytes).fill(++seed),
    },
    events,
  )
  const rooms = change(memory, events)
  const figures = createFigures()
  const roomShares = createRoomShares(more.roomShare ?? shareRates(10_000, 100_000_000))
  const registry = createRegistry({
    rooms,
    settings: {
      rates: createRates(20, 131_072),
      ackReplicas: more.ackReplicas ?? 0,
      software: 'pychat-relay/test',
    },
    bans: more.bans ?? createMatcher([]),
    joinTurn: more.joinTurn ?? (async () => {}),
    addressLimits: createAddressLimits({
      trustedProxies: new BlockList(),
      connectionsPerAddressMax: 10,
      handshakesPerAddressPerSecond: 10,
      joinsPerAddressPerSecond: 100,
      roomsPerAddressPerMinute: 150,
      framesPerAddressPerSecond: more.addressFramesPerSecond ?? 10_000,
      bytesPerAddressPerSecond: 100_000_000,
    }),
    emergency: more.emergency ?? { measures: () => measures[5], admits: async () => true },
    roomShares,
    figures,
    latency: createLatency(),
    tracing: noTracing,
    now: () => now,
    fault: (error) => faults.push(error),
    ended: () => {},
  })

  function receive(peer: Peer, message: Uint8Array, isBinary: boolean): void {
    if (peer.closedWith !== null) return
    if (isBinary) {
      const { seq } = decodeDelivery(message.slice())
      peer.seqs.push(seq)
      peer.order.push(`seq ${seq}`)
    } else {
      const control = decodeRelayControl(Buffer.from(message).toString())
      peer.controls.push(control)
      peer.order.push(control.t)
    }
  }

  function open(greet = true): Peer {
    const topics = new Set<string>()
    const socket: Socket = {
      address: '192.0.2.1',
      sendText: (text) => receive(peer, Buffer.from(text), false),
      sendBinary: (bytes) => receive(peer, bytes, true),
      subscribe: (topic) => topics.add(topic),
      unsubscribe: (topic) => topics.delete(topic),
      end(code) {
        peer.closedWith ??= code
        topics.clear()
      },
      bufferedBytes: () => more.bufferedBytes ?? 0,
    }
    const peer: Peer = {
      session: registry.open(socket),
      controls: [],
      seqs: [],
      order: [],
      topics,
      closedWith: null,
      say: (message) => peer.session.text(JSON.stringify(message)),
      last: (t) => peer.controls.filter((each) => each.t === t).at(-1) as never,
      vanish() {
        peer.closedWith = 1006
        topics.clear()
        peer.session.closed(1006)
      },
    }
    peers.push(peer)
    if (greet) peer.say({ t: 'hello', version: 1, software: 'test/1' })
    return peer
  }

  return {
    open,
    registry,
    faults,
    figures,
    roomShares,
    events,
    rooms,
    pass: (ms: number) => {
      now += ms
    },
  }
}

/** Until everything that follows without a timer has happened. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
