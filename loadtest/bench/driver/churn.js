// A driver process for joins and leaves: one member of each room stays and counts the frames that come of it, others
// come and go over connections that stay open.
import { randomBytes } from 'node:crypto'
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { joinText, pychat } from '../systems/pychat.js'
import { Connection } from './connection.js'
import { text } from './frames.js'
import { serve } from './serve.js'

const { dialect } = pychat['PyChat (uws)']
/** A connection may ask for a bounded number of things in a second. */
const hoppersPerPort = 1_500

/** Those who stay: text frames are counted as if they were deliveries. */
const staying = { ...dialect, counts: 1 }
/** Those who hop have greeted and are in no room. */
let answered = () => {}
const hopping = {
  ...dialect,
  first: () => text('{"t":"hello","version":1,"software":"bench/1"}'),
  next: (said) => (said.includes('"welcome"') ? 'joined' : null),
  heard: (payload) => answered(payload),
}

let residents = []
let hoppers = []
let rooms = 0

const deeds = {
  async open({ rooms: count, ports }) {
    rooms = count
    for (let room = 0; room < count; room += 1) {
      residents.push(await Connection.open(staying, ports[room % ports.length], room))
    }
    for (const port of ports) {
      for (let i = 0; i < hoppersPerPort; i += 50) {
        const batch = Array.from({ length: 50 }, () => Connection.open(hopping, port, 0))
        hoppers.push(...(await Promise.all(batch)))
      }
    }
  },
  /** @returns { joins, p50, p99: ms, frames: that residents got, seconds: it took } */
  async churn({ perSecond, seconds }) {
    const histogram = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 })
    const asked = new Map()
    let joined = 0
    let left = 0
    const refused = []
    answered = (payload) => {
      const message = JSON.parse(payload.toString('latin1'))
      if (message.t === 'left') left += 1
      if (message.t === 'refused') refused.push(message.code)
      const join = message.t === 'joined' ? asked.get(message.id) : undefined
      if (join === undefined) return
      asked.delete(message.id)
      histogram.record(Math.max(1, Math.round((performance.now() - join.due) * 1000)))
      joined += 1
      join.hopper.write(text(JSON.stringify({ t: 'leave', id: message.id, room: message.room })))
    }
    const framesBefore = residents.reduce((sum, { delivered }) => sum + delivered, 0)
    const total = Math.round(perSecond * seconds)
    const startedAt = performance.now()
    for (let n = 0; n < total; n += 1) {
      const due = startedAt + (n * 1000) / perSecond
      const ahead = due - performance.now()
      if (ahead > 0) await wait(ahead)
      const hopper = hoppers[n % hoppers.length]
      const id = n + 1
      asked.set(id, { due, hopper })
      const identity = { session: randomBytes(16) }
      hopper.write(text(joinText(n % rooms, identity).replace('"id":1', `"id":${id}`)))
    }
    for (let waited = 0; left + refused.length < total && waited < 10_000; waited += 10) await wait(10)
    if (joined !== total)
      throw new Error(
        `${joined} of ${total} joins took place, ${refused.length} were refused (${[...new Set(refused)]})`,
      )
    const took = (performance.now() - startedAt) / 1000
    await wait(300)
    return {
      joins: joined,
      p50: histogram.percentile(50) / 1000,
      p99: histogram.percentile(99) / 1000,
      frames: residents.reduce((sum, { delivered }) => sum + delivered, 0) - framesBefore,
      seconds: took,
    }
  },
  close() {
    for (const connection of [...residents, ...hoppers]) connection.close()
    residents = []
    hoppers = []
  },
}

serve(deeds)
