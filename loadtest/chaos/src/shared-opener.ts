// Opens each frame once per process, however many clients of the room live in it: twenty members of a room would verify
// one signature twenty times. Only frames that are the same to the byte share a result, and each client keeps its own
// last counter, so what a client accepts is what it would accept alone.
import { createOpener, type OpenedFrame, type Opener } from '@pychat/crypto'
import { frameOffsets, readUint64 } from '@pychat/protocol'

/** Frames of one session that are remembered: more than any member of a run is behind. */
const rememberedMax = 512

type Sender = {
  opener: Opener
  /** By counter. */
  opened: Map<number, { frame: Uint8Array; result: OpenedFrame | null }>
}

export function sharedOpener(): typeof createOpener {
  const senders = new Map<string, Sender>()
  return (room, session, publicKey) => {
    const key = `${room.id} ${session} ${Buffer.from(publicKey).toString('hex')}`
    const sender = senders.get(key) ?? { opener: createOpener(room, session, publicKey), opened: new Map() }
    senders.set(key, sender)
    let lastCounter = 0
    const openOnce = (frame: Uint8Array, counter: number): OpenedFrame | null => {
      const known = sender.opened.get(counter)
      if (known && Buffer.compare(known.frame, frame) === 0) return known.result
      // The shared opener only goes forward; an older frame, or another one of its number, gets one of its own.
      const result = sender.opener.open(frame) ?? createOpener(room, session, publicKey).open(frame)
      sender.opened.set(counter, { frame, result })
      const oldest = sender.opened.size > rememberedMax ? sender.opened.keys().next().value : undefined
      if (oldest !== undefined) sender.opened.delete(oldest)
      return result
    }
    return {
      open(frame) {
        if (frame.length < frameOffsets.commitment) return null
        const counter = readUint64(frame, frameOffsets.counter)
        if (counter <= lastCounter) return null
        const result = openOnce(frame, counter)
        if (result !== null) lastCounter = result.counter
        return result
      },
    }
  }
}
