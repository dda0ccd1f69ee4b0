// The emergency level of the cluster, 5 (calm) to 1: what each level still lets in, and which level is in force here.
// The word set last counts, on every node; a node that knows a later word than the store gives it back, so that neither
// a failover nor an emptied Redis calms a cluster down. Where it is kept is a store's part (emergency.redis.ts).
import { type DefconLevel, defconCalm, type RoomId, type SessionId } from '@pychat/protocol'
import type { Rooms } from '../rooms/rooms.ts'

/** Times are milliseconds since 1970; `until` null lasts until another level is set. */
export type Emergency = { level: DefconLevel; setAt: number; until: number | null }

export const neverSet: Emergency = { level: defconCalm, setAt: 0, until: null }

type Measures = {
  /** Of the handshakes and the different rooms that an address may have. */
  addressShare: number
  /** Whether joins may make rooms, and whether sessions come in that are not of the room. */
  newRooms: boolean
  strangers: boolean
  newConnections: boolean
}

/** Each level keeps what the one above it does. docs/operations.md prints the same rows. */
export const measures: Record<DefconLevel, Measures> = {
  5: { addressShare: 1, newRooms: true, strangers: true, newConnections: true },
  4: { addressShare: 0.5, newRooms: true, strangers: true, newConnections: true },
  3: { addressShare: 0.5, newRooms: false, strangers: true, newConnections: true },
  2: { addressShare: 0.5, newRooms: false, strangers: false, newConnections: true },
  1: { addressShare: 0.5, newRooms: false, strangers: false, newConnections: false },
}

/** When somebody who was refused may ask again. */
export const emergencyRetryMs = 30_000

export interface EmergencyStore {
  /** Tells of what is kept, now and whenever it changes. @throws StoreError */
  start(told: (stored: Emergency) => void): Promise<void>
  /** @throws StoreError */
  write(emergency: Emergency): Promise<void>
  stop(): void
}

export type EmergencyWatch = {
  start(): Promise<void>
  stop(): void
  /** What is in force at this moment. */
  level(): DefconLevel
  measures(): Measures
  state(): Emergency
  /** @param forMs null until another level is set  @returns what is in force from now on  @throws StoreError */
  set(level: DefconLevel, forMs: number | null): Promise<Emergency>
  /** Whether a session may come into a room. Asks the rooms only in an emergency. @throws StoreError */
  admits(room: RoomId, session: SessionId): Promise<boolean>
}

/**
 * @param now milliseconds since 1970
 * @param changed another level is in force, by a word or because its time is over: told once for each
 */
export function createEmergency(
  store: EmergencyStore,
  rooms: () => Pick<Rooms, 'member' | 'stats'>,
  now: () => number,
  changed: (level: DefconLevel) => void,
): EmergencyWatch {
  let known = neverSet
  let inForce: DefconLevel = defconCalm
  let timer: NodeJS.Timeout | null = null

  function level(): DefconLevel {
    return known.until !== null && known.until <= now() ? defconCalm : known.level
  }

  function look(): void {
    const next = level()
    if (next === inForce) return
    inForce = next
    changed(next)
  }

  function take(stored: Emergency): void {
    if (stored.setAt < known.setAt) {
      store.write(known).catch(() => {})
      return
    }
    known = stored
    look()
  }

  return {
    async start() {
      await store.start(take)
      timer = setInterval(look, 1000)
    },
    stop() {
      if (timer !== null) clearInterval(timer)
      store.stop()
    },
    level,
    measures: () => measures[level()],
    state: () => (level() === known.level ? known : { ...neverSet, setAt: known.setAt }),
    async set(next, forMs) {
      // Clocks differ: whoever speaks later is later, by whatever clock.
      const setAt = Math.max(now(), known.setAt + 1)
      const emergency = { level: next, setAt, until: forMs === null ? null : now() + forMs }
      await store.write(emergency)
      take(emergency)
      return emergency
    },
    async admits(room, session) {
      const { newRooms, strangers } = measures[level()]
      if (newRooms) return true
      if (!strangers) return (await rooms().member(room, session)) !== null
      const [found] = await rooms().stats([room])
      return found !== undefined && found.users > 0
    },
  }
}

/** Of one embedded node: it ends with the process, as its rooms do. */
export function createMemoryEmergencyStore(): EmergencyStore {
  return { async start() {}, async write() {}, stop() {} }
}
