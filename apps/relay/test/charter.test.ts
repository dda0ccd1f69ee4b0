// Owner, ops and rules over three nodes and real sockets: what one node is told holds on all of them at once, forged
// charters hold nowhere, a Redis that lost everything gets back what the nodes know, and a large room is quiet.
import { closeTable, limits, type RoomId } from '@pychat/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../../loadtest/free-port.js'
import { type RelayChild, startRelay } from './child.ts'
import {
  banned,
  charterPair,
  handover,
  newPerson,
  type PairFields,
  type Person,
  proofOf,
} from './support/charters.ts'
import { RawMember } from './support/raw-member.ts'
import { localBinary, RedisProcess } from './support/redis.servers.ts'
import { room as newRoom } from './wire-client.ts'

describe.skipIf(localBinary() === null)('a room with a charter, on three nodes', () => {
  let redis: RedisProcess
  let nodes: RelayChild[]
  let room: RoomId
  let owner: Person
  let alice: RawMember
  let version = 0
  const members: RawMember[] = []

  const url = (node: number): string => nodes[node]?.url ?? ''

  function member(person?: Person): RawMember {
    const made = new RawMember(room, person)
    members.push(made)
    return made
  }

  /** Comes in at a node. */
  async function enters(node: number, person?: Person): Promise<RawMember> {
    const made = member(person)
    await made.enter(url(node))
    return made
  }

  /** The owner's next rules. */
  function rules(fields: PairFields = {}) {
    version += 1
    return charterPair(owner, room, { version, rulesVersion: version, ...fields })
  }

  async function govern(fields: PairFields = {}): Promise<void> {
    expect(await alice.publish(rules(fields))).toMatchObject({ t: 'chartered' })
  }

  beforeAll(async () => {
    redis = new RedisProcess(localBinary() ?? '', await freePort())
    await redis.start()
    nodes = await Promise.all(
      [0, 1, 2].map((i) =>
        startRelay({
          PYCHAT_REDIS_URL: redis.url,
          PYCHAT_ROOM_MEMBERS_MAX: '1000',
          PYCHAT_TRANSPORT: i === 2 ? 'ws' : 'auto',
        }),
      ),
    )
  })
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    await redis.remove()
  })

  beforeEach(async () => {
    room = newRoom()
    owner = newPerson()
    version = 0
    alice = await enters(0, owner)
  })
  afterEach(() => {
    for (const each of members.splice(0)) each.close()
  })

  test('who is banned on one node is gone from all within a second, and comes in nowhere', async () => {
    await govern()
    const bob = newPerson()
    const out = [await enters(1, bob), await enters(2, bob), await enters(2, bob)]
    const others = [await enters(1), await enters(2)]
    const at = Date.now()
    await govern({ bans: [banned(bob)] })
    for (const each of out) await each.client.control('expelled')
    for (const each of [alice, ...others]) {
      await each.client.until(() => out.every((gone) => each.departed(gone) !== undefined), 'departures')
    }
    expect(Date.now() - at).toBeLessThan(1000)
    for (const each of out) {
      expect(each.heard('expelled')).toEqual([{ t: 'expelled', room, why: 'banned' }])
      expect(others.map((other) => other.departed(each))).toEqual(['banned', 'banned'])
      // The connection stays; what it says is nobody's.
      each.say()
      expect(await each.client.control('nack')).toMatchObject({ room, code: 'not-member' })
    }
    for (const node of [0, 1, 2]) {
      expect(await out[0]?.tries(url(node))).toBe('banned')
      expect(await member(bob).tries(url(node))).toBe('banned')
    }
    expect(others.flatMap((other) => other.client.deliveries)).toEqual([])
    const metrics = await (await fetch(`${nodes[2]?.opsUrl}/metrics`)).text()
    expect(metrics).toMatch(/^pychat_relay_members_expelled_total\{why="banned"\} [2-9]/m)
    expect(metrics).toMatch(/^pychat_relay_joins_refused_total\{code="banned"\} [2-9]/m)
  })

  test('a ban that was lifted lets its member in again everywhere', async () => {
    const bob = newPerson()
    await govern({ bans: [banned(bob)] })
    expect(await member(bob).tries(url(1))).toBe('banned')
    await govern()
    await enters(1, bob)
    await enters(2, bob)
  })

  test('charters that are forged, old, or of another room hold nowhere', async () => {
    await govern({ ops: [newPerson()] })
    const mallory = await enters(1)
    const watcher = await enters(2)
    const { person } = mallory
    const code = async (pair: ReturnType<typeof rules>) => {
      const answer = await mallory.publish(pair)
      return answer.t === 'refused' ? answer.code : answer.t
    }
    const next = charterPair(owner, room, { version: 9, rulesVersion: 9 })
    const grown = { ...next.charter, doc: next.charter.doc.replace('"ops":[]', `"ops":["${person.public}"]`) }
    const codes: string[] = []
    // Five at once, then one every two seconds: no more fit into one burst.
    codes.push(await code(charterPair(owner, room, { version: 9, rulesVersion: 9, signer: person })))
    codes.push(await code({ ...next, charter: grown }))
    codes.push(await code(charterPair(owner, newRoom(), { root: room, version: 9, rulesVersion: 9 })))
    codes.push(await code(charterPair(owner, room)))
    codes.push(await code(charterPair(person, room, { version: 99, rulesVersion: 99 })))
    codes.push(await code(next))
    expect(codes).toEqual([
      'charter-invalid',
      'charter-invalid',
      'charter-invalid',
      'charter-old',
      'charter-invalid',
      'too-fast',
    ])
    const stolen = charterPair(person, room, {
      version: 9,
      rulesVersion: 9,
      handovers: [handover(room, 9, person, owner), handover(room, 10, owner, person)].slice(0, 1),
    })
    const other = await enters(2, person)
    expect(await other.publish(stolen)).toMatchObject({ t: 'refused', code: 'charter-invalid' })
    watcher.say()
    await watcher.client.until(() => watcher.client.deliveries.length === 1)
    expect(watcher.heard('charter')).toEqual([])
    expect((await member().enter(url(2))).charter).toEqual((await member().enter(url(0))).charter)
  })

  test('a key is proven anew at each door: none, and one for something else, let nobody in', async () => {
    await govern()
    const bob = await member().connect(url(1))
    const { person, secret, session } = bob
    for (const key of [
      null,
      proofOf(newPerson(), room, alice.session, secret),
      proofOf(person, newRoom(), session, secret),
      proofOf(person, room, alice.session, secret),
      proofOf(person, room, session, '00'.repeat(16)),
      { ...proofOf(person, room, session, secret), public: owner.public },
    ]) {
      expect(await bob.join(key)).toMatchObject({ t: 'refused', code: 'key-needed' })
    }
    expect(await bob.join()).toMatchObject({ t: 'joined' })
    // The same session by another key, though both are proven and the secret is the same.
    const taken = await bob.connect(url(2))
    expect(await taken.join(proofOf(newPerson(), room, session, secret))).toMatchObject({
      t: 'refused',
      code: 'session-taken',
    })
  })

  test('a lock and a limit hold at every door at once, and not for owner, ops and the admitted', async () => {
    const [op, guest] = [newPerson(), newPerson()]
    await govern({ ops: [op] })
    const bob = await enters(1)
    await govern({ ops: [op], lock: true, admitted: [guest.id] })
    for (const node of [1, 2]) {
      expect(await member().tries(url(node))).toBe('room-locked')
      for (const person of [op, guest, owner]) await enters(node, person)
    }
    await bob.enter(url(2))
    await govern({ ops: [op], limit: 3 })
    for (const node of [1, 2]) {
      expect(await member().tries(url(node))).toBe('room-full')
      expect(await member(guest).tries(url(node))).toBe('room-full')
      for (const person of [op, owner]) await enters(node, person)
    }
    await govern({ ops: [op] })
    await enters(1)
  })

  test('who is muted on one node is silent on another, and goes on with the same counter afterwards', async () => {
    await govern()
    const bob = await enters(1)
    const watcher = await enters(2)
    bob.say()
    await watcher.client.until(() => watcher.client.deliveries.length === 1)
    await govern({ muted: [bob.person.id] })
    await bob.client.control('charter')
    bob.say()
    expect(await bob.client.control('nack')).toMatchObject({ room, counter: 2, code: 'muted' })
    // Also after it came back elsewhere, with the message that it still has.
    bob.counter = 1
    await bob.enter(url(2))
    bob.say(2)
    expect(await bob.client.control('nack')).toMatchObject({ counter: 2, code: 'muted' })
    await govern()
    await bob.client.control('charter')
    bob.say(2)
    await watcher.client.until(() => watcher.client.deliveries.length === 2, 'the message')
  })

  test('a kick reaches down the ladder only, on whichever node its target is', async () => {
    const ops = [newPerson(), newPerson()]
    await govern({ ops })
    const [one, two] = [await enters(1, ops[0]), await enters(2, ops[1])]
    const bob = await enters(2)
    const refused = { t: 'refused', code: 'not-allowed' }
    expect(await bob.kick(one)).toMatchObject(refused)
    expect(await bob.kick(alice)).toMatchObject(refused)
    expect(await one.kick(two)).toMatchObject(refused)
    expect(await one.kick(alice)).toMatchObject(refused)
    expect(await one.kick(bob)).toMatchObject({ t: 'kicked' })
    expect(await bob.client.control('expelled')).toMatchObject({ room, why: 'kicked' })
    await alice.client.until(() => alice.departed(bob) === 'kicked')
    expect(await one.kick(bob)).toMatchObject({ t: 'refused', code: 'not-member' })
    expect(await alice.kick(one)).toMatchObject({ t: 'kicked' })
    await one.client.control('expelled')
    await bob.enter(url(1))
  })

  test('a room goes over to a new owner, and the old one is a member like others', async () => {
    await govern()
    const bob = await enters(1)
    version += 1
    const given = charterPair(bob.person, room, {
      version,
      rulesVersion: version,
      handovers: [handover(room, version, owner, bob.person)],
    })
    expect(await alice.publish(given)).toMatchObject({ t: 'chartered' })
    await bob.client.control('charter')
    expect(await alice.publish(rules())).toMatchObject({ t: 'refused' })
    expect(await alice.kick(bob)).toMatchObject({ t: 'refused', code: 'not-allowed' })
    expect(await bob.kick(alice)).toMatchObject({ t: 'kicked' })
  })

  test('another profile, and another name, are heard on every node; a taken one is refused', async () => {
    const bob = await enters(1)
    const watcher = await enters(2)
    const { tag } = bob
    expect(await bob.rename()).toMatchObject({ t: 'profiled', room })
    const member_ = { session: bob.session, tag: bob.tag, profile: bob.profile }
    await watcher.client.until(
      () => watcher.heard('arrived').some((each) => each.member.tag === bob.tag),
      'the new name',
    )
    expect(watcher.heard('arrived').at(-1)?.member).toMatchObject(member_)
    // The old name is free at once, the new one is not.
    const carol = await enters(0)
    expect(await carol.ask('profile', { tag: bob.tag, profile: carol.profile })).toMatchObject({
      t: 'refused',
      code: 'name-taken',
    })
    expect(await carol.ask('profile', { tag, profile: carol.profile })).toMatchObject({
      t: 'profiled',
    })
    for (let i = 0; i < 4; i += 1) expect(await bob.rename()).toMatchObject({ t: 'profiled' })
    expect(await bob.rename()).toMatchObject({ t: 'refused', code: 'too-fast', retryMs: expect.any(Number) })
  })

  test('a room of hundreds is quiet: counts, not names, until it is small again', {
    timeout: 60_000,
  }, async () => {
    await govern()
    const size = limits.wholeRosterMembersMax + 44
    const crowd: RawMember[] = []
    for (let i = 1; i < size; i += 20) {
      const some = Array.from({ length: Math.min(20, size - i) }, () => member())
      await Promise.all(some.map((each, k) => each.enter(url(k % 3))))
      crowd.push(...some)
    }
    const last = crowd.at(-1) as RawMember
    const [joined] = crowd
      .flatMap((each) => each.heard('joined'))
      .sort((one, other) => other.count - one.count)
    expect(joined).toMatchObject({ quiet: true, count: size })
    expect(joined?.members).toHaveLength(limits.rosterPageMembersMax)
    expect(joined?.charter?.charter.key).toBe(owner.public)
    await alice.client.until(() => alice.heard('count').at(-1)?.count === size, 'the count')
    expect(alice.heard('count')[0]).toEqual({
      t: 'count',
      room,
      count: limits.wholeRosterMembersMax + 1,
      quiet: true,
    })
    expect(alice.heard('arrived').length).toBe(limits.wholeRosterMembersMax)
    // Seconds, not joins.
    expect(alice.heard('count').length).toBeLessThan(15)

    last.say()
    const everybody = [alice, ...crowd]
    for (const each of everybody) await each.client.until(() => each.client.deliveries.length === 1)
    expect(await alice.ask('member', { session: last.session })).toMatchObject({
      member: { session: last.session, counter: 1 },
    })
    expect(await last.rename()).toMatchObject({ t: 'profiled' })
    await alice.client.until(() => alice.heard('arrived').at(-1)?.member.tag === last.tag, 'the new name')
    expect(await alice.kick(crowd[0] as RawMember)).toMatchObject({ t: 'kicked' })
    await crowd[0]?.client.control('expelled')
    await govern({ bans: [banned((crowd[1] as RawMember).person)] })
    await crowd[1]?.client.control('expelled')

    const leaving = crowd.slice(2, 1 + size - limits.quietRoomMembersMin)
    await Promise.all(leaving.map((each) => each.ask('leave')))
    await alice.client.until(() => alice.heard('count').at(-1)?.quiet === false, 'the end of the quiet')
    expect(alice.heard('departed')).toEqual([])
    const newcomer = await enters(2)
    await alice.client.until(() => alice.heard('arrived').at(-1)?.member.session === newcomer.session)
    expect(newcomer.heard('joined')[0]?.quiet).toBeUndefined()
  })

  test('a Redis that lost everything gets the charter back, and who claims the room meanwhile loses it', async () => {
    const bob = newPerson()
    await govern({ bans: [banned(bob)] })
    const inside = [alice]
    for (const node of [0, 1]) inside.push(await enters(node))
    await govern({ bans: [banned(bob)], lock: true })
    expect(await member().tries(url(1))).toBe('room-locked')
    const { charter } = await member(owner).enter(url(1))

    await redis.ask('FLUSHALL')
    // The one node that knows nothing of the room: so its claim is taken, for a moment.
    const mallory = member()
    const claim = { version: 99, rulesVersion: 99, bans: [banned(owner)] }
    const claims = async (): Promise<void> => {
      expect((await mallory.enter(url(2))).charter).toBeUndefined()
      expect(await mallory.publish(charterPair(mallory.person, room, claim))).toMatchObject({
        t: 'chartered',
      })
    }
    // That node, too, finds its lease gone at some moment, and says so to whoever is coming in just then. Nothing else
    // is a reason to come again.
    await claims().catch(async (error: unknown) => {
      const { socket, closed } = mallory.client
      if (socket.readyState === socket.OPEN || (await closed) !== closeTable.leaseLost.code) throw error
      await claims()
    })
    await mallory.client.until(
      () => mallory.heard('charter').some((each) => each.charter.key === owner.public),
      'the true charter',
    )
    // Each node finds its lease gone, and closes its connections.
    await Promise.all(inside.map((each) => each.client.closed))
    for (const [i, each] of inside.entries()) {
      await expect.poll(() => each.tries(url(i)).catch(() => ''), { timeout: 5000 }).toBe('joined')
      // Locked as the room is: who was in it comes back to it.
      expect(each.heard('joined')[0]?.charter).toEqual(charter)
    }
    expect(await member(bob).tries(url(2))).toBe('banned')
    await mallory.enter(url(2))
    expect(await mallory.publish(charterPair(mallory.person, room, { version: 100 }))).toMatchObject({
      t: 'refused',
      code: 'charter-invalid',
    })
  })
})
