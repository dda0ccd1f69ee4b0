// Says something that is no text in a room, and knows when it stands in the room's log; waits to be in a room, and goes
// on where an outage came between.
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import { isRefusal } from '../room-events.ts'

/** After a lost connection. */
const againMs = 500

export type Saying = {
  /** @returns once everybody can read it @throws rejects with ChatRefusal when it was not taken */
  say(kind: number, body: Uint8Array): Promise<void>
}

/** One for each room: it listens as long as the room lives. */
export function createSaying(room: Pick<Room, 'on' | 'sendBody'>): Saying {
  const waiting = new Map<number, { resolve(): void; reject(error: ChatRefusal): void }>()
  /** Refused before `sendBody` came back. */
  const refused = new Map<number, ChatRefusal>()

  const settle = (id: number, error: ChatRefusal | null) => {
    const one = waiting.get(id)
    waiting.delete(id)
    if (one === undefined && error !== null) refused.set(id, error)
    else if (error === null) one?.resolve()
    else one?.reject(error)
  }
  room.on('body', ({ own, id }) => {
    if (own && id !== undefined) settle(id, null)
  })
  room.on('failed', ({ id, reason }) => settle(id, new ChatRefusal('not-allowed', reason)))
  room.on('ended', ({ sentence }) => {
    for (const id of [...waiting.keys()]) settle(id, new ChatRefusal('stopped', sentence))
  })
  return {
    say(kind, body) {
      const id = room.sendBody(kind, body)
      const error = refused.get(id)
      refused.clear()
      if (error !== undefined) return Promise.reject(error)
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
    },
  }
}

/** @returns once this client is in the room @throws rejects with ChatRefusal when it cannot come in */
export function inside(room: Room): Promise<void> {
  if (room.inside) return Promise.resolve()
  return new Promise((resolve, reject) => {
    room.on('ready', () => resolve())
    room.on('ended', ({ code, sentence }) =>
      reject(new ChatRefusal(isRefusal(code) ? code : 'stopped', sentence)),
    )
  })
}

/**
 * Takes a step again as often as the connection is lost before its answer comes.
 * @param step safe to repeat  @throws rejects with what the step does, but for `offline`, or when the room has ended
 */
export async function throughOutages<T>(
  room: Room,
  setTimer: ClientPorts['setTimer'],
  step: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof ChatRefusal) || error.code !== 'offline' || room.ended) throw error
      await new Promise<void>((resolve) => void setTimer(againMs, resolve))
      await inside(room)
    }
  }
}
