// The relay inside another program: it listens on all addresses, keeps quiet, and tells its clients when it ends.
import { createServer } from 'node:net'
import { closeTable } from '@pychat/protocol'
import { afterEach, expect, test } from 'vitest'
import { type EmbeddedRelay, startEmbeddedRelay } from '../src/embed.ts'
import { connect, joinMessage } from './wire-client.ts'

const relays: EmbeddedRelay[] = []
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()))
})

async function start(logLine?: (line: string) => void): Promise<EmbeddedRelay> {
  const relay = await startEmbeddedRelay({ port: 0, version: '1.2.3', ...(logLine ? { logLine } : {}) })
  relays.push(relay)
  return relay
}

test('an embedded relay carries rooms, and says at its end that the host ended them', async () => {
  const relay = await start()
  const client = await connect(`ws://127.0.0.1:${relay.port}`)
  client.send(joinMessage(1))
  await client.control('joined')
  const [closed] = await Promise.all([client.closed, relay.stop()])
  expect(closed).toBe(closeTable.hostEnded.code)
  expect(client.controls.map(({ t }) => t)).not.toContain('goaway')
  expect(closeTable.hostEnded.rule).toBe('reconnect')
})

test('an embedded relay whose port is taken says so in a sentence', async () => {
  const taken = createServer()
  const port = await new Promise<number>((resolve) => {
    taken.listen(0, () => resolve((taken.address() as { port: number }).port))
  })
  await expect(startEmbeddedRelay({ port, version: '1.2.3' })).rejects.toMatchObject({
    code: 'EADDRINUSE',
    message: expect.stringMatching(/already listens on .*; stop it or choose another port\./),
  })
  await new Promise((resolve) => taken.close(resolve))
})

test('an embedded relay logs only where it is told to', async () => {
  const lines: string[] = []
  const relay = await start((line) => lines.push(line))
  await relay.stop()
  expect(lines.join('')).toContain('Stopped.')
})
