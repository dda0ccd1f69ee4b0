// From the record of a run to a verdict: which promises of docs/protocol.md were broken, how often, with examples. Pure.
// The classes follow Jepsen's queue checkers. One fault gets one name: what a member was shown is first compared with
// what was sent (corrupt, unexpected), then counted (duplicate), then put in order (out-of-order for one sender,
// different-order for the room), and only what is missing after that is lost (see `missing`).
import {
  type ClientEvent,
  type ClientIndex,
  type ClientRecord,
  type History,
  type MessageIndex,
  type Place,
  rowFlags,
} from './history.ts'

export const faultClasses = {
  'acked-lost': 'acknowledged, but a member who was there never saw it, and nothing told it so',
  'skipped-gap': 'a member came back, went on behind messages that others have, and no gap was shown',
  'told-gap': 'a gap was shown where nothing may be lost',
  duplicate: 'shown twice to one member',
  'out-of-order': 'messages of one sender shown in another order than they were sent',
  'different-order': 'two members were shown one room in different orders',
  corrupt: 'shown text or sender is not what was sent',
  unexpected: 'shown, but nobody sent it',
  'never-settled': 'neither acknowledged nor refused by the end',
  stopped: 'a client ended by itself',
} as const

export type FaultClass = keyof typeof faultClasses

export type JudgeOptions = {
  /** Nothing may be lost in this run, so a gap marker is loss too, however honest. */
  gapsAreLoss: boolean
}

export type Verdict = {
  pass: boolean
  /** How often each class was seen. */
  broken: Record<FaultClass, number>
  /** The first few of each class, as sentences. */
  examples: Partial<Record<FaultClass, string[]>>
  /** Missing messages that a gap marker of the member told of. */
  toldMissing: number
}

const examplesMax = 5

export function judge(history: History, options: JudgeOptions): Verdict {
  const broken = Object.fromEntries(Object.keys(faultClasses).map((name) => [name, 0])) as Record<
    FaultClass,
    number
  >
  const examples: Verdict['examples'] = {}
  const report = (name: FaultClass, sentence: () => string) => {
    broken[name] += 1
    const list = examples[name] ?? []
    examples[name] = list
    if (list.length < examplesMax) list.push(sentence())
  }

  let toldMissing = 0
  for (const room of roomsOf(history)) {
    const places = placesOf(history, room)
    for (const member of room.members) readScreen(history, room, places, member, report)
    for (const member of room.members) toldMissing += missing(history, room, places, member, options, report)
  }
  for (const [message, { ackedAt, failedAt, client, invokedAt }] of history.messages.entries()) {
    const { mortal, endedAt } = history.client(client)
    if (ackedAt === null && failedAt === null && !mortal && endedAt === null) {
      report('never-settled', () => `#${message} of ${name(history, client)}, sent at ${seconds(invokedAt)}`)
    }
  }
  for (const client of history.clients) {
    for (const event of client.events) {
      if (event.kind === 'gap' && options.gapsAreLoss) {
        report(
          'told-gap',
          () => `${client.name} at ${seconds(event.at)}: ${event.missed ?? 'unknown'} missed`,
        )
      } else if (event.kind === 'stopped' && client.endedAt === null) {
        report('stopped', () => `${client.name} at ${seconds(event.at)}: ${event.reason}`)
      }
    }
  }
  return { pass: Object.values(broken).every((count) => count === 0), broken, examples, toldMissing }
}

type Report = (name: FaultClass, sentence: () => string) => void

/** One member's part in a room. */
type Member = {
  index: ClientIndex
  record: ClientRecord
  /** By place of the message in `Room.messages`: 1 when it was on this member's screen. */
  saw: Uint8Array
  /** Places where something stood that was not the message. */
  spoilt: Set<number>
}

type Room = {
  messages: MessageIndex[]
  /** Message to its index in `messages`. */
  localOf: Map<MessageIndex, number>
  members: Member[]
  /** How many members other than the sender were shown each message. */
  receivers: Uint16Array
}

function roomsOf(history: History): Room[] {
  const rooms = new Map<number, Room>()
  const roomOf = (number: number): Room => {
    const room = rooms.get(number) ?? {
      messages: [],
      localOf: new Map(),
      members: [],
      receivers: new Uint16Array(0),
    }
    rooms.set(number, room)
    return room
  }
  for (const [message, record] of history.messages.entries()) {
    const room = roomOf(record.room)
    room.localOf.set(message, room.messages.length)
    room.messages.push(message)
  }
  for (const [index, record] of history.clients.entries()) {
    const room = roomOf(record.room)
    room.members.push({ index, record, saw: new Uint8Array(room.messages.length), spoilt: new Set() })
  }
  for (const room of rooms.values()) room.receivers = new Uint16Array(room.messages.length)
  return [...rooms.values()]
}

