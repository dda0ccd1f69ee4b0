// A community gets fresh keys and moves: who is here comes along without losing a word, who is not knocks.
import { frameKinds, sealMove } from '@pychat/crypto'
import { expect, it } from 'vitest'
import type { RoomRecord } from '../../src/index.ts'
import { FakeNet, type FakeRoom } from './fake-net.ts'
import { channel, gather, Machine, Member, refusalOf, room, rootKeys, toward } from './people.ts'

const names = ['Alice', 'Bob', 'Carol', 'Dora', 'Emil']

it('takes everybody along, with the rules, and nobody loses or sees twice anything that is said meanwhile', async () => {
  const net = new FakeNet()
  const members = await gather(net, names)
  const [alice, bob] = members as [Member, Member]
  expect(await refusalOf(net, alice.community.motd('Be kind'))).toBeNull()
  expect(await refusalOf(net, bob.community.rekey())).toMatchObject({ code: 'rank' })
  for (const each of members) each.forget()
  const texts: string[] = []
  const say = (round: number) => {
    for (const [i, each] of members.entries()) {
      const text = `${names[i]} ${round}`
      texts.push(text)
      each.community.send(room, text)
    }
  }
  say(1)
  const done = alice.community.rekey()
  for (let round = 2; round < 40; round += 1) {
    say(round)
    await net.pass(round < 20 ? 0 : 5)
  }
  await net.pass(1000)
  await done
  say(40)
  await net.pass(100)
  for (const each of members) {
    const heard = each.of('message').map(({ text }) => text)
    expect([...heard].sort()).toEqual([...texts].sort())
    for (const name of names) {
      const own = heard.filter((text) => text.startsWith(name)).map((text) => Number(text.split(' ')[1]))
      expect(own).toEqual([...own].sort((a, b) => a - b))
    }
    expect(each.of('moving')).toHaveLength(1)
    expect(each.of('moved')).toEqual([expect.objectContaining({ carried: 5 })])
    expect(each.of('joined').length + each.of('left').length + each.of('failed').length).toBe(0)
    expect(each.of('warning')).toEqual([])
    expect(each.community.charter()).toMatchObject({ motd: 'Be kind', owner: 'Alice' })
  }
  await net.pass(61_000)
  const root = await rootKeys()
  // An op's client stays at the old door for those who were away.
  expect(members.map((each) => each.client.rooms().some(({ keys }) => keys.id === root.id))).toEqual([
    true,
    false,
    false,
    false,
    false,
  ])
  expect(bob.community.people(room)).toHaveLength(5)
  for (const each of members) expect(each.of('left')).toEqual([])
})

/** Bob says something in the old room which stands in its log behind the move that he has not heard of yet. */
function speaksBehindTheMove(net: FakeNet, alice: Member, bob: Member, text: string, then: () => void) {
  const [alicesOld, bobsOld] = [alice, bob].map(({ client }) => client.entered[0]) as [FakeRoom, FakeRoom]
  bobsOld.heldAt = bobsOld.hall.log.length + bobsOld.pending().length
  alicesOld.on('body', ({ kind }) => {
    if (kind !== frameKinds.move) return
    bob.community.send(room, text)
    then()
    net.later(() =>
      net.later(() => {
        bobsOld.heldAt = null
        bobsOld.read()
      }),
    )
  })
}

it('shows what somebody said in the old room before what they say in the new one', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  const carolsOld = carol.client.entered[0] as FakeRoom
  bob.community.send(room, 'first')
  // Of the old room, Carol gets the move and nothing more for a while.
  speaksBehindTheMove(net, alice, bob, 'second', () => {
    carolsOld.heldAt = 2
  })
  const move = alice.community.rekey()
  await net.pass(10)
  await move
  bob.community.send(room, 'third')
  alice.community.send(room, 'from another')
  await net.pass(50)
  expect(bob.texts()).toEqual(['Bob: first', 'Bob: second', 'Bob: third', 'Alice: from another'])
  expect(carol.texts()).toEqual(['Bob: first', 'Alice: from another'])
  carolsOld.heldAt = null
  carolsOld.read()
  await net.pass(200)
  expect(carol.texts()).toEqual(['Bob: first', 'Alice: from another', 'Bob: second', 'Bob: third'])
})

