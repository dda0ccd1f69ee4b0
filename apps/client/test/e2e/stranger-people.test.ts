// A stranger's client, written in another language from docs/protocol.md alone, proves its key, says who governs a room
// and talks in private with PyChat's own; and it believes no relay that shows it other rules than the owner signed.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  createIdentity,
  deriveRoom,
  memberEntropy,
  memberKey,
  publicKeyText,
  signCharter,
  signRules,
} from '@pychat/crypto'
import type { CharterPair, RelayControl, RoomId } from '@pychat/protocol'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { findPython, type Python, pythonDir } from '../../../../libs/crypto/test/python.venv.ts'
import { type LyingRelay, startLyingRelay } from './lying-relay.ts'
import { type ChatEvent, type Chatter, endAll, startChatter, startNode } from './processes.ts'

let python: Python
let liar: LyingRelay | null = null
beforeAll(async () => {
  python = await findPython()
})
afterEach(async () => {
  await endAll()
  await liar?.close()
  liar = null
})

const room = { server: 'Harbour', pin: 'a long enough pin' }
const isReady = ({ type }: ChatEvent) => type === 'ready'
const of = (chatter: Chatter, type: string) => chatter.events.filter((event) => event.type === type)
const warnings = (chatter: Chatter) =>
  chatter
    .errors()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as ChatEvent)['code'])

function startStranger(path: string, relay: string, user: string): Chatter {
  return startChatter({ relay, ...room, user }, [path, '-B', join(pythonDir, 'stranger.py')])
}
async function enters(relay: string, user: string): Promise<Chatter> {
  const chatter = startChatter({ relay, ...room, user })
  await chatter.until(isReady)
  return chatter
}
/** Alice, whose the room is from now on. */
async function founder(relay: string): Promise<Chatter> {
  const alice = await enters(relay, 'Alice')
  alice.say('/motd Be kind')
  await alice.until(({ type, motd }) => type === 'charter' && motd === 'Be kind')
  return alice
}
/** Fingerprints as our client shows them, by name. */
async function fingerprints(chatter: Chatter): Promise<Record<string, unknown>> {
  chatter.say('/users')
  const { members } = await chatter.until(({ type }) => type === 'users')
  return Object.fromEntries(
    (members as { name: string; fingerprint: string }[]).map((m) => [m.name, m.fingerprint]),
  )
}

