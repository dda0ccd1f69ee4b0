// Writes the Grafana dashboard, deploy/helm/files/dashboard.json, which compose and the chart both use:
//   node deploy/monitoring/dashboard.js
// The tables below say what is shown; tests hold the file to this script and every query to a live relay.
// $namespace and $service are labels that Kubernetes brings; "All" also matches where they are absent.
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const only = 'job="pychat",namespace=~"$namespace",service=~"$service",instance=~"$instance"'
/** A metric of the chosen relays. @param more further label matchers */
const m = (name, more) => `pychat_relay_${name}{${only}${more === undefined ? '' : `,${more}`}}`
const rate = (name, more) => `rate(${m(name, more)}[$__rate_interval])`
const byNode = (expr) => [{ expr, legend: '{{instance}}' }]
/** A sum by a label whose values appear only once something happened: 0 until then. */
const byLabel = (label, name) => [
  { expr: `sum by (${label}) (${rate(name)}) or on() vector(0)`, legend: `{{${label}}}` },
]

const stats = [
  { title: 'Relays that answer', unit: 'none', targets: [{ expr: `count(up{${only}} == 1) or vector(0)` }] },
  { title: 'Ready', unit: 'none', targets: [{ expr: `sum(${m('ready')})` }] },
  { title: 'Reach Redis', unit: 'none', targets: [{ expr: `sum(${m('store_available')})` }] },
  { title: 'Connections', unit: 'short', targets: [{ expr: `sum(${m('connections')})` }] },
  { title: 'Messages received', unit: 'mps', targets: [{ expr: `sum(${rate('messages_received_total')})` }] },
  {
    title: 'Messages delivered',
    unit: 'mps',
    targets: [{ expr: `sum(${rate('messages_delivered_total')})` }],
  },
]

const rows = [
  {
    title: 'People',
    graphs: [
      { title: 'Connections', unit: 'short', targets: byNode(m('connections')) },
      {
        title: 'Connections opened',
        note: 'Rises when clients come back after the loss of a node; high for long means that they keep losing it.',
        unit: 'cps',
        targets: byNode(rate('connections_opened_total')),
      },
      { title: 'Joins', unit: 'ops', targets: byNode(rate('joins_total')) },
      {
        title: 'Memberships',
        note: 'One for each room of each connection.',
        unit: 'short',
        targets: byNode(m('members')),
      },
      {
        title: 'Rooms with a member here',
        note: 'A room with members on two relays counts on both.',
        unit: 'short',
        targets: byNode(m('rooms')),
      },
    ],
  },
  {
    title: 'Messages',
    graphs: [
      { title: 'Messages received', unit: 'mps', targets: byNode(rate('messages_received_total')) },
      { title: 'Messages delivered', unit: 'mps', targets: byNode(rate('messages_delivered_total')) },
      {
        title: 'Bytes of messages',
        unit: 'Bps',
        targets: [
          { expr: `sum(${rate('received_bytes_total')})`, legend: 'received' },
          { expr: `sum(${rate('delivered_bytes_total')})`, legend: 'delivered' },
        ],
      },
      {
        title: 'Time to deliver',
        note: 'From the arrival of a message at a relay until it goes out to the members there; one in 64 is timed.',
        unit: 's',
        targets: [0.5, 0.99].map((share) => ({
          expr: `histogram_quantile(${share}, sum by (le) (${rate('delivery_seconds_bucket')}))`,
          legend: `${100 * share} % below`,
        })),
      },
      {
        title: 'Catching up',
        note: 'What members who were away fetch from the logs of their rooms.',
        unit: 'ops',
        targets: [
          { expr: `sum(${rate('log_pages_total')})`, legend: 'pages' },
          { expr: `sum(${rate('log_messages_total')})`, legend: 'messages' },
        ],
      },
    ],
  },
  {
    title: 'What goes wrong',
    graphs: [
      {
        title: 'Connections closed by relays',
        note: 'By reason: docs/protocol.md, close codes.',
        unit: 'cps',
        targets: byLabel('reason', 'closes_total'),
      },
      {
        title: 'Refusals',
        note: 'By code: docs/protocol.md, error codes.',
        unit: 'ops',
        targets: byLabel('code', 'refusals_total'),
      },
      {
        title: 'Handshakes refused',
        note: 'By HTTP status: 429 too many from one address, 503 full or stopping, 403 a web page, 404 a wrong path.',
        unit: 'ops',
        targets: byLabel('status', 'handshakes_refused_total'),
      },
      { title: 'Faults of relays', unit: 'ops', targets: byNode(rate('faults_total')) },
      {
        title: 'State',
        note: '1 is ready; 0 is starting, draining or without Redis.',
        unit: 'none',
        targets: [
          { expr: m('ready'), legend: '{{instance}} ready' },
          { expr: m('draining'), legend: '{{instance}} draining' },
        ],
      },
    ],
  },
  {
    title: 'Limits and bans',
    graphs: [
      {
        title: 'Held back by a limit',
        note: 'By limit: docs/operations.md, Limits.',
        unit: 'ops',
        targets: byLabel('limit', 'limited_total'),
      },
      {
        title: 'Connections in use',
        unit: 'percentunit',
        targets: byNode(`${m('connections')} / ${m('connections_limit')}`),
      },
      {
        title: 'Bans',
        unit: 'none',
        targets: [{ expr: `max by (kind) (${m('bans')})`, legend: '{{kind}}' }],
      },
      { title: 'Refused by a ban', unit: 'ops', targets: byLabel('kind', 'ban_refusals_total') },
      {
        title: 'Emergency level',
        note: '5 is calm, 1 lets nobody in: docs/operations.md, Emergency levels.',
        unit: 'none',
        targets: byNode(m('defcon')),
      },
    ],
  },
  {
    title: 'Processes',
    graphs: [
      { title: 'CPU', unit: 'percentunit', targets: byNode(rate('process_cpu_seconds_total')) },
      { title: 'Memory', unit: 'bytes', targets: byNode(m('process_resident_memory_bytes')) },
      {
        title: 'Event loop, 99 % below',
        note: 'How long a turn takes at most, in 99 of 100 cases; 10 ms is rest.',
        unit: 's',
        targets: byNode(m('nodejs_eventloop_lag_p99_seconds')),
      },
      {
        title: 'File descriptors in use',
        unit: 'percentunit',
        targets: byNode(`${m('process_open_fds')} / ${m('process_max_fds')}`),
      },
      { title: 'JavaScript heap in use', unit: 'bytes', targets: byNode(m('nodejs_heap_size_used_bytes')) },
      {
        title: 'Time since start',
        unit: 's',
        targets: byNode(`time() - ${m('process_start_time_seconds')}`),
      },
    ],
  },
]

