// Owner, ops and members over real nodes that share a store: what one node is told, all of them keep to.
import { afterEach, expect, inject, it } from 'vitest'
import { channel, codeOf, comesTo, enter, Machine, type Member, room, stopAll } from './community-member.ts'
import { endAll, type Node, startNode } from './processes.ts'
import { randomId } from './raw-member.ts'

afterEach(async () => {
  await stopAll()
  await endAll()
})

const server = 'Harbour'

async function nodes(count: number): Promise<Node[]> {
  const settings = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: `people-${randomId(4)}` }
  return Promise.all(Array.from({ length: count }, () => startNode(settings)))
}

/** One after the other, over the nodes in turn; the first one owns the room. */
async function gather(names: readonly string[], over: readonly Node[]): Promise<Member[]> {
  const members: Member[] = []
  for (const [i, name] of names.entries()) {
    const { url } = over[i % over.length] as Node
    const member = await enter({ relay: url, server, name })
    if (members.length === 0) await member.until('owner')
    else await members[0]?.until('joined', ({ person }) => person.name === name)
    members.push(member)
  }
  return members
}

it('whoever makes the room owns it; rules reach every node, and everybody', async () => {
  const two = await nodes(2)
  const [alice, bob, carol] = (await gather(['Alice', 'Bob', 'Carol'], two)) as [Member, Member, Member]
  expect(alice.of('owner')).toEqual([
    expect.objectContaining({ founded: true, words: alice.community.recoveryWords() }),
  ])
  await alice.community.motd('Be kind')
  await bob.until('charter', ({ motd, by }) => motd === 'Be kind' && by === 'Alice')
  await alice.community.op('Bob')
  await bob.until('charter', ({ rank }) => rank === 'op')
  await carol.until('act', ({ what, target, by }) => what === 'op' && target === 'Bob' && by === 'Alice')

  await bob.community.mute('Carol')
  await carol.until('charter', ({ changed }) => changed.includes('mutes'))
  const muted = carol.community.send(room, 'can you hear me?')
  expect(await carol.until('failed', ({ id }) => id === muted)).toMatchObject({
    reason: expect.stringMatching(/muted/),
    retry: true,
  })
  await bob.community.unmute('Carol')
  await carol.until('act', ({ what }) => what === 'unmute')
  carol.community.retry(room, muted)
  await carol.until('message', ({ id }) => id === muted)
  await alice.until('message', ({ text }) => text === 'can you hear me?')

  expect(await codeOf(carol.community.kick('Bob', ''))).toBe('rank')
  expect(await codeOf(bob.community.ban('Alice', { forMs: null, reason: '' }))).toBe('rank')
  await alice.community.deop('Bob')
  await bob.until('charter', ({ rank }) => rank === 'member')
  expect(await codeOf(bob.community.motd('mine'))).toBe('rank')

  const dora = await enter({ relay: two[1]?.url ?? '', server, name: 'Dora' })
  expect(dora.last('charter')).toMatchObject({ motd: 'Be kind', rank: 'member' })
  expect(dora.community.people(room).map(({ name, rank }) => `${name} ${rank}`)).toContain('Alice owner')
  for (const each of [alice, bob, carol, dora]) expect(each.of('warning')).toEqual([])
}, 60_000)

it('a ban on one node puts out on another within a second, and holds against every return', async () => {
  const three = await nodes(3)
  const [alice, bob, mallory] = (await gather(['Alice', 'Bob', 'Mallory'], three)) as [Member, Member, Member]
  for (const each of [bob, mallory]) await each.community.open(channel('dev'))
  const beganAt = Date.now()
  await alice.community.ban('Mallory', { forMs: null, reason: 'spam' })
  await mallory.until('expelled')
  await bob.until('left', ({ person, view }) => person.name === 'Mallory' && view.kind === 'room')
  expect(Date.now() - beganAt).toBeLessThan(1000)
  expect(mallory.last('expelled')).toMatchObject({ why: 'banned', by: 'Alice', reason: 'spam', view: room })
  expect(mallory.last('stopped')).toMatchObject({ reason: 'refused' })
  expect(bob.last('act')).toMatchObject({ what: 'ban', target: 'Mallory', by: 'Alice', reason: 'spam' })
  const inDev = bob.of('left').filter(({ view }) => view.kind === 'channel')
  expect(inDev).toEqual([expect.objectContaining({ why: 'banned', by: 'Alice' })])

  for (const { url } of three) {
    const again = await comesTo({ relay: url, server, name: 'Trent', machine: mallory.machine })
    expect(await again.until('stopped')).toMatchObject({ sentence: expect.stringMatching(/banned/) })
    expect(again.of('ready')).toEqual([])
    expect(again.last('expelled')).toMatchObject({ by: 'Alice', reason: 'spam' })
  }
  await alice.community.unban('mallory')
  const back = await enter({ relay: three[2]?.url ?? '', server, name: 'Mallory', machine: mallory.machine })
  expect(back.last('charter')).toMatchObject({ rank: 'member' })
}, 60_000)

