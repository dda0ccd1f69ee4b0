// Between a client and each of its rooms: what the room borrows of the connection, and how the client drives the room.
import type { ClientControl, RelayControl, RelayControlOf } from '@pychat/protocol'
import type { Room } from './room.ts'
import type { EndCode } from './room-events.ts'

/** What a room needs of its connection. */
export type RoomLink = {
  /** Greeted by the relay. */
  readonly open: boolean
  readonly ackReplicas: number
  readonly degraded: boolean
  nextRequest(): number
  send(message: ClientControl): void
  sendFrame(frame: Uint8Array): void
  /** Gives the connection up and connects again. */
  restart(detail: string): void
  /** Calls `join` when it is this room's turn. */
  queueJoin(): void
  /** The join was answered. */
  joinDone(): void
  /** In the room, everybody known. */
  settled(): void
  /** The relay wants this room to come later. */
  waits(sentence: string): void
  ended(): void
}

/** A room as its client drives it. */
export type RoomDrive = {
  readonly room: Room
  /** The relay has greeted: the room is wanted. */
  welcomed(): void
  /** It is this room's turn. */
  join(): void
  receive(message: RelayControl): void
  /** @returns whether it refuses something asked here */
  refused(message: RelayControlOf<'refused'>): boolean
  binary(bytes: Uint8Array): void
  relayState(state: 'ready' | 'degraded'): void
  /** The connection is gone. */
  lost(): void
  end(code: EndCode, sentence: string): void
}
