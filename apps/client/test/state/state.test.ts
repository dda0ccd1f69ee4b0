// What is kept of communities: entropy, records and people, over runs, over programs side by side, and over damage.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KnownPerson, RoomRecord } from '@pychat/client-engine'
import { entropyFromWords, memberEntropy, recoveryWords } from '@pychat/crypto'
import type { CharterPair, RoomId } from '@pychat/protocol'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { peopleMax } from '../../src/state/records.ts'
import { forgetfulState, openState, type State } from '../../src/state/state.ts'

const root = 'ab'.repeat(16) as RoomId
const other = 'cd'.repeat(16) as RoomId

let path: string
let said: string[]
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'pychat-state-'))
  said = []
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

let drawn = 0
const random = (bytes: number) => {
  drawn += 1
  return new Uint8Array(bytes).fill(drawn)
}
/** As a program that starts: nothing is known but the folder. */
const start = (): Promise<State> => openState(path, { random, say: (sentence) => said.push(sentence) })

function pairOf(version: number, rules: number, mark = ''): CharterPair {
  const signed = (doc: object) => ({
    doc: JSON.stringify(doc),
    key: '11'.repeat(32) as CharterPair['charter']['key'],
    signature: '22'.repeat(64),
  })
  return { charter: signed({ version, mark }), rules: signed({ version: rules, mark }) }
}
const record = (more: Partial<RoomRecord> = {}): RoomRecord => ({
  root,
  secrets: [],
  moving: null,
  charters: [],
  channels: [],
  ...more,
})
const person = (digit: string, more: Partial<KnownPerson> = {}): KnownPerson => ({
  publicKey: digit.repeat(64),
  verified: false,
  firstSeen: 1000,
  ...more,
})

it('gives the same key for a community at each start, and another one for another', async () => {
  const first = await (await start()).community(root)
  const state = await start()
  expect((await state.community(root)).entropy).toEqual(first.entropy)
  expect((await state.community(other)).entropy).not.toEqual(first.entropy)
})

it('keeps records and people until the next start', async () => {
  const state = await start()
  const { memory } = await state.community(root)
  expect(memory.load(root)).toBeNull()
  const kept = record({
    secrets: ['aa'.repeat(32)],
    charters: [{ room: root, pair: pairOf(1, 1) }],
    channels: ['dev'],
  })
  memory.save(kept)
  memory.remember(root, 'bob', person('b'))
  memory.remember(root, '__proto__', person('c'))
  expect(memory.load(root)).toEqual(kept)
  await state.flush()

  const { memory: again } = await (await start()).community(root)
  expect(again.load(root)).toEqual(kept)
  expect(again.person(root, 'bob')).toEqual(person('b'))
  expect(again.person(root, '__proto__')).toEqual(person('c'))
  expect(again.person(root, 'carol')).toBeNull()
  expect(again.person(root, 'constructor')).toBeNull()
  expect(said).toEqual([])
})

it('loses nothing that another program kept meanwhile', async () => {
  const [a, b] = [await start(), await start()]
  const [ofA, ofB] = [(await a.community(root)).memory, (await b.community(root)).memory]
  ofA.save(record({ charters: [{ room: root, pair: pairOf(1, 5) }], channels: ['dev'] }))
  ofA.remember(root, 'bob', person('b', { firstSeen: 500 }))
  await a.flush()
  // It has not heard of the newer rules, and knows another room and another person.
  ofB.save(
    record({
      charters: [
        { room: root, pair: pairOf(1, 4) },
        { room: other, pair: pairOf(1, 1) },
      ],
    }),
  )
  ofB.remember(root, 'bob', person('b', { firstSeen: 900 }))
  ofB.remember(root, 'carol', person('c'))
  await b.flush()
  ofA.remember(root, 'dave', person('d'))
  await a.flush()

  const { memory } = await (await start()).community(root)
  const kept = memory.load(root)
  expect(kept?.channels).toEqual(['dev'])
  expect(kept?.charters).toEqual(
    expect.arrayContaining([
      { room: root, pair: pairOf(1, 5) },
      { room: other, pair: pairOf(1, 1) },
    ]),
  )
  expect(kept?.charters).toHaveLength(2)
  expect(memory.person(root, 'bob')?.firstSeen).toBe(500)
  expect(memory.person(root, 'carol')).toEqual(person('c'))
  expect(memory.person(root, 'dave')).toEqual(person('d'))
})

