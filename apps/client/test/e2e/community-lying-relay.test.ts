// A relay that rewrites roles, replays old rules, shows those of another room, makes its own owner or hides a ban: the
// node is true, what stands before it is not. Clients keep to what is signed, and say so.

import { randomBytes } from 'node:crypto'
import {
  createIdentity,
  memberEntropy,
  memberKey,
  publicKeyText,
  signCharter,
  signRules,
} from '@pychat/crypto'
import type { CharterPair, RelayControl, RoomId } from '@pychat/protocol'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { enter, type Member, room, stopAll } from './community-member.ts'
import { type LyingRelay, startLyingRelay } from './lying-relay.ts'
import { endAll, type Node, startNode } from './processes.ts'
import { randomId } from './raw-member.ts'

const server = 'Harbour'
let node: Node
let liar: LyingRelay
let alice: Member
let bob: Member
let mallory: Member

beforeEach(async () => {
  node = await startNode({ PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: `lies-${randomId(4)}` })
  liar = await startLyingRelay(node)
  alice = await enter({ relay: node.url, server, name: 'Alice' })
  await alice.until('owner')
  mallory = await enter({ relay: node.url, server, name: 'Mallory' })
  bob = await enter({ relay: liar.url, server, name: 'Bob' })
  await alice.until('joined', ({ person }) => person.name === 'Bob')
})

afterEach(async () => {
  await stopAll()
  await liar.close()
  await endAll()
})

const root = () => bob.machine.record?.root as RoomId
function pairOf(member: Member): CharterPair {
  const kept = member.machine.record?.charters.find((each) => each.room === root())?.pair
  if (!kept) throw new Error('nothing is kept')
  return kept as CharterPair
}
/** Puts another pair wherever the relay shows one. */
function shows(pair: (true_: CharterPair) => CharterPair) {
  return (message: RelayControl): RelayControl => {
    if (message.t === 'joined' && message.charter) return { ...message, charter: pair(message.charter) }
    if (message.t === 'charter')
      return { ...message, ...pair({ charter: message.charter, rules: message.rules }) }
    return message
  }
}
const ranks = (member: Member) =>
  member.community
    .people(room)
    .map(({ name, rank }) => `${name} ${rank}`)
    .sort()

it('a role that the relay writes in is not believed, and neither is the rest of that text', async () => {
  const id = alice.community.find('Mallory')?.memberId
  const key = mallory.machine.people.get('bob')?.publicKey
  expect(id).toBeDefined()
  liar.lie = shows(({ charter, rules }) => ({
    rules,
    charter: { ...charter, doc: charter.doc.replace('"ops":[]', `"ops":["${key}"]`) },
  }))
  await alice.community.motd('A true word')
  expect(await bob.until('warning')).toMatchObject({ code: 'charter-invalid' })
  expect(ranks(bob)).toEqual(['Alice owner', 'Bob member', 'Mallory member'])
  expect(bob.community.charter()?.motd).toBe('')

  // Once it tells the truth again, all is well.
  liar.lie = (message) => message
  await alice.community.motd('Another true word')
  await bob.until('charter', ({ motd }) => motd === 'Another true word')
})

it('old rules that it replays do not come back into force', async () => {
  await alice.community.op('Mallory')
  await bob.until('act', ({ what }) => what === 'op')
  const old = pairOf(bob)
  await alice.community.ban('Mallory', { forMs: null, reason: 'spam' })
  await bob.until('act', ({ what }) => what === 'ban')
  await new Promise((resolve) => setTimeout(resolve, 5500))
  liar.says({ t: 'charter', room: root(), ...old })
  expect(await bob.until('warning')).toMatchObject({ code: 'charter-old' })
  expect(bob.community.charter()?.bans).toHaveLength(1)
  expect(ranks(bob)).toEqual(['Alice owner', 'Bob member'])

  // Neither at a new start.
  const { machine } = bob
  await bob.stop()
  liar.lie = shows(() => old)
  const again = await enter({ relay: liar.url, server, name: 'Bob', machine })
  expect(await again.until('warning')).toMatchObject({ code: 'charter-old' })
  expect(again.community.charter()?.bans).toHaveLength(1)
}, 60_000)

it('rules of another room of the same owner are not taken for this one', async () => {
  const other = await enter({
    relay: node.url,
    server: 'Another harbour',
    name: 'Alice',
    machine: alice.machine,
  })
  await other.until('owner')
  const foreign = other.machine.record?.charters.at(-1)?.pair
  if (!foreign) throw new Error('nothing is kept')
  liar.says({ t: 'charter', room: root(), ...(foreign as CharterPair) })
  await bob.until('warning')
  expect(['charter-invalid', 'charter-foreign']).toContain(bob.last('warning')?.code)
  expect(bob.community.charter()?.owner).toBe('Alice')
})

it('an owner of its own making is refused, with a warning', async () => {
  const key = memberKey(
    memberEntropy(
      createIdentity((n) => new Uint8Array(randomBytes(n))),
      root(),
    ),
  )
  const owner = publicKeyText(key.publicKey)
  const charter = signCharter({ schema: 1, root: root(), version: 900, owner, ops: [], handovers: [] }, key)
  const rules = signRules(
    {
      schema: 1,
      root: root(),
      room: root(),
      version: 900,
      lock: false,
      limit: 0,
      history: false,
      moved: false,
      bans: [],
      muted: [],
      admitted: '',
      sealed: '',
    },
    key,
  )
  liar.lie = shows(() => ({ charter, rules }))
  await alice.community.limit(10)
  expect(await bob.until('warning')).toMatchObject({ code: 'charter-foreign' })
  expect(bob.community.charter()).toMatchObject({ owner: 'Alice', limit: 0 })
})

it('when it puts somebody out by itself, it is seen that nobody with the right to it did', async () => {
  liar.says({ t: 'expelled', room: root(), why: 'banned' })
  expect(await bob.until('expelled')).toMatchObject({ why: 'banned', by: null, reason: '' })
  expect(await bob.until('stopped')).toMatchObject({ reason: 'refused' })
})
