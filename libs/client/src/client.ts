// Wires one client: a connection and the rooms that are entered over it. It decides which room a message is for and
// what the whole client's state is; what a message means is the room's part, and how it looks a host's.
import { CryptoInputError } from '@pychat/crypto'
import {
  deliveryOffsets,
  encodeHex,
  errorTable,
  limits,
  type RelayControl,
  type RelayControlOf,
  type RoomId,
} from '@pychat/protocol'
import { ChatRefusal } from './chat-refusal.ts'
import { createConnection } from './connection.ts'
import { createRoom } from './create-room.ts'
import { type ClientEvents, type ConnectionState, createEmitter, type Emitter } from './events.ts'
import { createJoins } from './joins.ts'
import type { ClientPorts } from './ports.ts'
import type { Room, RoomOptions } from './room.ts'
import type { RoomDrive, RoomLink } from './room-drive.ts'

export type ClientOptions = {
  /** ws:// or wss://, of one relay. What worked is tried again first, else the next in turn. */
  urls: readonly [string, ...string[]]
  /** Name and version as the relay may see it, e.g. "pychat/0.1.0": 1 to 64 visible ASCII characters. */
  software: string
}

export type Client = {
  on: Emitter<ClientEvents>['on']
  start(): void
  /**
   * Enters a room, now or when the relay is there; after each reconnect it is entered again. What becomes of it tell its
   * events. May be called before `start`.
   * @throws ChatRefusal `stopped`, `already-joined` (also while it is being left), `too-many-rooms`, `bad-input`
   */
  enter(options: RoomOptions): Room
  /** Rooms that have not ended, in the order in which they were entered. */
  rooms(): Room[]
  readonly state: ConnectionState
  /** Leaves every room and closes within about a second; what is still pending is not sent. Safe to repeat. */
  stop(): Promise<void>
}