it('keeps what the quick ones say in the new room while the mover has not seen its own word in the old one', async () => {
  const net = new FakeNet()
  const [alice, bob] = (await gather(net, ['Alice', 'Bob'])) as [Member, Member]
  const alicesOld = alice.client.entered[0] as FakeRoom
  alicesOld.heldAt = 0
  const move = alice.community.rekey()
  await net.pass(1000)
  expect(bob.of('moved')).toHaveLength(1)
  bob.community.send(room, 'already here')
  await net.pass(1000)
  expect(alice.of('moved')).toEqual([])
  expect(alice.texts()).toEqual([])
  alicesOld.heldAt = null
  alicesOld.read()
  await net.pass(1000)
  await move
  expect(alice.texts()).toEqual(['Bob: already here'])
})

it('goes on when the connection is lost at any point of the way, whether the relay had taken a step or not', async () => {
  let tried = 0
  for (let steps = 0; steps < 40; steps += 1) {
    const net = new FakeNet()
    const [alice, bob] = (await gather(net, ['Alice', 'Bob'])) as [Member, Member]
    // Everything in order until so many things have happened after the word that the room moves.
    let left = steps
    const { later } = net
    let cut = false
    const lose = () => {
      if (cut) return
      cut = true
      alice.client.cut()
    }
    net.later = (fn) =>
      later.call(net, () => {
        if (left === 0) lose()
        left -= 1
        fn()
      })
    alice.community.on('moving', () => left === 0 && lose())
    const move = refusalOf(net, alice.community.rekey())
    await net.pass(1000)
    if (!cut) break
    alice.client.connect()
    await net.pass(5000)
    expect(await move, `cut after ${steps}`).toBeNull()
    for (const each of [alice, bob]) expect(each.of('moved'), `cut after ${steps}`).toHaveLength(1)
    tried += 1
  }
  expect(tried).toBeGreaterThan(8)
})

it('follows nobody who may not move the room', async () => {
  const net = new FakeNet()
  const [alice, bob, mallory] = (await gather(net, ['Alice', 'Bob', 'Mallory'])) as [Member, Member, Member]
  const [home] = mallory.client.rooms()
  if (!home) throw new Error('Mallory is nowhere')
  const others = home
    .users()
    .flatMap(({ self, session, boxKey }) => (self || !boxKey ? [] : [{ session, boxKey }]))
  const [body] = sealMove(home.keys, new Uint8Array(32).fill(7), others, mallory.client.random)
  home.sendBody(frameKinds.move, body as Uint8Array)
  await net.pass(1000)
  for (const each of [alice, bob]) {
    expect(each.of('moving')).toEqual([])
    expect(each.client.rooms()).toHaveLength(1)
  }
})

it('does not wait for ever for the old room', async () => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  const carolsOld = carol.client.entered[0] as FakeRoom
  speaksBehindTheMove(net, alice, bob, 'second', () => {
    carolsOld.heldAt = 1
  })
  const move = alice.community.rekey()
  await net.pass(10)
  await move
  bob.community.send(room, 'third')
  await net.pass(4000)
  expect(carol.texts()).toEqual([])
  await net.pass(2000)
  expect(carol.texts()).toEqual(['Bob: third'])
})

it('leaves a banned person behind, whatever name and key she brings to the old PIN', async () => {
  const net = new FakeNet()
  const members = await gather(net, ['Alice', 'Bob', 'Mallory'])
  const [alice, bob] = members as [Member, Member, Member]
  const root = await rootKeys()
  expect(await refusalOf(net, alice.community.ban('Mallory', { forMs: null, reason: '' }))).toBeNull()
  expect(await refusalOf(net, alice.community.rekey())).toBeNull()
  const mallory = new Member(net, root, 'Mallory', { identity: 'another key', run: '2' })
  mallory.community.start()
  await net.pass(4000)
  expect(mallory.of('locked-out')).toHaveLength(1)
  for (let i = 0; i < 100; i += 1) bob.community.send(room, `secret ${i}`)
  mallory.community.send(room, 'hello?')
  await net.pass(1000)
  expect(alice.texts().filter((text) => text.includes('secret'))).toHaveLength(100)
  expect(mallory.texts()).toEqual([])
  expect(alice.texts().filter((text) => text.includes('hello?'))).toEqual([])
  await net.pass(61_000)
  // She may knock: whoever hears it sees that her key is unknown.
  expect(alice.of('knock')).toEqual([expect.objectContaining({ name: 'Mallory', known: false })])
  expect(mallory.of('moved')).toEqual([])
})

