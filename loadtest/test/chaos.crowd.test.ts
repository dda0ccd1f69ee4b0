// The crowd in one room: what its figures come to, that each broken promise shows as that one, and a small crowd against
// real nodes. Thousands are `npm run chaos -- --scenario crowd`.
import { describe, expect, inject, it } from 'vitest'
import type {} from '../../apps/relay/test/support/redis.global.ts'
import { localBinary } from '../../apps/relay/test/support/redis.processes.ts'
import { joinCostOf, listedOf, toldBetween, wordsAmiss } from '../chaos/src/crowd/figures.ts'
import { type CrowdFigures, promisesOf } from '../chaos/src/crowd/promises.ts'
import { chaos, withinMs } from './run-chaos.ts'

const cost = {
  joins: 500,
  calls: 1.1,
  commands: 17,
  redisCpuUs: 500,
  nodesCpuUs: 2000,
  ms: { p10: 2, p50: 3, p95: 20, max: 90 },
  joinedBytesMax: 35_000,
}
const told = {
  seconds: 30,
  comings: 0,
  counts: 30,
  controlsPerSecond: 1,
  controlsBusiest: 3,
  bytesPerSecond: 80,
  bytesBusiest: 400,
}
const listed = { pages: 79, names: 5000, missing: 0, doubled: 0, strangers: 0, msMax: 90 }
const good: CrowdFigures = {
  members: 5000,
  cameIn: 5000,
  left: 2000,
  ownRedis: true,
  joins: { first: cost, second: cost, last: cost },
  told: [told, told],
  lines: { all: 255, whileQuiet: 0 },
  wordWhileTheyComeMs: { said: 20, p50: 20, max: 90 },
  listed: [listed, listed],
  words: { said: 13, heardBy: 5000, amiss: 0, onScreensAmiss: 0, ms: 300 },
  countsRightMs: { allIn: 800, someLeft: 800 },
  terminal: { pages: [64, 64], overlap: 0, count: 5000, comings: 0 },
  starvedMs: 50,
  storeAway: 0,
  trouble: [],
}
const lastCosts = (change: Partial<typeof cost>): Partial<CrowdFigures> => ({
  joins: { ...good.joins, last: { ...cost, ...change } },
})
const broken = (figures: CrowdFigures) => promisesOf(figures).filter(({ kept }) => !kept)

describe('the promises of a crowd', () => {
  it('are kept by a good run', () => {
    expect(broken(good)).toEqual([])
  })

  it.each<[string, Partial<CrowdFigures>]>([
    ['all members come in', { cameIn: 4999 }],
    ["a join's commands from nodes", lastCosts({ calls: 2 })],
    ["a join's commands inside", lastCosts({ commands: 26 })],
    ["a join's CPU of Redis", lastCosts({ redisCpuUs: 800 })],
    ["a join's CPU of the nodes", lastCosts({ nodesCpuUs: 3100 })],
    ["a join's answer", lastCosts({ joinedBytesMax: 60_000 })],
    ["a join's median wait", lastCosts({ ms: { ...cost.ms, p50: 5 } })],
    ['arrivals and departures', { told: [told, { ...told, comings: 1 }] }],
    ['counts told', { told: [told, { ...told, counts: 33 }] }],
    ['counts told', { told: [{ ...told, counts: 0 }, told] }],
    ['control messages', { told: [told, { ...told, controlsBusiest: 6 }] }],
    ['bytes of control messages', { told: [told, { ...told, bytesBusiest: 2000 }] }],
    ['join and leave lines on a watching screen', { lines: { all: 257, whileQuiet: 0 } }],
    ['join and leave lines on it while', { lines: { all: 255, whileQuiet: 1 } }],
    ['a message shown while', { wordWhileTheyComeMs: { said: 20, p50: 20, max: 2001 } }],
    ['times that a node', { storeAway: 1 }],
    ['a client that goes through', { listed: [listed, { ...listed, missing: 1 }] }],
    ['a client that goes through', { listed: [listed, { ...listed, doubled: 1 }] }],
    ['each message reaches', { words: { ...good.words, amiss: 1 } }],
    ['each message reaches', { words: { ...good.words, onScreensAmiss: 1 } }],
    ['each message reaches', { words: { ...good.words, said: 0 } }],
    ['everybody knows', { countsRightMs: { allIn: null, someLeft: 800 } }],
    ['and once 2000 left', { countsRightMs: { allIn: 800, someLeft: 5001 } }],
    ['pychat --json', { terminal: { ...good.terminal, pages: [64] } }],
    ['pychat --json', { terminal: { ...good.terminal, overlap: 1 } }],
    ['no connection breaks', { trouble: ['Alice: offline'] }],
  ])('are broken in one place alone: %s', (promise, change) => {
    const rows = broken({ ...good, ...change })
    expect(rows).toHaveLength(1)
    expect(rows[0]?.promise.startsWith(promise)).toBe(true)
  })

  it('compare the last joins with the cheaper ones of the first two parts', () => {
    const first = { ...cost, commands: 40 }
    const last = { ...cost, commands: 26 }
    expect(broken({ ...good, joins: { first, second: cost, last } })).toHaveLength(1)
  })

  it('judge no times where the machine had none, and no costs where Redis served others too', () => {
    const slow = lastCosts({ redisCpuUs: 900, nodesCpuUs: 9000, ms: { ...cost.ms, p50: 50 } })
    expect(broken({ ...good, ...slow, starvedMs: 600, storeAway: 1 })).toEqual([])
    expect(broken({ ...good, ...lastCosts({ commands: 100 }), starvedMs: 600 })).toHaveLength(1)
    expect(broken({ ...good, ownRedis: false, ...lastCosts({ calls: 9, redisCpuUs: 9000 }) })).toEqual([])
  })
})

