// Who may do what in a community, and that everybody is told: several people over a relay in memory.
import { expect, it } from 'vitest'
import { FakeNet } from './fake-net.ts'
import { gather, Member, refusalOf, room, rootKeys } from './people.ts'

it('whoever enters an empty room owns it after a few seconds, and gets the words once', async () => {
  const net = new FakeNet()
  const alice = new Member(net, await rootKeys(), 'Alice')
  alice.community.start()
  await net.pass(4000)
  expect(alice.of('owner')).toEqual([])
  expect(alice.community.charter()).toBeNull()
  await net.pass(2000)
  expect(alice.of('owner')).toEqual([{ type: 'owner', founded: true, words: expect.any(String) }])
  expect(alice.last('owner')?.words?.split(' ')).toHaveLength(12)
  expect(alice.community.recoveryWords()).toBe(alice.last('owner')?.words)
  expect(alice.last('charter')).toMatchObject({ rank: 'owner', changed: [], by: null })
  expect(alice.community.charter()?.owner).toBe('Alice')
  const types = alice.seen.map(({ type }) => type).filter((type) => type !== 'state')
  expect(types).toEqual(['ready', 'charter', 'owner'])
  const bob = new Member(net, await rootKeys(), 'Bob')
  bob.community.start()
  await net.pass(100)
  expect(bob.seen.map(({ type }) => type).filter((type) => type !== 'state')).toEqual(['ready', 'charter'])
  expect(bob.last('ready')?.users.map(({ name, rank }) => `${name} ${rank}`)).toEqual([
    'Bob member',
    'Alice owner',
  ])
})

it('who was not alone at first founds nothing, also when the other one goes', async () => {
  const net = new FakeNet()
  const [alice, bob] = await Promise.all(
    ['Alice', 'Bob'].map(async (name) => new Member(net, await rootKeys(), name)),
  )
  alice?.community.start()
  await net.pass(1000)
  bob?.community.start()
  await net.pass(1000)
  await alice?.community.stop()
  await net.pass(10_000)
  expect(bob?.of('owner')).toEqual([])
  // Alone now, it takes the room when it wants to do what an owner does.
  expect(await refusalOf(net, bob?.community.motd('Mine') ?? Promise.resolve())).toBeNull()
  expect(bob?.of('owner')).toHaveLength(1)
})

it('a second one in the room founds nothing, and a program that comes and goes neither', async () => {
  const net = new FakeNet()
  const [alice, bob] = await gather(net, ['Alice', 'Bob'])
  expect(bob?.of('owner')).toEqual([])
  expect(bob?.last('charter')).toMatchObject({ rank: 'member' })
  expect(alice?.community.people(room).map(({ name, rank }) => `${name} ${rank}`)).toEqual([
    'Alice owner',
    'Bob member',
  ])

  const other = new FakeNet()
  const bot = new Member(other, await rootKeys(), 'Bot', { founds: false })
  bot.community.start()
  await other.pass(10_000)
  expect(bot.of('owner')).toEqual([])
  expect(await refusalOf(other, bot.community.motd('hello'))).toMatchObject({ code: 'no-charter' })
})

it("an owner's command claims the empty room at once", async () => {
  const net = new FakeNet()
  const alice = new Member(net, await rootKeys(), 'Alice')
  alice.community.start()
  await net.pass(100)
  const done = alice.community.motd('Be kind')
  await net.pass(100)
  await done
  expect(alice.of('owner')).toHaveLength(1)
  expect(alice.community.charter()?.motd).toBe('Be kind')
  await net.pass(10_000)
  expect(alice.of('owner')).toHaveLength(1)
})

