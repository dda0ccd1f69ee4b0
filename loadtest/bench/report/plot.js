// One series as a picture: a bar per system with its median, and a line from the lower to the upper quartile.
// Plain SVG that follows the reader's light or dark page.

const size = { width: 760, label: 210, bar: 22, gap: 8, top: 34, value: 90 }

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const short = (value) => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2))

/** @param figures { [system]: { median, quartiles } } */
export function plot(title, unit, figures) {
  const rows = Object.entries(figures)
  const most = Math.max(...rows.map(([, { median, quartiles }]) => Math.max(median, quartiles[1])), 1e-9)
  const room = size.width - size.label - size.value
  const at = (value) => size.label + (Math.max(0, value) / most) * room
  const height = size.top + rows.length * (size.bar + size.gap) + 6
  const bars = rows.map(([system, { median, quartiles }], i) => {
    const y = size.top + i * (size.bar + size.gap)
    const middle = y + size.bar / 2
    const kind = system.startsWith('PyChat') ? 'ours' : 'peer'
    return [
      `<text x="${size.label - 8}" y="${middle + 4}" text-anchor="end">${escaped(system)}</text>`,
      `<rect class="${kind}" x="${size.label}" y="${y}" width="${(at(median) - size.label).toFixed(1)}" height="${size.bar}" rx="2"/>`,
      `<path class="spread" d="M${at(quartiles[0]).toFixed(1)} ${middle}H${at(quartiles[1]).toFixed(1)}"/>`,
      `<text x="${(Math.max(at(median), at(quartiles[1])) + 6).toFixed(1)}" y="${middle + 4}">${short(median)}</text>`,
    ].join('\n')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" width="${size.width}" height="${height}" role="img" aria-label="${escaped(title)}">
<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-weight:600}.ours{fill:#2f81f7}.peer{fill:#afb8c1}.spread{stroke:#1f2328;stroke-width:2;fill:none}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.peer{fill:#57606a}.spread{stroke:#e6edf3}}
</style>
<text class="title" x="0" y="18">${escaped(title)} (${escaped(unit)})</text>
${bars.join('\n')}
</svg>
`
}
