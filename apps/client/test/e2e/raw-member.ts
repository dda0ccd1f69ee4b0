// A member that speaks the bare protocol without keys: for tests of what a relay does, by the hundred.
import { randomBytes } from 'node:crypto'
import {
  type ClientControl,
  decodeRelayControl,
  encodeControl,
  errorTable,
  type RelayControl,
} from '@pychat/protocol'
import WebSocket from 'ws'

export const randomId = (bytes = 16) => randomBytes(bytes).toString('hex')

export class RawMember {
  readonly heard: RelayControl[] = []
  readonly #socket: WebSocket
  readonly #waiting = new Set<() => void>()
  #nextId = 1

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data, isBinary) => {
      if (isBinary) return
      this.heard.push(decodeRelayControl(String(data)))
      for (const look of this.#waiting) look()
    })
    socket.on('error', () => {})
  }

  static async connect(url: string): Promise<RawMember> {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    const member = new RawMember(socket)
    member.send({ t: 'hello', version: 1, software: 'raw/1' })
    await member.until((message) => message.t === 'welcome')
    return member
  }

  send(message: ClientControl): void {
    this.#socket.send(encodeControl(message))
  }

  /** @returns "joined", or "refused" for good */
  join(room: string, tag: string, session = randomId(), secret = randomId()): Promise<RelayControl> {
    const profile = randomBytes(292).toString('base64url')
    return this.#ask((id) => ({ t: 'join', id, room, session, secret, tag, profile }) as ClientControl)
  }

  /** @returns "left", or "refused" for good */
  leave(room: string): Promise<RelayControl> {
    return this.#ask((id) => ({ t: 'leave', id, room }) as ClientControl)
  }

  /** Asks, and asks again after each "later" of the error table. */
  async #ask(request: (id: number) => ClientControl): Promise<RelayControl> {
    for (;;) {
      const id = this.#nextId
      this.#nextId += 1
      this.send(request(id))
      const answer = await this.until((message) => 'id' in message && message.id === id)
      if (answer.t !== 'refused' || errorTable[answer.code].retry === 'never') return answer
      await new Promise((resolve) => setTimeout(resolve, answer.retryMs ?? 1_000))
    }
  }

  until(fits: (message: RelayControl) => boolean, withinMs = 30_000): Promise<RelayControl> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.heard.find(fits)
        if (!found) return
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(found)
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(look)
        reject(new Error(`waited in vain; heard ${JSON.stringify(this.heard.slice(-5))}`))
      }, withinMs)
      this.#waiting.add(look)
      look()
    })
  }

  close(): void {
    this.#socket.terminate()
  }
}
