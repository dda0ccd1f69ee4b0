// A relay that lies: stands between a client and a true node, and changes what the node says.
import { encodeControl, type RelayControl } from '@pychat/protocol'
import { WebSocket, WebSocketServer } from 'ws'

export type LyingRelay = {
  url: string
  /** What becomes of each control message on its way to the client; null: it does not arrive. */
  lie: (message: RelayControl) => RelayControl | null
  /** Says something of its own to everybody. */
  says(message: RelayControl): void
  close(): Promise<void>
}

export async function startLyingRelay(node: { url: string }): Promise<LyingRelay> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await new Promise((resolve) => server.once('listening', resolve))
  const clients = new Set<WebSocket>()
  const relay: LyingRelay = {
    url: `ws://127.0.0.1:${(server.address() as { port: number }).port}`,
    lie: (message) => message,
    says(message) {
      for (const client of clients) client.send(encodeControl(message))
    },
    async close() {
      for (const client of clients) client.terminate()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.on('connection', (client) => {
    const inner = new WebSocket(node.url, { perMessageDeflate: false })
    const early: [Buffer, boolean][] = []
    clients.add(client)
    client.on('message', (data: Buffer, isBinary) => {
      if (inner.readyState === WebSocket.OPEN) inner.send(data, { binary: isBinary })
      else early.push([data, isBinary])
    })
    inner.on('open', () => {
      for (const [data, isBinary] of early.splice(0)) inner.send(data, { binary: isBinary })
    })
    inner.on('message', (data: Buffer, isBinary) => {
      if (isBinary) {
        client.send(data)
        return
      }
      const told = relay.lie(JSON.parse(data.toString('utf8')) as RelayControl)
      if (told !== null) client.send(encodeControl(told))
    })
    for (const [one, other] of [
      [client, inner],
      [inner, client],
    ] as const) {
      one.on('error', () => other.terminate())
      one.on('close', () => {
        clients.delete(client)
        other.close()
      })
    }
  })
  return relay
}
