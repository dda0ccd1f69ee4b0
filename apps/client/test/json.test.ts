// --json from end to end: the real program, piped, against a small relay.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type FakeRelay, startFakeRelay } from './fake-relay.ts'
import { endPrograms, startPiped, temporaryFolder } from './program.ts'

let relay: FakeRelay
beforeEach(async () => {
  relay = await startFakeRelay()
})
afterEach(async () => {
  endPrograms()
  await relay.close()
})

const start = (user: string, extra: Record<string, string> = {}) =>
  startPiped(['--relay', relay.url, '--server', 'MyFriends', '--user', user, '--json'], {
    PYCHAT_PIN: 'secret123',
    ...extra,
  })

it('carries a chat both ways, names everybody, and leaves with exit code 0', async () => {
  const alice = start('Alice')
  const ready = await alice.until((event) => event.type === 'ready')
  expect(ready).toMatchObject({ schema: 2, user: 'Alice', users: ['Alice'] })
  expect(ready['room']).toMatch(/^[a-z2-7]{4}-[a-z2-7]{4}$/)
  const alone = await alice.until((event) => event['code'] === 'alone')
  expect(alone['text']).toContain(`compare room id ${ready['room']}`)
  const warned = alice.events().filter((event) => String(event['text']).includes('one graphics card'))
  expect(warned.map((event) => event['code'])).toEqual(['weak-pin'])

  const bob = start('Bob')
  expect((await bob.until((event) => event.type === 'ready'))['users']).toEqual(['Bob', 'Alice'])
  await alice.until((event) => event.type === 'joined' && event['user'] === 'Bob')
  alice.say('Hi Bob ✓')
  expect(await bob.until((event) => event.type === 'message')).toMatchObject({
    from: 'Alice',
    text: 'Hi Bob ✓',
    seq: 1,
    own: false,
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  })
  expect(await alice.until((event) => event.type === 'message')).toMatchObject({ own: true, seq: 1 })
  bob.say('//slash')
  expect(await alice.until((event) => event['own'] === false)).toMatchObject({
    from: 'Bob',
    text: '/slash',
    seq: 2,
  })
  bob.say('/users')
  expect(await bob.until((event) => event.type === 'users')).toMatchObject({ users: ['Bob', 'Alice'] })
  bob.say('/quti')
  expect((await bob.until((event) => event.type === 'error'))['text']).toContain('did you mean /quit?')
  bob.say('/quit')
  expect(await bob.exited).toBe(0)
  expect(await alice.until((event) => event.type === 'left')).toMatchObject({ user: 'Bob', why: 'left' })
})

it('sends what was piped in before it leaves at the end of stdin', async () => {
  const bob = start('Bob')
  await bob.until((event) => event.type === 'ready')
  const script = start('ci')
  for (let i = 1; i <= 300; i += 1) script.say(`line ${i}`)
  script.end()
  expect(await script.exited).toBe(0)
  await bob.until((event) => event['text'] === 'line 300')
  const heard = bob.events().filter((event) => event.type === 'message')
  expect(heard.map((event) => event['text'])).toEqual(Array.from({ length: 300 }, (_, i) => `line ${i + 1}`))
})

it('tells of an unconfirmed message, shows it as sent only when it is, and reconnects by itself', async () => {
  const alice = start('Alice')
  await alice.until((event) => event.type === 'ready')
  relay.takesFrames = false
  alice.say('are you there')
  const notice = await alice.until((event) => event['code'] === 'not-sent-yet')
  expect(notice['text']).toBe('Not sent yet: are you there')
  expect(alice.events().some((event) => event.type === 'message')).toBe(false)
  relay.takesFrames = true
  relay.cut()
  await alice.until((event) => event['state'] === 'offline')
  expect(await alice.until((event) => event.type === 'message')).toMatchObject({
    own: true,
    text: 'are you there',
  })
  expect(alice.events().filter((event) => event.type === 'ready')).toHaveLength(1)
  expect(alice.events().filter((event) => event['state'] === 'online')).toHaveLength(2)
})

it('shows what it missed, and says in one sentence what is gone for good or was lost by the relay', async () => {
  const alice = start('Alice')
  await alice.until((event) => event.type === 'ready')
  const bob = start('Bob')
  await bob.until((event) => event.type === 'ready')
  const says = async (text: string) => {
    bob.say(text)
    await bob.until((event) => event['text'] === text)
  }
  relay.delivers = false
  await says('one')
  await says('two')
  relay.delivers = true
  await says('three')
  await alice.until((event) => event['text'] === 'three')
  relay.delivers = false
  await says('four')
  relay.forgetLogs()
  relay.delivers = true
  await says('five')
  await alice.until((event) => event['text'] === 'five')
  relay.loseTails(1)
  const rewound = await alice.until((event) => event['code'] === 'rewound')
  expect(rewound['text']).toMatch(/^The relay lost the last message that you saw;/)
  await says('six')
  await alice.until((event) => event['text'] === 'six')
  const told = alice.events().filter(({ type, code }) => type === 'message' || code === 'gap')
  expect(told.map((event) => event['text'])).toEqual([
    'one',
    'two',
    'three',
    '1 message was missed here.',
    'five',
    'six',
  ])
})

it('says name taken with exit code 3, refused with 4, unreachable with 7, bad usage with 2', async () => {
  const alice = start('Alice')
  await alice.until((event) => event.type === 'ready')
  const second = start('ALICE')
  expect(await second.exited).toBe(3)
  expect(second.events().find((event) => event.type === 'error')).toMatchObject({ code: 'name-taken' })

  relay.refuseWith = 'room-full'
  const third = start('Carol')
  expect(await third.exited).toBe(4)
  expect(third.events().find((event) => event.type === 'error')).toMatchObject({ code: 'refused' })

  const noPin = startPiped(['--relay', relay.url, '--server', 'a', '--user', 'b', '--json'])
  expect(await noPin.exited).toBe(2)
  expect(noPin.stderr()).toContain('--pin-file or PYCHAT_PIN')
  expect(noPin.events()).toMatchObject([{ type: 'error', code: 'usage' }])
  const onArgv = startPiped(['--pin', 'secret'])
  expect(await onArgv.exited).toBe(2)
  expect(onArgv.stderr()).toContain('PYCHAT_PIN')

  await relay.close()
  const startedAt = Date.now()
  const lost = start('Dave')
  expect(await lost.exited).toBe(7)
  expect(Date.now() - startedAt).toBeLessThan(12_000)
  expect(lost.events().at(-1)).toMatchObject({ type: 'error', code: 'unreachable' })
  expect(String(lost.events().at(-1)?.['text'])).toMatch(
    /^Nothing answers at 127\.0\.0\.1:\d+: is the relay running there\?$/,
  )
})

it('takes the PIN from a file, and the same PIN leads to the same room', async () => {
  const file = join(temporaryFolder(), 'pin')
  writeFileSync(file, 'secret123\n')
  const alice = start('Alice')
  const bob = startPiped([
    '--relay',
    relay.url,
    '--server',
    ' myfriends ',
    '--user',
    'Bob',
    '--json',
    '--pin-file',
    file,
  ])
  expect((await bob.until((event) => event.type === 'ready'))['room']).toBe(
    (await alice.until((event) => event.type === 'ready'))['room'],
  )
})
