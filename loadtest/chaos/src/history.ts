// The record of one run: what was sent, what was acknowledged, what stood on whose screen in which order, and what was
// done to the servers meanwhile, on one monotonic clock in milliseconds. It judges nothing. What every member was shown
// lies in columns, since a long run has millions of rows; everything that is rare lies in lists.
import { createHash } from 'node:crypto'

/** Index into `History.clients`. */
export type ClientIndex = number
/** Index into `History.messages`: rises with the order of sending. */
export type MessageIndex = number

/** Where a message stands in a room's log. */
export type Place = { epoch: string; seq: number }

/** Something rare that happened to one client. `row`: how many rows it had been shown before. */
export type ClientEvent = { at: number; row: number } & (
  | { kind: 'ready'; place: Place | null }
  | { kind: 'lost'; place: Place | null }
  /** `missed` null: nobody knows how many. */
  | { kind: 'gap'; missed: number | null }
  | { kind: 'rewound' | 'unrepaired' | 'fork' | 'unreadable' }
  | { kind: 'line'; line: 'joined' | 'left'; who: string }
  | { kind: 'state'; state: string }
  | { kind: 'stopped'; reason: string }
)

/** A row that is no message as it was sent: corrupt, or never sent. */
export const unknownMessage = -1

export const rowFlags = { own: 1, corrupt: 2 } as const

/** A message as it stood on a screen; `own` on its sender's, where it comes when it is acknowledged. */
export type ShownMessage = { from: string; text: string; place: Place | null; own: boolean }

/** The text of a message: its number, what only that number has, and some that is not ASCII. */
export function messageText(run: string, message: MessageIndex, bytes = 0): string {
  const proof = createHash('sha256').update(`${run} ${message}`).digest('hex').slice(0, 32)
  return `#${message} ${proof} grüße 👋`.padEnd(bytes, '.')
}

function messageNumber(text: string): MessageIndex | null {
  const digits = /^#([0-9]{1,9}) /.exec(text)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** One member's screen, row by row. */
export class Screen {
  rows = 0
  at = new Float64Array(64)
  message = new Int32Array(64)
  /** Index into `History.epochs`, -1 without a known place. */
  epoch = new Int32Array(64)
  seq = new Float64Array(64)
  flags = new Uint8Array(64)

  push(at: number, message: MessageIndex, epoch: number, seq: number, flags: number): void {
    if (this.rows === this.at.length) this.#grow()
    const row = this.rows
    this.at[row] = at
    this.message[row] = message
    this.epoch[row] = epoch
    this.seq[row] = seq
    this.flags[row] = flags
    this.rows += 1
  }

  #grow(): void {
    const length = 2 * this.at.length
    const into = <T extends { set(from: T): void }>(larger: T, from: T): T => {
      larger.set(from)
      return larger
    }
    this.at = into(new Float64Array(length), this.at)
    this.message = into(new Int32Array(length), this.message)
    this.epoch = into(new Int32Array(length), this.epoch)
    this.seq = into(new Float64Array(length), this.seq)
    this.flags = into(new Uint8Array(length), this.flags)
  }
}

export type ClientRecord = {
  room: number
  name: string
  /** It was killed on purpose, and is nobody that anything is promised to. */
  mortal: boolean
  screen: Screen
  events: ClientEvent[]
  /** When it was in its room for the first time. */
  readyAt: number | null
  /** When the run took it away on purpose. */
  endedAt: number | null
}

export type MessageRecord = {
  room: number
  client: ClientIndex
  text: string
  invokedAt: number
  ackedAt: number | null
  failedAt: number | null
  /** As the acknowledgement told it. */
  place: Place | null
}

/** What was done to the servers: `healedAt` is when everybody was well again, null when that was not seen in time. */
export type NemesisRecord = { fault: string; detail: string; at: number; healedAt: number | null }

/** The death of a client whose left line others wait for. */
export type DeathRecord = { client: ClientIndex; at: number }

export class History {
  readonly clients: ClientRecord[] = []
  readonly messages: MessageRecord[] = []
  readonly epochs: string[] = []
  readonly nemesis: NemesisRecord[] = []
  readonly deaths: DeathRecord[] = []
  readonly #epochIndex = new Map<string, number>()
  acked = 0
  failed = 0
  shownRows = 0
  /** From then on everybody is in their rooms and nobody has a reason to come or go. */
  calmFrom = 0
  /** When recording ended. */
  endedAt = 0

  addClient(room: number, name: string, mortal = false): ClientIndex {
    this.clients.push({
      room,
      name,
      mortal,
      screen: new Screen(),
      events: [],
      readyAt: null,
      endedAt: null,
    })
    return this.clients.length - 1
  }

  client(index: ClientIndex): ClientRecord {
    const client = this.clients[index]
    if (!client) throw new Error(`no client ${index} in this history`)
    return client
  }

  /** @param text of the message that is about to be sent, given its index */
  invoke(client: ClientIndex, at: number, text: (message: MessageIndex) => string): MessageIndex {
    const message = this.messages.length
    this.messages.push({
      room: this.client(client).room,
      client,
      text: text(message),
      invokedAt: at,
      ackedAt: null,
      failedAt: null,
      place: null,
    })
    return message
  }

  /** The sender was told that the message was sent. */
  ack(message: MessageIndex, at: number, place: Place | null): void {
    const record = this.messages[message]
    if (!record || record.ackedAt !== null) return
    record.ackedAt = at
    record.place = place
    this.acked += 1
  }

  /** The sender was told that the message will not be sent. */
  fail(message: MessageIndex, at: number): void {
    const record = this.messages[message]
    if (!record || record.failedAt !== null) return
    record.failedAt = at
    this.failed += 1
  }

  /** A message came onto a screen; what it says is compared with what was sent under the number in it. */
  shown(client: ClientIndex, at: number, { from, text, place, own }: ShownMessage): void {
    const record = this.client(client)
    const number = messageNumber(text)
    const sent = number === null ? undefined : this.messages[number]
    const genuine =
      sent !== undefined &&
      sent.text === text &&
      sent.room === record.room &&
      this.clients[sent.client]?.name === from
    const unexpected = number !== null && sent === undefined
    record.screen.push(
      at,
      genuine ? (number as number) : unknownMessage,
      place === null ? -1 : this.epochOf(place.epoch),
      place?.seq ?? 0,
      (own ? rowFlags.own : 0) | (genuine || unexpected ? 0 : rowFlags.corrupt),
    )
    this.shownRows += 1
  }

  note(client: ClientIndex, event: WithoutRow<ClientEvent>): void {
    const record = this.client(client)
    record.events.push({ ...event, row: record.screen.rows } as ClientEvent)
    if (event.kind === 'ready') record.readyAt ??= event.at
  }

  epochOf(epoch: string): number {
    const known = this.#epochIndex.get(epoch)
    if (known !== undefined) return known
    this.epochs.push(epoch)
    this.#epochIndex.set(epoch, this.epochs.length - 1)
    return this.epochs.length - 1
  }
}

type WithoutRow<T> = T extends unknown ? Omit<T, 'row'> : never
export type ClientNote = WithoutRow<ClientEvent>