it('the description is shown to those who are here and to those who come, as it was typed but for controls', async () => {
  const net = new FakeNet()
  const [alice, bob] = await gather(net, ['Alice', 'Bob'])
  const done = alice?.community.motd('Be kind\r\nand\tbrief\u0007 \u202e')
  await net.pass(100)
  await done
  expect(bob?.last('charter')).toMatchObject({
    motd: 'Be kind\nand  brief \u202e',
    changed: ['motd'],
    by: 'Alice',
  })
  const carol = new Member(net, await rootKeys(), 'Carol')
  carol.community.start()
  await net.pass(100)
  expect(carol.last('charter')).toMatchObject({
    motd: 'Be kind\nand  brief \u202e',
    changed: [],
    rank: 'member',
  })
  expect(await refusalOf(net, alice?.community.motd('x'.repeat(2001)) ?? Promise.resolve())).toMatchObject({
    code: 'bad-input',
  })
})

it('nobody acts on their own rank or above, and nobody is asked before that is known', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  const refused = async (doing: Promise<void>) => (await refusalOf(net, doing))?.code
  expect(await refused(bob.community.kick('Carol', ''))).toBe('rank')
  expect(await refused(bob.community.motd('mine'))).toBe('rank')
  expect(await refused(bob.community.op('Bob'))).toBe('rank')
  expect(await refused(alice.community.op('Bob'))).toBeUndefined()
  expect(bob.last('act')).toMatchObject({ what: 'op', target: 'Bob', by: 'Alice' })
  expect(bob.last('charter')).toMatchObject({ rank: 'op', changed: ['rank'] })
  expect(carol.last('act')).toMatchObject({ what: 'op', target: 'Bob', by: 'Alice' })

  expect(await refused(bob.community.op('Carol'))).toBe('rank')
  for (const name of ['kick', 'ban', 'mute'] as const) {
    const how = { forMs: null, reason: '' }
    const act = (whom: string) =>
      name === 'ban'
        ? bob.community.ban(whom, how)
        : name === 'kick'
          ? bob.community.kick(whom, '')
          : bob.community.mute(whom)
    expect(await refused(act('Alice'))).toBe('rank')
    expect(await refused(act('Bob'))).toBe('rank')
  }
  expect(await refused(bob.community.mute('Carol'))).toBeUndefined()
  expect(carol.community.people(room).find(({ self }) => self)?.muted).toBe(true)
  expect(alice.last('act')).toMatchObject({ what: 'mute', target: 'Carol', by: 'Bob' })
})

it('an op who is taken back has no rank any more, and the rules that the op signed stay in force under the owner', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  await net.pass(0)
  for (const doing of [
    () => alice.community.op('Bob'),
    () => bob.community.mute('Carol'),
    () => alice.community.deop('Bob'),
  ]) {
    expect(await refusalOf(net, doing())).toBeNull()
  }
  expect(bob.last('charter')).toMatchObject({ rank: 'member' })
  expect(carol.community.charter()?.muted.map(({ name }) => name)).toEqual(['Carol'])
  expect(await refusalOf(net, bob.community.unmute('Carol'))).toMatchObject({ code: 'rank' })
  expect(await refusalOf(net, alice.community.unmute('Carol'))).toBeNull()
  expect(carol.community.charter()?.muted).toEqual([])
})

it('a ban puts out, says by whom and why, keeps out under every name, and ends by itself', async () => {
  const net = new FakeNet()
  const [alice, bob, mallory] = (await gather(net, ['Alice', 'Bob', 'Mallory'])) as [Member, Member, Member]
  expect(await refusalOf(net, alice.community.ban('mallory', { forMs: 60_000, reason: 'spam' }))).toBeNull()
  expect(mallory.last('expelled')).toMatchObject({ why: 'banned', by: 'Alice', reason: 'spam', view: room })
  expect(mallory.last('stopped')).toMatchObject({ reason: 'refused' })
  expect(bob.last('act')).toMatchObject({ what: 'ban', target: 'Mallory', by: 'Alice', reason: 'spam' })
  expect(bob.of('left')).toEqual([
    expect.objectContaining({
      why: 'banned',
      by: 'Alice',
      reason: 'spam',
      person: expect.objectContaining({ name: 'Mallory' }),
    }),
  ])
  expect(bob.community.charter()?.bans).toEqual([
    expect.objectContaining({ name: 'Mallory', reason: 'spam', by: 'Alice', until: expect.any(Number) }),
  ])

  const again = new Member(net, await rootKeys(), 'Trent', {
    identity: 'Mallory',
    machine: mallory.machine,
    run: '2',
  })
  again.community.start()
  await net.pass(100)
  expect(again.last('expelled')).toMatchObject({ why: 'banned', by: 'Alice', reason: 'spam' })
  expect(again.last('stopped')).toBeDefined()

  await net.pass(61_000)
  expect(bob.community.charter()?.bans).toEqual([])
  const later = new Member(net, await rootKeys(), 'Mallory', { machine: mallory.machine, run: '3' })
  later.community.start()
  await net.pass(100)
  expect(later.of('ready')).toHaveLength(1)
})

