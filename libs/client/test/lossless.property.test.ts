// Whatever a relay goes through, the engine shows every message that the relay still has once and in its sender's
// order, also of those who came, spoke and left while the engine was away, says so when some are gone for good, and gets
// its own messages into the log.
import type { RoomKeys } from '@pychat/crypto'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { ModelRelay } from './model-relay.ts'
import { Person, testRoom, World } from './world.ts'

let room: RoomKeys
beforeAll(async () => {
  room = await testRoom()
})

type Step =
  | { do: 'say'; who: number; count: number }
  | { do: 'send'; count: number }
  | { do: 'deaf' | 'busy' | 'trim' | 'wait'; count: number }
  | { do: 'visit'; count: number; stays: boolean }
  | { do: 'failOver'; count: number; tells: boolean }
  | { do: 'cut' | 'forget' | 'beacon' | 'go' }

const count = fc.integer({ min: 1, max: 6 })
const mild: fc.Arbitrary<Step>[] = [
  fc.record({ do: fc.constant('say' as const), who: fc.nat(1), count }),
  fc.record({ do: fc.constant('send' as const), count }),
  fc.record({ do: fc.constantFrom('deaf' as const, 'busy' as const, 'wait' as const), count }),
  fc.record({ do: fc.constant('failOver' as const), count: fc.nat(6), tells: fc.boolean() }),
  fc.record({ do: fc.constantFrom('cut' as const, 'beacon' as const, 'go' as const) }),
  fc.record({ do: fc.constant('visit' as const), count, stays: fc.boolean() }),
]
/** With these, messages may be gone before the client has seen them. */
const harsh: fc.Arbitrary<Step>[] = [
  ...mild,
  fc.record({ do: fc.constant('trim' as const), count }),
  fc.record({ do: fc.constant('forget' as const) }),
]

type Speaker = { name: string; person: Person; frames: Uint8Array[] }
const speaker = (name: string): Speaker => ({ name, person: new Person(room, name), frames: [] })

class Run {
  readonly world = new World(room)
  /** Two who stay, then the visitors. */
  readonly speakers = [speaker('Bob'), speaker('Carol')]
  readonly relay: ModelRelay
  /** What the relay lost of those who are gone: nobody is left to send it again. */
  readonly beyondRepair = new Set<Uint8Array>()
  sent = 0

  constructor(ackReplicas: number) {
    const people = this.speakers.map(({ person }) => person)
    this.relay = new ModelRelay(this.world, people, ackReplicas)
    this.world.client.start()
    this.relay.work()
  }

  step(step: Step) {
    const { relay, world } = this
    switch (step.do) {
      case 'say':
        this.say(this.speakers[step.who] as Speaker, step.count)
        break
      case 'visit': {
        const visitor = speaker(`Visitor ${this.speakers.length}`)
        this.speakers.push(visitor)
        relay.come(visitor.person)
        this.say(visitor, step.count)
        if (!step.stays) relay.leave(visitor.person)
        break
      }
      case 'go': {
        const visitor = this.speakers.slice(2).find(({ person }) => relay.present.has(person))
        if (visitor) relay.leave(visitor.person)
        this.giveUpGone()
        break
      }
      case 'send':
        for (let i = 0; i < step.count; i += 1) {
          this.sent += 1
          world.room.send(`${this.sent}`)
        }
        break
      case 'deaf':
        relay.deaf = step.count
        break
      case 'busy':
        relay.busy = step.count
        break
      case 'trim':
        relay.trim(step.count)
        break
      case 'wait':
        this.pass(step.count * 100)
        break
      case 'failOver':
        relay.failOver(step.count, step.tells)
        this.giveUpGone()
        break
      case 'cut':
        relay.cut()
        break
      case 'forget':
        relay.forget()
        break
      case 'beacon':
        relay.beacon()
    }
    relay.work()
  }

  say({ person, frames }: Speaker, count: number) {
    for (let i = 0; i < count; i += 1) frames.push(person.says(`${person.counter + 1}`))
    this.relay.hear(frames)
  }
  giveUpGone() {
    const { counters, present } = this.relay
    for (const { person, frames } of this.speakers) {
      if (present.has(person)) continue
      for (const frame of frames.slice(counters.get(person.session.id) ?? 0)) this.beyondRepair.add(frame)
    }
  }
  here(): Speaker[] {
    return this.speakers.filter(({ person }) => this.relay.present.has(person))
  }

  pass(ms: number) {
    for (let at = 0; at < ms; at += 100) {
      this.world.pass(100)
      this.relay.work()
    }
  }

  /** Peace comes: everybody repairs, the relay tells where it stands, until nothing moves any more. */
  settle() {
    const { relay, world } = this
    relay.deaf = 0
    relay.busy = 0
    for (let turn = 0; turn < 300 && !this.isSettled(); turn += 1) {
      for (const { frames } of this.here()) relay.hear(frames)
      relay.beacon()
      if (relay.inRoom) world.socket.handlers.ping()
      this.pass(500)
    }
    expect(this.isSettled()).toBe(true)
  }
  isSettled(): boolean {
    const { relay, world } = this
    const place = world.room.position()
    const all = this.here().every(
      ({ person, frames }) => (relay.counters.get(person.session.id) ?? 0) >= frames.length,
    )
    const stands = place?.epoch === relay.epoch && place.seq === relay.top
    const own = (relay.counters.get(world.lastJoin().session) ?? 0) === this.sent
    return relay.inRoom && all && stands && own && world.room.pending().length === 0
  }

  /** @returns how many messages of others were never shown */
  judge(): number {
    const { world } = this
    const shown = (name: string) =>
      world
        .of('message')
        .filter(({ from }) => from === name)
        .map(({ counter }) => counter)
    let missing = 0
    for (const { name, frames } of this.speakers) {
      const counters = shown(name)
      expect(counters).toEqual([...new Set(counters)].sort((a, b) => a - b))
      missing += frames.filter(
        (frame, i) => !counters.includes(i + 1) && !this.beyondRepair.has(frame),
      ).length
    }
    const users = world.room.users().map(({ name }) => name)
    expect(users.sort()).toEqual(['Alice', ...this.here().map(({ name }) => name)].sort())
    const own = world.of('message').filter((event) => event.own)
    expect(own.map(({ text }) => text)).toEqual(Array.from({ length: this.sent }, (_, i) => `${i + 1}`))
    expect(world.of('unreadable')).toEqual([])
    expect(world.of('fork')).toEqual([])
    return missing
  }
}

const runs = { numRuns: 150 }

it('loses nothing and says nothing of loss while the relay keeps its log', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(...mild), { maxLength: 30 }), fc.nat(1), (steps, ackReplicas) => {
      const run = new Run(ackReplicas)
      const startedAt = run.world.now
      for (const step of steps) run.step(step)
      run.settle()
      expect(run.judge()).toBe(0)
      expect(run.world.of('gap')).toEqual([])
      if (run.world.now - startedAt > 30_000) return
      const session = run.world.lastJoin().session
      const logged = run.relay.log.filter((entry) => entry.session === session).map(({ counter }) => counter)
      expect(logged).toEqual(Array.from({ length: run.sent }, (_, i) => i + 1))
    }),
    runs,
  )
}, 60_000)

it('shows what is left, and a gap for what is gone, when the relay forgets', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(...harsh), { maxLength: 30 }), fc.nat(1), (steps, ackReplicas) => {
      const run = new Run(ackReplicas)
      for (const step of steps) run.step(step)
      run.settle()
      if (run.judge() > 0) expect(run.world.of('gap').length).toBeGreaterThan(0)
    }),
    runs,
  )
}, 60_000)