it('a kick says by whom and why; a lock and a limit keep newcomers out, and never the owner', async () => {
  const two = await nodes(2)
  const [alice, bob, carol] = (await gather(['Alice', 'Bob', 'Carol'], two)) as [Member, Member, Member]
  await alice.community.kick('Carol', 'too loud')
  expect(await carol.until('expelled')).toMatchObject({ why: 'kicked', by: 'Alice', reason: 'too loud' })
  const left = await bob.until('left', ({ person }) => person.name === 'Carol')
  expect(left).toMatchObject({ why: 'kicked', by: 'Alice', reason: 'too loud' })
  const wereSeen = alice.of('joined').length
  const back = await enter({ relay: two[0]?.url ?? '', server, name: 'Carol', machine: carol.machine })
  await expect.poll(() => alice.of('joined').length).toBe(wereSeen + 1)

  await alice.community.lock(true)
  const stranger = await comesTo({ relay: two[1]?.url ?? '', server, name: 'Dora' })
  expect(await stranger.until('stopped')).toMatchObject({ sentence: expect.stringMatching(/locked/) })
  await back.stop()
  const carolAgain = await enter({ relay: two[1]?.url ?? '', server, name: 'Carol', machine: carol.machine })
  await alice.community.lock(false)
  await carolAgain.until('charter', ({ changed, lock }) => changed.includes('lock') && !lock)

  await alice.community.limit(3)
  const fourth = await comesTo({ relay: two[1]?.url ?? '', server, name: 'Dora' })
  expect(await fourth.until('stopped')).toMatchObject({ sentence: expect.stringMatching(/full/) })
  await alice.stop()
  const dora = await enter({ relay: two[1]?.url ?? '', server, name: 'Dora' })
  const owner = await enter({ relay: two[0]?.url ?? '', server, name: 'Alice', machine: alice.machine })
  expect(owner.last('charter')).toMatchObject({ rank: 'owner', limit: 3 })
  await expect.poll(() => dora.community.find('alice')?.rank).toBe('owner')
}, 60_000)

it('the room is given away, and the recovery words of its owner give it back on another machine', async () => {
  const two = await nodes(2)
  const [alice, bob, carol] = (await gather(['Alice', 'Bob', 'Carol'], two)) as [Member, Member, Member]
  await alice.community.transfer('Bob')
  await bob.until('offered', ({ from }) => from === 'Alice')
  await bob.community.acceptTransfer()
  const { words } = await bob.until('owner', ({ founded }) => !founded)
  await alice.until('charter', ({ rank, changed }) => rank === 'op' && changed.includes('owner'))
  expect(await codeOf(alice.community.deop('Carol'))).toBe('rank')
  await carol.until('charter', ({ changed }) => changed.includes('owner'))

  await bob.stop()
  const { entropyFromWords } = await import('@pychat/crypto')
  const elsewhere = await enter({
    relay: two[0]?.url ?? '',
    server,
    name: 'Bob',
    machine: new Machine(),
    entropy: entropyFromWords(words ?? ''),
  })
  expect(elsewhere.last('charter')).toMatchObject({ rank: 'owner' })
  await elsewhere.community.motd('From another laptop')
  await carol.until('charter', ({ motd, by }) => motd === 'From another laptop' && by === 'Bob')
  for (const each of [alice, carol, elsewhere]) expect(each.of('warning')).toEqual([])
}, 60_000)

it('newcomers get what the log has when the owner wants it', async () => {
  const [node] = (await nodes(1)) as [Node]
  const [alice] = (await gather(['Alice', 'Bob'], [node])) as [Member, Member]
  await alice.says(room, 'one')
  await alice.community.history(true)
  await alice.says(room, 'two')
  const carol = await enter({ relay: node.url, server, name: 'Carol' })
  await carol.until('message', ({ text }) => text === 'two')
  expect(carol.texts()).toEqual(['one', 'two'])
  await alice.community.history(false)
  const dora = await enter({ relay: node.url, server, name: 'Dora' })
  await alice.says(room, 'three')
  await dora.until('message')
  expect(dora.texts()).toEqual(['three'])
}, 60_000)
