// The typed events of a connection and the small emitter behind every `on`; what a room tells is `room-events.ts`. A
// listener's mistake is the host's: it is thrown on, except that the engine's own state is already settled when an
// event is emitted.
import type { RoomId } from '@pychat/protocol'

/**
 * `connecting`: not in a room yet. `online`: in a room, or in want of none. `degraded`: the relay cannot take messages
 * now. `offline`: waiting for the next try.
 */
export type ConnectionState = 'connecting' | 'online' | 'degraded' | 'offline'

/** `name-taken` is said by hosts of one room, about that room. */
export type StopReason = 'name-taken' | 'refused' | 'quit'

export type ClientEvents = {
  /** `detail` is one sentence for people. `retryInMs` says when the next try is due. */
  state: { state: ConnectionState; detail: string; retryInMs?: number }
  /** The relay's operator says something, signed by nobody. `room`: to those in this room; null: to everybody. */
  announcement: { room: RoomId | null; text: string }
  /** Something came that belongs to no room; it is dropped. */
  unreadable: Record<string, never>
  /** The end of everything: no more events. */
  stopped: { reason: StopReason; sentence: string }
}

type Listener<T> = (event: T) => void

export type Emitter<Events> = {
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): void
  emit<E extends keyof Events>(event: E, value: Events[E]): void
}

export function createEmitter<Events>(): Emitter<Events> {
  const listeners = new Map<keyof Events, Listener<never>[]>()
  return {
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener])
    },
    emit(event, value) {
      for (const listener of listeners.get(event) ?? []) (listener as Listener<typeof value>)(value)
    },
  }
}
