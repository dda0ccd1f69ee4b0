// What is asked for together is done together, and a crowd no more often than every 50 ms.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { gathered } from '../../src/redis/gathered.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('is done once at the end of a turn, however often it is asked for', () => {
  const work = vi.fn()
  const ask = gathered(work)
  for (let i = 0; i < 5; i += 1) ask()
  expect(work).not.toHaveBeenCalled()
  vi.advanceTimersByTime(0)
  expect(work).toHaveBeenCalledTimes(1)
})

it('waits a moment after it was done, and goes at once again after a quiet time', () => {
  const work = vi.fn()
  const ask = gathered(work)
  for (let ms = 0; ms < 1000; ms += 5) {
    ask()
    vi.advanceTimersByTime(5)
  }
  expect(work.mock.calls.length).toBeGreaterThanOrEqual(18)
  expect(work.mock.calls.length).toBeLessThanOrEqual(21)
  vi.advanceTimersByTime(100)
  const done = work.mock.calls.length
  ask()
  vi.advanceTimersByTime(0)
  expect(work).toHaveBeenCalledTimes(done + 1)
})
