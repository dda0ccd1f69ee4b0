// Joins and leaves: few are told one by one, many become one line.
import { beforeEach, expect, it } from 'vitest'
import type { ScreenEvent } from '../../../src/chat/screen.ts'
import { type Crowd, createCrowd, crowdText, gatherMs } from '../../../src/ui/text/crowd.ts'

let time = 0
let timers: { at: number; run: () => void }[] = []
let told: string[] = []
let crowd: Crowd
beforeEach(() => {
  time = 0
  timers = []
  told = []
  crowd = createCrowd({
    now: () => time,
    setTimer(ms, run) {
      const timer = { at: time + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((one) => one !== timer)
      }
    },
    show: (event) => void told.push(`${event.type} ${'user' in event ? event.user : ''}`.trim()),
    showCrowd: (view, came, left) => void told.push(`${view}: ${crowdText(came, left)}`),
    showChannels: (channels) => void told.push(`channels ${channels.join(' ')}`),
  })
})
function pass(ms: number) {
  time += ms
  const due = timers.filter(({ at }) => at <= time)
  timers = timers.filter(({ at }) => at > time)
  for (const { run } of due) run()
}
const joined = (user: string, view = 'room'): ScreenEvent => ({
  type: 'joined',
  view,
  user,
  fingerprint: '',
  memberId: '',
  rank: 'member',
})
const left = (user: string, why: 'left' | 'banned' = 'left'): ScreenEvent => ({
  type: 'left',
  view: 'room',
  user,
  why,
})

it('shows three, then gathers the rest into one line', () => {
  for (let i = 0; i < 15; i += 1) crowd.push(joined(`u${i}`))
  for (let i = 0; i < 3; i += 1) crowd.push(left(`u${i}`))
  expect(told).toEqual(['joined u0', 'joined u1', 'joined u2'])
  pass(gatherMs)
  expect(told.at(-1)).toBe('room: 12 came, 3 left.')
  expect(told).toHaveLength(4)
})

it('shows them one by one again when it is calm', () => {
  for (let i = 0; i < 5; i += 1) crowd.push(joined(`u${i}`))
  pass(gatherMs)
  pass(10_000)
  crowd.push(left('u0'))
  expect(told.at(-1)).toBe('left u0')
})

it('counts each conversation for itself, and names whoever is put out', () => {
  for (let i = 0; i < 4; i += 1) crowd.push(joined(`u${i}`))
  crowd.push(joined('Bob', '#dev'))
  crowd.push(left('Mallory', 'banned'))
  crowd.push({ type: 'divider' })
  expect(told.slice(3)).toEqual(['joined Bob', 'left Mallory', 'divider'])
})

it('makes one line of many channels, and loses nothing at the end', () => {
  for (const name of ['#a', '#b', '#c']) crowd.push({ type: 'channel', channel: name })
  expect(told).toEqual([])
  for (let i = 0; i < 5; i += 1) crowd.push(joined(`u${i}`))
  crowd.close()
  expect(told.slice(3)).toEqual(['room: 2 came.', 'channels #a #b #c'])
})
