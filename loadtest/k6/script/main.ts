// The k6 script: every virtual user opens its share of the rooms, talks in them by the plan's schedule, waits until everybody
// has everything, and reports what is missing. When messages are due is fixed beforehand (an open model): a slow
// relay does not slow down what is asked of it, and waiting for it counts as its delay.
import { check } from 'k6'
import exec from 'k6/execution'
import type { Options } from 'k6/options'
import { clearInterval, setInterval, setTimeout } from 'k6/timers'
import { flush, now, settleMs, tally } from './metrics.ts'
import type { K6Summary, Plan } from './plan.ts'
import { Room } from './room.ts'

declare const __ENV: Record<string, string | undefined>
declare function open(path: string): string

const plan = JSON.parse(open(`./${__ENV['PLAN'] ?? 'plan.json'}`)) as Plan

const tickMs = 10
const flushEveryMs = 500
const settleLookMs = 100
/** How long after the time of the first message a room may still come in. */
const lateMs = 30_000

export const options: Options = {
  scenarios: {
    [plan.scenario]: {
      executor: 'per-vu-iterations',
      vus: plan.vus,
      iterations: 1,
      maxDuration: `${Math.ceil((plan.trafficAtMs + plan.trafficMs + plan.settleMs + lateMs) / 1000) + 30}s`,
      gracefulStop: '5s',
    },
  },
  thresholds: plan.thresholds as Record<string, string[]>,
  systemTags: ['check'],
  summaryTrendStats: ['count', 'min', 'avg', 'med', 'p(95)', 'p(99)', 'max'],
}

const [spikeFromMs, spikeToMs] = [plan.trafficMs / 3, (2 * plan.trafficMs) / 3]

/** Messages due over all rooms so long after the first one. */
function dueBy(ms: number): number {
  const extra = plan.spike === null ? 0 : plan.spike.factor - 1
  const inSpikeMs = Math.max(0, Math.min(ms, spikeToMs) - spikeFromMs)
  return (plan.rate * (ms + extra * inSpikeMs)) / 1000
}

export default function talk(): void {
  const vu = exec.vu.idInTest - 1
  const mine: { room: Room; number: number }[] = []
  for (let number = vu; number < plan.rooms; number += plan.vus) {
    mine.push({ room: new Room(number * plan.members, plan), number })
  }
  const rooms = mine.map(({ room }) => room)
  const flushing = setInterval(flush, flushEveryMs)
  const watching = setInterval(() => {
    for (const { members } of rooms) for (const member of members) member.watch()
  }, 1000)

  const late = plan.spike === null ? 0 : Math.floor(plan.rooms * plan.spike.lateRooms)
  for (const { room, number } of mine) {
    for (const [i, member] of room.members.entries()) {
      const turn = number * plan.members + i
      const atMs =
        number < plan.rooms - late ? (1000 * turn) / plan.joinsPerSecond : plan.trafficAtMs + spikeFromMs
      setTimeout(() => member.connect(), Math.max(1, atMs - now()))
    }
  }
  for (const cutAtMs of plan.cutsAtMs) {
    setTimeout(
      () => {
        for (const { members } of rooms) for (const member of members) member.cut()
      },
      plan.trafficAtMs + cutAtMs - now(),
    )
  }

  const share = mine.length / plan.rooms
  let ticks = 0
  let said = 0
  let turn = 0
  let complete: Room[] = []
  const look = setInterval(() => {
    complete = rooms.filter((room) => room.isComplete)
  }, settleLookMs)
  const talking = setInterval(() => {
    const elapsed = now() - plan.trafficAtMs
    // Each tick has its time; those that this program is late for are made up for, and their lateness is measured.
    while (ticks * tickMs <= elapsed && ticks * tickMs < plan.trafficMs) {
      const ms = ticks * tickMs
      const due = Math.floor(dueBy(ms) * share + vu / plan.vus)
      for (; said < due; said += 1) {
        turn += 1
        complete[turn % complete.length]?.say(plan.trafficAtMs + ms)
      }
      ticks += 1
    }
    if (elapsed < plan.trafficMs) return
    clearInterval(talking)
    clearInterval(look)
    settle()
  }, tickMs)

  const settle = () => {
    const from = now()
    const settling = setInterval(() => {
      const missing = rooms.reduce((sum, room) => sum + room.missing, 0)
      const waited = now() - from
      if ((missing > 0 || rooms.some((room) => !room.isComplete)) && waited < plan.settleMs) return
      clearInterval(settling)
      clearInterval(flushing)
      clearInterval(watching)
      settleMs.add(waited)
      for (const room of rooms) judge(room)
      flush(true)
      for (const { members } of rooms) for (const member of members) member.leave()
    }, settleLookMs)
  }
}

function judge(room: Room): void {
  tally.judgedRooms += 1
  tally.expected += room.said * plan.members
  tally.lost += room.missing
  check(room, {
    'everybody came in': () => room.isComplete,
    'everybody is there at the end': () => room.members.every(({ inRoom }) => inRoom),
    'everybody got every message': () => room.missing === 0,
  })
}

export function handleSummary(data: {
  metrics: K6Summary['metrics']
  state: { testRunDurationMs: number }
}): Record<string, string> {
  const summary: K6Summary = { metrics: data.metrics, durationMs: data.state.testRunDurationMs }
  return { 'k6.json': JSON.stringify(summary) }
}