it.each([0, 70_000])(
  'lets in who was away, %i ms after the move, when an op says so, and an op or owner by their key alone',
  async (waitMs) => {
    const net = new FakeNet()
    const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
    const root = await rootKeys()
    expect(await refusalOf(net, alice.community.op('Bob'))).toBeNull()
    await carol.community.stop()
    expect(await refusalOf(net, bob.community.rekey())).toBeNull()
    // At once, or when the others have long left the old room.
    await net.pass(waitMs)
    expect(await refusalOf(net, alice.community.admit('Carol'))).toMatchObject({ code: 'nobody' })

    const back = new Member(net, root, 'Carol', { machine: carol.machine, run: '2' })
    back.community.start()
    await net.pass(5000)
    expect(back.of('locked-out')).toHaveLength(1)
    for (const op of [alice, bob]) {
      expect(op.of('knock')).toEqual([expect.objectContaining({ name: 'Carol', known: true })])
    }
    alice.community.send(room, 'come in')
    expect(await refusalOf(net, alice.community.admit('carol'))).toBeNull()
    expect(back.of('moved')).toHaveLength(1)
    expect(back.texts()).toEqual(['Alice: come in'])
    back.community.send(room, 'thank you')
    await net.pass(100)
    expect(bob.texts().at(-1)).toBe('Carol: thank you')

    // The owner's laptop is lost: another one has the words, and the old PIN.
    await alice.community.stop()
    await net.pass(100)
    const elsewhere = new Member(net, root, 'Alice', { run: '3' })
    elsewhere.community.start()
    await net.pass(10_000)
    expect(elsewhere.of('moved')).toHaveLength(1)
    expect(elsewhere.last('charter')).toMatchObject({ rank: 'owner' })
    elsewhere.community.send(room, 'here again')
    await net.pass(100)
    expect(bob.texts().at(-1)).toBe('Alice: here again')
  },
)

it.each(['cut', 'lose'] as const)(
  'what was typed before the client heard of the move goes to where the others are, not to who stands at the old door (%s)',
  async (away) => {
    const net = new FakeNet()
    const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
    for (const each of [alice, bob, carol])
      expect(await refusalOf(net, each.community.open(channel('dev')))).toBeNull()
    // Within the grace time the relay gives Bob the move afterwards; later he has to be let in.
    bob.client[away]()
    await net.pass(100)
    bob.community.send(room, 'for friends')
    bob.community.send(channel('dev'), 'for developers')
    expect(await refusalOf(net, alice.community.rekey())).toBeNull()
    const mallory = new Member(net, await rootKeys(), 'Mallory', { identity: 'another key', run: '2' })
    mallory.community.start()
    await net.pass(1000)
    const opening = mallory.community.open(channel('dev'))
    await net.pass(4000)
    await opening
    bob.client.connect()
    await net.pass(5000)
    if (away === 'lose') {
      expect(bob.of('pending').at(-1)?.waiting).toMatch(/let in/)
      bob.community.send(room, 'let me in')
      await net.pass(1000)
      expect(bob.texts()).toEqual([])
      expect(await refusalOf(net, alice.community.admit('Bob'))).toBeNull()
      await net.pass(5000)
    }
    const said = ['Bob: for friends', ...(away === 'lose' ? ['Bob: let me in'] : [])]
    for (const each of [alice, bob, carol]) {
      expect(each.texts()).toEqual(said)
      expect(each.texts(channel('dev'))).toEqual(['Bob: for developers'])
    }
    expect(bob.community.pending()).toEqual([])
    expect(bob.of('failed')).toEqual([])
    expect(mallory.of('message')).toEqual([])
  },
)

it('goes on at the next start where it was, and an invite leads there', async () => {
  const net = new FakeNet()
  const [alice, bob] = (await gather(net, ['Alice', 'Bob'])) as [Member, Member]
  const root = await rootKeys()
  expect(alice.community.invite()).toEqual({ name: 'Harbour', pin: 'a long enough pin' })
  expect(await refusalOf(net, alice.community.rekey())).toBeNull()
  await bob.community.stop()
  const again = new Member(net, root, 'Bob', { machine: bob.machine, run: '2' })
  again.community.start()
  await net.pass(5000)
  expect(again.of('locked-out')).toEqual([])
  const invite = alice.community.invite()
  if (!('secret' in invite)) throw new Error('the invite has no secret')
  const dora = new Member(net, root, 'Dora', { door: { secret: invite.secret, root: invite.root } })
  dora.community.start()
  await net.pass(5000)
  dora.community.send(room, 'hello')
  await net.pass(100)
  for (const each of [alice, again]) expect(each.texts()).toEqual(['Dora: hello'])
  expect(dora.community.charter()?.owner).toBe('Alice')
  expect(dora.community.invite()).toEqual(invite)

  // It moves a second time.
  expect(await refusalOf(net, alice.community.rekey())).toBeNull()
  await net.pass(1000)
  expect(dora.of('moved')).toHaveLength(1)
  expect(dora.community.invite()).not.toEqual(invite)
})