/** What is known of a room's logs. */
type Places = {
  /** Epochs in the order in which they began. */
  rank: Map<number, number>
  /** By local message, where it stood; more than one place after a repair. */
  of: Map<number, { rank: number; epoch: number; seq: number }[]>
  /** Place (`placeKey`) to the local message that most members saw there. */
  at: Map<number, number>
}

const seqsMax = 2 ** 40
/** One number for a place: an epoch's index and a seq far below 2^40. */
const placeKey = (epoch: number, seq: number) => epoch * seqsMax + seq

function placesOf(history: History, room: Room): Places {
  const begins = new Map<number, number>()
  const votes = new Map<number, Map<number, number>>()
  const vote = (epoch: number, seq: number, local: number, at: number) => {
    if (at < (begins.get(epoch) ?? Number.POSITIVE_INFINITY)) begins.set(epoch, at)
    const key = placeKey(epoch, seq)
    const all = votes.get(key) ?? new Map<number, number>()
    votes.set(key, all)
    all.set(local, (all.get(local) ?? 0) + 1)
  }
  for (const { record } of room.members) {
    const { screen } = record
    for (let row = 0; row < screen.rows; row += 1) {
      const epoch = screen.epoch[row] as number
      const local = room.localOf.get(screen.message[row] as number)
      if (epoch < 0 || local === undefined || (screen.flags[row] as number) & rowFlags.corrupt) continue
      vote(epoch, screen.seq[row] as number, local, screen.at[row] as number)
    }
  }
  for (const [local, message] of room.messages.entries()) {
    const record = history.messages[message]
    if (record?.place && record.ackedAt !== null) {
      vote(history.epochOf(record.place.epoch), record.place.seq, local, record.ackedAt)
    }
  }
  const rank = new Map([...begins].sort(([, a], [, b]) => a - b).map(([epoch], i) => [epoch, i]))
  const at = new Map<number, number>()
  const of: Places['of'] = new Map()
  for (const [key, all] of votes) {
    const [winner] = [...all].sort(([, a], [, b]) => b - a)[0] as [number, number]
    at.set(key, winner)
    const epoch = Math.floor(key / seqsMax)
    const seq = key % seqsMax
    const list = of.get(winner) ?? []
    of.set(winner, list)
    list.push({ rank: rank.get(epoch) ?? 0, epoch, seq })
  }
  return { rank, of, at }
}

/** Goes down one screen: everything that can be said of what is there. */
function readScreen(history: History, room: Room, places: Places, member: Member, report: Report): void {
  const { screen, name: who } = member.record
  const lastOf = new Map<ClientIndex, MessageIndex>()
  const ended = new Set<number>()
  let epoch = -1
  let seq = 0
  for (let row = 0; row < screen.rows; row += 1) {
    const message = screen.message[row] as number
    const flags = screen.flags[row] as number
    const rowEpoch = screen.epoch[row] as number
    const rowSeq = screen.seq[row] as number
    const key = placeKey(rowEpoch, rowSeq)
    const when = () => `${who} at ${seconds(screen.at[row] as number)}`
    if (flags & rowFlags.corrupt) {
      member.spoilt.add(key)
      report('corrupt', () => `${when()}: the row at ${shownPlace(history, rowEpoch, rowSeq)}`)
      continue
    }
    const local = room.localOf.get(message)
    if (local === undefined) {
      member.spoilt.add(key)
      report('unexpected', () => `${when()}: the row at ${shownPlace(history, rowEpoch, rowSeq)}`)
      continue
    }
    if (member.saw[local] === 1) {
      report('duplicate', () => `${when()}: #${message}`)
      continue
    }
    member.saw[local] = 1
    const sender = history.messages[message]?.client ?? -1
    if (sender !== member.index) room.receivers[local] = (room.receivers[local] as number) + 1
    const last = lastOf.get(sender) ?? -1
    if (message < last) {
      report('out-of-order', () => `${when()}: #${message} of ${name(history, sender)} after #${last}`)
      continue
    }
    lastOf.set(sender, message)
    // An own message comes onto its sender's screen when it is acknowledged, which may be later than its place.
    if (flags & rowFlags.own || rowEpoch < 0) continue
    if (places.at.get(key) !== local) {
      report('different-order', () => {
        const others = room.messages[places.at.get(key) ?? -1]
        const where = shownPlace(history, rowEpoch, rowSeq)
        return `${when()}: #${message} at ${where}, where others have #${others}`
      })
    } else if (rowEpoch === epoch ? rowSeq <= seq : ended.has(rowEpoch)) {
      report(
        'different-order',
        () => `${when()}: #${message} at ${shownPlace(history, rowEpoch, rowSeq)}, late`,
      )
      continue
    }
    if (rowEpoch !== epoch) ended.add(epoch)
    epoch = rowEpoch
    seq = rowSeq
  }
}

