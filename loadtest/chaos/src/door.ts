// A TCP door in front of one port, and what a bad network does at it: cut, delay, swallow bytes while both ends believe
// in the connection. Nothing else knows sockets between processes.
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

export type Door = {
  port: number
  /** Resets every connection and refuses new ones until `heal`. */
  cut(): Promise<void>
  /** Swallows every byte of every connection, old and new, both ways, until `heal`, which then resets them. */
  silence(): void
  /**
   * Swallows what comes back on the connections that have subscribed to something, for as long as they live. New
   * connections are well.
   * @returns how many there were
   */
  deafenSubscribers(): number
  /** Connections that still hear nothing. */
  readonly deaf: number
  /** Every byte comes so much later, both ways; 0 is as before. */
  delay(ms: number): void
  heal(): Promise<void>
  close(): Promise<void>
}

type Pair = { near: Socket; far: Socket; subscribed: boolean; deaf: boolean; silent: boolean }

export async function openDoor(targetPort: number): Promise<Door> {
  const pairs = new Set<Pair>()
  let server: Server | null = null
  let silent = false
  let delayMs = 0

  const reset = (pair: Pair) => {
    pairs.delete(pair)
    pair.near.destroy()
    pair.far.destroy()
  }
  /** Writes in order, late by the delay of the moment; holds the source while the target is full. */
  const pass = (pair: Pair, from: Socket, to: Socket, swallowed: (chunk: Buffer) => boolean) => {
    let dueAt = 0
    const write = (chunk: Buffer) => {
      if (to.destroyed || to.write(chunk)) return
      from.pause()
      to.once('drain', () => from.resume())
    }
    from.on('data', (chunk: Buffer) => {
      if (pair.silent || swallowed(chunk)) return
      const now = Date.now()
      dueAt = Math.max(dueAt, now + delayMs)
      if (dueAt <= now) write(chunk)
      else setTimeout(() => write(chunk), dueAt - now)
    })
    from.on('error', () => {})
    from.on('close', () => reset(pair))
  }
  const accept = (near: Socket) => {
    const far = dial(targetPort, '127.0.0.1')
    near.setNoDelay(true)
    far.setNoDelay(true)
    const pair: Pair = { near, far, subscribed: false, deaf: false, silent }
    pairs.add(pair)
    pass(pair, near, far, (chunk) => {
      pair.subscribed ||= /subscribe/i.test(chunk.toString('latin1'))
      return false
    })
    pass(pair, far, near, () => pair.deaf)
  }
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      const listener = createServer(accept)
      listener.once('error', reject)
      listener.listen(port, '127.0.0.1', () => {
        server = listener
        resolve()
      })
    })
  await listen(0)
  const address = (server as Server | null)?.address()
  const port = address && typeof address === 'object' ? address.port : 0

  const cut = async () => {
    const listener = server
    server = null
    for (const pair of [...pairs]) reset(pair)
    if (listener) await new Promise((resolve) => listener.close(resolve))
  }
  return {
    port,
    cut,
    silence() {
      silent = true
      for (const pair of pairs) pair.silent = true
    },
    deafenSubscribers() {
      const subscribed = [...pairs].filter((pair) => pair.subscribed && !pair.deaf)
      for (const pair of subscribed) pair.deaf = true
      return subscribed.length
    },
    get deaf() {
      return [...pairs].filter((pair) => pair.deaf).length
    },
    delay(ms) {
      delayMs = ms
    },
    async heal() {
      delayMs = 0
      silent = false
      // Bytes are missing in these: nothing sensible can follow.
      for (const pair of [...pairs]) if (pair.silent) reset(pair)
      if (server === null) await listen(port)
    },
    close: cut,
  }
}
