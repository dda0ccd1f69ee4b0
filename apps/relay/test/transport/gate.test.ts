// How many handshakes go through in one turn of the event loop, and in which order the others follow.
import { expect, it } from 'vitest'
import { createGate } from '../../src/transport/gate.ts'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('lets a crowd through in order, so many in a turn, and goes on at once when it is gone', async () => {
  const gate = createGate(3)
  const passed: string[] = []
  const come = (name: string) => {
    if (gate.pass()) passed.push(name)
    else gate.wait(() => passed.push(name))
  }
  for (let i = 0; i < 8; i += 1) come(`${i}`)
  expect(passed).toEqual(['0', '1', '2'])
  await nextTurn()
  expect(passed).toEqual(['0', '1', '2', '3', '4', '5'])
  come('late')
  expect(passed).toHaveLength(6)
  await nextTurn()
  expect(passed.slice(6)).toEqual(['6', '7', 'late'])
  await nextTurn()
  for (let i = 0; i < 4; i += 1) come(`next ${i}`)
  expect(passed.slice(9)).toEqual(['next 0', 'next 1', 'next 2'])
  await nextTurn()
  expect(passed).toHaveLength(13)
})

it('counts those that waited among the next turn', async () => {
  const gate = createGate(2)
  let passed = 0
  const come = () => {
    if (gate.pass()) passed += 1
    else gate.wait(() => (passed += 1))
  }
  for (let i = 0; i < 3; i += 1) come()
  await nextTurn()
  expect(passed).toBe(3)
  come()
  expect(passed).toBe(4)
  come()
  expect(passed).toBe(4)
})