/**
 * Goes through the acknowledged messages that are not on one screen. Told by a gap marker: counted. Behind a return
 * to the room, and others have it: a gap that should have been shown. All else: lost.
 * @returns how many a marker told of
 */
function missing(
  history: History,
  room: Room,
  places: Places,
  member: Member,
  options: JudgeOptions,
  report: Report,
): number {
  const { record } = member
  if (record.mortal || record.endedAt !== null || record.readyAt === null) return 0
  let told = 0
  let order: Order | null = null
  for (let local = 0; local < room.messages.length; local += 1) {
    if (member.saw[local] === 1) continue
    const message = room.messages[local] as number
    const sent = history.messages[message]
    if (!sent || sent.ackedAt === null || sent.client === member.index || sent.invokedAt <= record.readyAt)
      continue
    const stood = places.of.get(local) ?? []
    if (stood.some(({ epoch, seq }) => member.spoilt.has(placeKey(epoch, seq)))) continue
    order ??= orderOf(record, places)
    const marker = order.marker(stood, sent.invokedAt, sent.ackedAt)
    if (marker !== null) {
      told += 1
      if (options.gapsAreLoss) continue
      if (marker.left > 0) {
        marker.left -= 1
        continue
      }
    }
    const others = (room.receivers[local] as number) > 0
    const skipped = marker !== null || (others && stood.some((place) => order?.returnedOver(place)))
    report(skipped ? 'skipped-gap' : 'acked-lost', () => {
      const [place] = stood
      const where = place ? shownPlace(history, place.epoch, place.seq) : 'no known place'
      const had = `${room.receivers[local]} of ${room.members.length - 1} members have it`
      return `${record.name}: #${message} of ${name(history, sent.client)} at ${where}, acknowledged at ${seconds(
        sent.ackedAt ?? 0,
      )}; ${had}`
    })
  }
  return told
}

type Marker = { from: Point | null; to: Point | null; fromAt: number; toAt: number; left: number }
type Point = { rank: number; seq: number; row: number }
type Order = {
  /** The gap marker that speaks of a place; when the place is not known, of a time at which the message may have got it. */
  marker(stood: readonly { rank: number; seq: number }[], invokedAt: number, ackedAt: number): Marker | null
  /** Whether this member lost its connection between what it was shown before and after this place of one epoch. */
  returnedOver(place: { rank: number; seq: number }): boolean
}

const before = (a: { rank: number; seq: number }, b: { rank: number; seq: number }) =>
  a.rank < b.rank || (a.rank === b.rank && a.seq < b.seq)

function orderOf(record: ClientRecord, places: Places): Order {
  const { screen, events } = record
  const points: Point[] = []
  for (let row = 0; row < screen.rows; row += 1) {
    const rank = places.rank.get(screen.epoch[row] as number)
    if (rank === undefined || (screen.flags[row] as number) & rowFlags.own) continue
    points.push({ rank, seq: screen.seq[row] as number, row })
  }
  const lost = events.filter(({ kind }) => kind === 'lost')
  const markers = events.filter(isGap).map(({ at, row, missed }): Marker => {
    const next = points.findIndex((point) => point.row >= row)
    const to = next < 0 ? null : (points[next] as Point)
    const from = (next < 0 ? points.at(-1) : points[next - 1]) ?? null
    return {
      from,
      to,
      fromAt: from === null ? 0 : (screen.at[from.row] as number),
      toAt: at,
      left: missed ?? Number.POSITIVE_INFINITY,
    }
  })
  const sorted = [...points].sort((a, b) => (before(a, b) ? -1 : before(b, a) ? 1 : 0))
  return {
    marker(stood, invokedAt, ackedAt) {
      const speaking = markers.filter(({ from, to, fromAt, toAt }) =>
        stood.length === 0
          ? ackedAt >= fromAt && invokedAt <= toAt
          : stood.some(
              (place) => (from === null || before(from, place)) && (to === null || before(place, to)),
            ),
      )
      return speaking.find(({ left }) => left > 0) ?? speaking[0] ?? null
    },
    returnedOver(place) {
      let low = 0
      let high = sorted.length
      while (low < high) {
        const middle = (low + high) >> 1
        if (before(sorted[middle] as Point, place)) low = middle + 1
        else high = middle
      }
      const left = sorted[low - 1]
      const right = sorted[low]
      if (right === undefined || right.rank !== place.rank) return false
      return lost.some(({ row }) => row > (left?.row ?? -1) && row <= right.row)
    },
  }
}

const isGap = (event: ClientEvent): event is ClientEvent & { kind: 'gap' } => event.kind === 'gap'
const name = (history: History, client: ClientIndex) => history.clients[client]?.name ?? 'nobody'
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`

function shownPlace(history: History, epoch: number, seq: number): string {
  const place: Place | null = epoch < 0 ? null : { epoch: history.epochs[epoch] ?? '', seq }
  return place === null ? 'no known place' : `${place.epoch.slice(0, 6)}/${place.seq}`
}
