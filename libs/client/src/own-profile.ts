// What others see of this client in a room: its name and whether it is away, sealed anew under the next version at each
// change. One version never has two contents (docs/protocol.md, section 12.7), also when a change was refused or its
// answer was lost.
import { awayText, displayName, nameTag, type RoomKeys, type Session, sealProfile } from '@pychat/crypto'
import { encodeBase64url, type NameTag } from '@pychat/protocol'

export type Shown = { name: string; away: string | null }
/** As `join` and `profile` carry it. */
export type SealedShown = { tag: NameTag; profile: string }

export type OwnProfile = {
  readonly shown: Shown
  /** For a join of this session: the same bytes each time, unless something changed or may have. */
  sealed(session: Session): SealedShown
  /** As it will be shown. @throws CryptoInputError */
  tidy(next: Shown): Shown
  /** Seals what is to be shown instead. @param next tidy */
  propose(session: Session, next: Shown): SealedShown
  /** The relay has what was proposed. */
  take(next: Shown, sealed: SealedShown): void
  /** For the next join. */
  takeUnsent(next: Shown): void
  /** Nobody knows whether the relay has what was proposed: the next join shows the present again, under a new version. */
  doubt(): void
}

/** @throws CryptoInputError when the name is no name, or the away text too long */
export function createOwnProfile(room: RoomKeys, first: Shown): OwnProfile {
  let shown: Shown = tidy(first)
  let lastVersion = 0
  let current: { session: Session; sealed: SealedShown } | null = null

  function tidy({ name, away }: Shown): Shown {
    return { name: displayName(name, 'username'), away: away === null ? null : awayText(away) }
  }
  function seal(session: Session, next: Shown): SealedShown {
    lastVersion += 1
    const profile = encodeBase64url(sealProfile(room, session, next, lastVersion))
    return { tag: nameTag(room, next.name), profile }
  }
  return {
    get shown() {
      return shown
    },
    sealed(session) {
      if (current?.session !== session) current = { session, sealed: seal(session, shown) }
      return current.sealed
    },
    tidy,
    propose: seal,
    take(next, sealed) {
      shown = next
      if (current) current = { ...current, sealed }
    },
    takeUnsent(next) {
      shown = next
      current = null
    },
    doubt() {
      current = null
    },
  }
}