it('channels and private conversations go on', async () => {
  const net = new FakeNet()
  const members = await gather(net, ['Alice', 'Bob', 'Carol'])
  const [alice, bob, carol] = members as [Member, Member, Member]
  for (const each of members) expect(await refusalOf(net, each.community.open(channel('dev')))).toBeNull()
  await bob.community.open(toward('Carol'))
  bob.community.send(toward('Carol'), 'private one')
  bob.community.send(channel('dev'), 'dev one')
  await net.pass(100)
  const done = alice.community.rekey()
  bob.community.send(channel('dev'), 'dev two')
  bob.community.send(toward('Carol'), 'private two')
  await net.pass(1000)
  await done
  bob.community.send(channel('dev'), 'dev three')
  bob.community.send(toward('Carol'), 'private three')
  await net.pass(70_000)
  bob.community.send(channel('dev'), 'dev four')
  bob.community.send(toward('Carol'), 'private four')
  await net.pass(100)
  expect(carol.texts(channel('dev'))).toEqual(['one', 'two', 'three', 'four'].map((n) => `Bob: dev ${n}`))
  expect(carol.texts(toward('Bob'))).toEqual(['one', 'two', 'three', 'four'].map((n) => `Bob: private ${n}`))
  expect(alice.texts(channel('dev'))).toHaveLength(4)
  for (const each of members) {
    expect(each.of('failed')).toEqual([])
    expect(each.of('left')).toEqual([])
    expect(each.of('closed')).toEqual([])
  }
  // Somebody begins a conversation in the new room.
  await carol.community.open(toward('Alice'))
  carol.community.send(toward('Alice'), 'anew')
  await net.pass(100)
  expect(alice.texts(toward('Carol'))).toEqual(['Carol: anew'])
})

it.each([
  ['before anybody was told', 0],
  ['when everybody was told', 2],
])('is finished at the next start when the mover crashes %s', async (_when, toldFrames) => {
  const net = new FakeNet()
  const [alice, bob, carol] = (await gather(net, ['Alice', 'Bob', 'Carol'])) as [Member, Member, Member]
  const root = await rootKeys()
  const { machine } = alice
  let kept: RoomRecord | null = null
  const crash = () => {
    kept = structuredClone(machine.record)
    machine.save = () => {}
    alice.client.lose()
  }
  const save = machine.save
  machine.save = (record) => {
    save(record)
    if (record.moving !== null && toldFrames === 0) crash()
  }
  alice.community.rekey().catch(() => {})
  if (toldFrames > 0) {
    alice.client.entered[0]?.on('body', crash)
  }
  await net.pass(1000)
  expect(kept).toMatchObject(
    toldFrames === 0
      ? { moving: expect.stringMatching(/^[0-9a-f]{64}$/), secrets: [] }
      : { moving: null, secrets: [expect.stringMatching(/^[0-9a-f]{64}$/)] },
  )
  expect(net.hall(root.id).charter?.rules.moved).toBe(false)
  expect(bob.of('moved')).toHaveLength(toldFrames === 0 ? 0 : 1)
  bob.community.send(room, 'still here')
  await net.pass(100)

  const copy = Object.assign(new Machine(), { record: kept })
  const again = new Member(net, root, 'Alice', { machine: copy, run: '2' })
  again.community.start()
  await net.pass(5000)
  for (const each of [bob, carol]) expect(each.of('moved')).toHaveLength(1)
  expect(copy.record).toMatchObject({ moving: null, secrets: [expect.any(String)] })
  carol.community.send(room, 'arrived')
  await net.pass(100)
  expect(again.texts().at(-1)).toBe('Carol: arrived')
  expect(bob.texts()).toEqual(['Bob: still here', 'Carol: arrived'])
  expect(net.hall(root.id).charter?.rules.moved).toBe(true)
})

