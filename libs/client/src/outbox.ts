// Messages on their way: sealed once, when they can go out, kept until acknowledged and a while longer, sent again as
// the same bytes.
// It decides what to send when (docs/protocol.md, section 6); it knows no socket, and not what acknowledges a frame.
// Counters have no holes, so one number says all: `sentUpTo` what went out, `floor` what the relay is known to have,
// `highest` what ever went out: a relay cannot have taken more. One hole is made by `drop`, where the relay refused
// frames for good: what is said afterwards waits unsealed until a join has told the relay to go on behind it.
import {
  bodyBytesMax,
  CryptoInputError,
  createSealer,
  type RoomKeys,
  type Session,
  type View,
} from '@pychat/crypto'
import { limits } from '@pychat/protocol'
import type { ClientPorts } from './ports.ts'

/** Messages that may wait for their acknowledgement. */
export const pendingMax = 256
/** Frames under way at once: more would only be sent again after a refusal. */
export const windowFrames = 32
/** Acknowledged frames kept for repair: so many, each so long. */
export const keptMax = 256
export const keptMs = 30_000

const pauseMinMs = 100
const pauseMaxMs = 5000
/** A relay that leaves frames without any answer for so long is not there any more. */
const answerTimeoutMs = 10_000
/** Shortest time between two questions whether the relay lost something. */
const probeEveryMs = 1000

/** Where the relay put a frame. */
export type Landing = { epoch: string; seq: number; at: number }
export type Draft = { id: number; kind: number; body: Uint8Array; sentAt: number }
export type Pending = Draft & {
  counter: number
  frame: Uint8Array
  /** Of its newest delivery; null while none came. */
  landing: Landing | null
}
type Kept = { counter: number; frame: Uint8Array; untilMs: number }

export type Outbox = {
  /** @returns false when `pendingMax` messages wait or the session is used up  @throws CryptoInputError text-too-long */
  add(draft: Draft): boolean
  /** An own frame came back. @returns `forged` when it is not what was sent, `unknown` when that cannot be told */
  returned(counter: number, frame: Uint8Array, landing: Landing): 'ours' | 'forged' | 'unknown'
  /** Takes every message up to this counter off the list. @returns them, oldest first */
  acknowledge(counter: number): Pending[]
  /** The counter before the oldest frame that can still be sent; without any, the last counter. */
  base(): number
  /** The same for a join, which can also tell the relay to go on behind the hole. */
  joinCounter(): number
  /** In the room again: the relay goes on after this counter. @returns false when those frames are gone */
  rejoined(counter: number): boolean
  /** Everything that the relay may not have goes out. */
  resume(): void
  /** Nothing goes out until `resume`; what was on its way goes out again then. */
  suspend(): void
  /** The relay did not take a frame: after a pause it goes on behind `counter`. @param retryMs the relay's wish */
  goBack(counter: number, retryMs: number): void
  /** The relay has taken frames up to `last` only, and others after it came. @returns false when the next is gone */
  missing(last: number): boolean
  /**
   * The relay refused this frame for good, and with it all that follow. @returns what is not sent any more, oldest
   * first, and how many acknowledged frames cannot be repaired any more
   */
  drop(counter: number): { dropped: Draft[]; unrepaired: number }
  /**
   * Takes back drafts of that kind which the relay is known not to have: those not sealed yet, and between `rejoined`
   * and `resume` also those behind what it has. @returns them, oldest first; they are not sent any more
   */
  withdraw(kind: number): Draft[]
  /** Asks whether the relay lost frames that it acknowledged, by sending the newest of them again. */
  probe(): void
  /** Every counter of the session was used, and nothing waits. */
  readonly usedUp: boolean
  pending(): readonly Draft[]
}

export type OutboxPorts = Pick<ClientPorts, 'now' | 'setTimer'> & {
  transmit(frame: Uint8Array): void
  /** What to put into a frame that is sealed now. */
  view(): View
  /** Something waits behind the hole: the room has to be joined again, with `joinCounter`. May come again. */
  skip(): void
  /** Frames are under way, and the relay says nothing to them. May come again. */
  unanswered(): void
}

