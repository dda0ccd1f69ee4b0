// The judge against clean generated runs and against the same runs with one fault in them: it has to name that class,
// and no other.
import { describe, expect, it } from 'vitest'
import { figuresOf } from '../chaos/src/figures.ts'
import {
  type ClientNote,
  History,
  type MessageRecord,
  messageText,
  type Place,
  type ShownMessage,
} from '../chaos/src/history.ts'
import { type FaultClass, faultClasses, judge } from '../chaos/src/judge.ts'
import {
  type PlantableFault,
  type PlantedRecorder,
  plant,
  plantableFaults,
  type Recorder,
} from '../chaos/src/planted.ts'
import { mulberry32 } from '../chaos/src/schedule.ts'

const epochA = 'aaaaaaaaaaaaaaaa'
const epochB = 'bbbbbbbbbbbbbbbb'

type Screens = { client: number; at: number; message: ShownMessage }[]

type Generated = {
  /** What reaches the recorder, in order of time: rows and notes of receivers. */
  rows: Screens
  notes: { client: number; at: number; event: ClientNote }[]
  acks: { message: number; at: number; place: Place }[]
}

const rooms = 2
const clientsPerRoom = 4
const messagesPerRoom = 200

/** A run in which everything went well, with one reconnect per member and a failover in the middle of it. */
function generate(seed: number, write: (history: History) => Recorder = (history) => history) {
  const random = mulberry32(seed)
  const history = new History()
  const generated: Generated = { rows: [], notes: [], acks: [] }
  const recorder = write(history)
  for (let room = 0; room < rooms; room += 1) {
    for (let i = 0; i < clientsPerRoom; i += 1) {
      const client = history.addClient(room, `r${room}-c${i}`)
      history.note(client, { kind: 'ready', at: 1, place: null })
    }
  }
  for (let n = 0; n < messagesPerRoom; n += 1) {
    for (let room = 0; room < rooms; room += 1) {
      const at = 100 + n * 10
      const sender = room * clientsPerRoom + Math.floor(random() * clientsPerRoom)
      const message = history.invoke(sender, at, (index) => messageText('test', index))
      const place =
        n < messagesPerRoom / 2 ? { epoch: epochA, seq: n + 1 } : { epoch: epochB, seq: 2 ** 20 + n + 1 }
      const text = history.messages[message]?.text ?? ''
      const from = history.client(sender).name
      for (let i = 0; i < clientsPerRoom; i += 1) {
        const client = room * clientsPerRoom + i
        // Each member is away for 20 messages once and gets them on its return, as fast as they come.
        const away = 20 + 40 * i
        const shownAt = n >= away && n < away + 20 ? 100 + (away + 20) * 10 + (n - away) / 100 : at + 2
        if (n === away) generated.notes.push({ client, at: at - 1, event: { kind: 'lost', at, place: null } })
        if (n === away + 20)
          generated.notes.push({ client, at: at - 1, event: { kind: 'ready', at, place: null } })
        const own = client === sender
        if (own) generated.acks.push({ message, at: shownAt, place })
        generated.rows.push({ client, at: shownAt, message: { from, text, place, own } })
      }
    }
  }
  return { history, recorder, generated }
}

/** Tells the recorder everything in order of time; `change` may commit a fault first. */
function play(
  { history, recorder, generated }: ReturnType<typeof generate>,
  change: (generated: Generated) => void = () => {},
): History {
  change(generated)
  const steps: { at: number; run(): void }[] = [
    ...generated.notes.map(({ client, at, event }) => ({ at, run: () => recorder.note(client, event) })),
    ...generated.acks.map(({ message, at, place }) => ({ at, run: () => recorder.ack(message, at, place) })),
    ...generated.rows.map(({ client, at, message }) => ({
      at,
      run: () => recorder.shown(client, at, message),
    })),
  ]
  for (const { run } of steps.sort((a, b) => a.at - b.at)) run()
  history.endedAt = 10_000
  return history
}

function named(history: History, gapsAreLoss = true): Partial<Record<FaultClass, number>> {
  const { broken } = judge(history, { gapsAreLoss })
  return Object.fromEntries(Object.entries(broken).filter(([, count]) => count > 0))
}

/** Takes these rows of one member away. */
const hide =
  (client: number, seqs: readonly number[]) =>
  ({ rows }: Generated) => {
    const kept = rows.filter((row) => row.client !== client || !seqs.includes(row.message.place?.seq ?? 0))
    rows.splice(0, rows.length, ...kept)
  }

/** Seqs of the epoch's rows that this client did not send itself. */
function foreign({ rows }: Generated, client: number, from: number, to: number): number[] {
  return rows
    .filter((row) => row.client === client && !row.message.own)
    .map((row) => row.message.place?.seq ?? 0)
    .filter((seq) => seq >= from && seq <= to)
}

