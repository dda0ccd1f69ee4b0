// Commits one fault of a chosen class between what members see and what is recorded, so that a whole run, from real
// relay to exit code, is proven to fail. Each fault is one that a broken relay or client could show.
import type { ClientIndex, History, MessageIndex, ShownMessage } from './history.ts'

/** What members report; the history takes it down. */
export type Recorder = Pick<History, 'ack' | 'fail' | 'shown' | 'note'>

export type PlantedRecorder = Recorder & {
  /** The fault is committed: a run that ends before that proves nothing. */
  readonly committed: boolean
}

export const plantableFaults = [
  'acked-lost',
  'skipped-gap',
  'duplicate',
  'out-of-order',
  'different-order',
  'corrupt',
  'never-settled',
] as const
export type PlantableFault = (typeof plantableFaults)[number]

type Row = { client: ClientIndex; at: number; message: ShownMessage }

/** @param afterRows rows of foreign messages that pass untouched first */
export function plant(history: History, fault: PlantableFault, afterRows = 50): PlantedRecorder {
  let passed = 0
  let done = false
  /** Held back until a fit one follows on the same screen: the two then change places. */
  let held: Row | null = null
  let unanswered: MessageIndex | null = null
  const write = ({ client, at, message }: Row) => history.shown(client, at, message)

  function swap(row: Row, fits: (first: ShownMessage, second: ShownMessage) => boolean): void {
    if (held === null) {
      held = row
      return
    }
    const first = held
    if (row.client !== first.client) write(row)
    else if (fits(first.message, row.message)) {
      held = null
      done = true
      write(row)
      write(first)
    } else {
      held = row
      write(first)
    }
  }

  return {
    get committed() {
      return done || unanswered !== null
    },
    fail: (message, at) => history.fail(message, at),
    ack(message, at, place) {
      if (fault === 'never-settled' && history.acked >= afterRows) unanswered ??= message
      if (message !== unanswered) history.ack(message, at, place)
    },
    note(client, event) {
      if (fault === 'skipped-gap' && event.kind === 'gap') done = true
      else history.note(client, event)
    },
    shown(client, at, message) {
      const row = { client, at, message }
      passed += 1
      if (done || passed <= afterRows || message.own) return write(row)
      switch (fault) {
        case 'acked-lost':
          // As by a relay that skips a frame for a slow socket.
          done = true
          return
        case 'duplicate':
          done = true
          write(row)
          return write(row)
        case 'corrupt':
          done = true
          return write({ ...row, message: { ...message, text: flipped(message.text) } })
        case 'out-of-order':
          return swap(row, (first, second) => first.from === second.from)
        case 'different-order':
          return swap(row, (first, second) => first.from !== second.from)
        default:
          return write(row)
      }
    },
  }
}

function flipped(text: string): string {
  const bytes = Buffer.from(text)
  const last = bytes.indexOf(0x20) + 1
  bytes[last] = (bytes[last] as number) ^ 1
  return bytes.toString('utf8')
}
