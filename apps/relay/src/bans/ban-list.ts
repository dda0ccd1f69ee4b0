// The list of an operator's bans as pure data: its spelling, its bound, what a change makes of it, and what two lists
// make together when a store lost the newer one. It reads no clock and knows no store.
import { type BanKind, banKindSchema, banReasonSchema, banValueSchema } from '@pychat/protocol'
import { z } from 'zod'

/** Times are milliseconds since 1970; `until` null lasts until it is lifted. `value` is canonical (ban-values.ts). */
export type Ban = {
  kind: BanKind
  value: string
  reason: string
  createdAt: number
  until: number | null
}

/** `version` grows with every change, whoever makes it; 0 is a list that nobody wrote yet. */
export type BanList = { version: number; bans: readonly Ban[] }

/** All of them together: each handshake is compared with each ban of an address. */
export const bansKeptMax = 1000

const time = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const bansSchema = z.array(
  z.strictObject({
    kind: banKindSchema,
    value: banValueSchema,
    reason: banReasonSchema,
    createdAt: time,
    until: time.nullable(),
  }),
)

export function encodeBans(bans: readonly Ban[]): string {
  return JSON.stringify(bans)
}

/** @returns null for what no relay has written */
export function decodeBans(text: string): Ban[] | null {
  try {
    return bansSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

export function countByKind(bans: readonly Ban[]): Record<BanKind, number> {
  const counts = { room: 0, address: 0, key: 0 }
  for (const { kind } of bans) counts[kind] += 1
  return counts
}

export const isOver = (ban: Ban, now: number): boolean => ban.until !== null && ban.until <= now

export function isSame(a: Pick<Ban, 'kind' | 'value'>, b: Pick<Ban, 'kind' | 'value'>): boolean {
  return a.kind === b.kind && a.value === b.value
}

/** @returns null when there are too many already */
export function withBan(bans: readonly Ban[], ban: Ban): Ban[] | null {
  const others = bans.filter((each) => !isSame(each, ban))
  return others.length < bansKeptMax ? [...others, ban] : null
}

export function withoutBan(bans: readonly Ban[], ban: Pick<Ban, 'kind' | 'value'>): Ban[] {
  return bans.filter((each) => !isSame(each, ban))
}

/** Both lists in one, the first one's word before the other's: better a ban too many than one that a failover lifted. */
export function merged(ours: readonly Ban[], theirs: readonly Ban[]): Ban[] {
  return [...ours, ...theirs.filter((each) => !ours.some((own) => isSame(own, each)))].slice(0, bansKeptMax)
}
