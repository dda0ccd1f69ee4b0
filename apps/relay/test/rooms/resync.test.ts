// What is read after a channel was not heard, and what is found out by it; on a scripted store.
import type { NameTag, SessionId } from '@pychat/protocol'
import { describe, expect, it } from 'vitest'
import { roomKeys } from '../../src/redis/keys.ts'
import type { Owner } from '../../src/redis/owner.ts'
import type { RosterEntry, Scripts } from '../../src/redis/scripts.ts'
import { profileMark, Resyncs, readMissed } from '../../src/rooms/resync.redis.ts'
import { newRoom, newSession } from './contract.ts'

const keys = roomKeys('test', newRoom())
const [here, elsewhere]: Owner[] = ['aaaaaaaaaaaaaaaa/1', 'bbbbbbbbbbbbbbbb/1']

function entry(session: SessionId, owner: Owner, profile = 'profile-of-somebody'): RosterEntry {
  return { session, tag: '' as NameTag, profile, counter: 0, since: 0, owner }
}

/** A store that has these members, and knows who left. @param asked every question */
function store(members: readonly RosterEntry[], gone: readonly SessionId[], asked: string[]): Scripts {
  return {
    async roomRoster(_: unknown, after: string) {
      asked.push(`roster ${after}`)
      const at = Number(after)
      return { entries: members.slice(at, at + 2), next: at + 2 < members.length ? String(at + 2) : null }
    },
    async ownersOf(_: unknown, sessions: readonly SessionId[]) {
      asked.push(`owners ${sessions.length}`)
      return sessions.map(
        (session) =>
          members.find((each) => each.session === session)?.owner ?? (gone.includes(session) ? '-' : null),
      )
    },
  } as unknown as Scripts
}

describe('what a node missed', () => {
  const [stayed, moved, kicked, lost] = [newSession(), newSession(), newSession(), newSession()]
  const own = new Map([stayed, moved, kicked].map((session) => [session, { owner: here as Owner }]))
  const members = [
    entry(stayed, here as Owner),
    entry(moved, elsewhere as Owner),
    entry(newSession(), elsewhere as Owner),
  ]

  it('is who came and went, and who of its own is elsewhere or was put out', async () => {
    const left = newSession()
    const known = new Map(
      [stayed, moved, kicked, left].map((each) => [each, profileMark('profile-of-somebody')]),
    )
    known.set(moved, profileMark('another-profile'))
    const missed = await readMissed(store(members, [kicked], []), keys, own, known)
    expect(missed).toEqual({
      forgotten: [],
      replaced: [moved],
      expelled: [kicked],
      departed: [kicked, left],
      arrived: [members[1], members[2]],
    })
  })

  it('is asked about its own members alone in a quiet room, a bounded number at once', async () => {
    const asked: string[] = []
    const many = new Map(Array.from({ length: 600 }, () => [newSession(), { owner: here as Owner }]))
    for (const [session, holder] of own) many.set(session, holder)
    const all = [...members, ...[...many].slice(0, 600).map(([session]) => entry(session, here as Owner))]
    const missed = await readMissed(store(all, [kicked], asked), keys, many, null)
    expect(asked).toEqual(['owners 256', 'owners 256', 'owners 91'])
    expect(missed).toEqual({
      forgotten: [],
      replaced: [moved],
      expelled: [kicked],
      departed: [],
      arrived: [],
    })
  })

  it('is everything where the store knows a member no more', async () => {
    const with_ = new Map(own).set(lost, { owner: here as Owner })
    for (const known of [null, new Map<SessionId, string>()]) {
      expect((await readMissed(store(members, [kicked], []), keys, with_, known)).forgotten).toEqual([lost])
    }
  })
})

describe('rooms that have to be read again', () => {
  it('are read sixteen at a time, and again when they could not be', async () => {
    const open: ((done: boolean) => void)[] = []
    const resyncs = new Resyncs<number>(() => new Promise((resolve) => open.push(resolve)))
    for (let i = 0; i < 20; i += 1) resyncs.add(i)
    expect(open).toHaveLength(16)
    open[0]?.(true)
    await Promise.resolve()
    expect(open).toHaveLength(17)
    open[1]?.(false)
    await Promise.resolve()
    expect(open).toHaveLength(17)
    resyncs.go()
    expect(open).toHaveLength(18)
  })
})
