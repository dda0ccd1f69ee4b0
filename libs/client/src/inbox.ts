// From delivered bytes to a verified message: place in the log, then sender, then seal, then the sender's own count.
// Frames wait here, in order, while the roster that names their senders is being loaded. Nothing here throws on what
// a relay sends. A first frame heard from a session may be old: only later ones can be known as replays.
import { frameKinds } from '@pychat/crypto'
import {
  type Delivery,
  decodeDelivery,
  type Epoch,
  encodeHex,
  frameOffsets,
  type RoomId,
  readUint64,
  type SessionId,
} from '@pychat/protocol'
import type { ClientEvents } from './events.ts'
import { createPosition, type Position } from './position.ts'
import type { Roster, RosterEntry } from './roster.ts'

/** Deliveries that may wait for the roster: beyond it the connection is too far behind. */
const heldMax = 512
/** Sessions that a whole roster did not name: their frames are not asked about again until it changes. */
const strangersMax = 1024

export type InboxEvents = {
  message(event: ClientEvents['message']): void
  gap(event: ClientEvents['gap']): void
  fork(event: ClientEvents['fork']): void
  unreadable(event: ClientEvents['unreadable']): void
  isOwn(session: SessionId): boolean
  /** An own frame came back, which is its acknowledgement. */
  own(session: SessionId, counter: number, delivery: Delivery): void
  /** Ask for the roster again; `release` follows. */
  loadRoster(): void
  /** Too much is waiting. */
  overflow(): void
}

export type Inbox = {
  /** On joining: the log's end as the relay tells it. */
  enter(epoch: Epoch, seq: number): void
  receive(bytes: Uint8Array): void
  /** Deliveries wait until `release`. */
  hold(): void
  /** The roster is complete. */
  release(): void
  /** A member came: a stranger may be known now. */
  forgive(session: SessionId): void
  /** The connection is gone: what still waits will not be completed. */
  reset(): void
  readonly position: Position
}

export function createInbox(roomId: RoomId, roster: Roster, events: InboxEvents): Inbox {
  const position = createPosition()
  const strangers = new Set<SessionId>()
  let queue: Delivery[] = []
  let held = false
  let draining = false
  let forkTold = false

  function drain() {
    if (draining) return
    draining = true
    try {
      drainQueue()
    } finally {
      draining = false
    }
  }

  function drainQueue() {
    while (!held) {
      const delivery = queue[0]
      if (!delivery) break
      const session = encodeHex(
        delivery.frame.subarray(frameOffsets.session, frameOffsets.counter),
      ) as SessionId
      if (!events.isOwn(session) && !roster.find(session) && !strangers.has(session)) {
        if (strangers.size >= strangersMax) strangers.clear()
        strangers.add(session)
        held = true
        events.loadRoster()
        continue
      }
      queue.shift()
      take(delivery, session)
    }
  }

  function take(delivery: Delivery, session: SessionId) {
    const step = position.step(delivery.epoch, delivery.seq, delivery.frame)
    if (step.kind === 'old') return
    if (step.missed > 0) {
      roster.noteGap()
      events.gap({ missed: step.missed })
    }
    if (events.isOwn(session)) {
      events.own(session, readUint64(delivery.frame, frameOffsets.counter), delivery)
      return
    }
    const sender = roster.find(session)
    if (!sender) events.unreadable({})
    else open(delivery, sender)
  }

  function open(delivery: Delivery, sender: RosterEntry) {
    const opened = sender.opener.open(delivery.frame)
    if (opened === null) {
      events.unreadable({ from: sender.name })
      return
    }
    const missed = sender.lastCounter === 0 ? 0 : opened.counter - sender.lastCounter - 1
    if (missed > 0 && !sender.gapSeen) events.gap({ missed })
    sender.lastCounter = opened.counter
    sender.gapSeen = false
    if (!position.agrees(opened.view) && !forkTold) {
      forkTold = true
      events.fork({ from: sender.name })
    }
    if (opened.kind !== frameKinds.text) return
    events.message({
      from: sender.name,
      text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(opened.body),
      seq: delivery.seq,
      at: delivery.at,
      sentAt: opened.sentAt,
      own: false,
      fingerprint: sender.fingerprint,
    })
  }

  return {
    position,
    enter(epoch, seq) {
      strangers.clear()
      forkTold = false
      const missed = position.enter(epoch, seq)
      if (missed === 0) return
      roster.noteGap()
      events.gap({ missed })
    },
    receive(bytes) {
      const delivery = decoded(bytes)
      if (delivery === null || delivery.room !== roomId) {
        events.unreadable({})
        return
      }
      queue.push(delivery)
      if (queue.length > heldMax) {
        queue = []
        events.overflow()
        return
      }
      drain()
    },
    hold() {
      held = true
    },
    release() {
      held = false
      drain()
    },
    forgive: (session) => void strangers.delete(session),
    reset() {
      queue = []
      held = true
    },
  }
}

function decoded(bytes: Uint8Array): Delivery | null {
  try {
    return decodeDelivery(bytes)
  } catch {
    return null
  }
}
