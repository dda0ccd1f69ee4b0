// The one order in which everything of the room is worked off: answers to `log` first, then what came live, each at
// its place (docs/protocol.md, sections 7.1 to 7.3). Live things wait while the roster loads or something is missing,
// and all that comes after a frame waits until its sender is known. What a delivery says is `opening`'s part, how the
// log is read `catchup`'s, who an unknown sender is `sender-lookup`'s. Nothing here throws on what a relay sends.
import {
  type Delivery,
  decodeDelivery,
  type Epoch,
  encodeHex,
  frameOffsets,
  type RelayControlOf,
  type RoomId,
  readUint64,
  type SessionId,
} from '@pychat/protocol'
import { type Catchup, createCatchup } from './catchup.ts'
import { createOpening, type OpeningEvents } from './opening.ts'
import type { ClientPorts } from './ports.ts'
import { createPosition, type Place, type Position } from './position.ts'
import type { RoomEvents } from './room-events.ts'
import type { Roster } from './roster.ts'
import { createSenderLookup } from './sender-lookup.ts'

/** What may wait while something is missing: beyond it the log is read instead. */
const waitingMax = 4096
const waitingBytesMax = 8 * 1024 * 1024
/** Sessions that the relay could not name: it is not asked about each of their frames. */
const strangersMax = 1024
/** Where a newcomer stands that wants all there is: no log has this name, so that the relay begins where it can. */
const nowhere: Place = { epoch: '0000000000000000' as Epoch, seq: 0 }

type Heard = Delivery & { session: SessionId }
type Item =
  | { kind: 'delivery'; delivery: Heard }
  | { kind: 'position'; place: Place }
  | { kind: 'reset'; place: Place; was: Place }
  | { kind: 'then'; run: () => void }

export type InboxEvents = OpeningEvents & {
  rewound(event: RoomEvents['rewound']): void
  /** The log broke off, and no other word of the relay told it: what was sent may be lost. */
  brokeOff(): void
  isOwn(session: SessionId): boolean
  /** An own frame came back. */
  own(session: SessionId, counter: number, delivery: Delivery): void
  /** Sends a `log` from there. @returns its id */
  askLog(from: Place): number
  /** Sends a `member`. @returns its id */
  askMember(session: SessionId): number
  /** The relay does not know us as a member. */
  notMember(): void
  /** This connection cannot be understood any more. */
  broken(detail: string): void
}

export type Inbox = {
  readonly position: Position
  /** Whether missed messages, or the name of a sender, are on their way. */
  readonly catchingUp: boolean
  /**
   * On joining: the log's end as the relay tells it.
   * @param join id of the join, which asked for the log after our place
   * @param history a newcomer begins with what the relay still has
   */
  enter(at: Place, join: number, history: boolean): void
  receive(bytes: Uint8Array): void
  /** The relay tells where the log ends. */
  mark(place: Place): void
  /** The relay tells that the log goes on elsewhere. */
  restartAt(place: Place, was: Place): void
  /** Runs when everything that came before is worked off, and everything missed with it. */
  afterwards(run: () => void): void
  answer(message: RelayControlOf<'log' | 'member'>): void
  /** @returns whether it was about the log or a sender */
  refused(message: RelayControlOf<'refused'>): boolean
  /**
   * A join goes out: everything waits until `release`, and what was asked on the way is asked by the join.
   * @returns where we stand, and will at `enter`; null before the room was entered
   */
  hold(): Place | null
  /** The roster is complete. */
  release(): void
  /** The connection is gone: what still waits will not be completed. */
  reset(): void
}

