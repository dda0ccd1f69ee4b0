// A relay that has forgotten a room, and somebody who claims it before its people are back: with real programs. What the
// owner signed comes back with whoever was there, and no member takes another owner for it.
import { afterEach, expect, it } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import { localBinary, RedisProcess } from '../../../relay/test/support/redis.processes.ts'
import { type Event, endPrograms, type Piped, startPiped, temporaryFolder } from '../program.ts'
import { type Door, startDoor } from './door.ts'
import { endAll, startNode } from './processes.ts'

let redis: RedisProcess | null = null
let door: Door | null = null
afterEach(async () => {
  endPrograms()
  await door?.close()
  await endAll()
  await redis?.remove()
  door = null
  redis = null
})

function start(user: string, relay: string, stateDir = temporaryFolder()): Piped {
  const env = { PYCHAT_PIN: 'a long enough pin', PYCHAT_STATE_DIR: stateDir }
  return startPiped(['--relay', relay, '--server', 'Harbour', '--user', user, '--json'], env)
}
async function enters(user: string, relay: string, stateDir?: string): Promise<Piped> {
  const program = start(user, relay, stateDir)
  await program.until(({ type }) => type === 'ready')
  return program
}
const of = (program: Piped, type: string) => program.events().filter((event) => event.type === type)
const codes = (program: Piped) => program.events().flatMap(({ code }) => (code === undefined ? [] : [code]))
/** The next event that fits, after what was said so far. */
async function next(program: Piped, fits: (event: Event) => boolean): Promise<Event> {
  const before = program.events().length
  let found: Event | undefined
  await program.until(() => {
    found = program.events().slice(before).find(fits)
    return found !== undefined
  }, 30_000)
  return found as Event
}
async function says(program: Piped, text: string): Promise<void> {
  const done = next(program, (event) => event.type === 'message' && event['text'] === text)
  program.say(text)
  await done
}
const heard = (program: Piped, text: string) =>
  program.until((event) => event.type === 'message' && event['text'] === text, 30_000)
/** Description and own rank, as this side sees them now. */
async function lawOf(program: Piped): Promise<unknown[]> {
  const answer = next(program, ({ type, changed }) => type === 'charter' && (changed as []).length === 0)
  program.say('/motd')
  const { motd, rank } = await answer
  return [motd, rank]
}
async function ranksOf(program: Piped): Promise<string[]> {
  const answer = next(program, ({ type }) => type === 'users')
  program.say('/users')
  const { members } = await answer
  return (members as { name: string; rank: string }[]).map(({ name, rank }) => `${name} ${rank}`).sort()
}
/** Alice, who owns the room, and has put Dave out of it. */
async function founder(relay: string, stateDir?: string): Promise<Piped> {
  const alice = await enters('Alice', relay, stateDir)
  alice.say('/motd Be kind')
  await alice.until(({ type, motd }) => type === 'charter' && motd === 'Be kind')
  const dave = await enters('Dave', relay)
  await alice.until(({ type, user }) => type === 'joined' && user === 'Dave')
  alice.say('/ban Dave spam')
  expect(await dave.exited).toBe(4)
  return alice
}

it.skipIf(localBinary() === null)(
  'keeps owner, rules and bans when Redis is emptied under a chat, whoever claims the room at once',
  async () => {
    redis = new RedisProcess(localBinary() ?? '', await freePort())
    await redis.start()
    const settings = { PYCHAT_REDIS_URL: redis.url }
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => startNode(settings)))
    const alice = await founder(one?.url ?? '')
    const bob = await enters('Bob', two?.url ?? '')
    await says(bob, 'before')

    // Mallory makes the room hers on the one node that knows nothing of it, while the others stand still.
    for (const node of [one, two]) node?.process.kill('SIGSTOP')
    expect(await redis.ask('FLUSHALL')).toBe('OK')
    const mallory = await enters('Mallory', three?.url ?? '')
    // Her node finds out that its place is gone, and then she has to say it again.
    const claims = () => {
      mallory.say('/motd Mine')
      return of(mallory, 'charter').some(({ motd }) => motd === 'Mine')
    }
    await expect.poll(claims, { timeout: 10_000, interval: 300 }).toBe(true)
    for (const node of [one, two]) node?.process.kill('SIGCONT')

    await alice.until(({ type, user }) => type === 'joined' && user === 'Mallory', 30_000)
    await says(bob, 'after')
    await heard(alice, 'after')
    await mallory.until(({ code }) => code === 'charter-foreign', 30_000)
    mallory.say('/kick Bob')
    await mallory.until(({ type, code }) => type === 'error' && code === 'not-done')

    expect([await lawOf(alice), await lawOf(bob)]).toEqual([
      ['Be kind', 'owner'],
      ['Be kind', 'member'],
    ])
    for (const program of [alice, bob]) {
      // Each comes back when its own node finds out.
      await expect
        .poll(() => ranksOf(program), { timeout: 20_000, interval: 200 })
        .toEqual(['Alice owner', 'Bob member', 'Mallory member'])
      program.say('/bans')
      expect(await program.until(({ type }) => type === 'bans')).toMatchObject({
        bans: [{ name: 'Dave', reason: 'spam', by: 'Alice' }],
      })
      expect(of(program, 'charter').filter(({ motd }) => motd === 'Mine')).toEqual([])
      expect(of(program, 'left').filter(({ why }) => why === 'kicked')).toEqual([])
    }
    expect(of(bob, 'owner')).toEqual([])
    // Whoever comes now, on whichever node, finds the owner's rules.
    const carol = await enters('Carol', three?.url ?? '')
    expect(await lawOf(carol)).toEqual(['Be kind', 'member'])
  },
  120_000,
)

