// A ban that is mathematics: a community moves to fresh keys over real nodes, one of which is killed meanwhile, and is
// found again by those who were away. And a store that is emptied, which gives the room to nobody else.
import { Redis } from 'ioredis'
import { afterEach, expect, inject, it } from 'vitest'
import { adminUrl } from '../../../relay/test/support/redis.ts'
import { comesTo, enter, Machine, type Member, room, stopAll, toward } from './community-member.ts'
import { endAll, type Node, startNode } from './processes.ts'
import { randomId } from './raw-member.ts'

afterEach(async () => {
  await stopAll()
  await endAll()
})

const server = 'Harbour'
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function nodes(count: number, prefix = `moving-${randomId(4)}`): Promise<Node[]> {
  const settings = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: prefix }
  return Promise.all(Array.from({ length: count }, () => startNode(settings)))
}

it('fourteen members over three nodes move while one node is killed, and lose nothing; the banned one reads nothing', async () => {
  const three = await nodes(3)
  const urls = three.map(({ url }) => url)
  const relaysFor = (i: number) => [...urls.slice(i % 3), ...urls.slice(0, i % 3)] as [string, ...string[]]
  const names = ['Alice', 'Bob', ...Array.from({ length: 12 }, (_, i) => `Member ${i}`)]
  const members: Member[] = []
  for (const [i, name] of names.entries()) {
    const member = await enter({ relay: relaysFor(i), server, name })
    if (i === 0) await member.until('owner')
    members.push(member)
  }
  const [alice, bob] = members as [Member, Member]
  const mallory = await enter({ relay: urls[2] ?? '', server, name: 'Mallory' })
  await alice.until('joined', ({ person }) => person.name === 'Mallory')
  await bob.community.open(toward('Alice'))
  await bob.says(toward('Alice'), 'private 0')
  await alice.community.ban('Mallory', { forMs: null, reason: '' })
  await mallory.until('stopped')
  for (const each of members) each.seen.length = 0

  const texts: string[] = []
  const say = (round: number) => {
    for (const each of members) {
      texts.push(`${each.name}: ${round}`)
      each.community.send(room, `${each.name}: ${round}`)
    }
    bob.community.send(toward('Alice'), `private ${round}`)
  }
  const rounds = 40
  let move: Promise<void> = Promise.resolve()
  for (let round = 1; round <= rounds; round += 1) {
    say(round)
    if (round === 10) move = alice.community.rekey()
    if (round === 11) three[1]?.process.kill('SIGKILL')
    await pause(150)
  }
  await move
  await Promise.all(members.map((each) => each.until('moved', () => true, 60_000)))
  say(rounds + 1)
  await Promise.all(
    members.flatMap((each) =>
      names.map((name) => each.until('message', ({ text }) => text === `${name}: ${rounds + 1}`, 60_000)),
    ),
  )
  for (const each of members) {
    const heard = each.texts()
    expect([...heard].sort()).toEqual([...texts].sort())
    for (const name of names) {
      const own = heard
        .filter((text) => text.startsWith(`${name}: `))
        .map((text) => Number(text.split(': ')[1]))
      expect(own).toEqual(Array.from({ length: rounds + 1 }, (_, i) => i + 1))
    }
    expect(each.of('failed')).toEqual([])
    expect(each.of('gap')).toEqual([])
    expect(each.of('warning')).toEqual([])
    expect(each.community.people(room)).toHaveLength(14)
  }
  expect(alice.texts(toward('Bob'))).toEqual(Array.from({ length: rounds + 1 }, (_, i) => `private ${i + 1}`))
  expect(new Set(members.map((each) => each.last('moved')?.room)).size).toBe(1)

  // The old PIN, a new key, another name.
  const again = await enter({ relay: urls[2] ?? '', server, name: 'Trent' })
  await again.until('locked-out')
  for (let i = 0; i < 100; i += 1) bob.community.send(room, `secret ${i}`)
  await alice.until('message', ({ text }) => text === 'secret 99', 60_000)
  expect(again.of('message')).toEqual([])
  expect(again.of('moved')).toEqual([])
}, 180_000)

it('who was away knocks and is let in; the owner comes in by words alone', async () => {
  const [one, two] = (await nodes(2)) as [Node, Node]
  const alice = await enter({ relay: one.url, server, name: 'Alice' })
  await alice.until('owner')
  const bob = await enter({ relay: two.url, server, name: 'Bob' })
  const carol = await enter({ relay: one.url, server, name: 'Carol' })
  await alice.until('joined', ({ person }) => person.name === 'Carol')
  await alice.community.op('Bob')
  await bob.until('charter', ({ rank }) => rank === 'op')
  await carol.stop()
  await alice.community.rekey()
  await bob.until('moved')

  const back = await enter({ relay: two.url, server, name: 'Carol', machine: carol.machine })
  await back.until('locked-out')
  expect(await bob.until('knock')).toMatchObject({ name: 'Carol', known: true })
  await bob.community.admit('Carol')
  await back.until('moved')
  await back.says(room, 'thank you')
  await alice.until('message', ({ text }) => text === 'thank you')

  const { entropyFromWords } = await import('@pychat/crypto')
  const words = alice.community.recoveryWords() ?? ''
  await alice.stop()
  const elsewhere = await enter({
    relay: one.url,
    server,
    name: 'Alice',
    machine: new Machine(),
    entropy: entropyFromWords(words),
  })
  await elsewhere.until('moved')
  expect(elsewhere.last('charter')).toMatchObject({ rank: 'owner' })
  await elsewhere.says(room, 'home')
  await bob.until('message', ({ text }) => text === 'home')
}, 90_000)

it('after the store was emptied the rules are back, and who claims the room does not get it', async () => {
  const prefix = `flush-${randomId(4)}`
  const [one, two] = (await nodes(2, prefix)) as [Node, Node]
  const alice = await enter({ relay: one.url, server, name: 'Alice' })
  await alice.until('owner')
  const bob = await enter({ relay: two.url, server, name: 'Bob' })
  await alice.until('joined')
  await alice.community.motd('Be kind')
  await bob.until('charter', ({ motd }) => motd === 'Be kind')

  const redis = new Redis(adminUrl(inject('redisUrl')))
  const keys = await redis.keys(`*${prefix}*`)
  await redis.del(...keys)
  await redis.quit()
  const mallory = await comesTo({ relay: one.url, server, name: 'Mallory' })
  await mallory.until('ready', () => true, 60_000)
  await mallory.community.motd('Mine').catch(() => {})
  await pause(3000)
  for (const each of [alice, bob]) {
    expect(each.community.charter()).toMatchObject({ owner: 'Alice', motd: 'Be kind' })
  }
  expect(mallory.of('owner')).toEqual([])
  expect(mallory.last('charter')).toMatchObject({ rank: 'member', motd: 'Be kind' })
  await bob.says(room, 'still here')
  await alice.until('message', ({ text }) => text === 'still here')
}, 120_000)