export function createInbox(
  roomId: RoomId,
  roster: Roster,
  events: InboxEvents,
  ports: Pick<ClientPorts, 'setTimer' | 'jitter'>,
): Inbox {
  const position = createPosition()
  const opening = createOpening(position, events)
  const strangers = new Set<SessionId>()
  /** Deliveries of the answer that is on its way. */
  let page: Heard[] = []
  let live: Item[] = []
  let liveBytes = 0
  /** Live deliveries were dropped for want of room: the log has them. */
  let overflowed = false
  /** The item that the log was read for: it has to have its place afterwards. */
  let askedFor: Item | null = null
  /** Of the last `joined`, which told what the relay has of us there. */
  let joinedEpoch: Epoch | null = null
  /** A newcomer reads what was said before it came. */
  let isHistory = false
  let held = true
  let draining = false

  const catchup: Catchup = createCatchup(
    {
      ask: () => events.askLog(position.place() as Place),
      moved,
      broken: events.broken,
      notMember: events.notMember,
    },
    ports,
  )
  const lookup = createSenderLookup(
    {
      ask: events.askMember,
      found(session, member) {
        // Who came in meanwhile is known in any case.
        if (member === null || !roster.recall(member)) {
          if (strangers.size >= strangersMax) strangers.clear()
          strangers.add(session)
        }
        drain()
      },
      broken: events.broken,
    },
    ports,
  )

  function moved(to: Place, told: number | null): boolean {
    const from = position.place() as Place
    const side = position.side(to)
    position.move(to)
    if (from.epoch === nowhere.epoch) return true
    // Within an epoch nobody can hide what lies between.
    const isForward = side === 'next' || side === 'ahead'
    const missed = told !== null && isForward ? Math.max(told, to.seq - from.seq) : told
    if (missed === null || missed > 0) {
      roster.noteGap()
      events.gap({ missed })
    }
    if (side === 'behind') events.rewound({ lost: from.seq - to.seq })
    if (side === 'behind' || (to.epoch !== from.epoch && to.epoch !== joinedEpoch)) events.brokeOff()
    return side !== 'here'
  }

  function clear() {
    catchup.cancel()
    lookup.cancel()
    page = []
    live = []
    liveBytes = 0
    overflowed = false
    askedFor = null
  }

  function push(item: Item) {
    live.push(item)
    if (item.kind === 'delivery') liveBytes += item.delivery.frame.length
    if (live.length > waitingMax || liveBytes > waitingBytesMax) overflow()
    drain()
  }
  function overflow() {
    const dropped = live
    live = []
    liveBytes = 0
    overflowed = true
    // Without their place, but not for ever without an answer.
    for (const item of dropped) if (item.kind === 'then') item.run()
  }

  function drain() {
    if (draining) return
    draining = true
    try {
      while (!held && !lookup.active && step()) {}
    } finally {
      draining = false
    }
  }

  /** @returns false when there is nothing to do now */
  function step(): boolean {
    const next = page[0]
    if (next) {
      if (looksUpSender(next)) return true
      page.shift()
      take(next, isHistory ? 'history' : 'log')
      return true
    }
    if (catchup.active) {
      if (!catchup.complete) return false
      const again = overflowed
      overflowed = false
      catchup.pageDone(again)
      isHistory &&= catchup.active
      return true
    }
    if (overflowed) {
      overflowed = false
      catchup.begin()
      return true
    }
    const item = live[0]
    if (!item) return false
    if (item.kind === 'delivery' && position.side(item.delivery) === 'next' && looksUpSender(item.delivery)) {
      return true
    }
    if (!workOff(item)) return true
    // `workOff` may have ended this connection, and all that waited with it.
    if (live[0] === item) live.shift()
    if (item.kind === 'delivery') liveBytes = Math.max(0, liveBytes - item.delivery.frame.length)
    return true
  }

  /** @returns false when the log has to be read first */
  function workOff(item: Item): boolean {
    switch (item.kind) {
      case 'delivery': {
        const side = position.side(item.delivery)
        if (side === 'ahead' || side === 'elsewhere') return readLogFor(item)
        if (side === 'next') take(item.delivery, 'live')
        return true
      }
      case 'position': {
        const side = position.side(item.place)
        return side === 'next' || side === 'ahead' || side === 'elsewhere' ? readLogFor(item) : true
      }
      case 'reset':
        return goOn(item.place, item.was) || readLogFor(item)
      case 'then':
        item.run()
        return true
    }
  }
  function readLogFor(item: Item): false {
    if (askedFor === item) events.broken('The relay speaks of messages that it does not have.')
    else {
      askedFor = item
      catchup.begin()
    }
    return false
  }
  /** @returns whether we stand in the new epoch, or past it */
  function goOn(to: Place, was: Place): boolean {
    const here = position.place()
    if (here === null || here.epoch === to.epoch || position.side(to) === 'ended') return true
    if (here.epoch !== was.epoch || here.seq < was.seq) return false
    position.move(to, true)
    if (here.seq > was.seq) events.rewound({ lost: here.seq - was.seq })
    return true
  }

  /** @returns whether the relay had to be asked who said it */
  function looksUpSender({ session }: Heard): boolean {
    if (events.isOwn(session) || roster.find(session) || strangers.has(session)) return false
    lookup.begin(session)
    return true
  }

  function take(delivery: Heard, from: 'live' | 'log' | 'history') {
    const { session } = delivery
    position.advance(delivery.frame)
    if (events.isOwn(session)) {
      events.own(session, readUint64(delivery.frame, frameOffsets.counter), delivery)
      return
    }
    const sender = roster.find(session)
    if (!sender) events.unreadable({})
    else opening.open(delivery, sender, from)
  }

  return {
    position,
    get catchingUp() {
      return catchup.active || lookup.active
    },
    enter(at, join, history) {
      clear()
      joinedEpoch = at.epoch
      strangers.clear()
      opening.entered()
      if (position.place() === null && history && at.seq > 0) {
        position.move(nowhere)
        isHistory = true
        catchup.begin()
      } else if (position.place() === null) position.move(at)
      else if (position.side(at) !== 'here') {
        catchup.beginAsked(join)
        // A later page may have been read for somebody else a moment ago: they have to reach this place all the same.
        push({ kind: 'position', place: at })
      } else isHistory = false
    },
    receive(bytes) {
      const delivery = decoded(bytes)
      if (delivery === null || delivery.room !== roomId) {
        events.unreadable({})
        return
      }
      if (!catchup.takes(delivery)) push({ kind: 'delivery', delivery })
      else {
        page.push(delivery)
        drain()
      }
    },
    mark: (place) => push({ kind: 'position', place }),
    restartAt: (place, was) => push({ kind: 'reset', place, was }),
    afterwards: (run) => push({ kind: 'then', run }),
    answer(message) {
      if (message.t === 'member') lookup.answer(message)
      else if (catchup.answer(message)) drain()
    },
    refused: (message) => catchup.refused(message) || lookup.refused(message),
    hold() {
      held = true
      catchup.cancel()
      return position.place()
    },
    release() {
      held = false
      drain()
    },
    reset() {
      clear()
      held = true
    },
  }
}

function decoded(bytes: Uint8Array): Heard | null {
  try {
    const delivery = decodeDelivery(bytes)
    const session = encodeHex(
      delivery.frame.subarray(frameOffsets.session, frameOffsets.counter),
    ) as SessionId
    return { ...delivery, session }
  } catch {
    return null
  }
}
