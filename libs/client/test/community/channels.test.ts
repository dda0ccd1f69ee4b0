// Channels: rooms below the room, under the same rules.
import { channelRoom, memberKey, publicKeyText, verifier } from '@pychat/crypto'
import { readCharter } from '@pychat/protocol'
import { expect, it } from 'vitest'
import { writePair } from '../../src/community/documents.ts'
import { firstDraft } from '../../src/community/draft.ts'
import { FakeClient, FakeNet } from './fake-net.ts'
import { channel, gather, Member, refusalOf, room, rootKeys } from './people.ts'

it('whoever types its name is in it, by every spelling, and the others hear that there is one', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  expect(await refusalOf(net, bob.community.open(channel('#Dev')))).toBeNull()
  expect(bob.of('opened').map(({ view }) => view)).toEqual([channel('dev')])
  expect(carol.of('channel')).toEqual([expect.objectContaining({ name: 'dev' })])
  expect(await refusalOf(net, carol.community.open(channel('DEV')))).toBeNull()
  carol.community.send(channel('dev'), 'here?')
  bob.community.send(room, 'in the room')
  await net.pass(100)
  expect(bob.texts(channel('dev'))).toEqual(['Carol: here?'])
  expect(alice.texts(channel('dev'))).toEqual([])
  expect(alice.texts()).toEqual(['Bob: in the room'])
  expect(bob.community.people(channel('dev')).map(({ name }) => name)).toEqual(['Bob', 'Carol'])
  expect(await refusalOf(net, bob.community.open(channel('no way')))).toMatchObject({ code: 'bad-input' })

  // The owner's client lists it, so that whoever comes later knows of it.
  await net.pass(5000)
  const dora = new Member(net, await rootKeys(), 'Dora')
  dora.community.start()
  await net.pass(100)
  expect(dora.community.channels()).toEqual(['dev'])
})

it('is left and entered again, and entered by itself at the next start', async () => {
  const net = new FakeNet()
  const [alice, bob] = (await gather(net, ['Alice', 'Bob'])) as [Member, Member]
  for (const each of [alice, bob])
    expect(await refusalOf(net, each.community.open(channel('dev')))).toBeNull()
  expect(await refusalOf(net, bob.community.close(channel('dev')))).toBeNull()
  expect(alice.last('left')).toMatchObject({ view: channel('dev'), why: 'left' })
  expect(await refusalOf(net, bob.community.close(channel('dev')))).toMatchObject({ code: 'no-channel' })
  bob.community.send(channel('dev'), 'nobody is here')
  expect(bob.last('failed')).toMatchObject({
    retry: false,
    reason: expect.stringMatching(/You are not in #dev/),
  })
  expect(await refusalOf(net, bob.community.open(channel('dev')))).toBeNull()
  await bob.community.stop()
  const again = new Member(net, await rootKeys(), 'Bob', { run: '2', machine: bob.machine })
  again.community.start()
  await net.pass(100)
  expect(again.of('opened').map(({ view }) => view)).toEqual([channel('dev')])
})

it('a ban in the room counts in its channels, by everybody at once and by the relay when an op has been there', async () => {
  const net = new FakeNet()
  const [alice, bob, mallory] = (await gather(net, ['Alice', 'Bob', 'Mallory'])) as [Member, Member, Member]
  for (const each of [bob, mallory])
    expect(await refusalOf(net, each.community.open(channel('dev')))).toBeNull()
  expect(await refusalOf(net, alice.community.ban('Mallory', { forMs: null, reason: 'spam' }))).toBeNull()
  expect(bob.of('left').find(({ view }) => view.kind === 'channel')).toMatchObject({
    why: 'banned',
    by: 'Alice',
    reason: 'spam',
  })
  expect(bob.community.people(channel('dev')).map(({ name }) => name)).toEqual(['Bob'])

  // Her client is a liar: it stays in the channel, and comes with a fresh run.
  const liar = new FakeClient(net, 'liar')
  const dev = bob.client.rooms()[1]?.keys
  if (!dev) throw new Error('Bob is in no channel')
  const intruder = liar.enter({
    room: dev,
    username: 'Mallory',
    member: mallory.client.entered[0]?.ownSession as never,
    root: (await rootKeys()).id,
    trusted: null,
  })
  liar.connect()
  await net.pass(10_000)
  intruder.send('can you hear me')
  await net.pass(100)
  expect(bob.texts(channel('dev'))).toEqual([])
  // The relay knows no rules there yet: it is not to blame.
  expect(bob.of('warning')).toEqual([])

  expect(await refusalOf(net, alice.community.open(channel('dev')))).toBeNull()
  await net.pass(3000)
  expect(intruder.ended).toBe(true)
})

it('a muted person writes in no channel either', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  for (const each of [bob, carol])
    expect(await refusalOf(net, each.community.open(channel('dev')))).toBeNull()
  expect(await refusalOf(net, alice.community.mute('Bob'))).toBeNull()
  const id = bob.community.send(channel('dev'), 'hm')
  await net.pass(100)
  expect(bob.last('failed')).toMatchObject({ id, retry: true, reason: expect.stringMatching(/muted/) })
  expect(carol.texts(channel('dev'))).toEqual([])
  expect(await refusalOf(net, alice.community.unmute('Bob'))).toBeNull()
  bob.community.retry(channel('dev'), id)
  await net.pass(100)
  expect(carol.texts(channel('dev'))).toEqual(['Bob: hm'])
})

it('rules of a channel that somebody else has made are refused, with a warning', async () => {
  const net = new FakeNet()
  const [, bob, mallory] = (await gather(net, ['Alice', 'Bob', 'Mallory'])) as [Member, Member, Member]
  const root = await rootKeys()
  const dev = channelRoom(root, 'dev')
  const key = memberKey(new Uint8Array(16).fill(9))
  const pair = writePair(
    { root: root.id, room: dev },
    null,
    firstDraft(publicKeyText(key.publicKey), 'Mallory'),
    key,
    mallory.client.random,
  )
  if (!pair) throw new Error('nothing forged')
  net.hall(dev.id).charter = readCharter(pair, verifier, dev.id)
  expect(await refusalOf(net, bob.community.open(channel('dev')))).toBeNull()
  expect(bob.last('warning')).toMatchObject({
    code: 'charter-foreign',
    sentence: expect.stringMatching(/^#dev: /),
  })
  expect(bob.community.people(channel('dev')).map(({ rank }) => rank)).toEqual(['member'])
})

it('owner and ops agree on the rules of a channel, also when a ban ends and one of them has started anew', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  const root = await rootKeys()
  expect(await refusalOf(net, alice.community.op('Bob'))).toBeNull()
  for (const each of [alice, bob])
    expect(await refusalOf(net, each.community.open(channel('dev')))).toBeNull()
  await carol.community.stop()
  expect(await refusalOf(net, alice.community.ban('Carol', { forMs: 10_000, reason: '' }))).toBeNull()
  await net.pass(20_000)
  await bob.community.stop()
  const again = new Member(net, root, 'Bob', { machine: bob.machine, run: '2' })
  again.community.start()
  await net.pass(20_000)
  const version = () => net.hall(channelRoom(root, 'dev').id).charter?.rules.version ?? 0
  const before = version()
  expect(before).toBeLessThan(8)
  await net.pass(60_000)
  expect(version()).toBe(before)
})
