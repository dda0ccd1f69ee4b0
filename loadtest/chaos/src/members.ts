// The people of a run: real client engines with real keys, many in one process, that write down what stands on their
// screens. Where a connection goes is the front's business; what it means is the judge's.
import { randomBytes } from 'node:crypto'
import { type ClientPorts, createClient, type Room, type SocketHandlers } from '@pychat/client-engine'
import { deriveRoom, type RoomKeys } from '@pychat/crypto'
import { limits } from '@pychat/protocol'
import WebSocket from 'ws'
import { type ClientIndex, type History, type MessageIndex, messageText, type Place } from './history.ts'
import type { Recorder } from './planted.ts'
import { sharedOpener } from './shared-opener.ts'
import type { RelayNode } from './topology.ts'

const handshakeTimeoutMs = 10_000
const closeTimeoutMs = 2000
const lookAgainMs = 100

/** Where a member may connect to; it counts its open connections. */
export type MemberNode = { readonly url: string; connections: number }
/** Where the next connection goes; null when no node lives. */
export type Front<N extends MemberNode> = { pick(): N | null }

export type Member<N extends MemberNode = RelayNode> = {
  readonly index: ClientIndex
  readonly room: number
  /** Its number in the room, from 0. */
  readonly seat: number
  /** In its room, and the relay takes messages. */
  readonly well: boolean
  readonly pending: number
  /** @param bytes of text, where it is to be longer than usual */
  send(bytes?: number): void
  /** The node that it is connected to. */
  readonly node: N | null
  /** As a machine that sleeps: its connection breaks, and it tries again only after so long. */
  away(ms: number): void
  /** As a machine that loses power: its connection breaks and nobody comes back. */
  die(): void
}

export type Members<N extends MemberNode = RelayNode> = {
  readonly all: readonly Member<N>[]
  /** Somebody who will be killed: its room hears it come and has to hear it go. */
  addMortal(room: number): Member<N>
  allWell(): boolean
  /** Messages that neither were acknowledged nor refused. */
  pending(): number
  stop(): void
}

export type MembersOptions = {
  rooms: number
  clients: number
  /** In every text, so that no other run's messages can pass for this one's. */
  run: string
  textBytes: number
  progress(text: string): void
}

export async function createMembers<N extends MemberNode>(
  front: Front<N>,
  history: History,
  recorder: Recorder,
  options: MembersOptions,
): Promise<Members<N>> {
  const keys: RoomKeys[] = []
  for (let room = 0; room < options.rooms; room += 1) {
    keys.push(await deriveRoom(`chaos ${options.run} ${room}`, 'correct horse battery staple'))
    options.progress(`room keys: ${room + 1} of ${options.rooms}`)
  }
  const createOpener = sharedOpener()
  const living: Member<N>[] = []
  let mortals = 0
  const add = (room: number, seat: number, name: string, mortal: boolean) => {
    const index = history.addClient(room, name, mortal)
    const member = createMember({
      index,
      name,
      room,
      seat,
      keys: keys[room] as RoomKeys,
      front,
      history,
      recorder,
      createOpener,
      text: (message, bytes = options.textBytes) => messageText(options.run, message, bytes),
    })
    return member
  }
  for (let i = 0; i < options.clients; i += 1) {
    for (let room = 0; room < options.rooms; room += 1) living.push(add(room, i, `r${room}-c${i}`, false))
  }
  return {
    all: living,
    addMortal(room) {
      mortals += 1
      return add(room, options.clients + mortals, `ghost-${mortals}`, true)
    },
    allWell: () => living.every(({ well }) => well),
    pending: () => living.reduce((sum, { pending }) => sum + pending, 0),
    stop() {
      for (const member of living) member.die()
    },
  }
}

type MemberOptions<N extends MemberNode> = {
  index: ClientIndex
  name: string
  room: number
  seat: number
  keys: RoomKeys
  front: Front<N>
  history: History
  recorder: Recorder
  createOpener: NonNullable<ClientPorts['createOpener']>
  text(message: MessageIndex, bytes?: number): string
}

