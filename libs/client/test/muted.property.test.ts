// However often a member is muted and may write again, while connections break and the relay fails over: each of its
// messages is shown as sent or as failed, never both and never twice; none that failed stands in the log; no counter
// ever carries two frames; and what is tried again in the end arrives.
import type { RoomKeys } from '@pychat/crypto'
import { decodeFrameHeader, encodeHex } from '@pychat/protocol'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { ModelRelay } from './model-relay.ts'
import { testRoom, World } from './world.ts'

let room: RoomKeys
beforeAll(async () => {
  room = await testRoom()
})

type Step = { do: 'send' | 'wait' | 'deaf'; count: number } | { do: 'mute' | 'unmute' | 'cut' | 'failOver' }
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('send' as const, 'wait' as const, 'deaf' as const),
    count: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({
    do: fc.constantFrom('mute' as const, 'unmute' as const, 'cut' as const, 'failOver' as const),
  }),
)

it('settles every message once, and skips no more than what was refused', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.nat(1), (steps, ackReplicas) => {
      const world = new World(room)
      const relay = new ModelRelay(world, [], ackReplicas)
      const ids: number[] = []
      const pass = (ms: number) => {
        for (let at = 0; at < ms; at += 100) {
          world.pass(100)
          relay.work()
        }
      }
      const settle = () => {
        relay.deaf = 0
        for (let turn = 0; turn < 200 && world.room.pending().length > 0; turn += 1) {
          relay.beacon()
          if (relay.inRoom) world.socket.handlers.ping()
          pass(500)
        }
        expect(world.room.pending()).toEqual([])
      }
      world.client.start()
      relay.work()
      for (const each of steps) {
        if (each.do === 'send') {
          for (let i = 0; i < each.count; i += 1) ids.push(world.room.send(`${ids.length + 1}`))
        } else if (each.do === 'wait') pass(each.count * 100)
        else if (each.do === 'deaf') relay.deaf = each.count
        else if (each.do === 'cut') relay.cut()
        // Only messages that everybody has: a sender that is muted cannot repair the others.
        else if (each.do === 'failOver') relay.failOver(0, true)
        else relay.muted = each.do === 'mute'
        relay.work()
      }
      settle()
      const shown = () => world.of('message').map(({ id }) => id)
      const failures = world.of('failed').map(({ id }) => id)
      expect([...shown(), ...failures].sort((a = 0, b = 0) => a - b)).toEqual(ids)
      relay.muted = false
      settle()
      for (const id of failures) expect(world.room.retry(id)).toBe(true)
      pass(1000)
      settle()
      expect(shown().toSorted((a = 0, b = 0) => a - b)).toEqual(ids)

      const counters = relay.log.map(({ counter }) => counter)
      expect(counters).toEqual([...new Set(counters)].sort((a, b) => a - b))
      const frames = new Map<string, string>()
      for (const frame of world.sockets.flatMap((socket) => socket.frames)) {
        const { session, counter } = decodeFrameHeader(frame)
        const place = `${session} ${counter}`
        expect(frames.get(place) ?? encodeHex(frame)).toBe(encodeHex(frame))
        frames.set(place, encodeHex(frame))
      }
      for (const event of ['unreadable', 'gap', 'fork', 'rewound'] as const)
        expect(world.of(event)).toEqual([])
    }),
    { numRuns: 150 },
  )
}, 60_000)