describe('the judge', () => {
  it.each([1, 2, 3])('finds nothing in a clean run (seed %i)', (seed) => {
    const history = play(generate(seed))
    expect(named(history)).toEqual({})
    expect(judge(history, { gapsAreLoss: true }).pass).toBe(true)
  })

  it.each(plantableFaults.filter((fault) => fault !== 'skipped-gap'))(
    'names one planted fault of class %s, and nothing else',
    (fault: PlantableFault) => {
      let planted: PlantedRecorder | null = null
      const run = generate(7, (clean) => {
        planted = plant(clean, fault, 30)
        return planted
      })
      const committed = () => planted?.committed
      expect(committed()).toBe(false)
      const history = play(run)
      expect(committed()).toBe(true)
      const { pass, broken } = judge(history, { gapsAreLoss: true })
      expect(pass).toBe(false)
      expect(Object.keys(named(history))).toEqual([fault])
      // A swap in the room's order can be seen at two places.
      expect(broken[fault]).toBeLessThanOrEqual(2)
    },
  )

  it('calls an acknowledged message that nobody was shown lost at each member', () => {
    const run = generate(3)
    const history = play(run, (generated) => {
      const { message } = generated.rows[50 * clientsPerRoom * rooms] as Screens[number]
      const kept = generated.rows.filter((row) => row.message.text !== message.text || row.message.own)
      generated.rows.splice(0, generated.rows.length, ...kept)
    })
    expect(named(history)).toEqual({ 'acked-lost': clientsPerRoom - 1 })
  })

  it('sees the loss of the very last message', () => {
    const history = play(generate(4), (generated) => {
      const last = generated.rows.findLastIndex((row) => !row.message.own)
      generated.rows.splice(last, 1)
    })
    expect(named(history)).toEqual({ 'acked-lost': 1 })
  })

  it('calls a hole behind a return a skipped gap when no marker was shown', () => {
    const run = generate(5)
    const seqs = foreign(run.generated, 0, 21, 25)
    const history = play(run, hide(0, seqs))
    expect(seqs.length).toBeGreaterThan(0)
    expect(named(history, false)).toEqual({ 'skipped-gap': seqs.length })
  })

  it('takes the marker for a message whose place nobody knows, however late its sender heard of it', () => {
    const told = (missed: number | null) => {
      const history = new History()
      const [ann, ben] = [history.addClient(0, 'ann'), history.addClient(0, 'ben')]
      for (const client of [ann, ben]) history.note(client, { kind: 'ready', at: 1, place: null })
      const say = (at: number) => history.invoke(ann, at, (message) => messageText('x', message, 0))
      const [first, gone, last] = [say(10), say(20), say(40)]
      const show = (message: number, seq: number, at: number) => {
        const { text } = history.messages[message] as MessageRecord
        const place = { epoch: 'e', seq }
        history.ack(message, at, place)
        history.shown(ann, at, { from: 'ann', text, place, own: true })
        history.shown(ben, at, { from: 'ann', text, place, own: false })
      }
      show(first, 1, 11)
      if (missed !== null) history.note(ben, { kind: 'gap', at: 30, missed })
      // Its sender came back after the others, and the log did not have it any more.
      history.ack(gone, 35, null)
      show(last, 3, 41)
      return named(history, false)
    }
    expect(told(1)).toEqual({})
    expect(told(null)).toEqual({ 'acked-lost': 1 })
    expect(told(0)).toEqual({ 'skipped-gap': 1 })
  })

  it('takes a gap marker for what it says, and for loss only where nothing may be lost', () => {
    const run = generate(5)
    const seqs = foreign(run.generated, 0, 21, 25)
    const history = play(run, (generated) => {
      hide(0, seqs)(generated)
      generated.notes.push({ client: 0, at: 499.5, event: { kind: 'gap', at: 499.5, missed: seqs.length } })
    })
    expect(named(history, false)).toEqual({})
    expect(judge(history, { gapsAreLoss: false }).toldMissing).toBe(seqs.length)
    expect(named(history, true)).toEqual({ 'told-gap': 1 })
  })

  it('does not let a gap marker speak for more than the number in it', () => {
    const run = generate(5)
    const seqs = foreign(run.generated, 0, 21, 25)
    const history = play(run, (generated) => {
      hide(0, seqs)(generated)
      generated.notes.push({ client: 0, at: 499.5, event: { kind: 'gap', at: 499.5, missed: 1 } })
    })
    expect(named(history, false)).toEqual({ 'skipped-gap': seqs.length - 1 })
  })

  it('lets a planted swallowing of gap markers turn an honest gap into a skipped one', () => {
    const run = generate(5, (clean) => plant(clean, 'skipped-gap'))
    const seqs = foreign(run.generated, 0, 21, 25)
    const history = play(run, (generated) => {
      hide(0, seqs)(generated)
      generated.notes.push({ client: 0, at: 499.5, event: { kind: 'gap', at: 499.5, missed: null } })
    })
    expect(Object.keys(named(history, false))).toEqual(['skipped-gap'])
  })

  it('calls text that nobody sent unexpected, and not a loss of what stood there', () => {
    const history = play(generate(6), ({ rows }) => {
      const row = rows.find((each) => !each.message.own) as Screens[number]
      row.message = { ...row.message, text: messageText('another run', 99_999) }
    })
    expect(named(history)).toEqual({ unexpected: 1 })
  })

  it('calls a message under another name corrupt', () => {
    const history = play(generate(6), ({ rows }) => {
      const row = rows.find((each) => !each.message.own) as Screens[number]
      row.message = { ...row.message, from: 'somebody' }
    })
    expect(named(history)).toEqual({ corrupt: 1 })
  })

  it('sees two members who were shown one room in different orders', () => {
    const history = play(generate(8), ({ rows }) => {
      // At one member two messages of different senders stand at each other's places, seq rising all the same.
      const mine = rows.filter((row) => row.client === 1 && !row.message.own)
      const i = mine.findIndex((row, at) => at > 60 && row.message.from !== mine[at + 1]?.message.from)
      const [a, b] = [mine[i], mine[i + 1]] as [Screens[number], Screens[number]]
      const [placeA, placeB] = [a.message.place, b.message.place]
      const [messageA, messageB] = [a.message, b.message]
      a.message = { ...messageB, place: placeA }
      b.message = { ...messageA, place: placeB }
    })
    expect(named(history)).toEqual({ 'different-order': 2 })
  })

  it('sees an epoch come back that had ended', () => {
    const history = play(generate(9), ({ rows }) => {
      const row = rows.findLast((each) => each.client === 2 && !each.message.own) as Screens[number]
      row.message = { ...row.message, place: { epoch: epochA, seq: 10_000 } }
    })
    expect(named(history)).toEqual({ 'different-order': 1 })
  })

  it('calls a client that ended by itself broken, and one that was taken away not', () => {
    const run = generate(10)
    run.history.note(0, { kind: 'stopped', at: 9000, reason: 'refused' })
    expect(named(play(run))).toEqual({ stopped: 1 })
    run.history.client(0).endedAt = 9000
    expect(named(run.history)).toEqual({})
  })

  it('lets a repaired message stand at a second place', () => {
    const run = generate(11)
    const history = play(run, ({ rows }) => {
      // One that nobody but member 3 saw in the old log; the others get it at the end of the new one.
      const lost = rows.find((row) => row.message.place?.seq === 100 && row.client < 4) as Screens[number]
      const { text, from } = lost.message
      const others = rows.filter((row) => row.message.text === text && !row.message.own && row.client !== 3)
      for (const row of others) {
        row.at = 1100.5
        row.message = { text, from, own: false, place: { epoch: epochB, seq: 2 ** 20 + 100 } }
      }
    })
    expect(named(history)).toEqual({})
    expect(figuresOf(history).repaired).toBe(1)
  })

  it('has a sentence for every class', () => {
    for (const sentence of Object.values(faultClasses)) expect(sentence.length).toBeGreaterThan(10)
  })
})

