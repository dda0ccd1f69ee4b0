// Lets so many handshakes through in one turn of the event loop; the others wait for the next turns, in order. When a
// node of the cluster dies thousands connect within a second, and whoever chats here must not wait behind all of them.
// Only for ws: docs/decisions/0012-handshakes-in-the-engines-call.md.

/** About a millisecond of work, and still many thousands a second. */
export const handshakesPerTurn = 16

export type Gate = {
  /** Whether one more may go through now. Who may not has to `wait`. */
  pass(): boolean
  /** @param handshake called in a later turn; never throws */
  wait(handshake: () => void): void
}

export function createGate(perTurn: number): Gate {
  let left = perTurn
  let turnEnds = false
  let waiting: (() => void)[] = []

  function endTurn(): void {
    if (turnEnds) return
    turnEnds = true
    setImmediate(() => {
      turnEnds = false
      const some = waiting.slice(0, perTurn)
      waiting = waiting.slice(perTurn)
      left = perTurn - some.length
      if (some.length > 0) endTurn()
      for (const handshake of some) handshake()
    })
  }

  return {
    pass() {
      if (left === 0 || waiting.length > 0) return false
      left -= 1
      endTurn()
      return true
    },
    wait(handshake) {
      waiting.push(handshake)
      endTurn()
    },
  }
}
