// Empties a node and ends it on time: unready, no new connections, clients told when to move, answers finished, the rest
// closed, everything released. It decides the timetable; what each step does is its part's affair.
// docs/protocol.md: goaway in section 3, the operator's drain in section 14.

/** Milliseconds from the order: over how much of them clients move, and when all has to be over. */
export type DrainTimes = { spreadMs: number; withinMs: number }

/** What may follow after the last client was told to go; `waits` and the release fit into it. */
const tailMs = 6000
const waits = { stragglersMs: 300, publishesMs: 1200, closeFramesMs: 100, takeoversMs: 2000 } as const
const releaseMsMax = 3000
/** Left over for the process to end by itself. */
const endMs = 100
const stepMs = 20

/** The timetable of a node that was told to stop: clients move over the time, then it ends soon. */
export function drainOver(spreadMs: number): DrainTimes {
  return { spreadMs, withinMs: spreadMs + tailMs }
}

/** The timetable of a node that has to be gone by then: most of the time belongs to the clients. */
export function drainWithin(withinMs: number): DrainTimes {
  return { spreadMs: Math.max(withinMs - tailMs, Math.floor(withinMs / 2)), withinMs }
}

export type DrainParts = {
  /** No new clients from now on: unready, and the port closed. */
  refuseNew(): void
  connections(): number
  /** As `Registry.goaway`. */
  goaway(spreadMs: number): (elapsedMs: number) => void
  publishesInFlight(): number
  closeAll(): void
  /** Memberships that other nodes may still take over. */
  membershipsLeft(): number
  /** Ends every part within so many milliseconds. */
  release(ms: number): Promise<void>
  /** Milliseconds on a monotonic clock. */
  now(): number
  pause(ms: number): Promise<void>
}

export type Drain = {
  /**
   * Begins, or makes it sooner where it runs already; never later.
   * @returns when all is released
   */
  begin(times: DrainTimes): Promise<void>
}

export function createDrain(parts: DrainParts): Drain {
  let running: Promise<void> | null = null
  let orderedAt = 0
  let movedBy = Number.POSITIVE_INFINITY
  let endsBy = Number.POSITIVE_INFINITY
  let tell: (elapsedMs: number) => void = () => {}

  function plan({ spreadMs, withinMs }: DrainTimes): void {
    const now = parts.now()
    if (now + withinMs >= endsBy) return
    orderedAt = now
    movedBy = Math.min(movedBy, now + spreadMs)
    endsBy = now + withinMs
    tell = parts.goaway(Math.max(0, movedBy - now))
  }

  async function until(done: () => boolean, ms: number): Promise<void> {
    const deadline = parts.now() + ms
    while (!done() && parts.now() < deadline) await parts.pause(stepMs)
  }

  async function run(): Promise<void> {
    parts.refuseNew()
    while (parts.connections() > 0 && parts.now() < movedBy) {
      tell(parts.now() - orderedAt)
      await parts.pause(stepMs)
    }
    // A short drain has short waits, so that each step gets its share.
    const share = Math.min(1, (endsBy - movedBy) / tailMs)
    await until(() => parts.connections() === 0, waits.stragglersMs * share)
    await until(() => parts.publishesInFlight() === 0, waits.publishesMs * share)
    if (parts.connections() > 0) {
      parts.closeAll()
      await parts.pause(waits.closeFramesMs * share)
    }
    await until(() => parts.membershipsLeft() === 0, waits.takeoversMs * share)
    await parts.release(Math.min(releaseMsMax, Math.max(endMs, endsBy - parts.now() - endMs)))
  }

  return {
    begin(times) {
      plan(times)
      running ??= run()
      return running
    },
  }
}