it('a ban is ended by name or by the first digits of the key, also of somebody who has left', async () => {
  const net = new FakeNet()
  const [alice, bob, mallory] = (await gather(net, ['Alice', 'Bob', 'Mallory'])) as [Member, Member, Member]
  await mallory.community.stop()
  await net.pass(100)
  expect(await refusalOf(net, alice.community.ban('Mallory', { forMs: null, reason: '' }))).toBeNull()
  expect(await refusalOf(net, alice.community.unban('Bob'))).toMatchObject({ code: 'unchanged' })
  expect(await refusalOf(net, alice.community.unban('mallory'))).toBeNull()
  expect(bob.last('act')).toMatchObject({ what: 'unban', target: 'Mallory', by: 'Alice' })
  expect(await refusalOf(net, alice.community.ban('Mallory', { forMs: null, reason: '' }))).toBeNull()
  const id = alice.community.charter()?.bans[0]?.id ?? ''
  expect(await refusalOf(net, alice.community.unban(id.slice(0, 8)))).toBeNull()
  expect(alice.community.charter()?.bans).toEqual([])
})

it('a kick tells everybody by whom and why, and lets the person come back', async () => {
  const net = new FakeNet()
  const [alice, bob, mallory] = (await gather(net, ['Alice', 'Bob', 'Mallory'])) as [Member, Member, Member]
  expect(await refusalOf(net, alice.community.kick('Mallory', 'too\nloud'))).toBeNull()
  expect(bob.last('act')).toMatchObject({ what: 'kick', target: 'Mallory', by: 'Alice', reason: 'too loud' })
  expect(bob.last('left')).toMatchObject({ why: 'kicked', by: 'Alice', reason: 'too loud' })
  expect(mallory.last('expelled')).toMatchObject({ why: 'kicked', by: 'Alice', reason: 'too loud' })
  const again = new Member(net, await rootKeys(), 'Mallory', { run: '2' })
  again.community.start()
  await net.pass(100)
  expect(again.of('ready')).toHaveLength(1)
})

it('a lock keeps out who was not here, and never the owner or an op', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  expect(await refusalOf(net, alice.community.op('Bob'))).toBeNull()
  expect(await refusalOf(net, bob.community.lock(true))).toBeNull()
  expect(await refusalOf(net, bob.community.lock(true))).toMatchObject({ code: 'unchanged' })
  for (const each of [alice, bob, carol]) await each.community.stop()
  const keys = await rootKeys()
  for (const [name, comesIn] of [
    ['Dora', false],
    ['Carol', true],
    ['Bob', true],
    ['Alice', true],
  ] as const) {
    const member = new Member(net, keys, name, { run: '2' })
    member.community.start()
    await net.pass(100)
    expect([name, member.of('ready').length]).toEqual([name, comesIn ? 1 : 0])
    if (!comesIn) expect(member.last('stopped')?.sentence).toMatch(/locked/)
  }
})