export function createOutbox(
  room: RoomKeys,
  session: Session,
  ports: OutboxPorts,
  framesMax: number = limits.framesPerSessionMax,
): Outbox {
  const sealer = createSealer(room, session)
  let waiting: Pending[] = []
  let kept: Kept[] = []
  /** Not sealed yet: nothing goes out now, or they are in want of counters behind the hole. */
  let later: Draft[] = []
  /** Last counter of the hole that begins after `lastCounter`; null without one. */
  let holeEnd: number | null = null
  let lastCounter = 0
  let sentUpTo = 0
  let floor = 0
  let highest = 0
  let running = false
  /** The relay has said what it has, and nothing went out since. */
  let isFresh = false
  let paused = false
  let pauseMs = pauseMinMs
  let probedAt = Number.NEGATIVE_INFINITY
  let probeDue = false
  const timers = new Map<'pause' | 'answer' | 'probe', () => void>()

  const stop = (name: 'pause' | 'answer' | 'probe') => {
    timers.get(name)?.()
    timers.delete(name)
  }
  const after = (name: 'pause' | 'answer' | 'probe', ms: number, fn: () => void) => {
    stop(name)
    const cancel = ports.setTimer(ms, () => {
      timers.delete(name)
      fn()
    })
    timers.set(name, cancel)
  }

  const acknowledged = () => (waiting[0]?.counter ?? lastCounter + 1) - 1
  const base = () => (kept[0]?.counter ?? waiting[0]?.counter ?? lastCounter + 1) - 1
  const frameAt = (counter: number): Uint8Array | undefined => {
    const first = kept[0]?.counter ?? 0
    return (kept[counter - first] ?? waiting[counter - acknowledged() - 1])?.frame
  }
  const prune = () => {
    const now = ports.now()
    let gone = 0
    for (const { counter, untilMs } of kept) {
      // What the relay is still missing has to outlast the repair.
      if (counter > floor || (kept.length - gone <= keptMax && untilMs > now)) break
      gone += 1
    }
    if (gone > 0) kept = kept.slice(gone)
  }

  const watch = () => {
    stop('answer')
    if (!running || paused || sentUpTo <= Math.min(floor, acknowledged())) return
    after('answer', answerTimeoutMs, () => {
      ports.unanswered()
      watch()
    })
  }
  const seal = ({ id, kind, body, sentAt }: Draft) => {
    const counter = lastCounter + 1
    const frame = sealer.seal(counter, kind, body, sentAt, ports.view())
    lastCounter = counter
    waiting.push({ id, kind, body, sentAt, counter, frame, landing: null })
  }
  const sealLater = () => {
    if (holeEnd !== null) return
    for (const draft of later) seal(draft)
    later = []
  }
  const drop = (counter: number) => {
    if (counter <= base() || counter > lastCounter) return { dropped: [], unrepaired: 0 }
    const dropped: Draft[] = [...waiting.filter((item) => item.counter >= counter), ...later]
    const stillKept = kept.filter((item) => item.counter < counter)
    const unrepaired = kept.length - stillKept.length
    waiting = waiting.filter((item) => item.counter < counter)
    kept = stillKept
    later = []
    holeEnd = Math.max(holeEnd ?? 0, lastCounter)
    lastCounter = counter - 1
    rewind(lastCounter)
    watch()
    return { dropped, unrepaired }
  }
  const skipIfDue = () => {
    if (running && holeEnd !== null && waiting.length === 0 && later.length > 0) ports.skip()
  }
  const pump = () => {
    if (!running || paused) return
    const end = Math.min(lastCounter, floor + windowFrames)
    while (sentUpTo < end) {
      const frame = frameAt(sentUpTo + 1)
      if (!frame) break
      sentUpTo += 1
      highest = Math.max(highest, sentUpTo)
      ports.transmit(frame)
    }
    if (!timers.has('answer')) watch()
  }
  const rewind = (counter: number) => {
    sentUpTo = Math.min(sentUpTo, counter)
    floor = Math.min(floor, counter)
  }
  const pause = (retryMs: number) => {
    // Frames sent before this one was refused are refused too; one pause answers them all.
    if (!running || paused) return
    paused = true
    stop('answer')
    after('pause', Math.max(retryMs, pauseMs), () => {
      paused = false
      pump()
    })
    pauseMs = Math.min(2 * pauseMs, pauseMaxMs)
  }
  const probe = () => {
    stop('probe')
    probeDue = false
    probedAt = ports.now()
    prune()
    // Frames on their way may be lost as well: they follow.
    rewind(Math.max(base(), kept.length > 0 ? acknowledged() - 1 : acknowledged()))
    pump()
  }

  return {
    add(draft) {
      if (draft.body.length > bodyBytesMax) throw new CryptoInputError('text-too-long', 'text')
      const used = (holeEnd ?? lastCounter) + later.length
      if (waiting.length + later.length >= pendingMax || used >= framesMax) return false
      if (holeEnd === null && running) {
        seal(draft)
        pump()
      } else {
        later.push(draft)
        skipIfDue()
      }
      return true
    },
    returned(counter, frame, landing) {
      const sent = frameAt(counter)
      if (!sent) return counter > (holeEnd ?? lastCounter) ? 'forged' : 'unknown'
      if (!equal(sent, frame)) return 'forged'
      const item = waiting[counter - acknowledged() - 1]
      if (item) item.landing = landing
      if (counter > floor) {
        floor = counter
        watch()
        pump()
      }
      return 'ours'
    },
    acknowledge(counter) {
      const before = acknowledged()
      const upTo = Math.min(counter, highest)
      const done = waiting.filter((item) => item.counter <= upTo)
      const heard = upTo > floor
      floor = Math.max(floor, upTo)
      if (done.length === 0 && !heard) return done
      waiting = waiting.slice(done.length)
      const untilMs = ports.now() + keptMs
      for (const item of done) kept.push({ counter: item.counter, frame: item.frame, untilMs })
      prune()
      // In the middle of a repair, an acknowledgement may be older than the loss.
      if (sentUpTo >= before) sentUpTo = Math.max(sentUpTo, upTo)
      pauseMs = pauseMinMs
      watch()
      pump()
      skipIfDue()
      return done
    },
    base() {
      prune()
      return base()
    },
    joinCounter() {
      prune()
      if (holeEnd === null || waiting.length > 0) return base()
      // Older frames cannot be sent again once the relay has gone on behind the hole.
      kept = []
      return holeEnd
    },
    rejoined(counter) {
      if (holeEnd !== null && waiting.length === 0 && kept.length === 0 && counter >= holeEnd) {
        lastCounter = holeEnd
        highest = holeEnd
        holeEnd = null
      }
      const upTo = Math.min(counter, highest)
      isFresh = true
      probeDue = false
      floor = upTo
      sentUpTo = upTo
      return upTo >= base()
    },
    resume() {
      running = true
      isFresh = false
      sealLater()
      if (probeDue) probe()
      pump()
      skipIfDue()
    },
    suspend() {
      for (const name of ['pause', 'answer'] as const) stop(name)
      if (timers.has('probe')) probeDue = true
      stop('probe')
      running = false
      isFresh = false
      paused = false
      rewind(Math.min(floor, acknowledged()))
    },
    goBack(counter, retryMs) {
      rewind(Math.max(counter, base()))
      pause(retryMs)
    },
    missing(last) {
      if (last < base()) return false
      rewind(last)
      pause(0)
      return true
    },
    drop,
    withdraw(kind) {
      const isBehind = (item: Pending) => item.counter > sentUpTo && item.kind === kind
      if (isFresh && waiting.some(isBehind)) later = drop(sentUpTo + 1).dropped
      const withdrawn = later.filter((draft) => draft.kind === kind)
      later = later.filter((draft) => draft.kind !== kind)
      return withdrawn
    },
    probe() {
      if (base() === lastCounter) return
      const waitMs = probedAt + probeEveryMs - ports.now()
      if (!running) probeDue = true
      else if (waitMs <= 0) probe()
      else if (!timers.has('probe')) after('probe', waitMs, probe)
    },
    get usedUp() {
      return (holeEnd ?? lastCounter) >= framesMax && waiting.length + later.length === 0
    },
    pending: () => [...waiting, ...later],
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
