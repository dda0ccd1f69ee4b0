// A door that forwards TCP to one of several ports and can be shut: the front door of a cluster, or the way to Redis.
import { connect, createServer, type Server, type Socket } from 'node:net'

export type Door = {
  port: number
  /** Breaks every connection and refuses new ones until `open`. */
  shut(): Promise<void>
  open(): Promise<void>
  /** Keeps connections but lets nothing through until `thaw`. */
  freeze(): void
  thaw(): void
  close(): Promise<void>
}

/** Each new connection goes to the next target that accepts it. */
export async function startDoor(targets: readonly { host: string; port: number }[]): Promise<Door> {
  const pairs = new Set<[Socket, Socket]>()
  let turn = 0
  let frozen = false
  let server: Server | null = null

  const forward = (inner: Socket, triesLeft: number): void => {
    const target = targets[turn % targets.length]
    turn += 1
    if (!target || triesLeft === 0) {
      inner.destroy()
      return
    }
    const outer = connect(target.port, target.host)
    outer.once('error', () => forward(inner, triesLeft - 1))
    outer.once('connect', () => {
      outer.removeAllListeners('error')
      const pair: [Socket, Socket] = [inner, outer]
      pairs.add(pair)
      const end = () => {
        pairs.delete(pair)
        inner.destroy()
        outer.destroy()
      }
      for (const side of pair) {
        side.on('error', end)
        side.on('close', end)
      }
      inner.pipe(outer)
      outer.pipe(inner)
      if (frozen) for (const side of pair) side.pause()
    })
  }
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      const listener = createServer((inner) => {
        inner.on('error', () => inner.destroy())
        forward(inner, targets.length)
      })
      listener.once('error', reject)
      listener.listen(port, '127.0.0.1', resolve)
      server = listener
    })
  await listen(0)
  const address = (server as Server | null)?.address()
  const port = address && typeof address === 'object' ? address.port : 0
  const shut = () =>
    new Promise<void>((resolve) => {
      server?.close(() => resolve())
      for (const [inner, outer] of pairs) {
        inner.destroy()
        outer.destroy()
      }
    })
  return {
    port,
    shut,
    open: () => listen(port),
    freeze() {
      frozen = true
      for (const pair of pairs) for (const side of pair) side.pause()
    },
    thaw() {
      frozen = false
      for (const pair of pairs) for (const side of pair) side.resume()
    },
    close: shut,
  }
}