function createMember<N extends MemberNode>(options: MemberOptions<N>): Member<N> {
  const { index, history, recorder, front } = options
  const messageOf = new Map<number, MessageIndex>()
  const connection: Connection<N> = { node: null, socket: null, awayUntil: 0 }
  let dead = false
  let inRoom = false

  const client = createClient(
    { urls: ['ws://front'], software: 'chaos/1' },
    {
      openSocket: (_url, handlers) => openSocket(front, handlers, connection, () => dead),
      random: (bytes) => new Uint8Array(randomBytes(bytes)),
      now: () => Date.now(),
      setTimer(ms, fn) {
        const timer = setTimeout(() => {
          if (!dead) fn()
        }, ms)
        return () => clearTimeout(timer)
      },
      jitter: Math.random,
      createOpener: options.createOpener,
    },
  )
  const { keys } = options
  const room = client.enter({ room: keys, root: keys.id, username: options.name, trusted: null })
  const now = () => performance.now()
  const position = (): Place | null => room.position()
  const listen: Room['on'] = (event, listener) =>
    room.on(event, (value) => {
      if (!dead) listener(value)
    })

  client.on('state', ({ state }) => {
    if (dead) return
    if (inRoom && (state === 'offline' || state === 'connecting')) {
      inRoom = false
      recorder.note(index, { kind: 'lost', at: now(), place: position() })
    }
    recorder.note(index, { kind: 'state', at: now(), state })
  })
  listen('ready', () => {
    inRoom = true
    recorder.note(index, { kind: 'ready', at: now(), place: position() })
  })
  listen('message', ({ id, from, text, epoch, seq, own }) => {
    const at = now()
    const place = epoch === '' || seq === 0 ? null : { epoch, seq }
    const message = id === undefined ? undefined : messageOf.get(id)
    if (own && id !== undefined && message !== undefined) {
      messageOf.delete(id)
      recorder.ack(message, at, place)
    }
    recorder.shown(index, at, { from, text, place, own })
  })
  listen('failed', ({ id }) => {
    const message = messageOf.get(id)
    messageOf.delete(id)
    if (message !== undefined) recorder.fail(message, now())
  })
  listen('gap', ({ missed }) => recorder.note(index, { kind: 'gap', at: now(), missed }))
  for (const kind of ['rewound', 'unrepaired', 'fork', 'unreadable'] as const) {
    listen(kind, () => recorder.note(index, { kind, at: now() }))
  }
  for (const line of ['joined', 'left'] as const) {
    listen(line, ({ user }) => recorder.note(index, { kind: 'line', at: now(), line, who: user }))
  }
  listen('ended', ({ code, sentence }) =>
    recorder.note(index, { kind: 'stopped', at: now(), reason: `${code}: ${sentence}` }),
  )
  client.start()

  return {
    index,
    room: options.room,
    seat: options.seat,
    get well() {
      return inRoom && client.state === 'online'
    },
    get pending() {
      return messageOf.size
    },
    get node() {
      return connection.node
    },
    send(bytes) {
      if (dead) return
      const message = history.invoke(index, now(), (number) => options.text(number, bytes))
      const id = room.send(history.messages[message]?.text ?? '')
      messageOf.set(id, message)
      // The engine refuses within the call, before its id is known here: what does not wait now was refused.
      if (room.pending().some((each) => each.id === id)) return
      messageOf.delete(id)
      recorder.fail(message, now())
    },
    away(ms) {
      connection.awayUntil = performance.now() + ms
      connection.socket?.terminate()
    },
    die() {
      dead = true
      inRoom = false
      connection.socket?.terminate()
    },
  }
}

type Connection<N> = { node: N | null; socket: WebSocket | null; awayUntil: number }

function openSocket<N extends MemberNode>(
  front: Front<N>,
  handlers: SocketHandlers,
  connection: Connection<N>,
  isDead: () => boolean,
) {
  const awayMs = connection.awayUntil - performance.now()
  const node = awayMs > 0 ? null : front.pick()
  let socket: WebSocket | null = null
  let ended = false
  const end = (code: number, reason: string) => {
    if (ended) return
    ended = true
    if (node && connection.socket === socket && socket) {
      connection.node = null
      connection.socket = null
    }
    if (node) node.connections -= 1
    if (!isDead()) handlers.closed(code, reason)
  }
  if (node === null) {
    setTimeout(
      () => {
        if (!isDead()) handlers.closed(1006, 'No node can be reached.')
      },
      Math.max(awayMs, lookAgainMs),
    )
    return { sendText() {}, sendBinary() {}, close() {} }
  }
  node.connections += 1
  socket = new WebSocket(node.url, {
    perMessageDeflate: false,
    handshakeTimeout: handshakeTimeoutMs,
    maxPayload: Math.max(limits.relayControlBytesMax, limits.deliveryBytesMax),
  })
  connection.node = node
  connection.socket = socket
  const open = socket
  socket.on('open', () => handlers.open())
  socket.on('ping', () => handlers.ping())
  socket.on('message', (data: Buffer, isBinary) => {
    if (isDead()) return
    if (isBinary) handlers.binary(data)
    else handlers.text(data.toString('utf8'))
  })
  socket.on('error', () => {})
  socket.on('close', (code, reason) => end(code, reason.toString('utf8')))
  return {
    sendText(text: string) {
      if (open.readyState === WebSocket.OPEN) open.send(text)
    },
    sendBinary(bytes: Uint8Array) {
      if (open.readyState === WebSocket.OPEN) open.send(bytes)
    },
    close(code?: number) {
      open.close(code)
      setTimeout(() => open.terminate(), closeTimeoutMs).unref()
    },
  }
}
