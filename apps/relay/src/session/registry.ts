// All live sessions of this node: who has not greeted yet, who holds which membership, who waits for which room.
// It passes on what concerns many of them: replaced, lost lease, availability, drain. It decides nothing for one alone.
import { type CloseName, encodeControl, limits, type RoomId, type SessionId } from '@pychat/protocol'
import type { BanMatcher } from '../bans/ban-matcher.ts'
import type { Membership } from '../rooms/rooms.ts'
import type { Socket } from '../transport/transport.ts'
import { Session, type SessionContext } from './session.ts'

const goawayAheadMs = 5000

export type Registry = {
  open(socket: Socket): Session
  /** Gives a room's message to sessions whose join is under way. */
  hold(room: RoomId, message: Uint8Array, isBinary: boolean): void
  replaced(membership: Membership): void
  expelled(membership: Membership, why: 'kicked' | 'banned'): void
  /** Ends what bans mean, or only counts it. @returns connections of banned addresses, and other memberships */
  meet(bans: BanMatcher, carryOut: boolean): number
  /** Puts members out of a room for now: all, or one session. @returns how many */
  remove(room: RoomId, session: SessionId | null, carryOut: boolean): number
  /** An operator's word to every client that has greeted, or to those in a room. @returns how many it is for */
  announce(room: RoomId | null, text: string, carryOut: boolean): number
  leaseLost(): void
  availability(available: boolean): void
  /** Closes connections that did not greet in time; to be called about every second. */
  tick(): void
  /**
   * Tells every client to reconnect, spread evenly over the time. A client hears of it at most `goawayAheadMs` before its
   * time, so that a node that dies meanwhile keeps nobody waiting for long.
   * @param spreadMs milliseconds
   * @returns tells those whose time has come near; to be called again and again with the milliseconds gone by
   */
  goaway(spreadMs: number): (elapsedMs: number) => void
  closeAll(why: CloseName): void
  publishesInFlight(): number
  size(): number
}

type RegistryContext = Omit<
  SessionContext,
  'available' | 'greeted' | 'joinPending' | 'joinSettled' | 'held' | 'released' | 'ended'
> & { ended(session: Session): void }

export function createRegistry(context: RegistryContext): Registry {
  const sessions = new Set<Session>()
  /** In order of opening, so the overdue ones stand first. */
  const greeting = new Set<Session>()
  const joining = new Map<RoomId, Set<Session>>()
  const holders = new Map<string, { session: Session; membership: Membership }>()
  let available = true

  const key = (membership: Membership): string => membership.room + membership.session

  const sessionContext: SessionContext = {
    ...context,
    available: () => available,
    greeted: (session) => greeting.delete(session),
    joinPending(session, room) {
      const waiting = joining.get(room)
      if (waiting === undefined) joining.set(room, new Set([session]))
      else waiting.add(session)
    },
    joinSettled(session, room) {
      const waiting = joining.get(room)
      waiting?.delete(session)
      if (waiting?.size === 0) joining.delete(room)
    },
    held(session, membership) {
      const id = key(membership)
      const before = holders.get(id)
      if (before !== undefined && before.session !== session) {
        if (before.membership.generation > membership.generation) {
          session.end('replaced')
          return
        }
        before.session.end('replaced')
      }
      holders.set(id, { session, membership })
    },
    released(session, membership) {
      const id = key(membership)
      if (holders.get(id)?.session === session) holders.delete(id)
    },
    ended(session) {
      sessions.delete(session)
      greeting.delete(session)
      context.ended(session)
    },
  }

  return {
    open(socket) {
      const session = new Session(socket, sessionContext)
      sessions.add(session)
      greeting.add(session)
      return session
    },
    hold(room, message, isBinary) {
      if (joining.size === 0) return
      const waiting = joining.get(room)
      if (waiting !== undefined) for (const session of waiting) session.hold(room, message, isBinary)
    },
    replaced(membership) {
      holders.get(key(membership))?.session.replaced(membership)
      const waiting = joining.get(membership.room)
      if (waiting !== undefined) for (const session of waiting) session.replaced(membership)
    },
    expelled(membership, why) {
      holders.get(key(membership))?.session.expelled(membership, why)
    },
    meet(bans, carryOut) {
      let met = 0
      for (const session of sessions) met += session.meet(bans, carryOut)
      return met
    },
    remove(room, id, carryOut) {
      let removed = 0
      for (const session of sessions) removed += session.remove(room, id, carryOut)
      return removed
    },
    announce(room, text, carryOut) {
      const message = encodeControl({ t: 'announcement', ...(room === null ? {} : { room }), text })
      let told = 0
      for (const session of sessions) {
        if (session.state !== 'open' || (room !== null && !session.isIn(room))) continue
        told += 1
        if (carryOut) session.tell(message)
      }
      return told
    },
    leaseLost() {
      for (const session of sessions) session.end('leaseLost')
    },
    availability(now) {
      if (available === now) return
      available = now
      const text = encodeControl({ t: 'relay', state: now ? 'ready' : 'degraded' })
      for (const session of sessions) session.tell(text)
    },
    tick() {
      const deadline = context.now() - limits.helloTimeoutMs
      for (const session of greeting) {
        if (session.openedAt > deadline) return
        greeting.delete(session)
        session.end('helloTimeout')
      }
    },
    goaway(spreadMs) {
      const leaving = [...sessions]
      let told = 0
      const tell = (elapsedMs: number): void => {
        for (; told < leaving.length; told += 1) {
          const afterMs = Math.floor((spreadMs * told) / leaving.length - elapsedMs)
          if (afterMs > goawayAheadMs) return
          leaving[told]?.tell(encodeControl({ t: 'goaway', afterMs: Math.max(0, afterMs) }))
        }
      }
      tell(0)
      return tell
    },
    closeAll(why) {
      for (const session of sessions) session.end(why)
    },
    publishesInFlight() {
      let count = 0
      for (const session of sessions) count += session.publishesInFlight()
      return count
    },
    size: () => sessions.size,
  }
}
