// What connections of one address or one room may send together, and what is measured of it.
import type { RoomId } from '@pychat/protocol'
import { describe, expect, test } from 'vitest'
import { createLatency, latencyBuckets } from '../../src/session/latency.ts'
import { createRoomShares, Share, shareRates } from '../../src/session/shares.ts'
import { frame, joinMessage } from '../wire-client.ts'
import { house, settle } from './house.ts'

describe('a share', () => {
  test('says what is short: frames above 0, bytes below', () => {
    const share = new Share(shareRates(2, 1000))
    for (let i = 0; i < 4; i += 1) expect(share.take(100, 1)).toBe(0)
    expect(share.take(100, 1)).toBe(500)
    const bytes = new Share(shareRates(100, 1000))
    expect(bytes.take(1900, 1)).toBe(0)
    expect(bytes.take(600, 1)).toBe(-500)
    expect(bytes.take(600, 501)).toBe(0)
  })

  test('of a room lasts as long as somebody is in it', () => {
    const shares = createRoomShares(shareRates(1, 1000))
    const room = 'a' as RoomId
    const first = shares.enter(room)
    expect(shares.enter(room)).toBe(first)
    shares.leave(room)
    expect(shares.size()).toBe(1)
    shares.leave(room)
    shares.leave(room)
    expect(shares.size()).toBe(0)
  })
})

describe('members of one room', () => {
  async function pair(more: Parameters<typeof house>[1]) {
    const all = house(undefined, more)
    const [alice, bob] = [all.open(), all.open()]
    const a = joinMessage(1)
    const b = joinMessage(1, { room: a.room })
    alice.say(a)
    bob.say(b)
    await settle()
    return { ...all, alice, bob, a, b }
  }

  test('send no more together than the room may, and nobody is closed for it', async () => {
    const { alice, bob, a, b, figures, pass } = await pair({ roomShare: shareRates(10, 10_000_000) })
    for (let counter = 1; counter <= 20; counter += 1) alice.session.binary(frame(a.session, counter))
    expect(bob.seqs).toHaveLength(20)
    for (let tries = 0; tries < 2000; tries += 1) {
      bob.session.binary(frame(b.session, 1))
      pass(1)
      if (bob.last('nack') !== undefined) break
    }
    expect(bob.last('nack')).toMatchObject({ counter: 1, code: 'too-fast', retryMs: 100 })
    expect(figures.limited['room-frames']).toBe(1)
    expect(bob.closedWith).toBeNull()
    pass(100)
    bob.session.binary(frame(b.session, 1))
    expect(alice.seqs).toHaveLength(21)
  })

  test('are bounded in bytes too, which the address gets back', async () => {
    const { bob, b, figures } = await pair({ roomShare: shareRates(1000, 20_000) })
    for (let counter = 1; counter <= 4; counter += 1) bob.session.binary(frame(b.session, counter, 15_360))
    expect(bob.controls.find(({ t }) => t === 'nack')).toMatchObject({ counter: 3, code: 'too-fast' })
    expect(figures.limited['room-bytes']).toBeGreaterThan(0)
  })

  test('give the room up when they leave, are gone or are put out', async () => {
    const { alice, bob, a, roomShares } = await pair({})
    expect(roomShares.size()).toBe(1)
    bob.vanish()
    alice.say({ t: 'leave', id: 2, room: a.room })
    expect(roomShares.size()).toBe(0)
  })
})

test('connections of one address send no more together than it may', async () => {
  const { open, figures } = house(undefined, { addressFramesPerSecond: 5 })
  const [one, two] = [open(), open()]
  const [a, b] = [joinMessage(1), joinMessage(1)]
  one.say(a)
  two.say(b)
  await settle()
  for (let counter = 1; counter <= 10; counter += 1) one.session.binary(frame(a.session, counter))
  two.session.binary(frame(b.session, 1))
  expect(two.last('nack')).toMatchObject({ code: 'too-fast', retryMs: 200 })
  expect(figures.limited['address-frames']).toBe(1)
})

test('each limit is counted by its name, and every label is there from the start', async () => {
  const { open, figures } = house()
  expect(figures.refused['room-full']).toBe(0)
  expect(figures.closed.slowReader).toBe(0)
  expect(figures.upgradesRefused).toEqual({ 403: 0, 404: 0, 429: 0, 503: 0 })
  const peer = open()
  const join = joinMessage(1)
  peer.say(join)
  await settle()
  for (let counter = 1; counter <= 41; counter += 1) peer.session.binary(frame(join.session, counter))
  expect(figures.limited).toMatchObject({ 'connection-frames': 1, 'room-frames': 0, 'address-rooms': 0 })
})

describe('the time of a delivery', () => {
  const delivery = (sent: Uint8Array) => Buffer.concat([Buffer.alloc(42), sent])

  test('is taken on one frame in so many, from arrival to fan-out', () => {
    const latency = createLatency(2)
    const frames = [1, 2, 3, 4].map((counter) => frame('ab'.repeat(16) as never, counter))
    for (const [i, each] of frames.entries()) {
      latency.came(each, 1000)
      latency.goes(delivery(each), () => 1000 + (i === 0 ? 3 : 20_000))
    }
    expect(latency.counts.reduce((sum, count) => sum + count)).toBe(2)
    expect(latency.counts[latencyBuckets.indexOf(0.005)]).toBe(1)
    expect(latency.counts.at(-1)).toBe(1)
    expect(latency.sumSeconds).toBeCloseTo(20.003)
  })

  test('is not taken of another frame, and one that never came is given up', () => {
    const latency = createLatency(1)
    const [lost, other] = [frame('ab'.repeat(16) as never, 1), frame('cd'.repeat(16) as never, 1)]
    latency.came(lost, 0)
    latency.came(other, 1)
    latency.goes(delivery(other), () => 2)
    expect(latency.sumSeconds).toBe(0)
    latency.came(other, 6000)
    latency.goes(delivery(other), () => 6002)
    expect(latency.sumSeconds).toBeCloseTo(0.002)
  })
})
