// The end of a run: nobody speaks any more, and what is on its way may still arrive.
import type { History } from './history.ts'
import { pause, until } from './processes.ts'

/** Everything sent has to be settled so long after the last fault. */
const settleWithinMs = 60_000
/** Longer than a node needs to notice that it missed the last message of a room. */
const quietMs = 12_000

/** Until everything is settled and on every screen, or nothing moves any more. @param clients per room */
export async function rest(
  history: History,
  members: { allWell(): boolean; pending(): number },
  clients: number,
): Promise<void> {
  let rows = history.shownRows
  let movedAt = performance.now()
  await until(() => {
    if (history.shownRows !== rows) {
      rows = history.shownRows
      movedAt = performance.now()
    }
    const complete = rows >= history.acked * clients
    const settled = members.allWell() && members.pending() === 0
    return settled && (complete || performance.now() - movedAt > quietMs)
  }, settleWithinMs)
  // What comes after everything is there would be one too many.
  await pause(1000)
}
