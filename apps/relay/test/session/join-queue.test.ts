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

test('joins pass at once while there are few', async () => {
  const { now, setTimer } = clock()
  const queue = createJoinQueue(100, now, setTimer)
  for (let i = 0; i < 5; i += 1) await queue.turn()
})

test('a crowd passes in order and at the rate', async () => {
  const time = clock()
  const queue = createJoinQueue(100, time.now, time.setTimer)
  const passed: number[] = []
  for (let i = 0; i < 500; i += 1) void queue.turn().then(() => passed.push(i))
  await time.pass(1000)
  expect(passed.length).toBeGreaterThanOrEqual(100)
  expect(passed.length).toBeLessThanOrEqual(106)
  await time.pass(4000)
  expect(passed).toEqual(Array.from({ length: 500 }, (_, i) => i))
})