it('limit and history are told to everybody', async () => {
  const net = new FakeNet()
  const [alice, bob] = (await gather(net, ['Alice', 'Bob'])) as [Member, Member]
  expect(await refusalOf(net, alice.community.limit(-1))).toMatchObject({ code: 'bad-input' })
  expect(await refusalOf(net, alice.community.limit(2))).toBeNull()
  expect(bob.last('charter')).toMatchObject({ limit: 2, changed: ['limit'], by: 'Alice' })
  expect(await refusalOf(net, alice.community.history(true))).toBeNull()
  alice.community.send(room, 'before you came')
  await net.pass(100)
  expect(await refusalOf(net, alice.community.limit(0))).toBeNull()
  const carol = new Member(net, await rootKeys(), 'Carol')
  carol.community.start()
  await net.pass(100)
  expect(carol.texts()).toEqual(['Alice: before you came'])
})

it('a room is given away in two steps; the old owner stays an op, and an old offer is worth nothing', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  expect(await refusalOf(net, bob.community.acceptTransfer())).toMatchObject({ code: 'nobody' })
  expect(await refusalOf(net, bob.community.transfer('Bob'))).toMatchObject({ code: 'rank' })
  expect(await refusalOf(net, alice.community.transfer('Bob'))).toBeNull()
  expect(bob.last('offered')).toMatchObject({ from: 'Alice' })
  expect(carol.of('offered')).toEqual([])

  expect(await refusalOf(net, alice.community.op('Carol'))).toBeNull()
  expect(await refusalOf(net, bob.community.acceptTransfer())).toMatchObject({ code: 'conflict' })
  expect(await refusalOf(net, alice.community.transfer('Bob'))).toBeNull()
  expect(await refusalOf(net, carol.community.mute('Bob'))).toBeNull()
  expect(await refusalOf(net, bob.community.acceptTransfer())).toBeNull()

  expect(bob.last('owner')).toMatchObject({ founded: false, words: expect.any(String) })
  expect(alice.last('charter')).toMatchObject({ rank: 'op', changed: ['rank', 'mutes', 'owner'] })
  expect(carol.community.charter()).toMatchObject({ owner: 'Bob', muted: [] })
  expect(
    carol.community
      .people(room)
      .map(({ name, rank }) => `${name} ${rank}`)
      .sort(),
  ).toEqual(['Alice op', 'Bob owner', 'Carol op'])
  expect(await refusalOf(net, alice.community.op('Carol'))).toMatchObject({ code: 'rank' })
  for (const each of [alice, bob, carol]) expect(each.of('warning')).toEqual([])
})

it('two who change the rules at the same moment both succeed', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  expect(await refusalOf(net, alice.community.op('Bob'))).toBeNull()
  const both = [bob.community.mute('Carol'), alice.community.motd('At once'), alice.community.limit(9)]
  await net.pass(5000)
  await Promise.all(both)
  for (const each of [alice, bob, carol]) {
    expect(each.community.charter()).toMatchObject({ motd: 'At once', limit: 9, muted: [{ name: 'Carol' }] })
  }
})

it('recovery words on another machine give the room back', async () => {
  const net = new FakeNet()
  const [alice, bob] = (await gather(net, ['Alice', 'Bob'])) as [Member, Member]
  await alice.community.stop()
  await net.pass(100)
  // The identity stands for what the words hold: the member key's entropy.
  const elsewhere = new Member(net, await rootKeys(), 'Alice', { run: '2' })
  elsewhere.community.start()
  await net.pass(100)
  expect(elsewhere.last('charter')).toMatchObject({ rank: 'owner' })
  expect(await refusalOf(net, elsewhere.community.motd('Back again'))).toBeNull()
  expect(bob.community.charter()?.motd).toBe('Back again')
})

it('the owner bans and mutes ops too, who are none any more then', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  const { community } = alice
  for (const act of [
    () => community.op('Bob'),
    () => community.op('Carol'),
    () => community.mute('Carol'),
    () => community.ban('Bob', { forMs: null, reason: 'loud' }),
  ]) {
    const done = act()
    await net.pass(200)
    await done
  }
  expect(bob.of('expelled')).toMatchObject([{ why: 'banned', by: 'Alice', reason: 'loud' }])
  expect(carol.last('charter')).toMatchObject({ rank: 'member' })
  expect(community.charter()).toMatchObject({ bans: [{ name: 'Bob' }], muted: [{ name: 'Carol' }] })
})