describe('the figures of a crowd', () => {
  it('are by join', () => {
    const use = { calls: 11, commands: 170, cpuMs: 5, nodesCpuMs: 20 }
    const arrivals = { joinMs: [4, 1, 2, 3, 5, 6, 7, 8, 9, 10], joinedBytes: [10, 30, 20] }
    expect(joinCostOf(arrivals, use)).toEqual({
      joins: 10,
      calls: 1.1,
      commands: 17,
      redisCpuUs: 500,
      nodesCpuUs: 2000,
      ms: { p10: 1, p50: 5, p95: 10, max: 10 },
      joinedBytesMax: 30,
    })
  })

  it('count what was told within the time, by second', () => {
    const heard = (at: number, kind: string) => ({ at, kind, bytes: 100 })
    const controls = [
      heard(900, 'arrived'),
      heard(1000, 'count'),
      heard(1100, 'arrived'),
      heard(1999, 'position'),
      heard(2500, 'count'),
      heard(3000, 'departed'),
    ]
    expect(toldBetween(controls, 1000, 3000)).toEqual({
      seconds: 2,
      comings: 1,
      counts: 2,
      controlsPerSecond: 2,
      controlsBusiest: 3,
      bytesPerSecond: 200,
      bytesBusiest: 300,
    })
  })

  it('find who is missing on the pages, who stands there twice and who was never there', () => {
    const page = (...names: string[]) => ({ names, ms: 5 })
    const pages = [page('Alice', 'Bob'), page('Bob', 'Mallory')]
    expect(listedOf(pages, ['Alice', 'Bob', 'Carol'])).toEqual({
      pages: 2,
      names: 4,
      missing: 1,
      doubled: 1,
      strangers: 1,
      msMax: 5,
    })
  })

  it('find words that are not on a screen once, or not of who said them', () => {
    const said = [
      { from: 'Alice', text: 'a' },
      { from: 'Bob', text: 'b' },
    ]
    expect(wordsAmiss(said, said)).toBe(0)
    expect(wordsAmiss(said.slice(1), said)).toBe(1)
    expect(wordsAmiss([...said, { from: 'Bob', text: 'b' }], said)).toBe(1)
    expect(
      wordsAmiss(
        [
          { from: 'Mallory', text: 'a' },
          { from: 'Bob', text: 'b' },
        ],
        said,
      ),
    ).toBe(1)
    expect(wordsAmiss([...said, { from: 'Mallory', text: 'c' }], said)).toBe(1)
  })
})

it(
  'keeps its promises with 400 members over three nodes',
  async () => {
    // A Redis of its own, whose commands can be counted, where this machine has one.
    const store = localBinary() === null ? ['--redis-url', inject('redisUrl')] : []
    const { code, page, progress } = await chaos(
      '--scenario',
      'crowd',
      '--members',
      '400',
      '--seed',
      '4',
      ...store,
    )
    expect(page, progress).toContain('# crowd: kept')
    expect(page).toContain('400 names on 7 pages, 0 amiss; 400 names on 7 pages, 0 amiss')
    expect(code).toBe(0)
  },
  withinMs,
)
