import { firstChain, nextChain } from '@pychat/crypto'
import { expect, test } from 'vitest'
import { hex, seededRandom } from './fixtures.ts'

const random = seededRandom('chain')
const frames = Array.from({ length: 4 }, () => random(314))
const along = (list: Uint8Array[]) => hex(list.reduce(nextChain, firstChain()))

test('two members who got the same frames have the same chain', () => {
  expect(along(frames)).toBe(along(frames.map((frame) => frame.slice())))
  expect(along(frames)).toMatch(/^[0-9a-f]{16}$/)
})

test('a frame left out, changed, doubled or moved shows in the chain for ever after', () => {
  const [a, b, c, d] = frames as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  const changed = b.slice()
  changed[100] = (changed[100] as number) ^ 1
  const logs = [
    [a, b, c, d],
    [a, c, d],
    [a, changed, c, d],
    [a, b, b, c, d],
    [b, a, c, d],
  ]
  expect(new Set(logs.map(along)).size).toBe(logs.length)
})

test('a chain starts with eight zero bytes that are the caller’s own', () => {
  expect(firstChain()).toEqual(new Uint8Array(8))
  firstChain().fill(1)
  expect(firstChain()).toEqual(new Uint8Array(8))
})
