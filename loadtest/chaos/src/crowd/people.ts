// The people of one full room, in a process of their own: real keys and profiles, so that clients can list them by name and
// read what they say; they open nothing themselves, they count. The file is both ends: `openPeople` for the run, and
// the process itself.
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import {
  createSealer,
  createSession,
  deriveRoom,
  frameKinds,
  joinKey,
  nameTag,
  type RoomKeys,
  type Sealer,
  sealProfile,
} from '@pychat/crypto'
import { deliveryOffsets, encodeBase64url, frameOffsets } from '@pychat/protocol'
import { pause, runModule, until } from '../processes.ts'
import { RawMember } from '../raw-member.ts'
import { mulberry32 } from '../schedule.ts'

const ownFile = fileURLToPath(import.meta.url)
const tickMs = 10
const settleWithinMs = 60_000

export type PeopleOptions = {
  /** Of the nodes; they go to them in turn. */
  urls: readonly string[]
  name: string
  pin: string
  count: number
  /** Decides who speaks and who leaves. */
  seed: number
}

/** Of those who came by one order, in the order in which they were in. */
export type Arrivals = {
  /** From asking to being in. */
  joinMs: number[]
  /** Of each `joined`. */
  joinedBytes: number[]
}

export type PeopleView = {
  inRoom: number
  /** Connections that broke without anybody's wish. */
  lost: number
  /** Who has heard last that the room has so many members: [members of the room, who says so]. */
  counts: [number, number][]
  /** Frames that reached anybody since the words began. */
  words: number
  /** Who has every one of them once. */
  haveAllOnce: number
  /** Who has one twice. */
  haveTwice: number
}

type Order =
  | { order: 'prepare'; options: PeopleOptions }
  | { order: 'come'; count: number; perSecond: number }
  /** From now on frames count as words. */
  | { order: 'listen' }
  | { order: 'say'; texts: string[] }
  | { order: 'look' }
  | { order: 'leave'; count: number; perSecond: number }

export type People = {
  readonly pid: number
  /** @returns their names */
  prepare(options: PeopleOptions): Promise<string[]>
  /** So many more come, evenly. */
  come(count: number, perSecond: number): Promise<Arrivals>
  listen(): Promise<void>
  /** Each is said by somebody else. @returns who said it */
  say(texts: string[]): Promise<string[]>
  look(): Promise<PeopleView>
  /** @returns how many the relay let go */
  leave(count: number, perSecond: number): Promise<number>
  stop(): Promise<void>
}

export function openPeople(): People {
  const { running, ...child } = runModule('people', ownFile)
  const waiting = new Map<number, { done(answer: unknown): void; failed(error: Error): void }>()
  let lastId = 0
  child.hear((message) => {
    const { id, answer, error } = message as { id: number; answer?: unknown; error?: string }
    const each = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) each?.done(answer)
    else each?.failed(new Error(error))
  })
  void running.exited.then(() => {
    for (const { failed } of waiting.values()) failed(new Error('The process of the people ended.'))
  })
  const ask = <T>(order: Order) =>
    new Promise<T>((resolve, failed) => {
      lastId += 1
      waiting.set(lastId, { done: (answer) => resolve(answer as T), failed })
      child.say({ id: lastId, order })
    })
  return {
    pid: running.pid,
    prepare: (options) => ask({ order: 'prepare', options }),
    come: (count, perSecond) => ask({ order: 'come', count, perSecond }),
    listen: () => ask({ order: 'listen' }),
    say: (texts) => ask({ order: 'say', texts }),
    look: () => ask({ order: 'look' }),
    leave: (count, perSecond) => ask({ order: 'leave', count, perSecond }),
    async stop() {
      running.signal('SIGKILL')
      await running.exited
    },
  }
}

/** One of them. */
class Somebody {
  readonly name: string
  readonly member: RawMember
  /** What it heard last of how many are there. */
  count = 0
  lost = 0
  arrival: { bytes: number; ms: number } | null = null
  /** By session and counter of a frame: how often it came. */
  readonly words = new Map<string, number>()
  readonly #sealer: Sealer
  #counter = 0

  constructor(name: string, room: RoomKeys, url: string, listening: () => boolean) {
    const session = createSession((bytes) => new Uint8Array(randomBytes(bytes)))
    this.name = name
    this.#sealer = createSealer(room, session)
    this.member = new RawMember(
      room.id,
      () => ({ url, connections: 0 }),
      {
        joined: ({ count }, bytes, ms) => {
          this.count = count
          this.arrival ??= { bytes, ms }
        },
        heard: (message) => {
          if (message.t === 'count') this.count = message.count
        },
        delivered: (_sentAt, delivery) => {
          if (!listening()) return
          const frame = deliveryOffsets.frame
          const word = delivery.toString('hex', frame + frameOffsets.session, frame + frameOffsets.commitment)
          this.words.set(word, (this.words.get(word) ?? 0) + 1)
        },
        lost: () => {
          this.lost += 1
        },
      },
      {
        session: session.id,
        secret: session.secret,
        tag: nameTag(room, name),
        profile: encodeBase64url(sealProfile(room, session, { name }, 1)),
        key: joinKey(room.id, session),
      },
    )
  }

