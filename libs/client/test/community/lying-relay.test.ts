// A relay that rewrites, replays or forgets rules, or does not keep to them: what was trusted stays in force, and people
// are told.
import { type MemberKey, memberEntropy, memberKey, publicKeyText, verifier } from '@pychat/crypto'
import { type CharterPair, encodeNotice, type MemberId, readCharter } from '@pychat/protocol'
import { expect, it } from 'vitest'
import { writePair } from '../../src/community/documents.ts'
import { firstDraft } from '../../src/community/draft.ts'
import { seededRandom } from '../world.ts'
import { FakeNet } from './fake-net.ts'
import { gather, Member, refusalOf, room, rootKeys } from './people.ts'

async function keyOf(name: string): Promise<MemberKey> {
  const identity = seededRandom(`identity ${name}`)(32)
  return memberKey(memberEntropy(identity, (await rootKeys()).id))
}

/** The relay's word, at once and in every later join. */
async function relaySays(net: FakeNet, pair: CharterPair, members: readonly Member[]): Promise<void> {
  const { id } = await rootKeys()
  const hall = net.hall(id)
  try {
    hall.charter = readCharter(pair, verifier, id)
  } catch {
    // It can say what it likes; only a reader would find out.
  }
  for (const each of members) each.client.rooms()[0]?.trust.hear(pair, true)
  await net.settle()
}

it('an older charter that a relay replays changes nothing, and the newer one is given back', async () => {
  const net = new FakeNet()
  const members = await gather(net, ['Alice', 'Bob', 'Mallory'])
  const [alice, bob, mallory] = members as [Member, Member, Member]
  const { id } = await rootKeys()
  expect(await refusalOf(net, alice.community.op('Mallory'))).toBeNull()
  const old = net.hall(id).charter?.pair
  expect(await refusalOf(net, alice.community.deop('Mallory'))).toBeNull()
  expect(await refusalOf(net, alice.community.ban('Mallory', { forMs: null, reason: '' }))).toBeNull()
  if (!old) throw new Error('no charter')
  await net.pass(10_000)
  await relaySays(net, old, [alice, bob])
  for (const each of [alice, bob]) {
    expect(each.last('warning')).toMatchObject({ code: 'charter-old' })
    expect(each.community.charter()?.bans).toHaveLength(1)
  }
  expect(mallory.last('stopped')).toBeDefined()

  // At the next join the relay's word is corrected.
  bob.client.cut()
  bob.client.connect()
  await net.pass(2000)
  expect(net.hall(id).charter?.rules.bans.size).toBe(1)
})

it('a charter of another owner is refused, by those who know the owner', async () => {
  const net = new FakeNet()
  const members = await gather(net, ['Alice', 'Bob'])
  const [alice, bob] = members as [Member, Member]
  const root = await rootKeys()
  const mallory = await keyOf('Mallory')
  const forged = writePair(
    { root: root.id, room: root },
    null,
    firstDraft(publicKeyText(mallory.publicKey), 'Mallory'),
    mallory,
    seededRandom('x'),
  )
  if (!forged) throw new Error('nothing forged')
  await relaySays(net, forged, members)
  for (const each of members) {
    expect(each.last('warning')).toMatchObject({ code: 'charter-foreign' })
    expect(each.community.charter()?.owner).toBe('Alice')
  }
  expect(bob.community.people(room).find(({ name }) => name === 'Alice')?.rank).toBe('owner')
  expect(alice.last('charter')).toMatchObject({ rank: 'owner' })
})