it('proves its key, says who owns and runs the room, and talks in private both ways', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  const node = await startNode()
  const alice = await founder(node.url)
  const bob = await enters(node.url, 'Bob')
  alice.say('/op Bob')
  await bob.until(({ type, rank }) => type === 'charter' && rank === 'op')

  const carol = startStranger(python.path, node.url, 'Carol')
  const { fingerprint } = await carol.until(isReady)
  const law = await carol.until(({ type }) => type === 'charter')
  await alice.until(({ type, user }) => type === 'joined' && user === 'Carol')
  const known = await fingerprints(alice)
  expect(fingerprint).toBe(known['Carol'])
  expect(law).toEqual({
    type: 'charter',
    owner: known['Alice'],
    ops: [known['Bob']],
    rank: 'member',
    lock: false,
    limit: 0,
    version: [expect.any(Number), expect.any(Number)],
    motd: 'Be kind',
    bans: [],
    muted: [],
    people: expect.any(Object),
  })
  expect(Object.values(law['people'] as object).map(({ name, by }) => `${name} by ${by}`)).toEqual([
    'Alice by Alice',
    'Bob by Alice',
  ])

  // What the owner decides while it is there, and by whom it was told.
  const mallory = await enters(node.url, 'Mallory')
  const { memberId } = await alice.until(({ type, user }) => type === 'joined' && user === 'Mallory')
  alice.say('/op Carol')
  await carol.until(({ type, rank }) => type === 'charter' && rank === 'op')
  bob.say('/kick Mallory too loud')
  const kick = await carol.until(({ type, from }) => type === 'notice' && from === 'Bob')
  expect(kick['notice']).toMatchObject({ t: 'act', what: 'kick', id: memberId, reason: 'too loud' })
  await carol.until(({ type, user, why }) => type === 'left' && user === 'Mallory' && why === 'kicked')
  expect(await mallory.exited).toBe(4)
  bob.say('/ban Mallory spam')
  const ban = await carol.until(({ type, bans }) => type === 'charter' && String(bans) === memberId)
  expect(ban).toMatchObject({ ops: [known['Bob'], known['Carol']], rank: 'op' })
  expect(ban['people']).toMatchObject({ [String(memberId)]: { name: 'Mallory', by: 'Bob', reason: 'spam' } })

  // Alice calls the stranger, the stranger calls Bob.
  const words = ['psst \u{1f44b}', 'x'.repeat(157), 'x'.repeat(158), 'gr\u00fc\u00dfe '.repeat(1800).trim()]
  const heard = (chatter: Chatter, text: string) =>
    chatter.until((event) => event['text'] === text && event['own'] !== true)
  for (const [our, calls, other] of [
    [alice, true, 'Alice'],
    [bob, false, 'Bob'],
  ] as const) {
    const ours = async (text: string) => {
      our.say(`/msg Carol ${text}`)
      expect(await heard(carol, text)).toMatchObject({ type: 'private', from: other })
    }
    const theirs = async (text: string) => {
      carol.say(`/msg ${other} ${text}`)
      await carol.until((event) => event.type === 'private' && event['text'] === text)
      const event = await heard(our, text)
      expect(event).toMatchObject({
        type: 'message',
        view: '@Carol',
        from: 'Carol',
        fingerprint,
        key: expect.stringMatching(/^(new|known)$/),
      })
    }
    for (const text of words) {
      if (calls) await ours(`${other}: ${text}`)
      await theirs(`to ${other}: ${text}`)
      if (!calls) await ours(`${other}: ${text}`)
    }
    const between = of(carol, 'private').filter(({ text }) => String(text).includes(`${other}: `))
    expect(between.map(({ seq }) => seq)).toEqual(Array.from({ length: 8 }, (_, i) => i + 1))
  }
  expect(of(carol, 'called').map(({ user }) => user)).toEqual(['Alice'])
  expect(JSON.stringify(alice.events)).not.toContain('Bob: psst')
  expect(JSON.stringify(bob.events)).not.toContain('Alice: psst')

  // One who goes leaves word; to nobody nothing is sent.
  bob.say('/quit')
  for (const type of ['private-left', 'left'])
    await carol.until((event) => event.type === type && event['user'] === 'Bob')
  carol.say('/msg Bob are you there?')
  expect(await carol.until(({ type }) => type === 'not-sent')).toMatchObject({ user: 'Bob' })
  carol.process.stdin?.end('Bye.\n')
  expect(await carol.exited).toBe(0)
  await alice.until(({ type, text, view }) => type === 'message' && view === 'room' && text === 'Bye.')
  expect(warnings(carol)).toEqual([])
  for (const { events } of [alice, bob])
    expect(events.filter(({ code }) => /gap|fork|unreadable|key-changed|charter/.test(String(code)))).toEqual(
      [],
    )
}, 90_000)

it('reads what was said before it came, as far as the log has it, without missing what it never had', async ({
  skip,
}) => {
  if ('missing' in python) return skip(python.missing)
  const node = await startNode({ PYCHAT_LOG_MESSAGES_MAX: '3' })
  const alice = await founder(node.url)
  alice.say('/history on')
  await alice.until(({ type, history }) => type === 'charter' && history === true)
  for (let i = 1; i <= 5; i += 1) alice.say(`${i}`)
  await alice.until(({ type, text }) => type === 'message' && text === '5')
  const carol = startStranger(python.path, node.url, 'Carol')
  await carol.until(({ text }) => text === '5')
  alice.say('6')
  await carol.until(({ text }) => text === '6')
  expect(of(carol, 'message').map(({ text }) => text)).toEqual(['3', '4', '5', '6'])
  expect(warnings(carol)).toEqual([])
}, 60_000)

