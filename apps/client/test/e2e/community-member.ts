// Somebody in a community over real sockets, in the test's own process: what they see, and what stays on their machine
// from run to run.
import { randomBytes } from 'node:crypto'
import {
  type ChatRefusal,
  type Community,
  type CommunityEvents,
  type CommunityMemory,
  type CommunityOptions,
  createCommunity,
  type KnownPerson,
  type RoomRecord,
  type View,
} from '@pychat/client-engine'
import { createIdentity, deriveRoom, memberEntropy, type RoomKeys } from '@pychat/crypto'
import { openSocket } from '../../src/socket.ts'

export const room: View = { kind: 'room' }
export const channel = (name: string): View => ({ kind: 'channel', name })
export const toward = (user: string): View => ({ kind: 'private', user })

export const pin = 'a long enough pin'
const derived = new Map<string, Promise<RoomKeys>>()
function keysOf(server: string): Promise<RoomKeys> {
  const keys = derived.get(server) ?? deriveRoom(server, pin)
  derived.set(server, keys)
  return keys
}

/** A person's machine: identity and state folder. */
export class Machine implements CommunityMemory {
  readonly identity: Uint8Array
  record: RoomRecord | null = null
  readonly people = new Map<string, KnownPerson>()

  constructor(identity: Uint8Array = createIdentity((bytes) => new Uint8Array(randomBytes(bytes)))) {
    this.identity = identity
  }
  load = () => this.record
  save = (record: RoomRecord) => {
    this.record = structuredClone(record)
  }
  person = (_root: string, name: string) => this.people.get(name) ?? null
  remember = (_root: string, name: string, person: KnownPerson) => void this.people.set(name, person)
}

export type Seen = { [E in keyof CommunityEvents]: { type: E } & CommunityEvents[E] }[keyof CommunityEvents]

const eventNames = [
  'state',
  'ready',
  'message',
  'pending',
  'failed',
  'joined',
  'left',
  'renamed',
  'away',
  'count',
  'keychange',
  'charter',
  'owner',
  'offered',
  'act',
  'expelled',
  'channel',
  'opened',
  'closed',
  'moving',
  'moved',
  'knock',
  'locked-out',
  'gap',
  'rewound',
  'unrepaired',
  'fork',
  'unreadable',
  'warning',
  'stopped',
] as const satisfies readonly (keyof CommunityEvents)[]

const running = new Set<Member>()

export type MemberOptions = {
  relay: string | readonly [string, ...string[]]
  server: string
  name: string
  machine?: Machine
  /** In place of what the machine's identity gives: from recovery words. */
  entropy?: Uint8Array
  door?: CommunityOptions['door']
}

export class Member {
  readonly name: string
  readonly community: Community
  readonly machine: Machine
  readonly seen: Seen[] = []
  readonly #waiting = new Set<() => void>()

  constructor(keys: RoomKeys, options: MemberOptions) {
    this.name = options.name
    this.machine = options.machine ?? new Machine()
    const door = options.door ?? { keys, pin }
    const root = 'root' in door ? door.root : door.keys.id
    this.community = createCommunity(
      {
        urls: typeof options.relay === 'string' ? [options.relay] : options.relay,
        software: 'test/1',
        name: options.server,
        door,
        username: options.name,
        entropy: options.entropy ?? memberEntropy(this.machine.identity, root),
      },
      {
        openSocket,
        random: (bytes) => new Uint8Array(randomBytes(bytes)),
        now: () => Date.now(),
        setTimer(ms, fn) {
          const timer = setTimeout(fn, ms)
          return () => clearTimeout(timer)
        },
        jitter: () => Math.random(),
        memory: this.machine,
      },
    )
    for (const type of eventNames) {
      this.community.on(type, (event) => {
        this.seen.push({ type, ...event } as Seen)
        for (const wake of [...this.#waiting]) wake()
      })
    }
    running.add(this)
    this.community.start()
  }
  of<E extends keyof CommunityEvents>(type: E): CommunityEvents[E][] {
    return this.seen.filter((event) => event.type === type) as never
  }
  last<E extends keyof CommunityEvents>(type: E): CommunityEvents[E] | undefined {
    return this.of(type).at(-1)
  }
  texts(view: View = room): string[] {
    return this.of('message')
      .filter((event) => JSON.stringify(event.view) === JSON.stringify(view))
      .map(({ text }) => text)
  }
  /** The first event of that type, past or coming, that fits. */
  until<E extends keyof CommunityEvents>(
    type: E,
    fits: (event: CommunityEvents[E]) => boolean = () => true,
    withinMs = 20_000,
  ): Promise<CommunityEvents[E]> {
    return new Promise((resolve, reject) => {
      const finish = (result: CommunityEvents[E] | Error) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        if (result instanceof Error) reject(result)
        else resolve(result)
      }
      const look = () => {
        const found = this.of(type).find(fits)
        if (found) finish(found)
      }
      const timer = setTimeout(
        () => finish(new Error(`${this.name} waited in vain for ${type}; saw ${this.summary()}`)),
        withinMs,
      )
      this.#waiting.add(look)
      look()
    })
  }
  async says(view: View, text: string): Promise<void> {
    const id = this.community.send(view, text)
    await this.until('message', (event) => event.id === id)
  }
  /** The last things that were seen, for a failing test. */
  summary(): string {
    return JSON.stringify(this.seen.slice(-40))
  }
  async stop(): Promise<void> {
    running.delete(this)
    await this.community.stop()
  }
}

/** Enters and waits until inside. */
export async function enter(options: MemberOptions): Promise<Member> {
  const member = new Member(await keysOf(options.server), options)
  await member.until('ready')
  return member
}

/** Enters without waiting. */
export async function comesTo(options: MemberOptions): Promise<Member> {
  return new Member(await keysOf(options.server), options)
}

export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((member) => member.stop()))
}

/** The refusal's code, or null when it was done. */
export async function codeOf(doing: Promise<unknown>): Promise<string | null> {
  try {
    await doing
    return null
  } catch (error) {
    return (error as ChatRefusal).code
  }
}
