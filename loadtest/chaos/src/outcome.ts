// What any run comes to: promises with their figures, and a page. Pure.

export type PromiseRow = { promise: string; figure: string; kept: boolean }

export type Outcome = {
  name: string
  kept: boolean
  page: string
  promises: readonly PromiseRow[]
  seconds: number
  seed: number
  command: string
  /** Everything measured, for the results file. */
  figures: Readonly<Record<string, unknown>>
}

export function promiseTable(rows: readonly PromiseRow[]): string[] {
  return [
    '| Promise | Figure | |',
    '|---|---|---|',
    ...rows.map(({ promise, figure, kept }) => `| ${promise} | ${figure} | ${kept ? 'kept' : 'BROKEN'} |`),
  ]
}

export function atMost(promise: string, value: number, limit: number, unit = ''): PromiseRow {
  const words = (number: number) => `${Math.round(number * 100) / 100}${unit && ` ${unit}`}`
  return { promise: `${promise}: at most ${words(limit)}`, figure: words(value), kept: value <= limit }
}
