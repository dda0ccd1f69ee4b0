// node deploy/test/panels.js [http://localhost:9090]: asks a Prometheus that runs for every panel of the dashboard, as Grafana does
// when everything is chosen, and says what it has. Exit code 1 when a panel has no data. For a look without Grafana.
import { readFileSync } from 'node:fs'

const [base = 'http://localhost:9090'] = process.argv.slice(2)
/** Grafana's own rule: four scrapes. */
const rateInterval = '60s'
const dashboard = JSON.parse(readFileSync(new URL('../helm/files/dashboard.json', import.meta.url), 'utf8'))

let empty = 0
for (const { title, targets = [] } of dashboard.panels) {
  for (const { expr } of targets) {
    const query = expr
      .replaceAll('$__rate_interval', rateInterval)
      .replaceAll(/\$(namespace|service|instance)/g, '.*')
    const answer = await fetch(`${base}/api/v1/query?${new URLSearchParams({ query })}`).then(
      (response) => response.json(),
      (error) => ({ error: `${base} cannot be reached (${error.cause?.code ?? error.message})` }),
    )
    const values = (answer.data?.result ?? [])
      .map(({ value: [, value] }) => Number(value))
      .filter((value) => !Number.isNaN(value))
    if (values.length === 0) empty += 1
    const said = values.map((value) => String(Math.round(value * 1000) / 1000)).join(', ')
    process.stdout.write(`${values.length === 0 ? 'EMPTY ' : 'ok    '}${title}: ${answer.error ?? said}\n`)
  }
}
process.stdout.write(empty === 0 ? 'Every panel has data.\n' : `${empty} queries have no data.\n`)
process.exit(empty === 0 ? 0 : 1)
