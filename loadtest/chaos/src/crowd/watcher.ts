// Somebody who watches the room fill from the beginning: a whole community on the real engine, with a record of what
// comes over its connection and of what a screen would show.
import { randomBytes } from 'node:crypto'
import {
  type Community,
  type CommunityMemory,
  createCommunity,
  type Person,
  type SocketHandlers,
  type View,
} from '@pychat/client-engine'
import type { RoomKeys } from '@pychat/crypto'
import { limits } from '@pychat/protocol'
import WebSocket from 'ws'

const handshakeTimeoutMs = 10_000
const room: View = { kind: 'room' }
/** All control text begins with its kind. */
const kindOf = /^\{"t":"([a-z]+)"/

export type HeardControl = { at: number; kind: string; bytes: number }
export type ShownWord = { at: number; from: string; text: string; own: boolean }

export type Watcher = {
  readonly name: string
  /** Milliseconds of this process's clock with each. */
  readonly controls: readonly HeardControl[]
  /** When a join or leave line was shown. */
  readonly lines: readonly number[]
  readonly words: readonly ShownWord[]
  /** Of the room, as it was told last. */
  readonly count: number
  readonly inRoom: boolean
  /** How often the relay could not reach its store. */
  readonly degraded: number
  /** Connections that broke, and events that tell of trouble. */
  readonly trouble: readonly string[]
  /** Makes the room its own, which then has a charter. */
  found(): Promise<void>
  say(text: string): void
  /** The whole roster, as /users pages through it. @returns each page, and how long it took */
  pages(): Promise<{ names: string[]; ms: number }[]>
  stop(): Promise<void>
}

export function openWatcher(name: string, url: string, door: { keys: RoomKeys; pin: string }): Watcher {
  const controls: HeardControl[] = []
  const lines: number[] = []
  const words: ShownWord[] = []
  const trouble: string[] = []
  let count = 0
  let inRoom = false
  let degraded = 0
  const heard = (text: string) => {
    controls.push({ at: performance.now(), kind: kindOf.exec(text)?.[1] ?? 'unknown', bytes: text.length })
  }
  const community: Community = createCommunity(
    {
      urls: [url],
      software: 'chaos/1',
      name: 'crowd',
      door,
      username: name,
      entropy: new Uint8Array(randomBytes(16)),
    },
    {
      openSocket: (at, handlers) => openSocket(at, handlers, heard),
      random: (bytes) => new Uint8Array(randomBytes(bytes)),
      now: () => Date.now(),
      setTimer(ms, fn) {
        const timer = setTimeout(fn, ms)
        return () => clearTimeout(timer)
      },
      jitter: Math.random,
      memory: forgetful(),
    },
  )
  community.on('ready', (event) => {
    inRoom = true
    count = event.count
  })
  community.on('count', (event) => {
    count = event.count
  })
  for (const line of ['joined', 'left'] as const) community.on(line, () => lines.push(performance.now()))
  community.on('message', ({ from, text, own }) => words.push({ at: performance.now(), from, text, own }))
  community.on('state', ({ state }) => {
    if (!inRoom || state === 'online') return
    if (state === 'degraded') {
      degraded += 1
      return
    }
    inRoom = false
    trouble.push(`${name}: ${state}`)
  })
  for (const event of ['gap', 'rewound', 'unrepaired', 'fork', 'unreadable', 'warning', 'failed'] as const) {
    community.on(event, () => trouble.push(`${name}: ${event}`))
  }
  community.on('stopped', ({ sentence }) => trouble.push(`${name}: ${sentence}`))
  community.start()
  return {
    name,
    controls,
    lines,
    words,
    trouble,
    get count() {
      return count
    },
    get inRoom() {
      return inRoom
    },
    get degraded() {
      return degraded
    },
    found: () => community.motd('Welcome to the crowd.'),
    say: (text) => void community.send(room, text),
    async pages() {
      const pages: { names: string[]; ms: number }[] = []
      let after: string | null = null
      do {
        const askedAt = performance.now()
        const page: { people: Person[]; next: string | null } = await community.page(room, after)
        pages.push({ names: page.people.map((person) => person.name), ms: performance.now() - askedAt })
        after = page.next
      } while (after !== null)
      return pages
    },
    stop: () => community.stop(),
  }
}

/** Nothing is kept, as with --no-state. */
function forgetful(): CommunityMemory {
  return { load: () => null, save() {}, person: () => null, remember() {} }
}

function openSocket(url: string, handlers: SocketHandlers, heard: (text: string) => void) {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    handshakeTimeout: handshakeTimeoutMs,
    maxPayload: Math.max(limits.relayControlBytesMax, limits.deliveryBytesMax),
  })
  socket.on('open', () => handlers.open())
  socket.on('ping', () => handlers.ping())
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) return handlers.binary(data)
    const text = data.toString('utf8')
    heard(text)
    handlers.text(text)
  })
  socket.on('error', () => {})
  socket.on('close', (code, reason) => handlers.closed(code, reason.toString('utf8')))
  const whileOpen = (data: string | Uint8Array) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(data)
  }
  return { sendText: whileOpen, sendBinary: whileOpen, close: (code?: number) => socket.close(code) }
}
