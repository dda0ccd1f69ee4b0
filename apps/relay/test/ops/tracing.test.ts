// Traces of a real relay at a tiny OTLP/HTTP receiver: joins, questions and drains are told, messages are not.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { noTracing, openTracing } from '../../src/ops/tracing.ts'
import { startRelay } from '../child.ts'
import { connect, frame, joinMessage } from '../wire-client.ts'

type Span = { name: string; attributes: { key: string; value: { stringValue?: string } }[] }
const spans: Span[] = []
let text = ''
let collector: Server
let endpoint: string

beforeAll(async () => {
  collector = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    text += body
    if (request.url === '/v1/traces') {
      for (const { scopeSpans } of JSON.parse(body).resourceSpans) {
        for (const scope of scopeSpans) spans.push(...scope.spans)
      }
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
})
afterAll(() => collector?.close())

test('tells of joins, questions and the drain, and of nothing that anybody said or is', async () => {
  const token = 'a-token-for-this-node'
  const node = await startRelay({
    PYCHAT_ADMIN_TOKEN: token,
    PYCHAT_DRAIN_MS: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  })
  try {
    const alice = await connect(node.url)
    const message = joinMessage(1)
    alice.send(message)
    await alice.control('joined')
    for (let counter = 1; counter <= 5; counter += 1) alice.socket.send(frame(message.session, counter))
    await alice.until(() => alice.deliveries.length === 5)
    await fetch(`${node.opsUrl}/admin/v1/nodes`, { headers: { authorization: `Bearer ${token}` } })
    node.process.kill('SIGTERM')
    expect(await node.exited).toBe(0)
    expect(spans.map(({ name }) => name).sort()).toEqual(['admin', 'drain', 'join'])
    const admin = spans.find(({ name }) => name === 'admin')
    expect(admin?.attributes).toContainEqual({ key: 'question', value: { stringValue: 'nodes' } })
    expect(text).toContain('pychat-relay')
    for (const secret of [message.room, message.session, message.secret, token]) {
      expect(text).not.toContain(secret)
    }
  } finally {
    await node.dispose()
  }
})

test('a collector that is away holds nothing up', async () => {
  const node = await startRelay({ PYCHAT_DRAIN_MS: '0', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  const alice = await connect(node.url)
  alice.send(joinMessage(1))
  await alice.control('joined')
  node.process.kill('SIGTERM')
  expect(await node.exited).toBe(0)
  await node.dispose()
})

test('without an endpoint nothing is loaded, and work is carried out as it is', async () => {
  const tracing = await openTracing({}, '0')
  expect(tracing).toBe(noTracing)
  expect(await tracing.run('join', {}, async () => 7)).toBe(7)
})
