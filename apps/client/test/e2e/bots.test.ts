// Bots and pipes: send and tail as scripts use them, with a real relay and real processes; exit codes say what happened.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { exitCodes } from '../../src/exit-codes.ts'
import { inviteText } from '../../src/invite.ts'
import { endPrograms, type Piped, startPiped, temporaryFolder } from '../program.ts'
import { endAll, startChatter, startNode } from './processes.ts'

afterEach(async () => {
  endPrograms()
  await endAll()
})

const room = { server: 'MyFriends', pin: 'secret123' }

/** The same room as flags: relay, name, PIN in a file. */
function inviteFile(url: string): string {
  const file = join(temporaryFolder(), 'friends.invite')
  writeFileSync(file, `${inviteText({ name: room.server, pin: room.pin }, [url]).line}\n`)
  return file
}
async function done(program: Piped, input?: string) {
  if (input !== undefined) program.say(input)
  program.end()
  return { code: await program.exited, stdout: program.stdout(), stderr: program.stderr() }
}

describe('pychat send', () => {
  it('ends with 0 when the relay has taken all of it, and others have it', async () => {
    const node = await startNode()
    const invite = ['--invite-file', inviteFile(node.url), '--user', 'ci']
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    await alice.until(({ type }) => type === 'ready')
    const message = (text: string) =>
      alice.until((event) => event.type === 'message' && event['text'] === text)

    expect(await done(startPiped(['send', ...invite, 'Build is green']))).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
    await message('Build is green')

    const log = 'first line\nsecond line'
    expect((await done(startPiped(['send', ...invite]), log)).code).toBe(0)
    await message(log)

    const lines = startPiped(['send', ...invite, '--lines'])
    for (let i = 1; i <= 50; i += 1) lines.say(`line ${i}`)
    expect((await done(lines)).code).toBe(0)
    await message('line 50')
    const said = alice.events.filter((event) => String(event['text']).startsWith('line '))
    expect(said.map((event) => event['text'])).toEqual(Array.from({ length: 50 }, (_, i) => `line ${i + 1}`))

    const long = 'x'.repeat(40_000)
    expect((await done(startPiped(['send', ...invite, '-']), long)).code).toBe(0)
    await alice.until((event) => String(event['text']).length === 40_000 - 2 * 15_261)
  }, 90_000)

  it('to one person reaches nobody else, and says when that person is not there', async () => {
    const node = await startNode()
    const invite = ['--invite-file', inviteFile(node.url), '--user', 'ci']
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    const bob = startChatter({ relay: node.url, ...room, user: 'Bob' })
    await alice.until(({ type }) => type === 'ready')
    await bob.until(({ type }) => type === 'ready')
    const sent = await done(startPiped(['send', ...invite, '--to', 'bob', 'for you alone']))
    expect(sent).toEqual({ code: 0, stdout: '', stderr: '' })
    const heard = await bob.until((event) => event['text'] === 'for you alone')
    expect(heard).toMatchObject({ view: '@ci', from: 'ci' })
    expect(await done(startPiped(['send', ...invite, '--to', 'Nobody', 'x']))).toMatchObject({
      code: exitCodes.notThere,
      stderr: expect.stringMatching(/^pychat: .*Nobody.*\n$/),
    })
    expect(alice.events.some((event) => event['text'] === 'for you alone')).toBe(false)
  }, 60_000)

  it('to a channel reaches who is in it', async () => {
    const node = await startNode()
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    await alice.until(({ type }) => type === 'ready')
    alice.say('/join #dev')
    await alice.until(({ type, view }) => type === 'entered' && view === '#dev')
    const invite = ['--invite-file', inviteFile(node.url), '--user', 'ci']
    expect((await done(startPiped(['send', ...invite, '--channel', '#dev', 'merged']))).code).toBe(0)
    await alice.until((event) => event['text'] === 'merged' && event['view'] === '#dev')
  }, 60_000)

  it('waits for its name while the same bot sends something else', async () => {
    const node = await startNode()
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    await alice.until(({ type }) => type === 'ready')
    const invite = ['--invite-file', inviteFile(node.url), '--user', 'ci']
    const jobs = [1, 2, 3].map((job) => done(startPiped(['send', ...invite, `job ${job}`])))
    for (const { code, stderr } of await Promise.all(jobs)) expect(code, stderr).toBe(0)
    for (const job of [1, 2, 3]) await alice.until((event) => event['text'] === `job ${job}`)
    expect(alice.events.filter((event) => event.type === 'message')).toHaveLength(3)
  }, 60_000)

  it('never ends with 0 when the relay has not taken it', async () => {
    const node = await startNode()
    const invite = ['--invite-file', inviteFile(node.url)]
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    await alice.until(({ type }) => type === 'ready')
    expect(await done(startPiped(['send', ...invite, '--user', 'ALICE', 'x']))).toMatchObject({
      code: exitCodes.nameTaken,
      stderr: expect.stringContaining('already uses that name'),
    })
    const away = ['--relay', 'ws://127.0.0.1:9', ...invite, '--user', 'ci', '--timeout', '3']
    expect(await done(startPiped(['send', ...away, 'x']))).toMatchObject({
      code: exitCodes.unreachable,
      stderr: expect.stringMatching(/Nothing answers at 127\.0\.0\.1:9.* The message was not sent\.\n$/),
    })
  }, 60_000)
})