const datasource = { type: 'prometheus', uid: '$datasource' }
const widthMax = 24

function panel(type, { title, note, unit, targets }, gridPos, options) {
  return {
    type,
    title,
    ...(note === undefined ? {} : { description: note }),
    datasource,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options,
    targets: targets.map(({ expr, legend = '' }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource,
      expr,
      legendFormat: legend,
    })),
  }
}

function label(name, title) {
  return {
    type: 'query',
    name,
    label: title,
    datasource,
    query: { query: `label_values(pychat_relay_build_info{job="pychat"}, ${name})`, refId: name },
    definition: `label_values(pychat_relay_build_info{job="pychat"}, ${name})`,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  }
}

function panels() {
  const all = []
  let y = 0
  const statWidth = widthMax / stats.length
  for (const [i, stat] of stats.entries()) {
    const place = { x: i * statWidth, y, w: statWidth, h: 4 }
    all.push(panel('stat', stat, place, { colorMode: 'none', reduceOptions: { calcs: ['lastNotNull'] } }))
  }
  y += 4
  for (const row of rows) {
    all.push({
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: widthMax, h: 1 },
      panels: [],
    })
    y += 1
    for (const [i, graph] of row.graphs.entries()) {
      const place = { x: (i % 3) * 8, y: y + Math.floor(i / 3) * 8, w: 8, h: 8 }
      all.push(
        panel('timeseries', graph, place, {
          legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
          tooltip: { mode: 'multi', sort: 'desc' },
        }),
      )
    }
    y += Math.ceil(row.graphs.length / 3) * 8
  }
  return all.map((each, i) => ({ id: i + 1, ...each }))
}

/** @returns the text of dashboard.json */
export function dashboardText() {
  const dashboard = {
    uid: 'pychat-relays',
    title: 'PyChat relays',
    description: 'Made by deploy/monitoring/dashboard.js; changes made here are lost.',
    tags: ['pychat'],
    editable: false,
    schemaVersion: 39,
    version: 1,
    time: { from: 'now-1h', to: 'now' },
    refresh: '30s',
    timezone: 'browser',
    graphTooltip: 1,
    annotations: { list: [] },
    links: [],
    templating: {
      list: [
        {
          type: 'datasource',
          name: 'datasource',
          label: 'Prometheus',
          query: 'prometheus',
          refresh: 1,
          current: {},
        },
        label('namespace', 'Namespace'),
        label('service', 'Service'),
        label('instance', 'Relay'),
      ],
    },
    panels: panels(),
  }
  return `${JSON.stringify(dashboard, null, 2)}\n`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(new URL('../helm/files/dashboard.json', import.meta.url), dashboardText())
}
