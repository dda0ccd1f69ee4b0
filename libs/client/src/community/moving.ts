// Where the community is, and how it moves (docs/protocol.md, section 17.4). A move gives everybody who is here a
// fresh secret, wrapped for each, and all go over to its room by themselves; who is not taken along stays in an empty
// room. Everything rides on the two rooms' logs: who loses the connection meanwhile finds the secret there.
import {
  frameKinds,
  type MemberKey,
  movedRoom,
  openMove,
  type Random,
  type RoomKeys,
  sealMove,
} from '@pychat/crypto'
import {
  type CharterPair,
  decodeHex,
  encodeHex,
  limits,
  type MemberId,
  type PublicKey,
  rank,
} from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import type { Origin, User } from '../room-events.ts'
import { type Actor, admit, leaveBehind, needRank } from './acts.ts'
import { type Conversation, type Emit, movingSentence } from './conversation.ts'
import type { Desk } from './desk.ts'
import type { Draft } from './draft.ts'
import { createSaying, inside, type Saying, throughOutages } from './saying.ts'

/** How long the room before is listened to: for those who were slow. */
export const lingerMs = 60_000
/** A roster of so many pages is no roster. */
const pagesMax = 2048
/** Nodes' clocks. */
const clocksDifferMs = 2000

/** A room that is, or was, the community's own. */
export type Home = {
  keys: RoomKeys
  /** 64 hex digits; null for the room with which it began. */
  secret: string | null
  room: Room
  desk: Desk
  saying: Saying
}

export type Moving = {
  readonly home: Home
  /** On the way to another one. */
  readonly underWay: boolean
  /** A frame of kind `move` in a room that is, or was, the home. */
  heard(room: Room, origin: Origin, body: Uint8Array): void
  /** @throws rejects with ChatRefusal */
  rekey(): Promise<void>
  /** Goes on with a move that an earlier run began. */
  resume(): void
}

export type MovingPorts = Pick<ClientPorts, 'setTimer'> & {
  random: Random
  emit: Emit
  signer: MemberKey
  self(): Actor
  conversation: Conversation
  /** Texts of the room and its channels wait. @param sentence what for; null: no more */
  hold(sentence: string | null): void
  enter(keys: RoomKeys, trusted: CharterPair | null): Room
  desk(room: Room): Desk
  /** Listens to a room as the home, from its beginning on. */
  bind(home: Home): void
  record: {
    secrets(): readonly string[]
    moving(): string | null
    save(secrets: readonly string[], moving: string | null): void
  }
  isHidden(id: MemberId): boolean
  nameOf(publicKey: PublicKey): string
  /** What else has to be there before anybody comes to the new room. */
  prepare(to: Home): Promise<void>
  /** The home is another room now. @returns what is to be done once nobody comes from the one before any more */
  arrived(before: Home, carried: (room: Room, origin: Origin) => boolean): () => void
}

