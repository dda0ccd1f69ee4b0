// A room so large that nobody is told who comes and goes: people are found on the relay's list.
import { expect, it } from 'vitest'
import { FakeNet } from './fake-net.ts'
import { gather, Member, refusalOf, room, rootKeys, toward } from './people.ts'

const names = ['Alice', 'Bob', 'Carol', 'Dora', 'Emil', 'Mallory']

async function crowd(): Promise<{ net: FakeNet; members: Member[] }> {
  const net = new FakeNet()
  net.quietAbove = 2
  const members = await gather(net, names)
  return { net, members }
}

it('tells how many there are, and shows them page by page', async () => {
  const { members } = await crowd()
  const [alice] = members as [Member]
  expect(members.at(-1)?.last('ready')).toMatchObject({ count: 6, quiet: true, alone: false })
  expect(alice.of('joined').map(({ person }) => person.name)).toEqual(['Bob'])
  expect(alice.community.people(room).map(({ name }) => name)).toEqual(['Alice', 'Bob'])
  const seen: string[] = []
  for (let after: string | null = null; ; ) {
    const page = await alice.community.page(room, after)
    expect(page.count).toBe(6)
    seen.push(...page.people.map(({ name, rank }) => `${name} ${rank}`))
    if (page.next === null) break
    after = page.next
  }
  expect(seen).toEqual(['Alice owner', ...names.slice(1).map((name) => `${name} member`)])
})

it('acts on somebody whom this client has never heard, and writes to them', async () => {
  const { net, members } = await crowd()
  const [alice, bob, , , emil, mallory] = members as [Member, Member, Member, Member, Member, Member]
  expect(await refusalOf(net, alice.community.ban('Mallory', { forMs: null, reason: '' }))).toBeNull()
  expect(mallory.last('expelled')).toMatchObject({ by: 'Alice' })
  expect(await refusalOf(net, alice.community.kick('Nobody', ''))).toMatchObject({ code: 'nobody' })
  expect(await refusalOf(net, bob.community.open(toward('emil')))).toBeNull()
  bob.community.send(toward('Emil'), 'hello')
  await net.pass(1000)
  expect(emil.texts(toward('Bob'))).toEqual(['Bob: hello'])
  await emil.community.stop()
  await net.pass(10)
  const id = bob.community.send(toward('Emil'), 'are you there?')
  await net.pass(30_000)
  expect(bob.of('failed')).toEqual([])
  await net.pass(60_000)
  expect(bob.last('failed')).toMatchObject({
    id,
    reason: expect.stringMatching(/does not answer/),
    retry: true,
  })
})

it('moves with everybody in it', async () => {
  const { net, members } = await crowd()
  const [alice, bob] = members as [Member, Member]
  expect(await refusalOf(net, alice.community.rekey())).toBeNull()
  bob.community.send(room, 'all here')
  await net.pass(1000)
  for (const each of members) {
    expect(each.of('moved')).toEqual([expect.objectContaining({ carried: 6 })])
    expect(each.texts()).toEqual(['Bob: all here'])
  }
  const keys = await rootKeys()
  const late = new Member(net, keys, 'Late')
  late.community.start()
  await net.pass(5000)
  expect(late.of('locked-out')).toHaveLength(1)
})
