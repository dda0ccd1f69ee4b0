// A driver process full of PyChat members (member.js) that talk by a schedule while a scenario breaks things around them.
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { Member } from './member.js'
import { serve } from './serve.js'

const histogram = () => createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 })

let rooms = []
let ports = []
let latencies = histogram()
/** From members who had their connection all the time to members like them. */
let unharmed = histogram()
let talking = null
let cursor = 0
const returns = []
let brokenAt = null

const crowd = {
  bytes: undefined,
  /** A member's own node, or any other once that is gone. */
  port: (member) =>
    ports.includes(member.port) ? member.port : ports[Math.floor(Math.random() * ports.length)],
  heard(member, ms, late) {
    const us = Math.max(1, Math.round(ms * 1000))
    latencies.record(us)
    if (!late && ports.includes(member.port)) unharmed.record(us)
  },
  back() {
    if (brokenAt !== null) returns.push(performance.now() - brokenAt)
  },
}

function summary(seen) {
  const at = (percent) => seen.percentile(percent) / 1000
  return { p50: at(50), p99: at(99), p999: at(99.9), max: seen.max / 1000, count: Number(seen.count) }
}

const everybody = () => rooms.flat()

/** So many at a time. @param enter brings a member in, sooner or later */
async function inBatches(members, atOnce, enter) {
  for (let i = 0; i < members.length; i += atOnce) {
    const batch = members.slice(i, i + atOnce)
    for (const member of batch) enter(member)
    for (let waited = 0; batch.some(({ joined }) => !joined); waited += 5) {
      if (waited > 60_000) throw new Error('members could not join in time')
      await wait(5)
    }
  }
}

const deeds = {
  /** rooms x members; member m of a room begins on port m mod ports */
  async open({ rooms: count, members, ports: given, bytes }) {
    ports = given
    crowd.bytes = bytes
    const fresh = []
    for (let room = 0; room < count; room += 1) {
      rooms[room] = []
      for (let m = 0; m < members; m += 1) {
        const member = new Member(room, crowd)
        member.port = given[m % given.length]
        rooms[room].push(member)
        fresh.push(member)
      }
    }
    await inBatches(fresh, 50, (member) => member.open())
  },
  /** Everybody loses the connection and comes back to the same node: what a node does then is warm afterwards. */
  async reconnect() {
    await inBatches(everybody(), 300, (member) => member.lose())
  },
  /** perTick messages every so many milliseconds, each by the next room's next member, until `hush` */
  talk({ perTick, everyMs }) {
    talking = setInterval(() => {
      for (let i = 0; i < perTick; i += 1) {
        const room = rooms[cursor % rooms.length]
        const speakers = room.filter(({ stopped }) => !stopped)
        speakers[Math.floor(cursor / rooms.length) % speakers.length].say()
        cursor += 1
      }
    }, everyMs)
  },
  async hush() {
    clearInterval(talking)
  },
  /** @returns latencies in ms since the last call; `unharmed`: between those whose node stands */
  latencies() {
    const seen = { ...summary(latencies), unharmed: summary(unharmed) }
    latencies = histogram()
    unharmed = histogram()
    return seen
  },
  /** From now on these ports are left, and returns are timed from now. */
  broken({ ports: left }) {
    ports = left
    returns.length = 0
    brokenAt = performance.now()
  },
  /** @returns ms after `broken` at which members were back */
  returns: () => returns.slice().sort((a, b) => a - b),
  state: () => ({
    joined: everybody().filter(({ joined }) => joined).length,
    unacknowledged: everybody().reduce((sum, { unacknowledged }) => sum + unacknowledged.size, 0),
  }),
  /** The first `count` members of the first room stop reading. */
  stall({ count }) {
    for (const member of rooms[0].slice(0, count)) {
      member.stopped = true
      member.pause()
    }
  },
  /**
   * What everybody has seen, once nothing moves any more.
   * @returns { undetected: messages that a member neither got nor was told about, reported, unknown: gaps without a size }
   */
  judge() {
    const sum = { undetected: 0, reported: 0, unknown: 0, received: 0 }
    for (const room of rooms) {
      const end = Math.max(...room.map(({ position }) => position.seq))
      for (const member of room) {
        sum.received += member.received
        sum.reported += member.missed
        sum.unknown += member.unknownGaps
        if (member.unknownGaps === 0) sum.undetected += end - member.start - member.received - member.missed
      }
    }
    return sum
  },
  close() {
    for (const member of everybody()) member.close()
    rooms = []
  },
}

serve(deeds)
