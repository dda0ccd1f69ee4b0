// What is asked of the store in one turn of the event loop goes together: one call for all rooms of a server, on a
// Redis Cluster for all of a slot. A call costs Redis and this process more than what it does for one of them.
import type { StoreServer } from './server.ts'

/** How calls reach the store. */
export type StorePorts = {
  /** @throws StoreError while the slot has no server */
  server(slot: number): StoreServer
  /** Keys of one call must share a slot: so it is on a Redis Cluster. */
  bySlot: boolean
  /** Calls `work` once, at the end of this turn. */
  atTurnEnd(work: () => void): void
  /** Lets several calls leave in one piece. */
  cork(): void
}

export type TurnCallsOptions<Ask, Answer> = StorePorts & {
  /** So many may go in one call, by their weights: a script keeps everybody else of its server waiting. */
  weightMax: number
  /** How much of a call it takes; 1 when left out. */
  weight?(ask: Ask): number
  /** Asks for all at once. @returns an answer for each, or the error that it alone met  @throws StoreError, or what Redis answers */
  send(at: StoreServer, asks: readonly Ask[]): Promise<readonly (Answer | Error)[]>
}

export type TurnCalls<Ask, Answer> = {
  /** @param slot of all its keys  @throws rejects with StoreError, or with what Redis answers */
  ask(slot: number, ask: Ask): Promise<Answer>
  /** Sends at once what waits for the end of the turn: nothing that is asked after it may pass it. */
  flush(): void
}

type Waiting<Ask, Answer> = { ask: Ask; answered(answer: Answer): void; failed(error: unknown): void }

export function createTurnCalls<Ask, Answer>(options: TurnCallsOptions<Ask, Answer>): TurnCalls<Ask, Answer> {
  const { server, bySlot, atTurnEnd, cork, weightMax, weight = () => 1, send } = options
  type Batch = { at: StoreServer; waiting: Waiting<Ask, Answer>[]; weight: number }
  /** A new one each time: a map that is cleared leaves its old table behind, which points to the new one. Once such a
   *  chain has reached the old generation, all that it ever held stays until a full collection. */
  let batches = new Map<number, Batch>()
  let ending = false

  function flush(): void {
    if (batches.size === 0) return
    const full = [...batches.values()]
    batches = new Map()
    const [first] = full
    if (full.length > 1 || (first && first.weight > weightMax)) cork()
    for (const { at, waiting, weight: all } of full) {
      if (all <= weightMax) sendAll(at, waiting)
      else for (const some of portions(waiting)) sendAll(at, some)
    }
  }

  function portions(waiting: readonly Waiting<Ask, Answer>[]): Waiting<Ask, Answer>[][] {
    const list: Waiting<Ask, Answer>[][] = []
    let filled = weightMax
    for (const each of waiting) {
      const more = weight(each.ask)
      if (filled + more > weightMax) {
        list.push([])
        filled = 0
      }
      list.at(-1)?.push(each)
      filled += more
    }
    return list
  }

  function sendAll(at: StoreServer, waiting: readonly Waiting<Ask, Answer>[]): void {
    const asks = waiting.map(({ ask }) => ask)
    send(at, asks).then(
      (answers) => {
        for (const [i, answer] of answers.entries()) {
          if (answer instanceof Error) waiting[i]?.failed(answer)
          else waiting[i]?.answered(answer)
        }
      },
      (error: unknown) => {
        for (const { failed } of waiting) failed(error)
      },
    )
  }

  return {
    ask: (slot, ask) =>
      new Promise((answered, failed) => {
        const at = server(slot)
        const group = bySlot ? slot : 0
        // The connection was lost and made anew within the turn.
        if (batches.has(group) && batches.get(group)?.at !== at) flush()
        const batch = batches.get(group) ?? { at, waiting: [], weight: 0 }
        batches.set(group, batch)
        batch.waiting.push({ ask, answered, failed })
        batch.weight += weight(ask)
        if (ending) return
        ending = true
        atTurnEnd(() => {
          ending = false
          flush()
        })
      }),
    flush,
  }
}
