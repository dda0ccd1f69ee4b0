// Messages on their way: sealed once, kept until acknowledged, sent again as the same bytes (go-back-N).
// It decides what to send when; it knows no socket. Frames carry counters without holes, so one number says all.
import { createSealer, frameKinds, type RoomKeys, type Session, type View } from '@pychat/crypto'
import { limits } from '@pychat/protocol'

/** Messages that may wait for their acknowledgement. */
export const pendingMax = 256
/** Frames under way at once: more would only be sent again after a refusal. */
export const windowFrames = 32

const pauseMinMs = 100
const pauseMaxMs = 5000
/** Frames under way that long without any answer are sent again. */
const answerTimeoutMs = 10_000

export type Pending = { id: number; counter: number; text: string; frame: Uint8Array; sentAt: number }

export type Outbox = {
  /** @returns null when `pendingMax` messages wait  @throws CryptoInputError text-too-long */
  add(id: number, text: string, sentAt: number, view: View): Pending | null
  /** The frame published under this counter while it waits. */
  find(counter: number): Pending | undefined
  /** Takes every message up to this counter off the list. @returns them, oldest first */
  acknowledge(counter: number): Pending[]
  /** On a connection that is in the room: everything unacknowledged goes out (again). */
  resume(): void
  /** Nothing goes out until `resume`. */
  suspend(): void
  /** The relay did not take a frame: go back and try again after a pause. @param retryMs the relay's wish */
  goBack(retryMs: number): void
  pending(): readonly Pending[]
}

export function createOutbox(
  room: RoomKeys,
  session: Session,
  ports: { transmit(frame: Uint8Array): void; setTimer(ms: number, fn: () => void): () => void },
): Outbox {
  const sealer = createSealer(room, session)
  let waiting: Pending[] = []
  let lastCounter = 0
  /** Counter of the last frame sent since the last going back. */
  let sentUpTo = 0
  let running = false
  let pauseMs = pauseMinMs
  let cancelTimer: (() => void) | null = null
  let paused = false

  const stopTimer = () => {
    cancelTimer?.()
    cancelTimer = null
    paused = false
  }
  const rewind = () => {
    sentUpTo = (waiting[0]?.counter ?? lastCounter + 1) - 1
  }
  const watch = () => {
    if (paused || !running) return
    stopTimer()
    if (waiting.length === 0) return
    cancelTimer = ports.setTimer(answerTimeoutMs, () => {
      stopTimer()
      rewind()
      pump()
    })
  }
  const pump = () => {
    if (!running || paused) return
    const first = waiting[0]
    if (!first) return
    for (const item of waiting) {
      if (item.counter <= sentUpTo) continue
      if (item.counter >= first.counter + windowFrames) break
      sentUpTo = item.counter
      ports.transmit(item.frame)
    }
    if (cancelTimer === null) watch()
  }
  return {
    add(id, text, sentAt, view) {
      if (waiting.length >= pendingMax || lastCounter >= limits.framesPerSessionMax) return null
      const counter = lastCounter + 1
      const frame = sealer.seal(counter, frameKinds.text, new TextEncoder().encode(text), sentAt, view)
      lastCounter = counter
      const item: Pending = { id, counter, text, frame, sentAt }
      waiting.push(item)
      pump()
      return item
    },
    find: (counter) => waiting.find((item) => item.counter === counter),
    acknowledge(counter) {
      const done = waiting.filter((item) => item.counter <= counter)
      if (done.length === 0) return done
      waiting = waiting.slice(done.length)
      sentUpTo = Math.max(sentUpTo, (done.at(-1) as Pending).counter)
      pauseMs = pauseMinMs
      watch()
      pump()
      return done
    },
    resume() {
      stopTimer()
      running = true
      rewind()
      pump()
    },
    suspend() {
      stopTimer()
      running = false
    },
    goBack(retryMs) {
      // Frames sent before this one was refused are refused too; one pause answers them all.
      if (!running || paused) return
      stopTimer()
      paused = true
      cancelTimer = ports.setTimer(Math.max(retryMs, pauseMs), () => {
        stopTimer()
        rewind()
        pump()
      })
      pauseMs = Math.min(2 * pauseMs, pauseMaxMs)
    },
    pending: () => waiting,
  }
}
