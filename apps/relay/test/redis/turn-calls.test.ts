// Which calls of a turn go together, what each gets of the answer, and what gathering them leaves behind for the garbage
// collector: nothing that lives longer than they do.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { StoreServer } from '../../src/redis/server.ts'
import { createTurnCalls, type TurnCallsOptions } from '../../src/redis/turn-calls.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (how: { type: 'minor' | 'major' }) => void

const oldBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')?.space_used_size ?? Number.NaN

type Ask = { name: string; weight?: number }

/** @param bad whose call fails alone  @param broken whether the store answers nothing at all */
function makeCalls(
  options: Partial<TurnCallsOptions<Ask, string>> = {},
  bad: string | null = null,
  broken = false,
) {
  let atEnd: () => void = () => {}
  const sent: string[][] = []
  const calls = createTurnCalls<Ask, string>({
    server: () => server,
    bySlot: false,
    atTurnEnd: (work) => {
      atEnd = work
    },
    cork() {},
    weightMax: 4,
    weight: ({ weight = 1 }) => weight,
    async send(_, asks) {
      sent.push(asks.map(({ name }) => name))
      if (broken) throw new Error('gone')
      return asks.map(({ name }) => (name === bad ? new Error(`not ${name}`) : `${name}!`))
    },
    ...options,
  })
  const server = {} as StoreServer
  return { calls, sent, endTurn: () => atEnd() }
}

test('what is asked in one turn goes together when it ends, at most so much at once', async () => {
  const { calls, sent, endTurn } = makeCalls()
  const asks = [
    { name: 'a' },
    { name: 'b', weight: 3 },
    { name: 'c' },
    { name: 'd', weight: 9 },
    { name: 'e' },
  ]
  const answers = asks.map((ask) => calls.ask(0, ask))
  expect(sent).toEqual([])
  endTurn()
  expect(sent).toEqual([['a', 'b'], ['c'], ['d'], ['e']])
  expect(await Promise.all(answers)).toEqual(['a!', 'b!', 'c!', 'd!', 'e!'])
})

test('slots of a Redis Cluster go apart', async () => {
  const { calls, sent, endTurn } = makeCalls({ bySlot: true })
  const answers = [7, 8, 7].map((slot, i) => calls.ask(slot, { name: `${i}` }))
  endTurn()
  expect(sent).toEqual([['0', '2'], ['1']])
  expect(await Promise.all(answers)).toEqual(['0!', '1!', '2!'])
})

test('a flush sends at once what waits, and the end of the turn what came after it', async () => {
  const { calls, sent, endTurn } = makeCalls()
  const early = calls.ask(0, { name: 'early' })
  calls.flush()
  const late = calls.ask(0, { name: 'late' })
  endTurn()
  expect(sent).toEqual([['early'], ['late']])
  expect(await Promise.all([early, late])).toEqual(['early!', 'late!'])
})

test('an error reaches those whom it is about', async () => {
  const one = makeCalls({}, 'b')
  const settled = Promise.allSettled(['a', 'b', 'c'].map((name) => one.calls.ask(0, { name })))
  one.endTurn()
  expect((await settled).map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])

  const all = makeCalls({}, null, true)
  const broken = Promise.allSettled(['a', 'b'].map((name) => all.calls.ask(0, { name })))
  all.endTurn()
  expect((await broken).map((each) => each.status)).toEqual(['rejected', 'rejected'])

  const nowhere = makeCalls({
    server: () => {
      throw new Error('no server')
    },
  })
  await expect(nowhere.calls.ask(0, { name: 'a' })).rejects.toThrow('no server')
})

test('what a turn gathered is gone with it, without a full collection', async () => {
  const { calls, sent, endTurn } = makeCalls()
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) {
      // A kilobyte each on the heap of V8, where frames themselves are not.
      const ask = { name: '', ballast: new Array(128).fill(turn) }
      const answer = calls.ask(0, ask)
      endTurn()
      await answer
      sent.length = 0
      if (turn % 200 === 199) collect({ type: 'minor' })
    }
  }
  await turns(2_000)
  // It moves all that is alive into the old generation: from there, a forgotten object can keep young ones alive.
  collect({ type: 'major' })
  const before = oldBytes()
  await turns(8_000)
  expect(oldBytes() - before).toBeLessThan(1_000_000)
})
