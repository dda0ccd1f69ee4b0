// How long a ban lasts, as people type it. Strict: what is not clearly meant is refused.

const unitMs: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Longer than this is meant to be for ever. */
const durationMsMax = 366 * 86_400_000

/** @param text a whole number and one of m, h, d: 30m, 1h, 7d  @returns milliseconds; null for anything else */
export function parseDuration(text: string): number | null {
  const [, digits = '', unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? []
  const ms = Number(digits) * (unitMs[unit] ?? 0)
  return ms > 0 && ms <= durationMsMax ? ms : null
}
