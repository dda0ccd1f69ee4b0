// Who is shown as present in a conversation, while it is in one room and while it moves to another. Whoever was taken
// along is neither seen to leave the old room nor to join the new one; who never arrives is lost when the old one ends.
import { normalizeName } from '@pychat/crypto'
import type { MemberId } from '@pychat/protocol'
import type { Room } from '../room.ts'
import type { User } from '../room-events.ts'
import type { Person } from './types.ts'

export type Why = 'left' | 'lost' | 'kicked' | 'banned'

export type Attendance = {
  /** The roster of the room that the conversation is in was loaded. @param moving whether others are still to come */
  load(users: readonly User[], moving: boolean): void
  /** @returns the newcomer, or null for somebody who is shown already */
  come(user: User): Person | null
  /** @returns who left, or null for somebody who is not shown, or is in the other room */
  go(who: { memberId: MemberId; user: string }, elsewhere: boolean): Person | null
  change(user: User, nameBefore: string): void
  /** The old room ended. @returns who was in it and is not in the new one */
  settle(users: readonly User[]): Person[]
  /** Takes everybody with this key. @returns them */
  drop(id: MemberId): Person[]
  /** @param users the roster now  @param moving whether others are still to come  @returns self first */
  people(users: readonly User[], moving: boolean): Person[]
}

/** @param person a user as the host sees one  @param isHidden somebody who is not to be shown as present */
export function createAttendance(
  person: (user: User) => Person,
  isHidden: (id: MemberId) => boolean,
): Attendance {
  /** The others, by key and name: sessions differ from room to room. */
  const shown = new Map<string, User>()

  const keyOf = (id: MemberId, name: string) => `${id} ${normalizeName(name)}`
  const others = (users: readonly User[]) => users.filter((user) => !user.self && !isHidden(user.memberId))
  const put = (user: User) => void shown.set(keyOf(user.memberId, user.name), user)
  const take = (key: string): Person | null => {
    const user = shown.get(key)
    shown.delete(key)
    return user === undefined ? null : person(user)
  }
  return {
    load(users, moving) {
      if (!moving) shown.clear()
      for (const user of others(users)) put(user)
    },
    come(user) {
      if (user.self || isHidden(user.memberId)) return null
      const isNew = !shown.has(keyOf(user.memberId, user.name))
      put(user)
      return isNew ? person(user) : null
    },
    go: ({ memberId, user }, elsewhere) => (elsewhere ? null : take(keyOf(memberId, user))),
    change(user, nameBefore) {
      if (!user.self && shown.delete(keyOf(user.memberId, nameBefore))) put(user)
    },
    settle(users) {
      const present = new Set(others(users).map((user) => keyOf(user.memberId, user.name)))
      const gone = [...shown.keys()].filter((key) => !present.has(key))
      return gone.flatMap((key) => take(key) ?? [])
    },
    drop(id) {
      const keys = [...shown].filter(([, user]) => user.memberId === id).map(([key]) => key)
      return keys.flatMap((key) => take(key) ?? [])
    },
    people(users, moving) {
      const here = users.filter((user) => user.self || !isHidden(user.memberId))
      const keys = new Set(here.map((user) => keyOf(user.memberId, user.name)))
      const coming = moving ? [...shown].filter(([key]) => !keys.has(key)).map(([, user]) => user) : []
      return [...here, ...coming].map(person)
    },
  }
}

/** Whether somebody with that key and name is in a room, by its roster. */
export function isIn(room: Room, who: { memberId: MemberId; user: string }): boolean {
  const name = normalizeName(who.user)
  return room.users().some((user) => user.memberId === who.memberId && normalizeName(user.name) === name)
}