it('of two moves at the same moment one counts, for everybody', async () => {
  const net = new FakeNet()
  const members = await gather(net, names)
  const [alice, bob] = members as [Member, Member]
  expect(await refusalOf(net, alice.community.op('Bob'))).toBeNull()
  const outcomes = [alice.community.rekey(), bob.community.rekey()].map((doing) => refusalOf(net, doing))
  await net.pass(10_000)
  const codes = (await Promise.all(outcomes)).map((refusal) => refusal?.code)
  expect(codes.filter((code) => code === undefined)).toHaveLength(1)
  expect(codes.filter((code) => code === 'conflict')).toHaveLength(1)
  const rooms = new Set(members.map((each) => each.last('moved')?.room))
  expect(rooms.size).toBe(1)
  alice.community.send(room, 'all here?')
  await net.pass(100)
  for (const each of members) expect(each.texts()).toEqual(['Alice: all here?'])
})

it('comes after by itself, minutes later, who was only cut off, and misses nothing', async () => {
  const net = new FakeNet()
  const members = await gather(net, ['Alice', 'Bob', 'Carol', 'Dora'])
  const [alice, bob, carol, dora] = members as [Member, Member, Member, Member]
  for (const each of [bob, carol])
    expect(await refusalOf(net, each.community.open(channel('dev')))).toBeNull()
  carol.client.cut()
  bob.community.send(room, 'one')
  const move = alice.community.rekey()
  bob.client.entered[0]?.on('body', () => bob.community.send(room, 'two'))
  await net.pass(1000)
  await move
  bob.community.send(room, 'three')
  bob.community.send(channel('dev'), 'four')
  await net.pass(20_000)
  for (const each of carol.client.entered) each.depart('lost')
  await net.pass(60_000)
  carol.forget()
  carol.client.connect()
  await net.pass(2000)
  expect(carol.texts()).toEqual(['Bob: one', 'Bob: two', 'Bob: three'])
  expect(carol.texts(channel('dev'))).toEqual(['Bob: four'])
  expect(carol.of('moved')).toHaveLength(1)
  expect(carol.of('locked-out')).toEqual([])
  expect([...carol.of('left'), ...carol.of('joined')]).toEqual([])
  expect(
    carol.community
      .people(room)
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['Alice', 'Bob', 'Carol', 'Dora'])
  expect(dora.community.people(room)).toHaveLength(4)
})

it('two moves one after the other lose nothing either, and a limit shuts nobody out who was here', async () => {
  const net = new FakeNet()
  const members = await gather(net, names)
  const [alice, bob, carol] = members as [Member, Member, Member]
  expect(await refusalOf(net, alice.community.limit(2))).toBeNull()
  for (const each of [bob, carol])
    expect(await refusalOf(net, each.community.open(channel('dev')))).toBeNull()
  for (let i = 0; i < 2; i += 1) {
    const move = alice.community.rekey()
    for (let n = 0; n < 5; n += 1) {
      bob.community.send(room, `${i} ${n}`)
      bob.community.send(channel('dev'), `${i} ${n}`)
      await net.pass(1)
    }
    await net.pass(2000)
    await move
  }
  await net.pass(100_000)
  const expected = [0, 1].flatMap((i) => [0, 1, 2, 3, 4].map((n) => `Bob: ${i} ${n}`))
  for (const each of members) {
    expect(each.texts()).toEqual(expected)
    expect(each.of('moved')).toHaveLength(2)
    expect(each.community.charter()).toMatchObject({ limit: 2, history: false })
    expect(each.of('left')).toEqual([])
  }
  expect(carol.texts(channel('dev'))).toEqual(expected)
  // One room and one channel each; at two old doors an op stands.
  expect(members.map(({ client }) => client.rooms().length)).toEqual([3, 2, 2, 1, 1])
})

it('a person who came into the old room after the move is not heard by those who have gone', async () => {
  const net = new FakeNet()
  const [alice, bob] = (await gather(net, ['Alice', 'Bob'])) as [Member, Member]
  expect(await refusalOf(net, alice.community.rekey())).toBeNull()
  const late = new Member(net, await rootKeys(), 'Trent')
  late.community.start()
  await net.pass(100)
  late.community.send(room, 'is anybody here?')
  await net.pass(100)
  for (const each of [alice, bob]) expect(each.texts()).toEqual([])
})
