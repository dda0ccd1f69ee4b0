// When gathered work is done: at the end of this loop turn, but not again before a moment has passed. So what comes
// seldom goes at once, and a crowd shares commands that cost the same for one as for many.

const everyMs = 50

/**
 * @param work called once for all calls of the returned function since the last time
 * @returns asks for the work
 */
export function gathered(work: () => void): () => void {
  let asked = false
  let doneAt = Number.NEGATIVE_INFINITY
  const done = (): void => {
    asked = false
    doneAt = performance.now()
    work()
  }
  return () => {
    if (asked) return
    asked = true
    const waitMs = doneAt + everyMs - performance.now()
    if (waitMs > 0) setTimeout(done, waitMs)
    else setImmediate(done)
  }
}
