// Columns for people: no boxes, nothing that a screen reader would have to read aloud.
import stringWidth from 'string-width'

/** @param rows harmless texts; columns take the width of their widest, two spaces apart */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, stringWidth(cell))
    })
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - stringWidth(cell))))
      .join('  ')
      .trimEnd(),
  )
}
