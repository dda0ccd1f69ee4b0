// What a delivery at its place says: a repeat, a hole in what its sender said, another log than ours, or a message
// (docs/protocol.md, section 7.4). A first frame heard from a session may be old: only later ones are known as replays.
import { frameKinds } from '@pychat/crypto'
import { type Delivery, frameOffsets, readUint64 } from '@pychat/protocol'
import type { ClientEvents } from './events.ts'
import type { Position } from './position.ts'
import type { RosterEntry } from './roster.ts'

export type OpeningEvents = {
  message(event: ClientEvents['message']): void
  gap(event: ClientEvents['gap']): void
  fork(event: ClientEvents['fork']): void
  unreadable(event: ClientEvents['unreadable']): void
}

export type Opening = {
  /** @param delivery has just taken its place */
  open(delivery: Delivery, sender: RosterEntry): void
  /** Another connection: a fork may be told again. */
  entered(): void
}

export function createOpening(position: Position, events: OpeningEvents): Opening {
  let forkTold = false
  return {
    entered() {
      forkTold = false
    },
    open(delivery, sender) {
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
      if (missed > 0 && !sender.gapSeen) events.gap({ missed })
      sender.lastCounter = counter
      sender.heardAtBreak = position.breaks()
      sender.gapSeen = false
      if (!position.agrees(opened.view) && !forkTold) {
        forkTold = true
        events.fork({ from: sender.name })
      }
      if (opened.kind !== frameKinds.text) return
      events.message({
        from: sender.name,
        text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(opened.body),
        epoch: delivery.epoch,
        seq: delivery.seq,
        counter,
        at: delivery.at,
        sentAt: opened.sentAt,
        own: false,
        fingerprint: sender.fingerprint,
      })
    },
  }
}
