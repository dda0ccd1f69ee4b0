// A wire between a node and Redis that a test can cut, or let hang as a frozen server does.
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

export class RedisWire {
  #server: Server | null = null
  #port = 0
  #frozen = false
  #accepted = 0
  /** Answers on the first connection, the one for commands, come so many milliseconds late. */
  answersLateMs = 0
  /** Changes answers; must keep their length. */
  rewrite: (answer: Buffer) => Buffer = (answer) => answer
  readonly #target: { host: string; port: number }
  /** "user:password@" of the Redis behind it. */
  readonly #user: string
  readonly #sockets = new Set<Socket>()

  /** @param url of the Redis behind it */
  constructor(url: string) {
    const { hostname, port, username, password } = new URL(url)
    this.#user = username === '' ? '' : `${username}:${password}@`
    this.#target = { host: hostname, port: Number(port || 6379) }
  }

  get url(): string {
    return `redis://${this.#user}127.0.0.1:${this.#port}`
  }

  /** Listens, on the same port as before. */
  async open(): Promise<void> {
    const server = createServer((near) => {
      const far = dial(this.#target)
      this.#accepted += 1
      const late = this.#accepted === 1
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from)
        from.on('error', () => {})
        from.on('data', (chunk) => {
          const data = from === far ? this.rewrite(chunk) : chunk
          if (late && from === far && this.answersLateMs > 0)
            setTimeout(() => to.write(data), this.answersLateMs)
          else to.write(data)
        })
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
        if (this.#frozen) from.pause()
      }
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    const address = server.address()
    this.#port = typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Nothing passes, nothing closes. */
  freeze(): void {
    this.#frozen = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** What waited passes now. */
  thaw(): void {
    this.#frozen = false
    for (const socket of this.#sockets) socket.resume()
  }

  /** Closes everything and refuses connections until `open`. */
  async cut(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