export function createClient(options: ClientOptions, ports: ClientPorts): Client {
  const emitter = createEmitter<ClientEvents>()
  const rooms = new Map<RoomId, RoomDrive>()
  const joins = createJoins()
  /** Rooms left on this connection: something of them may still be on its way. */
  const former = new Set<RoomId>()
  let state: ConnectionState = 'connecting'
  let lastDetail = ''
  /** Greeted by the relay on this connection. */
  let open = false
  /** Was where it wants to be on this connection: in a room, or in want of none. */
  let settled = false
  let degraded = false
  let ackReplicas = 0
  let lastRequest = 0
  let stopping: Promise<void> | null = null
  let stopped = false

  const connection = createConnection(options, ports, {
    welcomed(welcome) {
      open = true
      ackReplicas = welcome.ackReplicas
      for (const drive of [...rooms.values()]) drive.welcomed()
      settleWithoutRooms()
    },
    control: receive,
    binary,
    lost() {
      open = false
      settled = false
      degraded = false
      joins.reset()
      former.clear()
      for (const drive of [...rooms.values()]) drive.lost()
    },
    state: changeState,
    refused: (sentence) => end('refused', sentence),
  })

  function changeState(event: ClientEvents['state']) {
    if (stopped) return
    if (event.state === state && event.detail === lastDetail && event.retryInMs === undefined) return
    state = event.state
    lastDetail = event.detail
    emitter.emit('state', event)
  }
  function settle() {
    if (settled) return
    settled = true
    connection.settled()
    changeState(
      degraded
        ? { state: 'degraded', detail: degradedSentence }
        : { state: 'online', detail: 'Connected to the relay.' },
    )
  }
  function settleWithoutRooms() {
    if (open && rooms.size === 0) settle()
  }

  function nextRequest(): number {
    lastRequest = (lastRequest % 0x7fff_fffe) + 1
    return lastRequest
  }

  function receive(message: RelayControl) {
    if (message.t === 'refused') return refused(message)
    if (message.t === 'relay') return relayState(message.state)
    if (message.t === 'announcement') {
      return emitter.emit('announcement', { room: message.room ?? null, text: message.text })
    }
    // A nack comes without the room when the relay does not know us there.
    if (message.t === 'nack') return roomOfSession(message)?.receive(message)
    if (!('room' in message)) return
    const drive = rooms.get(message.room)
    if (drive) drive.receive(message)
    // A join that was on its way when the room ended here.
    else if (message.t === 'joined') connection.send({ t: 'leave', id: nextRequest(), room: message.room })
  }
  function roomOfSession({ session }: RelayControlOf<'nack'>): RoomDrive | undefined {
    for (const drive of rooms.values()) if (drive.room.session === session) return drive
    return undefined
  }
  function refused(message: RelayControlOf<'refused'>) {
    for (const drive of [...rooms.values()]) if (drive.refused(message)) return
  }
  function binary(bytes: Uint8Array) {
    const id = encodeHex(bytes.subarray(deliveryOffsets.room, deliveryOffsets.epoch)) as RoomId
    const drive = rooms.get(id)
    if (drive) drive.binary(bytes)
    else if (!former.has(id)) emitter.emit('unreadable', {})
  }
  function relayState(now: 'ready' | 'degraded') {
    degraded = now === 'degraded'
    if (!settled) return
    changeState(
      degraded
        ? { state: 'degraded', detail: degradedSentence }
        : { state: 'online', detail: 'The relay takes messages again.' },
    )
    for (const drive of [...rooms.values()]) drive.relayState(now)
  }

  function enter(roomOptions: RoomOptions): Room {
    const { id } = roomOptions.room
    if (stopped || stopping) throw new ChatRefusal('stopped', 'This client has stopped.')
    if (rooms.has(id)) throw new ChatRefusal('already-joined', errorTable['already-joined'].sentence)
    if (rooms.size >= limits.roomsPerConnectionMax) {
      throw new ChatRefusal('too-many-rooms', errorTable['too-many-rooms'].sentence)
    }
    const drive = made(roomOptions)
    former.delete(id)
    rooms.set(id, drive)
    if (open) drive.welcomed()
    return drive.room
  }
  function made(roomOptions: RoomOptions): RoomDrive {
    const { id } = roomOptions.room
    const link: RoomLink = {
      get open() {
        return open
      },
      get ackReplicas() {
        return ackReplicas
      },
      get degraded() {
        return degraded
      },
      nextRequest,
      send: (message) => connection.send(message),
      sendFrame: (frame) => connection.sendFrame(frame),
      restart: (detail) => connection.restart(detail),
      queueJoin: () => joins.want(id, () => rooms.get(id)?.join()),
      joinDone: () => joins.done(id),
      settled: settle,
      waits(sentence) {
        if ([...rooms.values()].some(({ room }) => room.inside)) return
        settled = false
        changeState({ state: 'connecting', detail: sentence })
      },
      ended() {
        rooms.delete(id)
        if (open && former.size < limits.roomsPerConnectionMax) former.add(id)
        joins.done(id)
        if (!stopping) settleWithoutRooms()
      },
    }
    try {
      return createRoom(roomOptions, link, ports)
    } catch (error) {
      if (error instanceof CryptoInputError) throw new ChatRefusal('bad-input', error.message)
      throw error
    }
  }

  async function leaveAndEnd(): Promise<void> {
    await Promise.all([...rooms.values()].map(({ room }) => room.leave()))
    end('quit', 'You left the room.')
  }
  function end(reason: ClientEvents['stopped']['reason'], sentence: string) {
    if (stopped) return
    stopped = true
    connection.stop()
    for (const drive of [...rooms.values()]) drive.end('stopped', sentence)
    emitter.emit('stopped', { reason, sentence })
  }

  return {
    on: emitter.on,
    start: () => connection.start(),
    enter,
    rooms: () => [...rooms.values()].map(({ room }) => room),
    get state() {
      return state
    },
    stop() {
      stopping ??= leaveAndEnd()
      return stopping
    },
  }
}

const degradedSentence = 'The relay cannot take messages right now; yours wait here and go out when it can.'