describe('what an owner decides', () => {
  it('counts for send too: muted, locked out and banned are said by exit code 4', async () => {
    const node = await startNode()
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    await alice.until(({ type }) => type === 'owner')
    const env = { PYCHAT_STATE_DIR: temporaryFolder() }
    const invite = ['--invite-file', inviteFile(node.url), '--user', 'ci']
    const tail = startPiped(['tail', ...invite], env)
    await alice.until(({ type, user }) => type === 'joined' && user === 'ci')
    const act = (what: string) => alice.until((event) => event.type === 'act' && event['what'] === what)
    const refused = (sentence: RegExp) => ({
      code: exitCodes.refused,
      stderr: expect.stringMatching(sentence),
    })

    alice.say('/mute ci')
    await act('mute')
    tail.interrupt()
    await tail.exited
    expect(await done(startPiped(['send', ...invite, 'x'], env))).toMatchObject(refused(/muted/i))
    alice.say('/lock')
    await alice.until(({ type, lock }) => type === 'charter' && lock === true)
    expect(await done(startPiped(['send', ...invite, 'x']))).toMatchObject(refused(/locked/i))
    alice.say('/unlock')
    await alice.until(
      ({ type, lock, changed }) => type === 'charter' && lock === false && String(changed) === 'lock',
    )
    const joins = () => alice.events.filter(({ type, user }) => type === 'joined' && user === 'ci').length
    const before = joins()
    const again = startPiped(['tail', ...invite], env)
    await alice.until(() => joins() > before)
    alice.say('/ban ci')
    await act('ban')
    expect(await again.exited).toBe(exitCodes.refused)
    expect(await done(startPiped(['send', ...invite, 'x'], env))).toMatchObject(refused(/banned/i))
    expect(alice.events.some(({ type, text }) => type === 'message' && text === 'x')).toBe(false)
  }, 90_000)
})

describe('pychat tail', () => {
  it('prints what is said, in the room and its channels, and nothing else on stdout', async () => {
    const node = await startNode()
    const invite = ['--invite-file', inviteFile(node.url)]
    const tail = startPiped(['tail', ...invite, '--user', 'logger', '--channel', 'dev'])
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    await alice.until(({ type }) => type === 'ready')
    await alice.until(
      ({ type, users, user }) => String(users).includes('logger') || (type === 'joined' && user === 'logger'),
    )
    alice.say('hello\x1b[2J')
    await tail.untilText('Alice: hello\ufffd[2J')
    alice.say('/join #dev')
    await alice.until(({ type, view }) => type === 'entered' && view === '#dev')
    alice.say('in dev')
    await tail.untilText('[#dev] Alice: in dev')
    expect(tail.stdout().trim().split('\n')).toHaveLength(2)
    expect(tail.stderr()).toContain('Alice joined.')
    tail.interrupt()
    expect(await tail.exited).toBe(0)
  }, 60_000)

  it('with --json prints events, and owns no room however long it is alone', async () => {
    const node = await startNode()
    const tail = startPiped(['tail', '--invite-file', inviteFile(node.url), '--user', 'bot', '--json'])
    await tail.until(({ type }) => type === 'ready')
    await new Promise((resolve) => setTimeout(resolve, 7000))
    expect(
      tail.events().filter(({ type }) => type === 'owner' || type === 'charter' || type === 'recovery'),
    ).toEqual([])
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    await alice.until(({ type }) => type === 'ready')
    alice.say('hello')
    await tail.until(({ type, text }) => type === 'message' && text === 'hello')
    expect(tail.stderr()).toBe('')
  }, 60_000)

  it('runs the notify program, which hears of mentions', async () => {
    const node = await startNode()
    const out = join(temporaryFolder(), 'notified')
    const hook = `${process.execPath} -e 'const fs = require("node:fs"); fs.appendFileSync("${out}", fs.readFileSync(0))'`
    const tail = startPiped([
      'tail',
      '--invite-file',
      inviteFile(node.url),
      '--user',
      'Bob',
      '--json',
      '--notify',
      hook,
    ])
    await tail.until(({ type }) => type === 'ready')
    const alice = startChatter({ relay: node.url, ...room, user: 'Alice' })
    await alice.until(({ type }) => type === 'ready')
    alice.say('hello')
    alice.say('Bob: are you there?')
    const lines = () => (existsSync(out) ? readFileSync(out, 'utf8').trim().split('\n') : [])
    const deadline = Date.now() + 15_000
    while (lines().length < 2 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50))
    expect(lines().map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { schema: 1, view: 'room', from: 'Alice', mention: false, private: false },
      { schema: 1, view: 'room', from: 'Alice', mention: true, private: false },
    ])
    expect(lines().join()).not.toContain('hello')
  }, 60_000)
})
