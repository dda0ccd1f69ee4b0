// "Did you mean": the nearest command to a word that is none.
import { commandTable } from './table.ts'

export function unknownSentence(word: string): string {
  const typed = word.replace(/^\//, '').toLowerCase().slice(0, 32)
  const near = commandTable
    .flatMap((command) =>
      [command.name, ...('aliases' in command ? command.aliases : [])].map((name) => ({ name, command })),
    )
    .map(({ name, command }) => ({ name: command.name, distance: editDistance(typed, name) }))
    .sort((a, b) => a.distance - b.distance)[0]
  const hint =
    near && near.distance <= 2
      ? `did you mean /${near.name}?`
      : '/help shows all, and // begins a message with a slash.'
  return `There is no command /${word.replace(/^\//, '').slice(0, 32)}: ${hint}`
}

/** Levenshtein distance, with neighbours swapped counting as one. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(i - 1, j - 1) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, at(i - 2, j - 2) + 1)
      row.push(best)
    }
  }
  return at(a.length, b.length)
}
