// Private conversations: to one key, in a room that only two can derive.
import { callBody, frameKinds, pairRoom } from '@pychat/crypto'
import { decodeHex } from '@pychat/protocol'
import { expect, it } from 'vitest'
import { FakeNet } from './fake-net.ts'
import { gather, Member, refusalOf, room, rootKeys, toward } from './people.ts'

async function trio(): Promise<{ net: FakeNet; alice: Member; bob: Member; carol: Member }> {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  return { net, alice, bob, carol }
}

it('opens on the other side with the first message, and goes both ways', async () => {
  const { net, alice, bob, carol } = await trio()
  expect(await refusalOf(net, alice.community.open(toward('bob')))).toBeNull()
  expect(bob.of('opened')).toEqual([])
  const id = alice.community.send(toward('Bob'), 'between us')
  expect(alice.of('pending')).toEqual([
    expect.objectContaining({ id, text: 'between us', waiting: "Bob's client is being called." }),
  ])
  await net.pass(100)
  expect(alice.last('message')).toMatchObject({ view: toward('Bob'), text: 'between us', own: true, id })
  expect(bob.of('opened').map(({ view }) => view)).toEqual([toward('Alice')])
  expect(bob.texts(toward('Alice'))).toEqual(['Alice: between us'])
  bob.community.send(toward('Alice'), 'indeed')
  await net.pass(100)
  expect(alice.texts(toward('Bob'))).toEqual(['Alice: between us', 'Bob: indeed'])
  expect(alice.community.people(toward('Bob')).map(({ name }) => name)).toEqual(['Alice', 'Bob'])
  expect(alice.community.views()).toEqual([room, toward('Bob')])
  expect(carol.of('message')).toEqual([])
  expect(carol.of('opened')).toEqual([])
  // Carol's client is in no room that the two talk in.
  expect(carol.client.rooms()).toHaveLength(1)
  expect(bob.client.rooms()).toHaveLength(2)
})

it('two who turn to each other at the same moment talk in one room', async () => {
  const { net, alice, bob } = await trio()
  await Promise.all([alice.community.open(toward('Bob')), bob.community.open(toward('Alice'))])
  alice.community.send(toward('Bob'), 'you first')
  bob.community.send(toward('Alice'), 'no, you')
  await net.pass(100)
  expect([...alice.texts(toward('Bob'))].sort()).toEqual(['Alice: you first', 'Bob: no, you'])
  expect(alice.texts(toward('Bob'))).toEqual(bob.texts(toward('Alice')))
  expect(alice.client.rooms()).toHaveLength(2)
})

it('a text waits while the other one is only cut off, and arrives once', async () => {
  const { net, alice, bob } = await trio()
  await alice.community.open(toward('Bob'))
  alice.community.send(toward('Bob'), 'one')
  await net.pass(100)
  bob.client.cut()
  alice.community.send(toward('Bob'), 'two')
  await net.pass(5000)
  bob.client.connect()
  await net.pass(100)
  expect(bob.texts(toward('Alice'))).toEqual(['Alice: one', 'Alice: two'])
  expect(alice.of('failed')).toEqual([])
})

it('says that nobody is there when the other one has gone, and how much may not have arrived', async () => {
  const { net, alice, bob } = await trio()
  await alice.community.open(toward('Bob'))
  alice.community.send(toward('Bob'), 'early')
  await net.pass(100)
  bob.community.send(toward('Alice'), 'heard')
  await net.pass(120_000)
  for (const text of ['late', 'later']) alice.community.send(toward('Bob'), text)
  await net.pass(100)
  bob.client.lose()
  await net.pass(100)
  const left = alice.of('left').filter(({ view }) => view.kind === 'private')
  expect(left).toEqual([
    expect.objectContaining({ why: 'lost', reason: 'The last 2 messages may not have reached Bob.' }),
  ])
  const id = alice.community.send(toward('Bob'), 'too late')
  await net.pass(100)
  expect(alice.last('failed')).toMatchObject({
    id,
    view: toward('Bob'),
    reason: 'Bob is not here any more, so this was not sent.',
    retry: true,
  })
  expect(await refusalOf(net, alice.community.open(toward('Dora')))).toMatchObject({ code: 'nobody' })

  // The same client comes back, and the message is tried again.
  bob.client.connect()
  await net.pass(100)
  alice.community.retry(toward('Bob'), id)
  await net.pass(100)
  expect(bob.texts(toward('Alice'))).toEqual([
    'Alice: early',
    'Bob: heard',
    'Alice: late',
    'Alice: later',
    'Alice: too late',
  ])
})

