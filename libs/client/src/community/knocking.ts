// The door of a room that has moved: who was away stands there and knocks, owner and ops hear it and let in whom they
// know. Owner and ops themselves are let in without being asked for: their key says who they are.
import { frameKinds, normalizeName, type Random, type RoomKeys, sealMove } from '@pychat/crypto'
import {
  decodeHex,
  type MemberId,
  type PublicKey,
  type Rank,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import type { User } from '../room-events.ts'
import { type Actor, admit } from './acts.ts'
import type { Emit } from './conversation.ts'
import type { Home } from './moving.ts'
import { createSaying, type Saying } from './saying.ts'

/** Rooms behind that are looked after, the newest ones. */
const watchedMax = 4
const knocksMax = 64
/** One session is announced once in so long. */
const sameAgainMs = 30_000
const knockAgainMs = 3000
/** So that not every op's client answers at once. */
const answerWithinMs = 2000

type Watched = { room: Room; keys: RoomKeys; saying: Saying }
type Knock = { from: Watched; session: SessionId; at: number }

export type Knocking = {
  /** Looks after a room behind from now on. */
  watch(room: Room, saying?: Saying): void
  isWatched(room: RoomId): boolean
  /** A room behind is not looked after any more: this person's rank has gone. */
  unwatch(): void
  /** @throws rejects with ChatRefusal */
  admit(name: string): Promise<void>
  /** This client stands in a room that has moved. Safe to repeat. */
  knock(home: Home): void
}

export type KnockingPorts = Pick<ClientPorts, 'setTimer' | 'now' | 'jitter'> & {
  random: Random
  emit: Emit
  home(): Home
  self(): Actor
  rankOf(publicKey: PublicKey): Rank
  isHidden(id: MemberId): boolean
  /** Whether that name was met with this very key before. */
  isKnown(user: User): boolean
}

export function createKnocking(ports: KnockingPorts): Knocking {
  const watched: Watched[] = []
  /** By normalised name. */
  const knocks = new Map<string, Knock>()
  let knockedAt = Number.NEGATIVE_INFINITY
  const bound = new Set<Room>()

  function heard(from: Watched, session: SessionId) {
    const user = from.room.find(session)
    if (user === null || user.self || ports.isHidden(user.memberId)) return
    const name = normalizeName(user.name)
    const before = knocks.get(name)
    const isRepeat = before?.session === session && ports.now() - before.at < sameAgainMs
    if (before === undefined && knocks.size >= knocksMax) return
    knocks.set(name, { from, session, at: isRepeat ? before.at : ports.now() })
    if (ports.rankOf(user.publicKey) !== 'member') {
      ports.setTimer(Math.floor(ports.jitter() * answerWithinMs), () => {
        if (watched.includes(from)) open(from, session).catch(ignore)
      })
    } else if (!isRepeat) {
      const { fingerprint } = user
      ports.emit('knock', { name: user.name, fingerprint, known: ports.isKnown(user) })
    }
  }

  async function open({ room, keys, saying }: Watched, session: SessionId): Promise<void> {
    const user = room.find(session)
    const { secret, desk } = ports.home()
    if (user === null || user.boxKey === null || secret === null) {
      throw new ChatRefusal('nobody', 'They are not at the door any more.')
    }
    const self = ports.self()
    const { memberId, boxKey } = user
    await desk.change((draft) => admit(draft, self, [memberId]))
    for (const body of sealMove(keys, decodeHex(secret), [{ session, boxKey }], ports.random)) {
      await saying.say(frameKinds.move, body)
    }
  }

  return {
    watch(room, saying = createSaying(room)) {
      if (watched.some((each) => each.room === room) || room.ended) return
      const one = { room, keys: room.keys, saying }
      watched.push(one)
      const oldest = watched.length > watchedMax ? watched.shift() : undefined
      if (oldest !== undefined) void oldest.room.leave()
      room.on('body', ({ kind, session, own }) => {
        if (kind === frameKinds.knock && !own && watched.includes(one)) heard(one, session)
      })
    },
    isWatched: (id) => watched.some(({ room }) => room.keys.id === id && !room.ended),
    unwatch() {
      for (const { room } of watched.splice(0)) void room.leave()
      knocks.clear()
    },
    async admit(typed) {
      const name = normalizeName(typed)
      const knock = knocks.get(name)
      if (knock === undefined) {
        throw new ChatRefusal(
          'nobody',
          `Nobody called ${typed} stands at the door; they have to start PyChat first.`,
        )
      }
      await open(knock.from, knock.session)
      knocks.delete(name)
    },
    knock({ room, saying }) {
      const again = () => {
        const isElsewhere = ports.home().room !== room
        if (isElsewhere || room.ended || ports.now() - knockedAt < knockAgainMs) return
        knockedAt = ports.now()
        saying.say(frameKinds.knock, new Uint8Array(0)).catch(ignore)
      }
      if (!bound.has(room)) {
        bound.add(room)
        const sentence =
          'This room has moved while you were away. The owner and ops are asked to let you in; wait here, or ask them another way for an invite.'
        ports.emit('locked-out', { sentence })
        room.on('joined', ({ session }) => {
          const user = room.find(session)
          if (user !== null && ports.rankOf(user.publicKey) !== 'member') again()
        })
      }
      again()
    },
  }
}

function ignore(error: unknown): void {
  if (!(error instanceof ChatRefusal)) throw error
}
