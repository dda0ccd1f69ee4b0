// /metrics: the relay's integers in Prometheus form, read when somebody asks. Nothing here runs on the hot path,
// and no label ever holds a room, a session or an address.
import type { BanKind } from '@pychat/protocol'
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  type Metric,
  type MetricValueWithName,
  Registry,
} from 'prom-client'
import type { Figures } from '../session/figures.ts'
import { type Latency, latencyBuckets } from '../session/latency.ts'

export type MetricsSource = {
  figures: Figures
  latency: Latency
  connectionsMax: number
  defcon(): number
  version: string
  transport: string
  store: string
  rooms(): number
  members(): number
  ready(): boolean
  storeAvailable(): boolean
  draining(): boolean
  /** In force, by what they name. */
  bans(): Record<BanKind, number>
}

const prefix = 'pychat_relay_'

/** How often it is looked how late the event loop is: each look wakes an idle node, so ten a second have to do. */
export const loopLookMs = 100

export type Metrics = { contentType: string; text(): Promise<string> }

export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry()
  const { figures } = source

  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: prefix + name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name: prefix + name,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }
  const counterBy = (
    name: string,
    help: string,
    label: string,
    read: () => Partial<Record<string | number, number>>,
  ): void => {
    new Counter({
      name: prefix + name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset()
        for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count ?? 0)
      },
    })
  }

  new Gauge({
    name: `${prefix}build_info`,
    help: 'Always 1; the labels say which relay this is.',
    labelNames: ['version', 'transport', 'store', 'node_version'],
    registers: [registry],
  }).set(
    {
      version: source.version,
      transport: source.transport,
      store: source.store,
      node_version: process.versions.node,
    },
    1,
  )
  gauge('ready', '1 when this node takes new clients.', () => Number(source.ready()))
  gauge('store_available', '1 when the store of the rooms answers.', () => Number(source.storeAvailable()))
  gauge('draining', '1 while this node is stopping.', () => Number(source.draining()))
  gauge('connections', 'Open client connections.', () => figures.connections)
  gauge(
    'connections_limit',
    'Connections that this node holds at most (PYCHAT_CONNECTIONS_MAX).',
    () => source.connectionsMax,
  )
  gauge('defcon', 'Emergency level in force, 5 (calm) to 1 (pychat-admin defcon).', source.defcon)
  gauge('rooms', 'Rooms with a member on this node.', source.rooms)
  gauge('members', 'Room memberships held by this node.', source.members)
  counter('connections_opened_total', 'Client connections ever accepted.', () => figures.connectionsTotal)
  counter('joins_total', 'Rooms entered by clients of this node.', () => figures.joins)
  counter('log_pages_total', 'Pages of room logs sent to members who were behind.', () => figures.logPages)
  counter('log_messages_total', 'Sealed frames in those pages.', () => figures.logDeliveries)
  counter('messages_received_total', 'Sealed frames received from clients.', () => figures.messagesIn)
  counter(
    'messages_delivered_total',
    'Sealed frames and notices sent to room members.',
    () => figures.messagesOut,
  )
  counter('received_bytes_total', 'Bytes of sealed frames received.', () => figures.bytesIn)
  counter(
    'delivered_bytes_total',
    'Bytes of frames and notices sent to room members.',
    () => figures.bytesOut,
  )
  counter(
    'faults_total',
    'Errors of the relay itself, each of which closed one connection.',
    () => figures.faults,
  )
  counterBy('refusals_total', 'Requests and frames refused, by error code.', 'code', () => figures.refused)
  counterBy('joins_refused_total', 'Joins refused, by error code.', 'code', () => figures.joinsRefused)
  counterBy(
    'charters_total',
    'Charters that members put into force ("taken"), or that were refused, by error code.',
    'result',
    () => figures.charters,
  )
  counterBy(
    'members_expelled_total',
    'Members of this node that were put out of a room, by reason.',
    'why',
    () => figures.expelled,
  )
  counterBy(
    'ban_refusals_total',
    "Handshakes and joins refused because of an operator's ban, by what it names.",
    'kind',
    () => figures.banRefusals,
  )
  new Gauge({
    name: `${prefix}bans`,
    help: "Operator's bans in force on this node, by what they name.",
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      for (const [kind, count] of Object.entries(source.bans())) this.set({ kind }, count)
    },
  })
  counterBy('closes_total', 'Connections closed by the relay, by reason.', 'reason', () => figures.closed)
  counterBy(
    'handshakes_refused_total',
    'WebSocket handshakes refused, by HTTP status.',
    'status',
    () => figures.upgradesRefused,
  )
  counterBy(
    'limited_total',
    'Handshakes, joins, frames and requests refused by a limit, by limit.',
    'limit',
    () => figures.limited,
  )
  deliverySeconds(registry, source.latency)
  collectDefaultMetrics({ register: registry, prefix, eventLoopMonitoringPrecision: loopLookMs })
  // Gauges that prom-client names like counters, which promtool rightly minds.
  for (const name of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`${prefix}nodejs_active_${name}_total`)
  }

  return { contentType: registry.contentType, text: () => registry.metrics() }
}

/** A histogram of numbers that were counted elsewhere; prom-client's own class counts for itself alone. */
function deliverySeconds(registry: Registry, latency: Latency): void {
  const name = `${prefix}delivery_seconds`
  const help =
    'From the arrival of a frame to its fan-out on the node it came to, measured on a sample of the frames.'
  const get = async () => {
    let sum = 0
    const values: MetricValueWithName<'le'>[] = latency.counts.map((count, i) => {
      sum += count
      return { metricName: `${name}_bucket`, labels: { le: latencyBuckets[i] ?? '+Inf' }, value: sum }
    })
    values.push({ metricName: `${name}_sum`, labels: {}, value: latency.sumSeconds })
    values.push({ metricName: `${name}_count`, labels: {}, value: sum })
    return { name, help, type: 'histogram' as never, aggregator: 'sum' as const, values }
  }
  registry.registerMetric({ name, help, get } as unknown as Metric)
}
