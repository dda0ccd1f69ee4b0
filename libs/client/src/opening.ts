// What a delivery at its place says: a repeat, a hole in what its sender said, another log than ours, or a message
// (docs/protocol.md, section 7.4). A first frame heard from a session may be old: only later ones are known as replays.
import { type Delivery, frameOffsets, readUint64 } from '@pychat/protocol'
import type { Position } from './position.ts'
import type { Origin, RoomEvents } from './room-events.ts'
import type { RosterEntry } from './roster.ts'

export type OpeningEvents = {
  said(origin: Origin, kind: number, body: Uint8Array): void
  gap(event: RoomEvents['gap']): void
  fork(event: RoomEvents['fork']): void
  unreadable(event: RoomEvents['unreadable']): void
}

export type Opening = {
  /**
   * @param delivery has just taken its place
   * @param from by itself, from the log, or from before this client came: then nothing of it can be missing
   */
  open(delivery: Delivery, sender: RosterEntry, from: 'live' | 'log' | 'history'): void
  /** Another connection: a fork may be told again. */
  entered(): void
}

export function createOpening(position: Position, events: OpeningEvents): Opening {
  let forkTold = false
  return {
    entered() {
      forkTold = false
    },
    open(delivery, sender, from) {
      const counter = readUint64(delivery.frame, frameOffsets.counter)
      if (counter <= sender.lastCounter) {
        // Where the log broke off, senders repeat what may be lost; without a break it is a replay.
        if (sender.heardAtBreak === position.breaks()) events.unreadable({ from: sender.name })
        return
      }
      const opened = sender.opener.open(delivery.frame)
      if (opened === null) {
        events.unreadable({ from: sender.name })
        return
      }
      const missed = sender.lastCounter === 0 ? 0 : counter - sender.lastCounter - 1
      if (missed > 0 && !sender.gapSeen && from !== 'history') events.gap({ missed })
      sender.lastCounter = counter
      sender.heardAtBreak = position.breaks()
      sender.gapSeen = false
      if (!position.agrees(opened.view) && !forkTold) {
        forkTold = true
        events.fork({ from: sender.name })
      }
      const { epoch, seq, at } = delivery
      const { name, session, publicKey, memberId, fingerprint } = sender
      const who = { from: name, session, publicKey, memberId, fingerprint }
      const origin = {
        ...who,
        epoch,
        seq,
        counter,
        at,
        sentAt: opened.sentAt,
        live: from === 'live',
        own: false,
      }
      events.said(origin, opened.kind, opened.body)
    },
  }
}