describe('the figures of a run', () => {
  it('measure resumes, and pauses only while somebody spoke', () => {
    const run = generate(12)
    run.history.nemesis.push({ fault: 'node-kill', detail: '', at: 300, healedAt: 600 })
    const figures = figuresOf(play(run))
    expect(figures.resumeMs).toEqual({ count: 8, p50: 200, p95: 200, p99: 200, max: 200 })
    expect(figures.pauseMs.count).toBe(8)
    expect(figures.pauseMs.max).toBeGreaterThan(150)
    expect(figures.pauseMs.max).toBeLessThanOrEqual(210)
    expect(figures.sent).toBe(rooms * messagesPerRoom)
    expect(figures.acked).toBe(rooms * messagesPerRoom)
  })

  it('measure how long a dead member stayed, and count lines about the living', () => {
    const run = generate(13)
    const dead = run.history.addClient(0, 'ghost', true)
    run.history.deaths.push({ client: dead, at: 1000 })
    run.history.note(0, { kind: 'line', at: 3000, line: 'left', who: 'ghost' })
    run.history.note(1, { kind: 'line', at: 4000, line: 'left', who: 'r0-c2' })
    const figures = figuresOf(play(run))
    expect(figures.ghostMs.max).toBe(2000)
    expect(figures.ghostsLeft).toBe(1)
    expect([figures.joinedLines, figures.leftLines]).toEqual([0, 1])
  })
})
