// A ban in a room of fifty over three nodes, and the move that makes it final: owner, one member and Mallory as real
// programs, the others by the engine in this process. The owner's node is killed while the room moves.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, inject, it } from 'vitest'
import { inviteText } from '../../src/invite.ts'
import { type Event, endPrograms, type Piped, startPiped, temporaryFolder } from '../program.ts'
import { enter, Machine, type Member, pin, room, stopAll } from './community-member.ts'
import { type Door, startDoor } from './door.ts'
import { endAll, type Node, startNode } from './processes.ts'
import { randomId } from './raw-member.ts'

let door: Door | null = null
afterEach(async () => {
  await stopAll()
  endPrograms()
  await door?.close()
  door = null
  await endAll()
})

const server = 'Harbour'
const membersAfterBan = 50
const messagesAfterMove = 100
/** Somebody says something so often. */
const talkEveryMs = 40

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const isReady = ({ type }: Event) => type === 'ready'

function start(user: string, relays: readonly string[], stateDir = temporaryFolder()): Piped {
  const invite = join(temporaryFolder(), 'harbour.invite')
  writeFileSync(invite, inviteText({ name: server, pin }, relays).line)
  return startPiped(['--invite-file', invite, '--user', user, '--json'], { PYCHAT_STATE_DIR: stateDir })
}

/** One of the fifty, whichever way it is there. */
type One = { name: string; says(text: string): void; heard(): string[]; moved(): string[] }

function ofProgram(name: string, program: Piped): One {
  const texts = (type: string, field: string) =>
    program
      .events()
      .filter((event) => event.type === type)
      .map((event) => String(event[field]))
  return {
    name,
    says: (text) => program.say(text),
    heard: () => texts('message', 'text'),
    moved: () => texts('moved', 'room'),
  }
}
function ofEngine(member: Member): One {
  const heard: string[] = []
  member.community.on('message', ({ text }) => void heard.push(text))
  return {
    name: member.name,
    says: (text) => void member.community.send(room, text),
    heard: () => heard,
    moved: () => member.of('moved').map((event) => event.room),
  }
}

/** They talk in turn until `enough`. @returns how often each one said something */
async function talk(everybody: readonly One[], enough: () => boolean): Promise<number[]> {
  const said = everybody.map(() => 0)
  for (let turn = 0; !enough(); turn = (turn + 1) % everybody.length) {
    const one = everybody[turn] as One
    said[turn] = (said[turn] ?? 0) + 1
    one.says(`${one.name}: ${said[turn]}`)
    await pause(talkEveryMs)
  }
  return said
}

