// What gathering the frames of a turn leaves behind for the garbage collector: nothing that lives longer than they do.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { createPublishing, type Publish } from '../../src/redis/publishing.ts'
import type { StoreServer } from '../../src/redis/server.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (how: { type: 'minor' | 'major' }) => void

const oldBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')?.space_used_size ?? Number.NaN

test('what a turn gathered is gone with it, without a full collection', async () => {
  let atEnd = (): void => {}
  const publishing = createPublishing({
    server: () => ({}) as StoreServer,
    bySlot: false,
    atTurnEnd: (work) => {
      atEnd = work
    },
    cork() {},
    send: async (_, publishes) => publishes.map(() => ({ status: 'taken', seq: 1 })),
  })
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) {
      // A kilobyte each on the heap of V8, where frames themselves are not.
      const publish = { keys: { slot: 0 }, counter: turn, ballast: new Array(128).fill(turn) }
      const answer = publishing.publish(publish as unknown as Publish, 0)
      atEnd()
      await answer
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