/** Puts another pair wherever the relay shows one. */
function shows(pair: (shown: CharterPair) => CharterPair) {
  return (message: RelayControl): RelayControl => {
    if (message.t === 'joined' && message.charter) return { ...message, charter: pair(message.charter) }
    if (message.t !== 'charter') return message
    return { ...message, ...pair({ charter: message.charter, rules: message.rules }) }
  }
}
type Documents = { root: RoomId; of?: RoomId; version: number }
/** As somebody would write it who has another key than the owner. */
function pairOfOnesOwn({ root, of = root, version }: Documents): CharterPair {
  const key = memberKey(
    memberEntropy(
      createIdentity((bytes) => new Uint8Array(randomBytes(bytes))),
      root,
    ),
  )
  const owner = publicKeyText(key.publicKey)
  const flags = { lock: false, limit: 0, history: false, moved: false }
  const lists = { bans: [], muted: [], admitted: '', sealed: '' }
  return {
    charter: signCharter({ schema: 1, root, version, owner, ops: [], handovers: [] }, key),
    rules: signRules({ schema: 1, root, room: of, version, ...flags, ...lists }, key),
  }
}
/** The last digit of a signature, or of whatever ends like one, is another one. */
const otherwise = <T extends string>(hex: T) => hex.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) as T

it('believes no relay that shows it other rules than the owner signed', async ({ skip }) => {
  if ('missing' in python) return skip(python.missing)
  const node = await startNode()
  liar = await startLyingRelay(node)
  const alice = await founder(node.url)
  const mallory = await enters(node.url, 'Mallory')
  const known = await fingerprints(alice)
  const { id: root } = await deriveRoom(room.server, room.pin)

  // One digit of one signature, from the start: then this room has no owner that the stranger knows of.
  const truth: CharterPair[] = []
  liar.lie = shows((pair) => {
    truth.push(pair)
    return { ...pair, charter: { ...pair.charter, signature: otherwise(pair.charter.signature) } }
  })
  const carol = startStranger(python.path, liar.url, 'Carol')
  await carol.until(isReady)
  const said = (chatter: Chatter, text: string) => chatter.until((event) => event['text'] === text)
  const expectWarning = async (code: string, count: number) => {
    await expect.poll(() => warnings(carol).length, { timeout: 20_000 }).toBe(count)
    expect(warnings(carol).at(-1)).toBe(code)
  }
  await expectWarning('charter-invalid', 1)
  expect(of(carol, 'charter')).toEqual([])

  // Once it is shown the truth, it keeps to that.
  const [first] = truth as [CharterPair]
  liar.lie = (message) => message
  alice.say('/limit 10')
  const law = await carol.until(({ type, limit }) => type === 'charter' && limit === 10)
  expect(law).toMatchObject({ owner: known['Alice'], ops: [], rank: 'member', motd: 'Be kind' })

  const key = /"owner":"([0-9a-f]{64})"/.exec(first.charter.doc)?.[1] ?? ''
  const grown = first.charter.doc.replace('"ops":[]', `"ops":["${otherwise(key)}"]`)
  const elsewhere = (await deriveRoom('Another harbour', room.pin)).id
  const lies: [string, CharterPair][] = [
    // An op whom the relay writes in, rules with a digit changed, and the owner's rules under another name.
    ['charter-invalid', { ...first, charter: { ...first.charter, doc: grown } }],
    [
      'charter-invalid',
      { ...first, rules: { ...first.rules, doc: first.rules.doc.replace('"limit":0', '"limit":9') } },
    ],
    ['charter-invalid', { ...first, rules: { ...first.rules, key: otherwise(first.rules.key) } }],
    // Rules that were in force before; an owner of the relay's making; rules of another room.
    ['charter-old', first],
    ['charter-foreign', pairOfOnesOwn({ root, version: 900 })],
    ['charter-invalid', pairOfOnesOwn({ root, of: elsewhere, version: 900 })],
    ['charter-invalid', pairOfOnesOwn({ root: elsewhere, of: root, version: 900 })],
  ]
  for (const [i, [code, pair]] of lies.entries()) {
    liar.says({ t: 'charter', room: root, ...pair })
    await expectWarning(code, i + 2)
  }
  expect(of(carol, 'charter')).toEqual([law])

  // Nothing of it is in force, and the talk goes on: also with what the owner decides next.
  mallory.say('hello')
  await said(carol, 'hello')
  alice.say('/motd Be very kind')
  await carol.until(({ type, motd }) => type === 'charter' && motd === 'Be very kind')
  carol.say('/msg Alice I was shown lies.')
  expect(await said(alice, 'I was shown lies.')).toMatchObject({ from: 'Carol', view: '@Carol' })
}, 60_000)
