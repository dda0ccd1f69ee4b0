// The typed events of a client and the small emitter behind `on`. A listener's mistake is the host's: it is thrown
// on, except that the engine's own state is already settled when an event is emitted.
/** `degraded`: in the room, but the relay cannot take messages now. `offline`: waiting for the next try. */
export type ConnectionState = 'connecting' | 'online' | 'degraded' | 'offline'

export type User = {
  /** As its owner spells it. Comes from the network: sanitise before it reaches a terminal. */
  name: string
  /** Eight characters of the key that signs this user's messages. */
  fingerprint: string
  /** Whether it is this client. */
  self: boolean
}

export type StopReason = 'name-taken' | 'refused' | 'quit'

export type ClientEvents = {
  /** `detail` is one sentence for people. `retryInMs` says when the next try is due. */
  state: { state: ConnectionState; detail: string; retryInMs?: number }
  /** In the room, roster known. Comes again after each reconnect; `first` is true once. */
  ready: { room: string; user: string; users: User[]; alone: boolean; first: boolean }
  joined: { user: string; fingerprint: string }
  left: { user: string; why: 'left' | 'lost' }
  /**
   * A verified message, once. `epoch` and `seq` are its place in the room; seq is 0 when the relay only confirmed an own
   * message without its place, and epoch '' when no delivery told it. `counter` is the sender's own count. `at` is the
   * relay's clock, `sentAt` the sender's, milliseconds since 1970. `id` names an own message.
   */
  message: {
    from: string
    text: string
    epoch: string
    seq: number
    counter: number
    at: number
    sentAt: number
    own: boolean
    id?: number
    fingerprint: string
  }
  /** Messages were said that this client will not get. `missed` is null when nobody knows how many, or whether any. */
  gap: { missed: number | null }
  /** The relay lost the last messages that this client has seen; their senders send them again. */
  rewound: { lost: number }
  /** The relay lost own messages that are too old to be sent again; those who were here then have seen them. */
  unrepaired: { count: number }
  /** Somebody saw another log than this client: the relay does not show everybody the same. */
  fork: { from: string }
  /** Something came that no member of the room can be shown to have written; it is dropped. */
  unreadable: { from?: string }
  /** A name that was here before came with another key. */
  keychange: { user: string; old: string; new: string }
  /** A message that will not be sent. `reason` is one sentence. */
  failed: { id: number; text: string; reason: string }
  /** The end: no more events. */
  stopped: { reason: StopReason; sentence: string }
}

type Listener<T> = (event: T) => void

export type Emitter = {
  on<E extends keyof ClientEvents>(event: E, listener: Listener<ClientEvents[E]>): void
  emit<E extends keyof ClientEvents>(event: E, value: ClientEvents[E]): void
}

export function createEmitter(): Emitter {
  const listeners = new Map<keyof ClientEvents, Listener<never>[]>()
  return {
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener])
    },
    emit(event, value) {
      for (const listener of listeners.get(event) ?? []) (listener as Listener<typeof value>)(value)
    },
  }
}