export function createMoving(
  first: { keys: RoomKeys; secret: string | null; trusted: CharterPair | null },
  ports: MovingPorts,
): Moving {
  const { emit, record } = ports
  let home = homeOf(first.keys, first.secret, first.trusted)
  ports.bind(home)
  /** Rules that are to come back once all have arrived. */
  let held: ForNow | null = null
  /** On the way: entered, not gone over to. */
  let next: { home: Home; arrived: boolean } | null = null
  let rekeying: { home: Home; done: () => void; failed: (error: ChatRefusal) => void } | null = null

  function homeOf(keys: RoomKeys, secret: string | null, trusted: CharterPair | null): Home {
    const room = ports.enter(keys, trusted)
    return { keys, secret, room, desk: ports.desk(room), saying: createSaying(room) }
  }

  /** @param at when the relay took the move */
  function follow(secret: string, prepared: Home | null, by: string, at: number) {
    if (next !== null || home.secret === secret) return
    const before = home
    const to = prepared ?? entered(secret, by)
    if (to === null) return
    const going = { home: to, arrived: false }
    next = going
    if (prepared === null) ports.conversation.expect(to.room)
    // Who came into the old room later knows no more than the old secret.
    const carried = (room: Room, { session, memberId }: Origin) =>
      to.room.charter()?.rules.admitted.has(memberId) === true ||
      (room.find(session)?.since ?? Number.POSITIVE_INFINITY) <= at + clocksDifferMs
    if (prepared === null) emit('moving', { by })
    // Who was not taken along may stand in the old room by now.
    ports.hold(movingSentence)
    const arrive = () => {
      if (going.arrived || next !== going || !to.room.inside) return
      going.arrived = true
      next = null
      home = to
      record.save([...record.secrets(), secret], record.moving() === secret ? null : record.moving())
      const count = to.room.charter()?.rules.admitted.size || to.room.count
      emit('moved', { room: to.keys.shortId, carried: count })
      ports.bind(to)
      ports.conversation.move(to.room, (origin) => carried(before.room, origin))
      const settle = ports.arrived(before, carried)
      ports.setTimer(lingerMs, () => {
        ports.conversation.forget(before.room)
        settle()
      })
    }
    to.room.on('ready', ({ charter }) => {
      if (charter !== 'foreign' || going.arrived) return arrive()
      emit('warning', { code: 'charter-foreign', sentence: foreignSentence })
      giveUp(going)
    })
    to.room.on('ended', ({ sentence }) => {
      if (going.arrived || next !== going) return
      emit('locked-out', { sentence: `The room has moved, and this client could not follow: ${sentence}` })
      giveUp(going)
    })
    arrive()
  }
  function entered(secret: string, by: string): Home | null {
    try {
      return homeOf(movedRoom(decodeHex(secret)), secret, home.room.charter()?.pair ?? null)
    } catch (error) {
      if (!(error instanceof ChatRefusal)) throw error
      emit('locked-out', {
        sentence: `${by} moved the room, and this client cannot follow: ${error.message}`,
      })
      return null
    }
  }
  function giveUp(going: { home: Home; arrived: boolean }) {
    if (next === going) next = null
    void going.home.room.leave()
    ports.hold(home.room.charter()?.rules.moved ? outsideSentence : null)
  }

  async function rekey(): Promise<void> {
    const before = home
    const draft = before.desk.draft()
    const charter = before.room.charter()
    if (draft === null || charter === null) {
      throw new ChatRefusal('no-charter', 'Nobody owns this room, so nobody can move it.')
    }
    const self = ports.self()
    needRank(draft, self, 'op', 'give the room new keys')
    if (rekeying !== null || next !== null)
      throw new ChatRefusal('conflict', 'The room is moving already; wait a moment.')
    if (!before.room.inside)
      throw new ChatRefusal('offline', 'You are not in the room now; try again when you are.')

    const secret = record.moving() ?? encodeHex(ports.random(32))
    const to = homeOf(movedRoom(decodeHex(secret)), secret, charter.pair)
    ports.conversation.expect(to.room)
    let told = false
    const moved = new Promise<void>((done, failed) => {
      rekeying = { home: to, done, failed }
    })
    moved.catch(() => {})
    emit('moving', { by: self.name })
    try {
      const here = await throughOutages(before.room, ports.setTimer, () => everybody(before.room))
      const members = here.filter((user) => !user.self && !ports.isHidden(user.memberId))
      await inside(to.room)
      const ids = [self.id, ...members.map(({ memberId }) => memberId)]
      const lasting = held ?? { history: draft.history, limit: draft.limit }
      const forNow = whileArriving(lasting, ids.length)
      const carried = admit({ ...draft, ...forNow, moved: false, admitted: new Set() }, self, ids)
      await throughOutages(to.room, ports.setTimer, () =>
        // An earlier try may have got so far.
        to.room.charter() === null
          ? to.desk.adopt(charter.pair.charter, carried)
          : to.desk.change((there) => admit(there, self, ids)),
      )
      await ports.prepare(to)
      record.save(record.secrets(), secret)
      told = true
      const reachable = members.flatMap(({ session, boxKey }) =>
        boxKey === null ? [] : [{ session, boxKey }],
      )
      for (const body of sealMove(before.keys, decodeHex(secret), reachable, ports.random)) {
        await before.saying.say(frameKinds.move, body)
      }
      // Somebody else's move may have stood in the log before this one.
      await moved
      held = lasting
      ports.setTimer(lingerMs, () => {
        // A second move takes them along.
        if (home !== to) return
        held = null
        to.desk.change((now) => asBefore(now, lasting, forNow)).catch(ignore)
      })
      await leaveOld(before)
    } catch (error) {
      if (!told) void to.room.leave()
      throw error
    } finally {
      rekeying = null
    }
  }

  /** Says in the old room that it has moved, as often as it takes; where a relay lets somebody else rule it is left as it is. */
  async function leaveOld({ desk, room }: Home): Promise<void> {
    try {
      await throughOutages(room, ports.setTimer, () =>
        desk.change((draft) => leaveBehind(draft, ports.self())),
      )
    } catch (error) {
      if (!(error instanceof ChatRefusal) || error.code !== 'charter-invalid') throw error
    }
  }

  return {
    get home() {
      return home
    },
    get underWay() {
      return next !== null || rekeying !== null
    },
    heard(room, origin, body) {
      if (room !== home.room) return
      const charter = room.charter()
      if (charter === null || rank(charter, origin.publicKey) === 'member') return
      if (origin.own) {
        if (rekeying === null) return
        const { home: to, done } = rekeying
        if (to.secret === null || next !== null) return
        follow(to.secret, to, '', origin.at)
        whenArrived(to, done)
        return
      }
      const secret = openMove(home.keys, room.ownSession, body)
      if (secret === null) return
      if (rekeying !== null) {
        const { home: own, failed } = rekeying
        failed(
          new ChatRefusal(
            'conflict',
            `${ports.nameOf(origin.publicKey)} moved the room at the same moment; that move counts.`,
          ),
        )
        if (encodeHex(secret) !== own.secret) void own.room.leave()
        record.save(record.secrets(), null)
      }
      follow(encodeHex(secret), null, ports.nameOf(origin.publicKey), origin.at)
    },
    rekey,
    resume() {
      if (record.moving() === null || rekeying !== null || next !== null) return
      if (record.secrets().includes(record.moving() ?? '')) record.save(record.secrets(), null)
      else {
        rekey().catch((error: unknown) => {
          ignore(error)
          if ((error as ChatRefusal).code === 'rank') record.save(record.secrets(), null)
        })
      }
    },
  }

  function whenArrived(to: Home, done: () => void) {
    if (home === to) done()
    else to.room.on('ready', () => home === to && done())
  }
}