  say(text: string): void {
    this.#counter += 1
    const body = new TextEncoder().encode(text)
    this.member.sendFrame(this.#sealer.seal(this.#counter, frameKinds.text, body, Date.now(), null))
  }
}

async function bePeople({ urls, name, pin, count, seed }: PeopleOptions) {
  const keys = await deriveRoom(name, pin)
  let listening = false
  const all: Somebody[] = []
  for (let i = 0; i < count; i += 1) {
    const url = urls[i % urls.length] as string
    all.push(new Somebody(`member-${String(i).padStart(4, '0')}`, keys, url, () => listening))
  }
  const random = mulberry32(seed)
  /** Of those who are there; nobody is drawn twice. */
  const draw = (wanted: number) => {
    const left = all.filter(({ member }) => member.inRoom)
    const drawn: Somebody[] = []
    while (drawn.length < wanted && left.length > 0) {
      drawn.push(...left.splice(Math.floor(random() * left.length), 1))
    }
    return drawn
  }
  let came = 0

  return {
    names: all.map((each) => each.name),
    async come(wanted: number, perSecond: number): Promise<Arrivals> {
      const coming = all.slice(came, came + wanted)
      came += coming.length
      await evenly(coming, perSecond, ({ member }) => member.connect())
      await until(() => coming.every(({ member }) => member.inRoom), settleWithinMs, tickMs)
      const arrivals = coming.flatMap(({ arrival }) => arrival ?? [])
      return { joinMs: arrivals.map(({ ms }) => ms), joinedBytes: arrivals.map(({ bytes }) => bytes) }
    },
    listen() {
      listening = true
    },
    say: (texts: readonly string[]) =>
      draw(texts.length).map((each, i) => {
        each.say(texts[i] as string)
        return each.name
      }),
    look(): PeopleView {
      const here = all.filter(({ member }) => member.inRoom)
      const counts = new Map<number, number>()
      const words = new Set<string>()
      for (const each of here) {
        counts.set(each.count, (counts.get(each.count) ?? 0) + 1)
        for (const word of each.words.keys()) words.add(word)
      }
      const twice = here.filter((each) => [...each.words.values()].some((times) => times > 1))
      return {
        inRoom: here.length,
        lost: all.reduce((sum, { lost }) => sum + lost, 0),
        counts: [...counts],
        words: words.size,
        haveAllOnce: here.filter((each) => each.words.size === words.size && !twice.includes(each)).length,
        haveTwice: twice.length,
      }
    },
    async leave(wanted: number, perSecond: number): Promise<number> {
      const leaving = draw(wanted)
      await evenly(leaving, perSecond, ({ member }) => member.leave())
      await until(() => leaving.every(({ member }) => !member.inRoom), settleWithinMs, tickMs)
      return leaving.filter(({ member }) => !member.inRoom).length
    },
  }
}

async function evenly<T>(list: readonly T[], perSecond: number, act: (each: T) => void): Promise<void> {
  const from = performance.now()
  let done = 0
  while (done < list.length) {
    const due = Math.min(list.length, 1 + Math.floor(((performance.now() - from) * perSecond) / 1000))
    for (const each of list.slice(done, due)) act(each)
    done = due
    await pause(tickMs)
  }
}

async function answerOrders(): Promise<void> {
  let people: Awaited<ReturnType<typeof bePeople>> | null = null
  const carryOut = async (order: Order): Promise<unknown> => {
    if (order.order === 'prepare') {
      people = await bePeople(order.options)
      return people.names
    }
    if (people === null) throw new Error('Nobody is prepared yet.')
    switch (order.order) {
      case 'come':
        return people.come(order.count, order.perSecond)
      case 'listen':
        return people.listen()
      case 'say':
        return people.say(order.texts)
      case 'look':
        return people.look()
      case 'leave':
        return people.leave(order.count, order.perSecond)
    }
  }
  process.on('message', ({ id, order }: { id: number; order: Order }) => {
    carryOut(order).then(
      (answer) => process.send?.({ id, answer }),
      (error: unknown) => process.send?.({ id, error: String(error) }),
    )
  })
}

if (process.argv[1] === ownFile) {
  // Without its parent there is nothing to be people for.
  process.on('disconnect', () => process.exit())
  void answerOrders()
}
