// The timetable of a drain, against parts that only count, on a clock of the test's own.
import { describe, expect, test } from 'vitest'
import { createDrain, type DrainParts, drainOver, drainWithin } from '../../src/ops/drain.ts'

type World = DrainParts & {
  at: number
  clients: number
  did: [number, string][]
  tell(elapsedMs: number): void
}

/** @param over replaces single parts */
function world(over: (world: World) => Partial<DrainParts> = () => ({})): World {
  const here: World = {
    at: 1_000_000,
    clients: 0,
    did: [],
    tell() {},
    refuseNew: () => note('refuse new'),
    connections: () => here.clients,
    goaway(spreadMs) {
      note(`goaway over ${spreadMs}`)
      return (elapsedMs) => here.tell(elapsedMs)
    },
    publishesInFlight: () => 0,
    closeAll() {
      note('close all')
      here.clients = 0
    },
    membershipsLeft: () => 0,
    async release(ms) {
      note(`release within ${Math.round(ms)}`)
    },
    now: () => here.at,
    async pause(ms) {
      here.at += ms
    },
  }
  const began = here.at
  const note = (what: string) => here.did.push([here.at - began, what])
  return Object.assign(here, over(here))
}

/** Clients that go one by one, evenly, as goaway asks them to. */
function goEvenly(here: World, clients: number, spreadMs: number): void {
  here.clients = clients
  here.tell = (elapsedMs) => {
    here.clients = Math.min(here.clients, clients - 1 - Math.floor((clients * elapsedMs) / spreadMs))
  }
}

describe('times', () => {
  test('SIGTERM gives clients all of the setting, and ends 6 s later at most', () => {
    expect(drainOver(0)).toEqual({ spreadMs: 0, withinMs: 6000 })
    expect(drainOver(60_000)).toEqual({ spreadMs: 60_000, withinMs: 66_000 })
  })

  test.each([
    [1000, 500],
    [5000, 2500],
    [12_000, 6000],
    [30_000, 24_000],
    [600_000, 594_000],
  ])('of %d ms, clients get %d', (withinMs, spreadMs) => {
    expect(drainWithin(withinMs)).toEqual({ spreadMs, withinMs })
  })
})

describe('a drain', () => {
  test('refuses newcomers first, and is over when the last client has gone', async () => {
    const here = world()
    goEvenly(here, 10, 24_000)
    await createDrain(here).begin(drainWithin(30_000))
    expect(here.did.map(([, what]) => what)).toEqual([
      'goaway over 24000',
      'refuse new',
      'release within 3000',
    ])
    expect(here.did[1]?.[0]).toBe(0)
    expect(here.did.at(-1)?.[0]).toBeLessThan(24_100)
  })

  test('without clients ends at once', async () => {
    const here = world()
    await createDrain(here).begin(drainWithin(600_000))
    expect(here.did.at(-1)?.[0]).toBe(0)
  })

  test.each([1000, 5000, 30_000])('of %d ms with clients that stay ends in time', async (withinMs) => {
    const here = world((self) => ({
      publishesInFlight: () => 1,
      membershipsLeft: () => 1,
      closeAll() {
        self.did.push([self.at - 1_000_000, 'close all'])
      },
      async release(ms) {
        self.at += ms
      },
    }))
    here.clients = 3
    await createDrain(here).begin(drainWithin(withinMs))
    const { spreadMs } = drainWithin(withinMs)
    expect(here.did.at(-1)?.[1]).toBe('close all')
    expect(here.did.at(-1)?.[0]).toBeGreaterThanOrEqual(spreadMs)
    expect(here.at - 1_000_000).toBeLessThanOrEqual(withinMs)
  })

  test('waits for publishes on their way before it closes anybody', async () => {
    let inFlight = 2
    const here = world((self) => ({
      publishesInFlight: () => inFlight,
      async pause(ms) {
        self.at += ms
        if (self.at - 1_000_000 >= 1000) inFlight = 0
      },
    }))
    here.clients = 1
    await createDrain(here).begin(drainOver(0))
    const closedAt = here.did.find(([, what]) => what === 'close all')?.[0]
    expect(closedAt).toBeGreaterThanOrEqual(1000)
    expect(closedAt).toBeLessThan(1100)
  })

  test('is made sooner by a later order, never later', async () => {
    const orders = [drainWithin(600_000), drainWithin(10_000)]
    let drain: ReturnType<typeof createDrain> | null = null
    const begun: Promise<void>[] = []
    const here = world((self) => ({
      async pause(ms) {
        self.at += ms
        if (self.at - 1_000_000 === 1000) for (const order of orders) begun.push(drain?.begin(order) ?? never)
      },
    }))
    const never = Promise.reject(new Error('no drain'))
    never.catch(() => {})
    drain = createDrain(here)
    here.clients = 5
    await drain.begin(drainWithin(60_000))
    await Promise.all(begun)
    expect(here.did.map(([at, what]) => [at, what])).toEqual([
      [0, 'goaway over 54000'],
      [0, 'refuse new'],
      [1000, 'goaway over 5000'],
      [expect.any(Number), 'close all'],
      [expect.any(Number), expect.stringContaining('release')],
    ])
    expect(here.did.at(-1)?.[0]).toBeLessThan(11_000)
  })
})
