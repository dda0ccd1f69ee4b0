// Frames that come in one turn of the event loop go to the store together: one call for all rooms of a server, on a
// Redis Cluster for all of a slot. A call costs Redis and this process more than what it does for one frame.
import type { SessionId } from '@pychat/protocol'
import type { PublishResult } from '../rooms/rooms.ts'
import type { RoomKeys } from './keys.ts'
import type { Owner } from './owner.ts'
import type { StoreServer } from './server.ts'

/** A frame on its way into its room's log. */
export type Publish = {
  keys: RoomKeys
  session: SessionId
  owner: Owner
  counter: number
  /** Kept as it is until it is written. */
  frame: Buffer
}

type Waiting = { publish: Publish; answered(result: PublishResult): void; failed(error: unknown): void }

export type PublishingOptions = {
  /** @throws StoreError while the slot has no server */
  server(slot: number): StoreServer
  /** Keys of one call must share a slot: so it is on a Redis Cluster. */
  bySlot: boolean
  /** Calls `work` once, at the end of this turn. */
  atTurnEnd(work: () => void): void
  /** Lets several calls leave in one piece. */
  cork(): void
  /** Asks for all at once. @returns a result for each of them  @throws StoreError, or what Redis answers */
  send(at: StoreServer, publishes: readonly Publish[], now: number): Promise<PublishResult[]>
}

export type Publishing = {
  /** @param now milliseconds since 1970  @throws rejects with StoreError, or with what Redis answers */
  publish(publish: Publish, now: number): Promise<PublishResult>
  /** Sends at once what waits for the end of the turn: nothing that is asked after it may pass it. */
  flush(): void
}

/** A script keeps everybody else of its server waiting. */
const framesPerCallMax = 16

export function createPublishing({ server, bySlot, atTurnEnd, cork, send }: PublishingOptions): Publishing {
  type Batch = { at: StoreServer; now: number; waiting: Waiting[] }
  /** A new one each time: a map that is cleared leaves its old table behind, which points to the new one. Once such a
   *  chain has reached the old generation, all that it ever held stays until a full collection. */
  let batches = new Map<number, Batch>()
  let ending = false

  function flush(): void {
    if (batches.size === 0) return
    const full = [...batches.values()]
    batches = new Map()
    const [first] = full
    if (full.length > 1 || (first && first.waiting.length > framesPerCallMax)) cork()
    for (const { at, now, waiting } of full) {
      for (let i = 0; i < waiting.length; i += framesPerCallMax) {
        sendAll(
          at,
          waiting.length <= framesPerCallMax ? waiting : waiting.slice(i, i + framesPerCallMax),
          now,
        )
      }
    }
  }

  function sendAll(at: StoreServer, waiting: readonly Waiting[], now: number): void {
    const publishes = waiting.map(({ publish }) => publish)
    send(at, publishes, now).then(
      (results) => {
        for (const [i, result] of results.entries()) waiting[i]?.answered(result)
      },
      (error: unknown) => {
        for (const { failed } of waiting) failed(error)
      },
    )
  }

  return {
    publish: (publish, now) =>
      new Promise((answered, failed) => {
        const at = server(publish.keys.slot)
        const group = bySlot ? publish.keys.slot : 0
        // The connection was lost and made anew within the turn.
        if (batches.get(group)?.at !== at) flush()
        const batch = batches.get(group) ?? { at, now, waiting: [] }
        batches.set(group, batch)
        batch.waiting.push({ publish, answered, failed })
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
