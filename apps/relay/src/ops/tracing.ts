// OpenTelemetry traces of what is rare: joins, questions of operators, drains, outages of the store; never of messages.
// The libraries are loaded only when OTEL_EXPORTER_OTLP_ENDPOINT is set; they read the other OTEL_ names themselves.
// No attribute holds a room, a session, an address or anything of a peer.

export type SpanName = 'join' | 'admin' | 'drain' | 'store away'
type Attributes = Record<string, string | number | boolean>

export type Tracing = {
  /** Carries the work out, with a span around it that fails where the work throws. */
  run<T>(name: SpanName, attributes: Attributes, work: () => Promise<T>): Promise<T>
  /** @returns ends the span */
  begin(name: SpanName): () => void
  /** Sends what is left. Never rejects. */
  stop(): Promise<void>
}

export const noTracing: Tracing = {
  run: (_name, _attributes, work) => work(),
  begin: () => () => {},
  async stop() {},
}

/** A collector that does not answer must not hold up the end of a node. */
const flushMs = 1000

/** @returns noTracing without an endpoint; a collector that is away later costs spans and nothing else */
export async function openTracing(
  env: Readonly<Record<string, string | undefined>>,
  version: string,
): Promise<Tracing> {
  if (!env['OTEL_EXPORTER_OTLP_ENDPOINT'] && !env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) return noTracing
  const [{ SpanStatusCode }, { OTLPTraceExporter }, { resourceFromAttributes }, sdk] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace-base'),
  ])
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': env['OTEL_SERVICE_NAME'] || 'pychat-relay',
      'service.version': version,
    }),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter({ timeoutMillis: 5000 }))],
  })
  const tracer = provider.getTracer('pychat-relay', version)
  return {
    async run(name, attributes, work) {
      const span = tracer.startSpan(name, { attributes })
      try {
        return await work()
      } catch (error) {
        // Its class alone: a message may carry what is nobody's business.
        const kind = error instanceof Error ? error.name : 'unknown'
        span.setStatus({ code: SpanStatusCode.ERROR, message: kind })
        throw error
      } finally {
        span.end()
      }
    },
    begin(name) {
      const span = tracer.startSpan(name)
      return () => span.end()
    },
    async stop() {
      const late = new Promise((resolve) => setTimeout(resolve, flushMs).unref())
      await Promise.race([provider.shutdown().catch(() => {}), late])
    },
  }
}
