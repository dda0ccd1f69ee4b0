// Which faults a run commits, in which order, from a seed: the same seed gives the same schedule. Faults name their
// victim by rank of load (0: the busiest node) and not by number, so that a replay hits the same kind of place though
// clients connect a little differently each time.

/** A small repeatable generator of numbers in [0, 1): Tommy Ettinger's mulberry32. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What can be done to a run, and between which bounds it lasts, milliseconds. */
export const faultTable = {
  'node-kill': {
    lasts: [500, 1500],
    needs: null,
    sentence: 'SIGKILL of a node, started again after a while',
  },
  'node-freeze': { lasts: [2000, 14_000], needs: null, sentence: 'SIGSTOP of a node, then SIGCONT' },
  rolling: { lasts: [0, 0], needs: null, sentence: 'every node in turn: SIGTERM, wait, start again' },
  'redis-restart': { lasts: [500, 2000], needs: 'single', sentence: 'SIGKILL of Redis, started on its AOF' },
  'redis-freeze': { lasts: [1000, 8000], needs: null, sentence: 'SIGSTOP of a Redis primary, then SIGCONT' },
  failover: {
    lasts: [2000, 4000],
    needs: 'replicas',
    sentence: 'SIGKILL of a primary; a replica takes over',
  },
  'failover-behind': {
    lasts: [2000, 4000],
    needs: 'replicas',
    sentence: 'the same, its replicas stalled for the last second, and every fourth member away',
  },
  'subscriber-kill': { lasts: [0, 0], needs: null, sentence: "CLIENT KILL of all nodes' subscribers" },
  'subscriber-overflow': {
    lasts: [3000, 3000],
    needs: null,
    sentence: 'output buffers of subscribers bounded to almost nothing',
  },
  'subscriber-drop': {
    lasts: [0, 0],
    needs: 'doors',
    sentence: "a node's subscriber hears nothing more, its connection stays open",
  },
  'redis-cut': {
    lasts: [500, 5000],
    needs: 'doors',
    sentence: 'a node cannot reach Redis, connections reset',
  },
  'redis-silence': { lasts: [2000, 12_000], needs: 'doors', sentence: 'a node and Redis swallow every byte' },
  'redis-delay': { lasts: [3000, 6000], needs: 'doors', sentence: 'answers of Redis come late to a node' },
  'clients-cut': { lasts: [200, 1500], needs: 'doors', sentence: "a node's clients are cut off" },
  'clients-silence': {
    lasts: [2000, 8000],
    needs: 'doors',
    sentence: "a node's connections swallow every byte, then break",
  },
  'clients-delay': { lasts: [2000, 4000], needs: 'doors', sentence: 'every byte of a node comes late' },
} as const satisfies Record<
  string,
  { lasts: readonly [number, number]; needs: null | 'single' | 'replicas' | 'doors'; sentence: string }
>

export type FaultName = keyof typeof faultTable
export const faultNames = Object.keys(faultTable) as FaultName[]

export type Fault = {
  name: FaultName
  /** Among the nodes (or primaries) by load, 0 the busiest. */
  rank: number
  lastsMs: number
}

/** @param counts how many of each; order, victims and times come from the seed */
export function scheduleOf(
  seed: number,
  counts: Partial<Record<FaultName, number>>,
  nodes: number,
): readonly Fault[] {
  const random = mulberry32(seed)
  const faults: Fault[] = []
  for (const name of faultNames) {
    const [from, to] = faultTable[name].lasts
    for (let i = 0; i < (counts[name] ?? 0); i += 1) {
      // Mostly a node that carries many.
      const rank = Math.floor(random() ** 2 * nodes)
      faults.push({ name, rank, lastsMs: Math.round(from + random() * (to - from)) })
    }
  }
  for (let i = faults.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1))
    const [a, b] = [faults[i] as Fault, faults[j] as Fault]
    faults[i] = b
    faults[j] = a
  }
  return faults
}
