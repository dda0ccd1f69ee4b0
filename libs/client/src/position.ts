// Where this client stands in the room's log, and the chain of what it saw. Each message tells where its sender
// stood: two members with different chains for one place were shown different logs, and the relay forked the room.
import { firstChain, nextChain, type View } from '@pychat/crypto'
import type { Epoch } from '@pychat/protocol'

/** Places whose chain is remembered for comparing. */
const chainsMax = 1024
/** Frames kept while the chain is unknown, to catch up once a member tells it. */
const framesMax = 256

export type Step =
  /** Told before, or out of order: not to be shown. */
  | { kind: 'old' }
  /** Next in line after `missed` messages that never came. */
  | { kind: 'next'; missed: number }

export type Position = {
  /** Starts at a room's log as the relay told on joining. @returns messages missed while away */
  enter(epoch: Epoch, seq: number): number
  /** Takes the place of one delivery. */
  step(epoch: Epoch, seq: number, frame: Uint8Array): Step
  /** What to put into an own message. */
  view(): View
  /** Compares what another member saw. @returns false when its log is not ours */
  agrees(view: View): boolean
}

export function createPosition(): Position {
  let epoch: Epoch | null = null
  let last = 0
  /** Logs that ended: they do not come back. */
  const endedEpochs = new Set<Epoch>()
  /** seq -> chain, for the unbroken end of the log that we saw; empty while the chain is unknown. */
  let chains = new Map<number, Uint8Array>()
  /** Frames from `framesFrom` to `last`, while the chain is unknown. */
  let frames: Uint8Array[] = []
  let framesFrom = 1

  const restart = (seq: number) => {
    last = seq
    chains = new Map()
    frames = []
    framesFrom = seq + 1
    if (seq === 0) chains.set(0, firstChain())
  }
  const changeEpoch = (next: Epoch, seq: number) => {
    if (epoch !== null) endedEpochs.add(epoch)
    epoch = next
    restart(seq)
  }
  const remember = (seq: number, chain: Uint8Array) => {
    chains.set(seq, chain)
    chains.delete(seq - chainsMax)
  }
  return {
    enter(nextEpoch, seq) {
      if (epoch === null) {
        changeEpoch(nextEpoch, seq)
        return 0
      }
      if (epoch !== nextEpoch) {
        changeEpoch(nextEpoch, seq)
        return seq
      }
      const missed = Math.max(0, seq - last)
      if (missed > 0) restart(seq)
      return missed
    },
    step(nextEpoch, seq, frame) {
      if (nextEpoch !== epoch) {
        if (endedEpochs.has(nextEpoch)) return { kind: 'old' }
        changeEpoch(nextEpoch, 0)
      }
      if (seq <= last) return { kind: 'old' }
      const missed = seq - last - 1
      if (missed > 0) restart(seq - 1)
      const chain = chains.get(last)
      last = seq
      if (chain) remember(seq, nextChain(chain, frame))
      else {
        frames.push(frame)
        if (frames.length > framesMax) {
          frames.shift()
          framesFrom += 1
        }
      }
      return { kind: 'next', missed }
    },
    view() {
      const chain = chains.get(last)
      return epoch === null || chain === undefined ? null : { epoch, seq: last, chain }
    },
    agrees(view) {
      if (view === null || view.epoch !== epoch) return true
      const ours = chains.get(view.seq)
      if (ours) return equal(ours, view.chain)
      // Nobody can have seen more than the place before its own message got.
      if (view.seq >= last) return false
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
