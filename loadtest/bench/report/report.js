// docs/performance.md out of what runs gave: of every series the newest result that counts, beside its goals.
// What people write there stands above and below the two marks and is left alone.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ratios } from '../measure/statistics.js'
import { goals } from './goals.js'
import { plot } from './plot.js'

const results = new URL('../results/', import.meta.url)
const page = new URL('../../../docs/performance.md', import.meta.url)
const pictures = new URL('../../../docs/performance/', import.meta.url)
const marks = ['<!-- results: written by npm run bench -->', '<!-- end of results -->']

const digits = (value) => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2))

/** @returns newest series first, those of whole runs before those of quick ones, and of a busy machine last */
function newest() {
  const runs = readdirSync(results)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(new URL(file, results), 'utf8')))
    .filter(({ settings }) => settings !== undefined)
    .sort((a, b) => weight(b) - weight(a) || b.startedAt.localeCompare(a.startedAt))
  const found = new Map()
  for (const run of runs) {
    for (const [name, series] of Object.entries(run.scenarios))
      if (!found.has(name)) found.set(name, { run, series })
  }
  return new Map([...found].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })))
}

const weight = ({ quick, settings }) => (settings.anyLoad ? 0 : 2) + (quick ? 0 : 1)

function goalRow(found, { series: name, system, peer, max }) {
  const series = found.get(name)?.series
  const figures = series?.figures
  // Memory that shrank while connections came makes no ratio.
  const measured = (each) => figures?.[each] !== undefined && (peer === null || figures[each].median > 0)
  if (!measured(system) || (peer !== null && !measured(peer))) {
    return `| ${name} | ${system}${peer === null ? '' : ` / ${peer}`} | ${max} | not measured | |`
  }
  const ratio = peer === null ? figures[system] : ratios(series.rounds, system, peer)
  const [low, high] = ratio.quartiles
  // By the figure as it is shown: 2.00 commands a join are two.
  const verdict = `${Number(ratio.median.toFixed(2)) <= max ? 'yes' : 'no'}${found.get(name).run.settings.anyLoad ? ' (busy machine)' : ''}`
  const of = peer === null ? system : `${system} / ${peer}`
  return `| ${name} | ${of} | ${max} | ${digits(ratio.median)} (${digits(low)} .. ${digits(high)}) | ${verdict} |`
}

function section(name, { run, series }) {
  const file = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`
  writeFileSync(new URL(file, pictures), plot(name, series.unit, series.figures))
  const skipped = Object.entries(run.skipped).map(([system, reason]) => `${system} (${reason})`)
  const rounds = series.rounds.length
  return [
    `### ${name}: ${series.what}`,
    '',
    `![${name}](performance/${file})`,
    '',
    `${run.startedAt.slice(0, 10)}, ${rounds} round${rounds === 1 ? '' : 's'}${run.quick ? ', quick' : ''}${run.settings.anyLoad ? ', on a busy machine: an impression, no measurement' : ''}. ${run.machine.cpu}, ${run.machine.cores} cores, Node ${run.machine.node}, Redis ${run.machine.redis}.${skipped.length > 0 ? ` Skipped: ${skipped.join('; ')}.` : ''}`,
    '',
  ]
}

/** @returns the path of the page */
export function writeReport() {
  mkdirSync(pictures, { recursive: true })
  const found = newest()
  const text = [
    '### Goals',
    '',
    'Medians of the ratios within one run, and their quartiles. Without a peer the figure itself.',
    '',
    '| Series | Of what | At most | Measured | Reached |',
    '|---|---|---|---|---|',
    ...goals.map((goal) => goalRow(found, goal)),
    '',
    ...[...found].flatMap(([name, each]) => section(name, each)),
  ].join('\n')
  let whole = ''
  try {
    whole = readFileSync(page, 'utf8')
  } catch {}
  const [from, to] = marks.map((mark) => whole.indexOf(mark))
  if (from < 0 || to < from)
    throw new Error(`docs/performance.md has lost its marks: ${marks.join(' and ')}.`)
  writeFileSync(page, `${whole.slice(0, from + marks[0].length)}\n\n${text}\n${whole.slice(to)}`)
  return fileURLToPath(page)
}
