// The bans of a cluster: one list in Redis, told on a channel when it changes. Every node reads it at its start, when it
// hears of a change, when the channel was not heard for a moment, and every few seconds in any case.
// A node that knows a newer list than Redis has, gives it back: a failover or an emptied Redis lifts no ban.
import { encodeHex } from '@pychat/protocol'
import { type Connections, storeAway } from '../redis/connections.ts'
import { bansKeys } from '../redis/keys.ts'
import type { Scripts } from '../redis/scripts.ts'
import { StoreError } from '../rooms/rooms.ts'
import { type Ban, type BanList, decodeBans, encodeBans, merged } from './ban-list.ts'
import type { BanStore } from './bans.ts'

export type RedisBansOptions = {
  connections: Connections
  scripts: Pick<Scripts, 'bansSwap'>
  keyPrefix: string
  /** @returns so many unpredictable bytes */
  random(bytes: number): Uint8Array
  /** Every so often it is looked whether another list stands there. */
  lookMs: number
}

/** Several operators at once, and nodes that give back what was lost. */
const triesMax = 16
const retryMs = 250

/**
 * `stamp` is "<version>-<random>": two lists of one version, of which one was written after a loss, are told apart by it.
 * `bans` null: what lies there was written by no relay, and `version` is then 0.
 */
type Stored = { stamp: string; version: number; bans: Ban[] | null }

export function createRedisBanStore({
  connections,
  scripts,
  keyPrefix,
  random,
  lookMs,
}: RedisBansOptions): BanStore {
  const { commands, subscriptions } = connections
  const keys = bansKeys(keyPrefix)
  let known: (BanList & { stamp: string }) | null = null
  let tell: (list: BanList) => void = () => {}
  let timer: NodeJS.Timeout | null = null
  let looking: Promise<void> | null = null
  let lookAgain = false
  let retrying: NodeJS.Timeout | null = null

  const knownVersion = () => known?.version ?? 0

  async function fetch(): Promise<Stored> {
    const [stamp, list] = await commands.hmget(keys.list, 'stamp', 'list')
    if (!stamp && !list) return { stamp: '', version: 0, bans: [] }
    const version = Number(/^([1-9][0-9]{0,15})-[0-9a-f]{8}$/.exec(stamp ?? '')?.[1] ?? 0)
    const bans = version === 0 ? null : decodeBans(list ?? '')
    return { stamp: stamp ?? '', version: bans === null ? 0 : version, bans }
  }

  /** Whether this node knows what the store does not: it lost its newest state, or all of it. */
  function isLost({ stamp, version }: Stored): boolean {
    return known !== null && known.version > 0 && version <= known.version && stamp !== known.stamp
  }

  /** What stands there, and what was lost there. */
  function mended(stored: Stored): readonly Ban[] {
    const here = stored.bans ?? []
    return known !== null && isLost(stored) ? merged(known.bans, here) : here
  }

  /** @returns the new list, or null when another one stands there by now */
  async function swap(stored: Stored, bans: readonly Ban[]): Promise<BanList | null> {
    const version = Math.max(stored.version, knownVersion()) + 1
    const stamp = `${version}-${encodeHex(random(4))}`
    if (!(await scripts.bansSwap(keys, stored.stamp, stamp, encodeBans(bans)))) return null
    const next = { stamp, version, bans }
    take(next)
    return next
  }

  function take(list: BanList & { stamp: string }): void {
    // A read that was on its way while a change came past it.
    if (known !== null && list.version <= known.version) return
    known = list
    tell(list)
  }

  async function read(): Promise<void> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const stored = await fetch()
      if (!isLost(stored)) return take({ ...stored, bans: stored.bans ?? [] })
      if ((await swap(stored, mended(stored))) !== null) return
    }
  }

  /** One read at a time; who asks meanwhile gets another one behind it. */
  function look(): Promise<void> {
    if (looking !== null) {
      lookAgain = true
      return looking
    }
    looking = read().finally(() => {
      looking = null
      if (!lookAgain) return
      lookAgain = false
      insist()
    })
    return looking
  }

  /** Looks until it has seen the list: after an outage subscriptions may be there before the commands are. */
  function insist(): void {
    look().catch(() => {
      if (timer === null || retrying !== null) return
      retrying = setTimeout(() => {
        retrying = null
        insist()
      }, retryMs)
    })
  }

  async function lookWhenOther(): Promise<void> {
    const stamp = await commands.hget(keys.list, 'stamp')
    if (known === null || (stamp ?? '') !== known.stamp) await look()
  }

  return {
    async start(changed) {
      tell = changed
      try {
        await subscriptions.subscribe(keys.channel, {
          message: insist,
          resumed: insist,
        })
        await look()
      } catch (error) {
        throw storeAway(error)
      }
      timer = setInterval(() => void lookWhenOther().catch(() => {}), lookMs)
    },
    async change(edit) {
      for (let tries = 0; tries < triesMax; tries += 1) {
        const stored = await fetch().catch(away)
        const next = await swap(stored, edit(mended(stored))).catch(away)
        if (next !== null) return next
      }
      throw new StoreError('unreachable', 'The list of bans is being changed by others; try again.')
    },
    stop() {
      if (timer !== null) clearInterval(timer)
      timer = null
      if (retrying !== null) clearTimeout(retrying)
      retrying = null
      subscriptions.unsubscribe(keys.channel)
    },
  }
}

function away(error: unknown): never {
  throw storeAway(error)
}
