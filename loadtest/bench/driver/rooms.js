// What one driver process holds: rooms full of connections to one system, and how it makes them talk.
// Messages leave by an open schedule: their times are fixed beforehand, whatever the server does meanwhile.

import { createHistogram } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { systems } from '../systems/index.js'
import { Connection } from './connection.js'

const openAtOnce = 64
const drainTimeoutMs = 10_000
/** Something may come twice: one looks for that long after the last expected delivery. */
const surplusMs = 60

export class DrivenRooms {
  /** rooms[i] = its connections */
  rooms = []
  #cursor = 0

  /** Opens rooms x members connections; member m of a room goes to port m mod ports. */
  async open({ system, ports, rooms, members, first = 0 }) {
    const { dialect } = systems[system]
    const places = []
    const started = this.rooms.length
    for (let room = 0; room < rooms; room += 1) {
      this.rooms.push([])
      for (let member = 0; member < members; member += 1) places.push([room, member])
    }
    let next = 0
    const worker = async () => {
      for (let i = next++; i < places.length; i = next++) {
        const [room, member] = places[i]
        const connection = await Connection.open(dialect, ports[member % ports.length], first + room)
        this.rooms[started + room][member] = connection
      }
    }
    await Promise.all(Array.from({ length: openAtOnce }, worker))
    return places.length
  }

  close() {
    for (const room of this.rooms) for (const connection of room) connection?.close()
    this.rooms = []
  }

  /**
   * One window of traffic.
   * @param traffic { perTick: messages, everyMs, seconds, latency: whether times are taken }
   * @returns { messages, expected, delivered, latency: null or {p50, p99, p999, max} in ms, lateMs: how far the driver
   *   fell behind its schedule at worst, closed: connections that the server has closed }
   */
  async window({ perTick, everyMs, seconds, latency = false }) {
    const before = this.#delivered()
    const clock = latency ? this.#takeTimes() : null
    const ticks = Math.max(1, Math.round((seconds * 1000) / everyMs))
    const startedAt = performance.now()
    let expected = 0
    let lateMs = 0
    for (let tick = 0; tick < ticks; tick += 1) {
      const due = startedAt + tick * everyMs
      const ahead = due - performance.now()
      if (ahead > 0) await wait(ahead)
      const now = performance.now()
      lateMs = Math.max(lateMs, now - due)
      // A timer counts whole milliseconds and may come early: then the message leaves early, too.
      expected += this.#speak(perTick, clock, Math.min(due, now))
    }
    for (let waited = 0; this.#delivered() - before < expected && waited < drainTimeoutMs; waited += 5)
      await wait(5)
    await wait(surplusMs)
    for (const room of this.rooms) for (const connection of room) connection.heard = null
    return {
      messages: ticks * perTick,
      expected,
      delivered: this.#delivered() - before,
      latency: clock?.summary() ?? null,
      lateMs,
      closed: this.rooms.flat().filter((connection) => connection.closed).length,
    }
  }

  /** @returns how many deliveries that has to make */
  #speak(messages, clock, due) {
    const { rooms } = this
    if (rooms.length === 1) {
      clock?.sent(0, messages, due)
      rooms[0][0].send(messages)
      return messages * rooms[0].length
    }
    let expected = 0
    for (let i = 0; i < messages; i += 1) {
      const at = this.#cursor % rooms.length
      const room = rooms[at]
      clock?.sent(at, 1, due)
      room[Math.floor(this.#cursor / rooms.length) % room.length].send(1)
      this.#cursor += 1
      expected += room.length
    }
    return expected
  }

  /** A room's messages come in order: the n-th delivery is the n-th that was sent. */
  #takeTimes() {
    const histogram = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 })
    const due = this.rooms.map((room, at) => {
      const times = []
      for (const connection of room) {
        const base = connection.delivered
        connection.heard = (before) => {
          const now = performance.now()
          for (let n = before - base; n < connection.delivered - base; n += 1) {
            const us = Math.round((now - due[at][n]) * 1000)
            if (us >= 1) histogram.record(us)
          }
        }
      }
      return times
    })
    return {
      sent(at, messages, time) {
        for (let i = 0; i < messages; i += 1) due[at].push(time)
      },
      summary: () => ({
        p50: histogram.percentile(50) / 1000,
        p99: histogram.percentile(99) / 1000,
        p999: histogram.percentile(99.9) / 1000,
        max: histogram.max / 1000,
        count: Number(histogram.count),
      }),
    }
  }

  #delivered() {
    let sum = 0
    for (const room of this.rooms) for (const connection of room) sum += connection.delivered
    return sum
  }
}
