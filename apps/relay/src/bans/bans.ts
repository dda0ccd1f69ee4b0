// The bans that are in force on this node: a copy of the store's list, asked without waiting for anybody, so that a store
// which is away lifts nothing. Where the list is kept is a store's part (bans.file.ts, bans.redis.ts); what happens to a
// session is the registry's.
import { type Ban, type BanList, isOver, isSame, withBan, withoutBan } from './ban-list.ts'
import { type BanMatcher, createMatcher } from './ban-matcher.ts'

export interface BanStore {
  /**
   * Reads the list, and tells of it and of every later one.
   * @throws StoreError, or Error with a sentence for a person: without its bans a node must not start
   */
  start(changed: (list: BanList) => void): Promise<void>
  /**
   * Puts what `edit` makes of the newest list in its place; `edit` may be asked several times, and what it throws ends it.
   * @returns the new list, told as changed before  @throws StoreError, or Error with a sentence: nothing was changed
   */
  change(edit: (bans: readonly Ban[]) => readonly Ban[]): Promise<BanList>
  stop(): void
}

/** There are as many bans as a relay keeps. */
export class TooManyBansError extends Error {
  override readonly name = 'TooManyBansError'
}

export type Bans = BanMatcher & {
  start(): Promise<void>
  stop(): void
  /** Of the list in force here: a node with a higher one knows more. */
  version(): number
  /** Those in force, oldest first. */
  list(): Ban[]
  /** Puts a ban in the place of one of the same. @throws as BanStore.change, or TooManyBansError */
  add(ban: Ban): Promise<{ version: number; replaced: boolean }>
  /** @returns what was lifted, or null when there was no such ban  @throws as BanStore.change */
  lift(ban: Pick<Ban, 'kind' | 'value'>): Promise<{ version: number; lifted: Ban } | null>
}

/**
 * @param now milliseconds since 1970
 * @param changed other bans are in force: sessions have to be looked at
 */
export function createBans(store: BanStore, now: () => number, changed: () => void): Bans {
  let known: BanList = { version: 0, bans: [] }
  let matcher = createMatcher([])
  /** The next one ends then. */
  let endsAt = Number.POSITIVE_INFINITY

  function take(list: BanList): void {
    known = list
    remake()
    changed()
  }
  function remake(): void {
    const live = known.bans.filter((ban) => !isOver(ban, now()))
    endsAt = Math.min(...live.map((ban) => ban.until ?? Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY)
    matcher = createMatcher(live)
  }
  function current(): BanMatcher {
    if (now() >= endsAt) remake()
    return matcher
  }
  const live = (bans: readonly Ban[]) => bans.filter((ban) => !isOver(ban, now()))

  return {
    start: () => store.start(take),
    stop: () => store.stop(),
    version: () => known.version,
    list: () => live(known.bans),
    address: (address) => current().address(address),
    member: (room, member) => current().member(room, member),
    async add(ban) {
      let replaced = false
      const { version } = await store.change((bans) => {
        const before = live(bans)
        replaced = before.some((each) => isSame(each, ban))
        const next = withBan(before, ban)
        if (next === null) throw new TooManyBansError()
        return next
      })
      return { version, replaced }
    },
    async lift(ban) {
      if (!live(known.bans).some((each) => isSame(each, ban))) return null
      let lifted: Ban | undefined
      const { version } = await store.change((bans) => {
        lifted = live(bans).find((each) => isSame(each, ban))
        return withoutBan(live(bans), ban)
      })
      return lifted === undefined ? null : { version, lifted }
    },
  }
}
