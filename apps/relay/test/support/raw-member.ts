// A member of one room with a key of its own, over a real WebSocket: it asks, and gets the answer with its number. It keeps
// session, secret and counter over reconnects, as a client does, and seals nothing (the relay cannot tell).
import { randomBytes } from 'node:crypto'
import type {
  CharterPair,
  ClientControl,
  NameTag,
  RelayControl,
  RelayControlOf,
  RoomId,
} from '@pychat/protocol'
import { connect, frame, hex, session, type WireClient } from '../wire-client.ts'
import { newPerson, type Person, proofOf } from './charters.ts'

export class RawMember {
  readonly person: Person
  readonly room: RoomId
  readonly session = session()
  readonly secret = hex(16)
  tag = hex(16) as NameTag
  profile = randomBytes(292).toString('base64url')
  counter = 0
  /** Of its handshakes. */
  headers: Record<string, string> = {}
  #client: WireClient | null = null
  #id = 0

  constructor(room: RoomId, person: Person = newPerson()) {
    this.room = room
    this.person = person
  }

  get client(): WireClient {
    if (this.#client === null) throw new Error('not connected')
    return this.#client
  }

  /** On a new connection, as the same session. */
  async connect(url: string): Promise<this> {
    this.#client?.socket.terminate()
    this.#client = await connect(url, true, this.headers)
    return this
  }

  /** Connects and comes in. @throws Error naming the code when it is refused */
  async enter(url: string): Promise<RelayControlOf<'joined'>> {
    const answer = await (await this.connect(url)).join()
    if (answer.t !== 'joined') throw new Error(`refused: ${'code' in answer ? answer.code : answer.t}`)
    return answer
  }

  /** @param key shown in place of a true proof; null for none */
  join(
    key: object | null = proofOf(this.person, this.room, this.session, this.secret),
  ): Promise<RelayControl> {
    const { session: id, secret, tag, profile, counter } = this
    const shown = key === null ? {} : { key }
    return this.ask('join', { session: id, secret, tag, profile, counter, ...shown })
  }

  /** @returns the code of a join that is refused, "joined" for one that is not; on a new connection */
  async tries(url: string): Promise<string> {
    const answer = await (await this.connect(url)).join()
    return answer.t === 'refused' ? answer.code : answer.t
  }

  publish(pair: CharterPair): Promise<RelayControl> {
    return this.ask('charter', pair)
  }

  kick(other: RawMember): Promise<RelayControl> {
    return this.ask('kick', { session: other.session })
  }

  rename(): Promise<RelayControl> {
    this.tag = hex(16) as NameTag
    this.profile = randomBytes(292).toString('base64url')
    return this.ask('profile', { tag: this.tag, profile: this.profile })
  }

  /** Says something. @param counter the next one when left out */
  say(counter = this.counter + 1): void {
    this.counter = counter
    this.client.socket.send(frame(this.session, counter))
  }

  /** Asks something of its room. @returns the answer with the same number */
  async ask(t: ClientControl['t'], fields: object = {}): Promise<RelayControl> {
    this.#id += 1
    const id = this.#id
    const answer = () => this.client.controls.find((each) => 'id' in each && each.id === id)
    // "t" first: a charter is known by it.
    this.client.send({ t, id, room: this.room, ...fields })
    await this.client.until(() => answer() !== undefined, `the answer to ${t}`)
    return answer() as RelayControl
  }

  heard<T extends RelayControl['t']>(t: T): RelayControlOf<T>[] {
    return this.client.controls.filter((each) => each.t === t) as RelayControlOf<T>[]
  }

  /** Why somebody departed, as this member heard it. */
  departed(other: RawMember): string | undefined {
    return this.heard('departed').find((each) => each.session === other.session)?.why
  }

  close(): void {
    this.#client?.socket.terminate()
  }
}
