import type { RoomId } from '@pychat/protocol'
import { expect, test } from 'vitest'
import { createJoinQueue } from '../../src/session/join-queue.ts'

function clock() {
  let now = 0
  const timers: { at: number; fn: () => void }[] = []
  return {
    now: () => now,
    setTimer: (fn: () => void, ms: number) => timers.push({ at: now + ms, fn }),
    async pass(ms: number) {
      const end = now + ms
      while (timers.some(({ at }) => at <= end)) {
        const next = timers.splice(
          timers.findIndex(({ at }) => at <= end),
          1,
        )[0]
        now = next?.at ?? now
        next?.fn()
        await Promise.resolve()
      }
      now = end
    },
  }
}

const roomOf = (n: number) => n.toString(16).padStart(32, '0') as RoomId

test('joins pass at once while there are few', async () => {
  const { now, setTimer } = clock()
  const queue = createJoinQueue(100, now, setTimer)
  for (let i = 0; i < 5; i += 1) await queue.turn(roomOf(i))
})

test('a crowd passes in order and at the rate', async () => {
  const time = clock()
  const queue = createJoinQueue(100, time.now, time.setTimer)
  const passed: number[] = []
  for (let i = 0; i < 500; i += 1) void queue.turn(roomOf(i)).then(() => passed.push(i))
  await time.pass(1000)
  expect(passed.length).toBeGreaterThanOrEqual(100)
  expect(passed.length).toBeLessThanOrEqual(106)
  await time.pass(4000)
  expect(passed).toEqual(Array.from({ length: 500 }, (_, i) => i))
})

test('whoever waits for one room passes together, and counts as half as many by four', async () => {
  const time = clock()
  const queue = createJoinQueue(100, time.now, time.setTimer)
  const passed: { room: number; at: number }[] = []
  const come = (room: number) =>
    void queue.turn(roomOf(room)).then(() => passed.push({ room, at: time.now() }))
  // What passes at once, and then four rooms of four whose members come mixed.
  for (let i = 0; i < 5; i += 1) come(9)
  for (let i = 0; i < 16; i += 1) come(i % 4)
  await time.pass(1000)
  const later = passed.slice(5)
  expect(later.map(({ room }) => room)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
  for (let i = 0; i < 16; i += 4) expect(new Set(later.slice(i, i + 4).map(({ at }) => at)).size).toBe(1)
  expect(later.at(-1)?.at).toBeGreaterThanOrEqual(80)
  expect(later.at(-1)?.at).toBeLessThanOrEqual(100)
})

test('a large room waits behind the others with what is too much at once', async () => {
  const time = clock()
  const queue = createJoinQueue(1000, time.now, time.setTimer)
  const passed: number[] = []
  const come = (room: number) => void queue.turn(roomOf(room)).then(() => passed.push(room))
  for (let i = 0; i < 90; i += 1) come(1)
  come(2)
  await time.pass(30)
  expect(passed.indexOf(2)).toBe(66)
  await time.pass(1000)
  expect(passed).toHaveLength(91)
})