it('a relay that makes a member an op is found out', async () => {
  const net = new FakeNet()
  const members = await gather(net, ['Alice', 'Bob'])
  const root = await rootKeys()
  const pair = net.hall(root.id).charter?.pair
  if (!pair) throw new Error('no charter')
  const bob = publicKeyText((await keyOf('Bob')).publicKey)
  const doc = pair.charter.doc.replace('"ops":[]', `"ops":["${bob}"]`).replace('"version":1', '"version":2')
  await relaySays(net, { ...pair, charter: { ...pair.charter, doc } }, members)
  for (const each of members) {
    expect(each.last('warning')).toMatchObject({ code: 'charter-invalid' })
    expect(
      each.community
        .people(room)
        .map(({ rank }) => rank)
        .sort(),
    ).toEqual(['member', 'owner'])
  }
})

it('after the store was emptied members give the rules back, and nobody else becomes owner', async () => {
  const net = new FakeNet()
  const members = await gather(net, ['Alice', 'Bob', 'Carol'])
  const [alice, bob, carol] = members as [Member, Member, Member]
  const root = await rootKeys()
  expect(await refusalOf(net, alice.community.motd('Be kind'))).toBeNull()
  expect(await refusalOf(net, alice.community.ban('Mallory', { forMs: null, reason: '' }))).toMatchObject({
    code: 'nobody',
  })
  await alice.community.stop()
  net.flush()
  bob.client.connect()
  await net.pass(3000)
  expect(net.hall(root.id).charter?.owner).toBe(publicKeyText((await keyOf('Alice')).publicKey))
  carol.client.connect()
  const mallory = new Member(net, root, 'Mallory')
  mallory.community.start()
  await net.pass(10_000)
  expect(mallory.of('owner')).toEqual([])
  expect(await refusalOf(net, mallory.community.motd('Mine'))).toMatchObject({ code: 'rank' })
  expect(carol.community.charter()?.motd).toBe('Be kind')
})

it('who claims the emptied room first owns it for the relay alone: those who know the owner say so', async () => {
  const net = new FakeNet()
  const members = await gather(net, ['Alice', 'Bob'])
  const [alice, bob] = members as [Member, Member]
  const root = await rootKeys()
  net.flush()
  const mallory = new Member(net, root, 'Mallory')
  mallory.community.start()
  await net.pass(100)
  expect(await refusalOf(net, mallory.community.motd('Mine'))).toBeNull()
  alice.client.connect()
  bob.client.connect()
  await net.pass(10_000)
  for (const each of members) {
    expect(each.last('warning')).toMatchObject({ code: 'charter-foreign' })
    expect(each.community.charter()).toMatchObject({ owner: 'Alice', motd: '' })
    expect(each.community.find('Mallory')?.rank).toBe('member')
  }
})

it('says once that a relay passes on what a muted member writes, and shows nothing of it', async () => {
  const net = new FakeNet()
  const [alice, bob, mallory] = (await gather(net, ['Alice', 'Bob', 'Mallory'])) as [Member, Member, Member]
  net.enforces = false
  // Her client does not keep to it either.
  const home = mallory.client.rooms()[0]
  home?.send('before')
  expect(await refusalOf(net, alice.community.mute('Mallory'))).toBeNull()
  home?.send('on its way')
  await net.pass(3000)
  for (const text of ['after', 'and after']) {
    home?.send(text)
    await net.pass(100)
  }
  expect(bob.texts()).toEqual(['Mallory: before', 'Mallory: on its way'])
  expect(bob.of('warning')).toEqual([expect.objectContaining({ code: 'not-enforced' })])
})

it('a notice of a kick by somebody without the right to it is not believed', async () => {
  const net = new FakeNet()
  const [alice, bob, mallory] = (await gather(net, ['Alice', 'Bob', 'Mallory'])) as [Member, Member, Member]
  const target = alice.community.find('Bob')
  if (!target) throw new Error('no Bob')
  const body = encodeNotice({
    t: 'act',
    what: 'kick',
    id: target.memberId as MemberId,
    name: 'Bob',
    reason: 'x',
    until: 0,
  })
  mallory.client.rooms()[0]?.sendBody(3, body)
  await net.pass(100)
  for (const each of [alice, bob]) expect(each.of('act')).toEqual([])
})