/** Everybody whom the relay knows in a room. @throws rejects with ChatRefusal */
async function everybody(room: Room): Promise<User[]> {
  const users = new Map<string, User>()
  let after: string | null = null
  for (let pages = 0; pages < pagesMax; pages += 1) {
    const page = await room.page(after)
    for (const user of page.users) users.set(user.session, user)
    after = page.next
    if (after === null) break
  }
  return [...users.values()]
}

type ForNow = Pick<Draft, 'history' | 'limit'>

/**
 * Rules that hold only until all have arrived: more than can be named get what the others say before because everybody
 * does, and whoever passed the limit by rank comes early now.
 */
function whileArriving({ history, limit }: ForNow, members: number): ForNow {
  return {
    history: history || members > limits.admittedMax,
    limit: limit > 0 && members > limit ? members : limit,
  }
}

/** Takes back what held for now, unless somebody changed it meanwhile. */
function asBefore(now: Draft, before: ForNow, forNow: ForNow): Draft {
  const history = now.history === forNow.history ? before.history : now.history
  const limit = now.limit === forNow.limit ? before.limit : now.limit
  return { ...now, history, limit }
}

function ignore(error: unknown): void {
  if (!(error instanceof ChatRefusal)) throw error
}

export const outsideSentence = 'The room has moved; this goes out when you have been let in there.'

const foreignSentence =
  'The room that this one moved to has another owner, whom nobody here made owner: this client does not go there. Ask the owner another way.'
