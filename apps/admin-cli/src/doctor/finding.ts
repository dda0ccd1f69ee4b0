// One thing that doctor looked at. Pure data: judge.ts and front-door.ts make it, the command shows it.
import type { NodeId } from '@pychat/protocol'

export const levels = ['ok', 'warn', 'fail'] as const
export type Level = (typeof levels)[number]

export type Finding = {
  /** Stable name, like "redis.eviction". */
  check: string
  level: Level
  /** Whom it concerns; empty for the whole cluster. */
  nodes: NodeId[]
  /** One sentence: what is so. */
  what: string
  /** One sentence: what to do; null when nothing. */
  todo: string | null
}

export const ok = (check: string, what: string, nodes: NodeId[] = []): Finding => ({
  check,
  level: 'ok',
  nodes,
  what,
  todo: null,
})

export const bad = (
  level: 'warn' | 'fail',
  check: string,
  what: string,
  todo: string,
  nodes: NodeId[] = [],
): Finding => ({ check, level, nodes, what, todo })

/** Joins what several nodes found alike, the worst first. */
export function merge(findings: readonly Finding[]): Finding[] {
  const merged = new Map<string, Finding>()
  for (const finding of findings) {
    const key = JSON.stringify([finding.check, finding.level, finding.what, finding.todo])
    const known = merged.get(key)
    if (known === undefined) merged.set(key, { ...finding, nodes: [...finding.nodes] })
    else known.nodes.push(...finding.nodes.filter((node) => !known.nodes.includes(node)))
  }
  return [...merged.values()].sort((a, b) => levels.indexOf(b.level) - levels.indexOf(a.level))
}
