// Tables as kubectl prints them: upper-case heads, columns by two spaces, no lines. And the one door to the terminal:
// whatever came over the network passes `clean` first.

/** Text with everything that is not plain printable ASCII replaced by "?", and cut at 256 characters. */
export function clean(text: string): string {
  return text.slice(0, 256).replace(/[^\x20-\x7e]/g, '?')
}

/** @param rows cells as they came; they are cleaned here  @returns lines, each with its newline */
export function renderTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows.map((cells) => cells.map(clean))]
  const widths = heads.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  return lines
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** 1536 -> "1.5 KiB" */
export function renderBytes(bytes: number): string {
  let value = bytes
  let unit = 'B'
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1024) break
    value /= 1024
    unit = next
  }
  return `${unit === 'B' || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`
}

/** Time since, the two largest units: "3d4h", "5m10s". */
export function renderAge(iso: string, now: number): string {
  let seconds = Math.max(0, Math.floor((now - Date.parse(iso)) / 1000))
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ]
  const parts: string[] = []
  for (const [name, size] of units) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0 || (name === 's' && parts.length === 0)) parts.push(`${count}${name}`)
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.join('')
}
