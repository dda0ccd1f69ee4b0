// Changes of what others see of this client, one after the other, each until the relay has it: another name at once or
// not at all, being away also by the next join (docs/protocol.md, section 4.1 "profile").
import { CryptoInputError, type RoomKeys, type Session } from '@pychat/crypto'
import { ChatRefusal } from './chat-refusal.ts'
import type { OwnProfile, SealedShown, Shown } from './own-profile.ts'
import type { Requests } from './requests.ts'

export type Showing = {
  /** What a join of this session shows. */
  forJoin(session: Session): SealedShown
  /** In the room: what changed since the join went out is shown now. */
  entered(): void
  /** @throws rejects with ChatRefusal */
  change(change: Partial<Shown>): Promise<void>
}

export function createShowing(
  keys: RoomKeys,
  own: OwnProfile,
  requests: Requests,
  ports: {
    session(): Session
    /** null: the relay can be asked. */
    hindrance(): ChatRefusal | null
    shown(before: Shown, now: Shown): void
  },
): Showing {
  /** What the relay has, by our knowledge. */
  let atRelay: SealedShown | null = null
  let last: Promise<void> = Promise.resolve()

  function change(wanted: Partial<Shown>): Promise<void> {
    const next = last.then(() => changeNow(wanted))
    last = next.catch(() => {})
    return next
  }
  async function changeNow(wanted: Partial<Shown>): Promise<void> {
    const before = own.shown
    const next = tidied({ ...before, ...wanted })
    const isSame = next.name === before.name && next.away === before.away
    const hindrance = ports.hindrance()
    if (isSame && (hindrance || atRelay === own.sealed(ports.session()))) return
    if (hindrance === null) await tell(before, next, isSame)
    else if (hindrance.code !== 'offline' || next.name !== before.name) throw hindrance
    else {
      own.takeUnsent(next)
      ports.shown(before, next)
    }
  }
  async function tell(before: Shown, next: Shown, isSame: boolean): Promise<void> {
    const sealed = isSame ? own.sealed(ports.session()) : own.propose(ports.session(), next)
    await requests.ask('profile', { room: keys.id, ...sealed }, (refusal) => {
      if (refusal === null) {
        own.take(next, sealed)
        atRelay = sealed
        if (!isSame) ports.shown(before, next)
      } else if (refusal.code !== 'name-taken') own.doubt()
    })
  }
  function tidied(next: Shown): Shown {
    try {
      return own.tidy(next)
    } catch (error) {
      if (error instanceof CryptoInputError) throw new ChatRefusal('bad-input', error.message)
      throw error
    }
  }

  return {
    forJoin(session) {
      atRelay = own.sealed(session)
      return atRelay
    },
    entered() {
      if (atRelay !== own.sealed(ports.session())) change({}).catch(() => {})
    },
    change,
  }
}
