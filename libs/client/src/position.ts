// Where this client stands in the room's log, and the chain of what it saw. Each message tells where its sender
// stood: two members with different chains for one place were shown different logs, and the relay forked the room.
// It only keeps the place (docs/protocol.md, sections 7.1, 7.3 and 12.6); who moves it is the inbox's part.
import { firstChain, nextChain, type View } from '@pychat/crypto'
import type { Epoch } from '@pychat/protocol'

/** Places whose chain is remembered for comparing. */
const chainsMax = 1024
/** Frames kept while the chain is unknown, to catch up once a member tells it. */
const framesMax = 256
/** Ended epochs remembered: what comes of an older one is asked about, as if it were new. */
const endedMax = 64

export type Place = { epoch: Epoch; seq: number }

/**
 * Where another place lies, seen from ours. `ahead`: further on than the next. `ended`: in an epoch that we have left.
 * `elsewhere`: in an unknown one.
 */
export type Side = 'here' | 'next' | 'ahead' | 'behind' | 'ended' | 'elsewhere'

export type Position = {
  /** Null until the room is entered for the first time. */
  place(): Place | null
  side(place: Place): Side
  /** How often the log broke off under us (another epoch, or a step back): what came before may come again. */
  breaks(): number
  /** Goes to a place as the relay tells it. @param isStart an epoch begins there, and its chain with it */
  move(to: Place, isStart?: boolean): void
  /** Takes the delivery that stands next. */
  advance(frame: Uint8Array): void
  /** What to put into an own message. */
  view(): View
  /** Compares what another member saw. @returns false when its log is not ours */
  agrees(view: View): boolean
}

export function createPosition(): Position {
  let epoch: Epoch | null = null
  let last = 0
  /** Where we came in: nothing up to it was seen. */
  let base = 0
  let breaks = 0
  /** In an epoch that stepped back: others may have seen the lost places, up to this one, as we did. */
  let lostUpTo = 0
  const ended = new Set<Epoch>()
  /** seq -> chain, for the unbroken end of the log that we saw; empty while the chain is unknown. */
  let chains = new Map<number, Uint8Array>()
  /** Frames from `framesFrom` to `last`, while the chain is unknown. */
  let frames: Uint8Array[] = []
  let framesFrom = 1

  const beginAt = (seq: number, chain: Uint8Array | undefined) => {
    last = seq
    base = seq
    frames = []
    framesFrom = seq + 1
    chains = new Map(chain ? [[seq, chain]] : [])
  }
  const changeEpoch = (to: Place, isStart: boolean) => {
    if (epoch !== null) {
      breaks += 1
      ended.add(epoch)
      const [oldest] = ended
      if (ended.size > endedMax && oldest !== undefined) ended.delete(oldest)
    }
    ended.delete(to.epoch)
    epoch = to.epoch
    lostUpTo = 0
    beginAt(to.seq, isStart || to.seq === 0 ? firstChain() : undefined)
  }
  const stepBack = (seq: number) => {
    breaks += 1
    lostUpTo = Math.max(lostUpTo, last)
    beginAt(seq, chains.get(seq))
  }
  const remember = (seq: number, chain: Uint8Array) => {
    chains.set(seq, chain)
    chains.delete(seq - chainsMax)
  }
  return {
    place: () => (epoch === null ? null : { epoch, seq: last }),
    breaks: () => breaks,
    side(place) {
      if (place.epoch !== epoch) return ended.has(place.epoch) ? 'ended' : 'elsewhere'
      if (place.seq === last + 1) return 'next'
      if (place.seq === last) return 'here'
      return place.seq > last ? 'ahead' : 'behind'
    },
    move(to, isStart = false) {
      if (to.epoch !== epoch) changeEpoch(to, isStart)
      else if (to.seq > last) beginAt(to.seq, undefined)
      else if (to.seq < last) stepBack(to.seq)
    },
    advance(frame) {
      const chain = chains.get(last)
      last += 1
      if (chain) remember(last, nextChain(chain, frame))
      else {
        frames.push(frame)
        if (frames.length > framesMax) {
          frames.shift()
          framesFrom += 1
        }
      }
    },
    view() {
      const chain = chains.get(last)
      if (epoch === null || chain === undefined || (last === base && last > 0)) return null
      return { epoch, seq: last, chain }
    },
    agrees(view) {
      if (view === null || view.epoch !== epoch) return true
      const ours = chains.get(view.seq)
      if (ours && equal(ours, view.chain)) return true
      // Its sender saw what the relay lost since.
      if (view.seq <= lostUpTo) return true
      // Nobody can have seen more than the place before its own message got.
      if (ours || view.seq >= last) return false
      if (chains.size === 0 && view.seq >= framesFrom - 1) {
        let chain = view.chain
        remember(view.seq, chain)
        for (let seq = view.seq + 1; seq <= last; seq += 1) {
          chain = nextChain(chain, frames[seq - framesFrom] as Uint8Array)
          remember(seq, chain)
        }
        frames = []
      }
      return true
    },
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
