// Reads pages of room logs for many members at once without asking the store the same thing twice: equal questions
// that are under way share one answer, and only so many are under way. After a node died, thousands ask in one second.

import type { Position } from '../rooms/rooms.ts'
import type { RoomKeys } from './keys.ts'
import type { LogAnswer, Scripts } from './scripts.ts'

const readsAtOnceMax = 16

export type LogReader = {
  /** @throws StoreError */
  read(keys: RoomKeys, after: Position): Promise<LogAnswer>
}

/** @param oldestAt messages from before it are not told any more, milliseconds since 1970 */
export function createLogReader(scripts: Scripts, oldestAt: () => number): LogReader {
  const underWay = new Map<string, Promise<LogAnswer>>()
  const waiting: (() => void)[] = []
  let reads = 0

  async function turn(keys: RoomKeys, after: Position): Promise<LogAnswer> {
    if (reads >= readsAtOnceMax) await new Promise<void>((resolve) => waiting.push(resolve))
    reads += 1
    try {
      return await scripts.roomLog(keys, after, oldestAt())
    } finally {
      reads -= 1
      waiting.shift()?.()
    }
  }

  return {
    read(keys, after) {
      const question = `${keys.log} ${after.epoch} ${after.seq}`
      let answer = underWay.get(question)
      if (answer === undefined) {
        answer = turn(keys, after).finally(() => underWay.delete(question))
        underWay.set(question, answer)
      }
      return answer
    },
  }
}
