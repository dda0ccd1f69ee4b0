// What was typed and is not known to have arrived: pending, late, waiting for somebody, or failed. An entry goes only
// when the message is acknowledged, or when the person gives it up.
import type { View } from '@pychat/client-engine'

/** Nothing said about it for so long: it is called late. */
export const lateAfterMs = 3000

export type Entry = {
  readonly id: number
  readonly view: View
  readonly text: string
  /** What has to happen first, or why it failed; ''. */
  readonly note: string
  readonly state: 'sending' | 'late' | 'waiting' | 'failed'
}

export type Outgoing = {
  pending(view: View, id: number, text: string, waiting: string | null): void
  failed(view: View, id: number, text: string, reason: string): void
  sent(id: number): void
  /** Gives up a failed one. @param id undefined: the newest  @returns it, or null when there is none */
  drop(id: number | undefined): Entry | null
  /** @param id undefined: the newest failed one */
  failedOne(id: number | undefined): Entry | null
  /** Oldest first. */
  list(): readonly Entry[]
  stop(): void
}

export type OutgoingPorts = {
  now(): number
  /** @returns stops it */
  setTimer(ms: number, run: () => void): () => void
  /** The list is another one. */
  changed(): void
  /** One has waited for `lateAfterMs` while nothing moved; told once. */
  late(entry: Entry): void
}

export function createOutgoing({ now, setTimer, changed, late }: OutgoingPorts): Outgoing {
  const entries = new Map<number, Entry>()
  const timers = new Map<number, () => void>()
  let lastSentAt = Number.NEGATIVE_INFINITY

  function calm(id: number) {
    timers.get(id)?.()
    timers.delete(id)
  }
  /** In a long queue that does move, waiting is normal. */
  function watch(id: number, ms: number) {
    const look = () => {
      timers.delete(id)
      const entry = entries.get(id)
      if (entry?.state !== 'sending') return
      const left = lastSentAt + lateAfterMs - now()
      if (left > 0) return watch(id, left)
      entries.set(id, { ...entry, state: 'late' })
      changed()
      late(entry)
    }
    timers.set(id, setTimer(ms, look))
  }
  function failedOne(id: number | undefined): Entry | null {
    const failures = [...entries.values()].filter(({ state }) => state === 'failed')
    return (id === undefined ? failures.at(-1) : failures.find((entry) => entry.id === id)) ?? null
  }

  return {
    pending(view, id, text, waiting) {
      const state = waiting === null ? 'sending' : 'waiting'
      calm(id)
      entries.set(id, { id, view, text, state, note: waiting ?? '' })
      if (state === 'sending') watch(id, lateAfterMs)
      changed()
    },
    failed(view, id, text, reason) {
      calm(id)
      entries.set(id, { id, view, text, state: 'failed', note: reason })
      changed()
    },
    sent(id) {
      calm(id)
      lastSentAt = now()
      if (entries.delete(id)) changed()
    },
    drop(id) {
      const entry = failedOne(id)
      if (entry) entries.delete(entry.id)
      changed()
      return entry
    },
    failedOne,
    list: () => [...entries.values()],
    stop() {
      for (const stop of timers.values()) stop()
      timers.clear()
    },
  }
}