it('an embedded relay that starts anew gets the rules from a member, and the owner is the owner on return', async () => {
  const port = await freePort()
  const [settings, url] = [{ PYCHAT_LISTEN: `127.0.0.1:${port}` }, `ws://127.0.0.1:${port}`]
  const first = await startNode(settings)
  const machine = temporaryFolder()
  const alice = await founder(url, machine)
  const bob = await enters('Bob', url)
  alice.say('/quit')
  expect(await alice.exited).toBe(0)

  first.process.kill('SIGKILL')
  await first.exited
  await startNode(settings)
  await next(bob, ({ type, state }) => type === 'state' && state === 'online')
  const carol = await enters('Carol', url)
  await carol.until(({ type, motd }) => type === 'charter' && motd === 'Be kind')
  expect(await ranksOf(carol)).toEqual(['Bob member', 'Carol member'])
  const again = await enters('Alice', url, machine)
  expect(await lawOf(again)).toEqual(['Be kind', 'owner'])
  expect(await ranksOf(bob)).toEqual(['Alice owner', 'Bob member', 'Carol member'])
  again.say('/bans')
  expect(await again.until(({ type }) => type === 'bans')).toMatchObject({ bans: [{ name: 'Dave' }] })
  for (const program of [bob, carol, again]) {
    expect(of(program, 'owner')).toEqual([])
    expect(codes(program).filter((code) => String(code).startsWith('charter'))).toEqual([])
  }
}, 90_000)

it('who claims a room first on a relay that started anew owns nothing in the eyes of those who were there', async () => {
  const port = await freePort()
  const settings = { PYCHAT_LISTEN: `127.0.0.1:${port}` }
  const first = await startNode(settings)
  door = await startDoor([{ host: '127.0.0.1', port }])
  const here = `ws://127.0.0.1:${door.port}`
  const alice = await founder(here)
  const bob = await enters('Bob', here)
  const carol = await enters('Carol', here)
  await says(bob, 'before')

  // Its people cannot come back before Mallory has made the room hers.
  await door.shut()
  first.process.kill('SIGKILL')
  await first.exited
  await startNode(settings)
  const mallory = await enters('Mallory', `ws://127.0.0.1:${port}`)
  mallory.say('/motd Mine')
  await mallory.until(({ type, motd }) => type === 'charter' && motd === 'Mine')
  await door.open()

  for (const program of [alice, bob, carol]) {
    await program.until(({ code }) => code === 'charter-foreign', 30_000)
    await program.until(({ type, user }) => type === 'joined' && user === 'Mallory', 30_000)
  }
  await says(bob, 'what is this?')
  await heard(alice, 'what is this?')
  expect([await lawOf(alice), await lawOf(bob)]).toEqual([
    ['Be kind', 'owner'],
    ['Be kind', 'member'],
  ])
  for (const program of [alice, bob, carol]) {
    expect(await ranksOf(program)).toEqual(['Alice owner', 'Bob member', 'Carol member', 'Mallory member'])
    expect(of(program, 'charter').filter(({ motd }) => motd === 'Mine')).toEqual([])
  }
  // The relay obeys her now, and what it does then is nobody's act with the right to it.
  mallory.say('/kick Bob')
  await bob.until(({ type }) => type === 'expelled')
  expect(of(bob, 'expelled')).toMatchObject([{ why: 'kicked', by: null }])
  expect(await bob.exited).toBe(4)
  expect(of(bob, 'error').at(-1)?.['text']).toMatch(/nothing signed by somebody with the right/)
  alice.say('/ban Mallory')
  const refused = await alice.until(({ type, code }) => type === 'error' && code === 'not-done')
  expect(refused['text']).toMatch(/somebody else's rules .* \/rekey moves/)

  // There is a way out: the owner takes along whoever trusts her, and rules again where they are then.
  alice.say('/rekey')
  const { text } = await alice.until(({ code }) => code === 'confirm')
  alice.say(/\/rekey \d+$/.exec(String(text))?.[0] ?? '')
  for (const program of [alice, carol]) await program.until(({ type }) => type === 'moved', 30_000)
  alice.say('/ban Mallory')
  await carol.until(({ type, what, target }) => type === 'act' && what === 'ban' && target === 'Mallory')
  await says(carol, 'rid of her')
  await heard(alice, 'rid of her')
  expect([await lawOf(alice), await lawOf(carol)]).toEqual([
    ['Be kind', 'owner'],
    ['Be kind', 'member'],
  ])
  await expect.poll(() => ranksOf(alice), { interval: 200 }).toEqual(['Alice owner', 'Carol member'])
  expect(of(alice, 'error')).toEqual([refused])
  expect(of(mallory, 'moved')).toEqual([])
  expect(of(mallory, 'message').map((event) => event['text'])).not.toContain('rid of her')
}, 120_000)
