// People with real keys in one community over a `FakeNet`: what they see, and what they keep from run to run.
import { deriveRoom, memberEntropy, type RoomKeys } from '@pychat/crypto'
import type { RoomId } from '@pychat/protocol'
import { createCommunity } from '../../src/community/community.ts'
import type {
  Community,
  CommunityEvents,
  CommunityMemory,
  CommunityOptions,
  KnownPerson,
  RoomRecord,
  View,
} from '../../src/index.ts'
import { seededRandom } from '../world.ts'
import { FakeClient, type FakeNet } from './fake-net.ts'

let derived: Promise<RoomKeys> | null = null
/** One room for all tests of a file: Argon2id is slow on purpose. */
export function rootKeys(): Promise<RoomKeys> {
  derived ??= deriveRoom('Harbour', 'a long enough pin')
  return derived
}

export const room: View = { kind: 'room' }
export const channel = (name: string): View => ({ kind: 'channel', name })
export const toward = (user: string): View => ({ kind: 'private', user })

/** What stays on a person's machine. */
export class Machine implements CommunityMemory {
  record: RoomRecord | null = null
  readonly people = new Map<string, KnownPerson>()
  load = () => this.record
  save = (record: RoomRecord) => {
    this.record = structuredClone(record)
  }
  person = (_root: RoomId, name: string) => this.people.get(name) ?? null
  remember = (_root: RoomId, name: string, person: KnownPerson) => void this.people.set(name, person)
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

export class Member {
  readonly community: Community
  readonly client: FakeClient
  readonly machine: Machine
  readonly seen: Seen[] = []

  /** @param more.identity who it is; the name unless told otherwise */
  constructor(
    net: FakeNet,
    keys: RoomKeys,
    name: string,
    more: {
      identity?: string
      machine?: Machine
      run?: string
      door?: CommunityOptions['door']
      founds?: boolean
    } = {},
  ) {
    const identity = seededRandom(`identity ${more.identity ?? name}`)(32)
    this.machine = more.machine ?? new Machine()
    this.client = new FakeClient(net, `${name} ${more.run ?? ''}`)
    const door = more.door ?? { keys, pin: 'a long enough pin' }
    this.community = createCommunity(
      {
        urls: ['ws://test'],
        software: 'test/1',
        name: 'Harbour',
        door,
        username: name,
        entropy: memberEntropy(identity, 'root' in door ? door.root : keys.id),
        ...(more.founds === undefined ? {} : { founds: more.founds }),
      },
      {
        openSocket: () => {
          throw new Error('no sockets here')
        },
        random: this.client.random,
        now: () => net.now,
        setTimer: net.setTimer,
        jitter: () => 0.5,
        memory: this.machine,
        client: this.client,
      },
    )
    for (const type of eventNames) {
      this.community.on(type, (event) => void this.seen.push({ type, ...event } as never))
    }
  }
  of<E extends keyof CommunityEvents>(type: E): CommunityEvents[E][] {
    return this.seen.filter((event) => event.type === type) as never
  }
  last<E extends keyof CommunityEvents>(type: E): CommunityEvents[E] | undefined {
    return this.of(type).at(-1)
  }
  /** "from: text" of one view, in the order in which they were shown. */
  texts(view: View = room): string[] {
    return this.of('message')
      .filter((event) => JSON.stringify(event.view) === JSON.stringify(view))
      .map(({ from, text }) => `${from}: ${text}`)
  }
  forget(): void {
    this.seen.length = 0
  }
}

/** Starts them one after the other; the first one founds the room. */
export async function gather(net: FakeNet, names: readonly string[]): Promise<Member[]> {
  const keys = await rootKeys()
  const members: Member[] = []
  for (const name of names) {
    const member = new Member(net, keys, name)
    member.community.start()
    await net.pass(members.length === 0 ? 6000 : 100)
    members.push(member)
  }
  return members
}

/** The refusal of something that must not be done. */
export async function refusalOf(
  net: FakeNet,
  doing: Promise<unknown>,
): Promise<{ code: string; sentence: string } | null> {
  const outcome = doing.then(
    () => null,
    (error: { code: string; sentence: string }) => ({ code: error.code, sentence: error.sentence }),
  )
  await net.pass(3000)
  return outcome
}