it('does not take a room back to where it was before', async () => {
  const [a, b] = [await start(), await start()]
  const [ofA, ofB] = [(await a.community(root)).memory, (await b.community(root)).memory]
  const [first, second] = ['aa'.repeat(32), 'bb'.repeat(32)]
  ofA.save(record({ secrets: [first, second] }))
  await a.flush()
  ofB.save(record({ secrets: [first] }))
  await b.flush()
  expect((await (await start()).community(root)).memory.load(root)?.secrets).toEqual([first, second])
})

it('gives a restored key in place of its own, and does not throw one away for another by accident', async () => {
  const words = recoveryWords(memberEntropy(new Uint8Array(32).fill(99), root))
  const entropy = entropyFromWords(words)
  const state = await start()
  expect(await state.restore(root, entropy, false)).toBe(true)
  expect(await state.restore(root, entropy, false)).toBe(true)
  expect(await state.restore(root, new Uint8Array(16), false)).toBe(false)
  const { entropy: kept, memory } = await (await start()).community(root)
  expect(kept).toEqual(entropy)
  // The engine's records beside it leave it alone.
  const running = await start()
  ;(await running.community(root)).memory.save(record({ channels: ['dev'] }))
  await running.flush()
  expect((await (await start()).community(root)).entropy).toEqual(entropy)
  expect(memory.load(root)).toEqual(record())
  expect(await state.restore(root, new Uint8Array(16), true)).toBe(true)
  expect((await (await start()).community(root)).entropy).toEqual(new Uint8Array(16))
})

it('sets damaged files aside, says what is forgotten, and goes on', async () => {
  mkdirSync(join(path, 'rooms'))
  mkdirSync(join(path, 'people'))
  writeFileSync(join(path, 'rooms', `${root}.json`), '{"schema":1')
  writeFileSync(join(path, 'people', `${root}.json`), '{"schema":1,"root":"x","people":{}}')
  const state = await start()
  const { memory } = await state.community(root)
  expect(memory.load(root)).toBeNull()
  memory.save(record({ channels: ['dev'] }))
  await state.flush()
  expect(said).toEqual([
    expect.stringContaining(`now ${root}.json.broken-1: this client has forgotten who owns this room`),
    expect.stringContaining('has forgotten whose keys you know'),
  ])
  expect(readFileSync(join(path, 'rooms', `${root}.json.broken-1`), 'utf8')).toBe('{"schema":1')
  expect(JSON.parse(readFileSync(join(path, 'rooms', `${root}.json`), 'utf8'))).toMatchObject({
    channels: ['dev'],
  })
})

it('is not flooded: a crowd does not push out whose key is known', async () => {
  const state = await start()
  const { memory } = await state.community(root)
  memory.remember(root, 'bob', person('b'))
  for (let i = 0; i < peopleMax + 50; i += 1) memory.remember(root, `crowd ${i}`, person('c'))
  memory.remember(root, 'bob', person('b', { verified: true }))
  await state.flush()
  const { memory: again } = await (await start()).community(root)
  expect(again.person(root, 'bob')).toEqual(person('b', { verified: true }))
  expect(again.person(root, `crowd ${peopleMax}`)).toBeNull()
})

it('says once that a full or broken disk keeps nothing, and goes on', async () => {
  const state = await start()
  const { memory } = await state.community(root)
  // A folder in the place of the file: it cannot be written.
  mkdirSync(join(path, 'rooms', `${root}.json`), { recursive: true })
  memory.save(record({ channels: ['a'] }))
  await state.flush()
  memory.save(record({ channels: ['b'] }))
  await state.flush()
  expect(said).toEqual([expect.stringMatching(/cannot be used \(E/)])
  expect(memory.load(root)?.channels).toEqual(['b'])
})

it('without a folder keeps nothing at all', async () => {
  const [a, b] = [forgetfulState({ random }), forgetfulState({ random })]
  const { memory, entropy } = await a.community(root)
  memory.save(record({ channels: ['dev'] }))
  memory.remember(root, 'bob', person('b'))
  expect(memory.load(root)?.channels).toEqual(['dev'])
  expect(memory.person(root, 'bob')).toEqual(person('b'))
  expect((await b.community(root)).entropy).not.toEqual(entropy)
  await expect(a.restore(root, entropy, true)).rejects.toThrow(/--no-state/)
  expect(readdirSync(path)).toEqual([])
})
