// A small relay for the client's tests: one room list in memory over the ws package, with switches for trouble.
// It follows the protocol just far enough for a few clients; what a real relay does is tested in apps/relay.
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import {
  type ClientControl,
  decodeClientControl,
  decodeFrameHeader,
  type Epoch,
  encodeControl,
  encodeDelivery,
  limits,
  type Member,
  type RelayControl,
  type RoomId,
} from '@pychat/protocol'
import { type WebSocket, WebSocketServer } from 'ws'

type Seat = { member: Member; socket: WebSocket }
/** The first `forgotten` places of the log are not told any more. `known`: whoever is or was here. */
type Room = {
  epoch: Epoch
  log: Uint8Array[]
  forgotten: number
  seats: Map<string, Seat>
  known: Map<string, Member>
}

export type FakeRelay = {
  url: string
  /** Frames are swallowed while false. */
  takesFrames: boolean
  /** Frames reach their sender only while false. */
  delivers: boolean
  /** When set, every join is refused like this. */
  refuseWith: 'room-full' | 'unavailable' | null
  /** Keeps nothing of what was said so far. */
  forgetLogs(): void
  /** Loses the newest messages, as after a failover. */
  loseTails(messages: number): void
  /** Drops every connection without a closing handshake. */
  cut(): void
  tellAll(message: RelayControl): void
  joins(): ClientControl[]
  close(): Promise<void>
}

export async function startFakeRelay(port = 0): Promise<FakeRelay> {
  const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false })
  await new Promise<void>((resolve) => server.once('listening', resolve))
  const rooms = new Map<RoomId, Room>()
  const joins: ClientControl[] = []
  const relay: FakeRelay = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    takesFrames: true,
    delivers: true,
    refuseWith: null,
    forgetLogs() {
      for (const room of rooms.values()) room.forgotten = room.log.length
    },
    loseTails(messages) {
      for (const [roomId, room] of rooms) {
        room.log.splice(-messages)
        const [old, seq] = [room.epoch, room.log.length]
        room.epoch = newEpoch()
        tell(room, { t: 'reset', room: roomId, epoch: room.epoch, seq, was: { epoch: old, seq } })
      }
    },
    cut() {
      for (const socket of server.clients) socket.terminate()
    },
    tellAll(message) {
      for (const socket of server.clients) socket.send(encodeControl(message))
    },
    joins: () => joins,
    close: () =>
      new Promise((resolve) => {
        for (const socket of server.clients) socket.terminate()
        server.close(() => resolve())
      }),
  }

  function tell(room: Room, message: RelayControl, except?: WebSocket) {
    for (const { socket } of room.seats.values()) if (socket !== except) socket.send(encodeControl(message))
  }
  function join(socket: WebSocket, message: ClientControl & { t: 'join' }) {
    joins.push(message)
    const { id, room: roomId, session, tag, profile } = message
    const reply = (answer: RelayControl) => socket.send(encodeControl(answer))
    const room = rooms.get(roomId) ?? {
      epoch: newEpoch(),
      log: [],
      forgotten: 0,
      seats: new Map<string, Seat>(),
      known: new Map<string, Member>(),
    }
    rooms.set(roomId, room)
    const held = [...room.seats.values()].some(
      ({ member }) => member.tag === tag && member.session !== session,
    )
    if (relay.refuseWith) return reply({ t: 'refused', id, code: relay.refuseWith, message: 'No.' })
    if (held) return reply({ t: 'refused', id, code: 'name-taken', message: 'That name is taken.' })
    const known = room.seats.get(session)
    const member: Member = known?.member ?? {
      session,
      tag,
      profile,
      counter: message.counter ?? 0,
      since: Date.now(),
    }
    room.seats.set(session, { member, socket })
    room.known.set(session, member)
    if (!known) tell(room, { t: 'arrived', room: roomId, member }, socket)
    const members = [...room.seats.values()].map((seat) => seat.member)
    reply({
      t: 'joined',
      id,
      room: roomId,
      epoch: room.epoch,
      seq: room.log.length,
      counter: member.counter,
      count: members.length,
      members,
    })
    const { after } = message
    if (after && (after.epoch !== room.epoch || after.seq !== room.log.length)) {
      tellLog(socket, { t: 'log', id, room: roomId, ...after })
    }
  }
  function leave(roomId: RoomId, socket: WebSocket, why: 'left' | 'lost') {
    const room = rooms.get(roomId)
    for (const [session, seat] of room?.seats ?? []) {
      if (seat.socket !== socket) continue
      room?.seats.delete(session)
      if (room) tell(room, { t: 'departed', room: roomId, session: seat.member.session, why })
    }
  }
  function tellMember(socket: WebSocket, { id, room, session }: ClientControl & { t: 'member' }) {
    const member = rooms.get(room)?.known.get(session)
    const answer: RelayControl = member
      ? { t: 'member', id, room, member }
      : { t: 'refused', id, code: 'not-member', message: 'Nobody knows that session.' }
    socket.send(encodeControl(answer))
  }
  function tellLog(socket: WebSocket, { id, room: roomId, seq }: ClientControl & { t: 'log' }) {
    const room = rooms.get(roomId)
    if (!room) return
    const from = Math.max(seq, room.forgotten)
    const page = room.log.slice(from, from + limits.logPageFramesMax)
    const more = from + page.length < room.log.length
    const answer = {
      t: 'log',
      id,
      room: roomId,
      epoch: room.epoch,
      seq: from,
      count: page.length,
      missed: from - seq,
      more,
    } as const
    socket.send(encodeControl(answer))
    for (const delivery of page) socket.send(delivery)
  }
  function publish(frame: Uint8Array) {
    if (!relay.takesFrames) return
    const { session, counter } = decodeFrameHeader(frame)
    for (const [roomId, room] of rooms) {
      const seat = room.seats.get(session)
      if (seat && counter <= seat.member.counter) {
        seat.socket.send(encodeControl({ t: 'ack', room: roomId, session, counter, seq: 0 }))
      }
      if (!seat || counter !== seat.member.counter + 1) continue
      seat.member.counter = counter
      const delivery = encodeDelivery({
        room: roomId,
        epoch: room.epoch,
        seq: room.log.length + 1,
        at: Date.now(),
        frame,
      })
      room.log.push(delivery)
      for (const { socket } of room.seats.values()) {
        if (relay.delivers || socket === seat.socket) socket.send(delivery)
      }
    }
  }

  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) return publish(data)
      const message = decodeClientControl(data.toString())
      if (message.t === 'hello') {
        const { pingIntervalMs, frameBytesMax } = limits
        const software = 'fake/1'
        socket.send(
          encodeControl({
            t: 'welcome',
            version: 1,
            software,
            pingIntervalMs,
            frameBytesMax,
            ackReplicas: 0,
          }),
        )
      } else if (message.t === 'join') join(socket, message)
      else if (message.t === 'log') tellLog(socket, message)
      else if (message.t === 'member') tellMember(socket, message)
      else if (message.t === 'leave') {
        leave(message.room, socket, 'left')
        socket.send(encodeControl({ t: 'left', id: message.id, room: message.room }))
      }
    })
  })
  return relay
}

function newEpoch(): Epoch {
  return randomBytes(8).toString('hex') as Epoch
}