it('follows the same key through a restart of the other client', async () => {
  const { net, alice, bob } = await trio()
  await alice.community.open(toward('Bob'))
  alice.community.send(toward('Bob'), 'one')
  await net.pass(100)
  await bob.community.stop()
  await net.pass(100)
  const again = new Member(net, await rootKeys(), 'Bob', { run: '2' })
  again.community.start()
  await net.pass(100)
  alice.community.send(toward('Bob'), 'two')
  await net.pass(1000)
  expect(again.texts(toward('Alice'))).toEqual(['Alice: two'])
  again.community.send(toward('Alice'), 'three')
  await net.pass(100)
  expect(alice.texts(toward('Bob'))).toEqual(['Alice: one', 'Alice: two', 'Bob: three'])
})

it('does not take another key under the name for the same person', async () => {
  const { net, alice, bob } = await trio()
  await alice.community.open(toward('Bob'))
  alice.community.send(toward('Bob'), 'one')
  await net.pass(100)
  alice.community.setVerified('Bob', true)
  await bob.community.stop()
  await net.pass(100)
  const mallory = new Member(net, await rootKeys(), 'Bob', { identity: 'Mallory' })
  mallory.community.start()
  await net.pass(100)
  expect(alice.of('keychange')).toEqual([expect.objectContaining({ name: 'Bob', wasVerified: true })])
  const lost = alice.community.send(toward('Bob'), 'for Bob alone')
  await net.pass(1000)
  expect(alice.last('failed')).toMatchObject({ id: lost })
  expect(mallory.of('message')).toEqual([])

  // Mallory writes as Bob: shown with a changed key, and an answer needs a decision.
  await mallory.community.open(toward('Alice'))
  mallory.community.send(toward('Alice'), 'it is me')
  await net.pass(1000)
  expect(alice.last('message')).toMatchObject({ text: 'it is me', key: 'changed' })
  const doubted = alice.community.send(toward('Bob'), 'hm')
  await net.pass(1000)
  expect(alice.last('failed')).toMatchObject({ id: doubted, reason: expect.stringMatching(/another key/) })
  expect(mallory.texts(toward('Alice'))).toEqual(['Bob: it is me'])
  await alice.community.open(toward('Bob'))
  alice.community.send(toward('Bob'), 'I know')
  await net.pass(1000)
  expect(mallory.texts(toward('Alice'))).toEqual(['Bob: it is me', 'Alice: I know'])
})

it('takes the new name of the other one, and ends with a ban', async () => {
  const { net, alice, bob } = await trio()
  await alice.community.open(toward('Bob'))
  alice.community.send(toward('Bob'), 'one')
  await net.pass(100)
  expect(await refusalOf(net, bob.community.rename('Robert'))).toBeNull()
  expect(alice.of('renamed').find(({ view }) => view.kind === 'private')).toMatchObject({
    view: toward('Bob'),
    from: 'Bob',
    to: 'Robert',
  })
  expect(alice.community.views()).toEqual([room, toward('Robert')])
  alice.community.send(toward('Robert'), 'two')
  await net.pass(100)
  expect(bob.texts(toward('Alice'))).toEqual(['Alice: one', 'Alice: two'])
  expect(await refusalOf(net, alice.community.ban('Robert', { forMs: null, reason: '' }))).toBeNull()
  expect(alice.last('closed')).toMatchObject({ view: toward('Robert'), reason: 'Robert was banned.' })
})

it('a crowd of calls that say nothing costs a few rooms', async () => {
  const net = new FakeNet()
  const [alice] = (await gather(net, ['Alice'])) as [Member]
  const keys = await rootKeys()
  const callee = alice.client.rooms()[0]?.self()
  if (!callee?.boxKey) throw new Error('Alice is nowhere')
  const { session, boxKey } = callee
  for (let i = 0; i < 20; i += 1) {
    const caller = new Member(net, keys, `Caller ${i}`)
    caller.community.start()
    await net.pass(10)
    const home = caller.client.rooms()[0]
    if (!home) throw new Error('the caller is nowhere')
    const pair = pairRoom(keys, home.ownSession, { session, boxKey, publicKey: decodeHex(callee.publicKey) })
    if (!pair) throw new Error('no pair')
    home.sendBody(frameKinds.call, callBody(keys, pair, home.session, session))
    await net.pass(10)
  }
  expect(alice.client.rooms()).toHaveLength(1 + 12)
  expect(alice.of('opened')).toEqual([])
})

it('counts what was on its way when the other one left by wish, and nothing of before', async () => {
  const { net, alice, bob } = await trio()
  await alice.community.open(toward('Bob'))
  alice.community.send(toward('Bob'), 'in time')
  await net.pass(5000)
  await bob.community.stop()
  alice.community.send(toward('Bob'), 'a moment late')
  await net.pass(100)
  const left = alice.of('left').filter(({ view }) => view.kind === 'private')
  expect(left).toEqual([
    expect.objectContaining({ why: 'left', reason: 'The last message may not have reached Bob.' }),
  ])
})