it('puts a member of fifty out everywhere, and moves so that nobody else loses a word', async ({
  annotate,
}) => {
  const settings = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: `fifty-${randomId(4)}` }
  const nodes = (await Promise.all([1, 2, 3].map(() => startNode(settings)))) as [Node, Node, Node]
  const [one, two, three] = nodes.map(({ url }) => url) as [string, string, string]

  const alice = start('Alice', [one, three])
  await alice.until(isReady)
  alice.say('/motd Be kind')
  await alice.until(({ type, motd }) => type === 'charter' && motd === 'Be kind')
  const bob = start('Bob', [two, three])

  // Mallory has one key and is there three times, once over a line that is cut just before the ban.
  const machine = temporaryFolder()
  door = await startDoor([{ host: '127.0.0.1', port: Number(new URL(three).port) }])
  const malloryOn = [one, two, `ws://127.0.0.1:${door.port}`]
  const mallory = malloryOn.map((url, i) => start(i === 0 ? 'Mallory' : `Mallory ${i + 1}`, [url], machine))
  await Promise.all([bob, ...mallory].map((program) => program.until(isReady)))

  const crowd: Member[] = []
  while (crowd.length < membersAfterBan - 2) {
    const some = Array.from({ length: 12 }, (_, i) => {
      const at = crowd.length + i
      const relays = [one, two, three, one, two, three].slice(at % 3, (at % 3) + 3)
      return enter({
        relay: relays as [string, ...string[]],
        server,
        name: `Member ${at}`,
        machine: new Machine(),
      })
    })
    crowd.push(...(await Promise.all(some)))
  }
  const everybody: One[] = [ofProgram('Alice', alice), ofProgram('Bob', bob), ...crowd.map(ofEngine)]
  const [watcher] = crowd as [Member]
  await expect.poll(() => watcher.community.people(room).length).toBe(membersAfterBan + 3)

  await door.shut()
  await mallory[2]?.until(({ state }) => state === 'offline')
  const goneAt = crowd.map((member) => {
    const times: number[] = []
    member.community.on('left', ({ why }) => void (why === 'banned' && times.push(Date.now())))
    return times
  })
  const bannedAt = Date.now()
  alice.say('/ban Mallory spam')
  await expect.poll(() => goneAt.every((times) => times.length === 3)).toBe(true)
  const goneAfterMs = Math.max(...goneAt.flat()) - bannedAt
  expect(goneAfterMs).toBeLessThan(1000)

  // Neither the session that was cut off comes back, nor the key at any door under any name.
  await door.open()
  const again = [one, two, three].map((url, i) =>
    start(['Mallory', 'Trent', 'Peggy'][i] ?? '', [url], machine),
  )
  for (const program of [...mallory, ...again]) {
    expect(await program.exited).toBe(4)
    expect(program.events().find(({ type }) => type === 'expelled')).toMatchObject({ why: 'banned' })
  }
  expect(mallory[0]?.events().find(({ type }) => type === 'expelled')).toMatchObject({
    by: 'Alice',
    reason: 'spam',
  })
  expect(again.flatMap((program) => program.events().filter(isReady))).toEqual([])

  for (const { community, seen } of crowd) {
    expect(community.people(room)).toHaveLength(membersAfterBan)
    seen.length = 0
  }
  // The room moves while they talk, and the owner's node dies as soon as it does.
  const left = () => everybody.filter((each) => each.moved().length === 0).map(({ name }) => name)
  let saidAtMove: number | null = null
  let turns = 0
  const talking = talk(everybody, () => {
    turns += 1
    if (saidAtMove === null) return false
    return turns - saidAtMove > messagesAfterMove
  })
  await pause(1000)
  alice.say('/rekey')
  const { text } = await alice.until(({ code }) => code === 'confirm')
  const movingAt = Date.now()
  alice.say(/\/rekey \d+$/.exec(String(text))?.[0] ?? '')
  await alice.until(({ type }) => type === 'moving')
  nodes[0].process.kill('SIGKILL')
  await expect.poll(left, { timeout: 40_000, interval: 100 }).toEqual([])
  const movedAfterMs = Date.now() - movingAt

  // Mallory has the old PIN and a new key.
  const stranger = start('Mallory', [three])
  await stranger.until(({ code }) => code === 'locked-out')
  stranger.say('I have another key!')
  await alice.until(({ type, known }) => type === 'knock' && known === false)
  saidAtMove = turns
  const said = await talking
  const total = said.reduce((sum, count) => sum + count, 0)
  const lacking = () =>
    everybody
      .filter((each) => each.heard().length < total)
      .map((each) => `${each.name} lacks ${total - each.heard().length} of ${total}`)
  await expect.poll(lacking, { timeout: 30_000 }).toEqual([])

  const wanted = Object.fromEntries(
    everybody.map(({ name }, i) => [name, Array.from({ length: said[i] ?? 0 }, (_, k) => k + 1)]),
  )
  for (const each of everybody) {
    const bySender: Record<string, number[]> = {}
    for (const line of each.heard()) {
      const [name = '', number] = line.split(': ')
      bySender[name] = [...(bySender[name] ?? []), Number(number)]
    }
    expect(bySender, each.name).toEqual(wanted)
  }
  expect(new Set(everybody.flatMap((each) => each.moved())).size).toBe(1)
  for (const member of crowd) {
    for (const type of [
      'failed',
      'gap',
      'unreadable',
      'fork',
      'rewound',
      'warning',
      'left',
      'joined',
    ] as const)
      expect(member.of(type), `${member.name}: ${type}`).toEqual([])
    expect(member.community.people(room)).toHaveLength(membersAfterBan)
    expect(member.community.charter()).toMatchObject({ owner: 'Alice', motd: 'Be kind' })
  }
  for (const program of [alice, bob]) {
    const troubles = program
      .events()
      .filter(
        ({ type, code }) => type === 'failed' || /gap|fork|rewound|unreadable|charter/.test(String(code)),
      )
    expect(troubles).toEqual([])
    program.say('/users')
    expect(await program.until(({ type }) => type === 'users')).toMatchObject({ count: membersAfterBan })
  }
  const read = stranger
    .events()
    .filter(({ type, own }) => (type === 'message' && own === false) || type === 'moved')
  expect(read).toEqual([])
  await annotate(
    `gone from three nodes after ${goneAfterMs} ms; moved after ${movedAfterMs} ms; ${total} messages, each heard by ${everybody.length} once`,
  )
}, 180_000)
