// The real program in a pseudo-terminal, its screen rendered: questions, drafts, signals, and a safe terminal.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { endAll, startNode } from './e2e/processes.ts'
import { type FakeRelay, startFakeRelay } from './fake-relay.ts'
import { hostile } from './hostile-strings.ts'
import { endPrograms, startInTerminal, startPiped } from './program.ts'

let relay: FakeRelay
let url: string
beforeEach(async () => {
  relay = await startFakeRelay()
  url = relay.url
})
afterEach(async () => {
  endPrograms()
  await endAll()
  await relay.close()
})

const pin = { PYCHAT_PIN: 'secret123' }
const flags = (user: string) => ['--relay', url, '--server', 'MyFriends', '--user', user]
const bobJson = () => startPiped([...flags('Bob'), '--json'], pin)

describe('questions', () => {
  it('come in the order relay, server name, PIN, username, and the PIN is never shown', async () => {
    const alice = startInTerminal([])
    await alice.untilRow('Relay or invite (Enter for localhost):')
    alice.type('ftp://nowhere\r')
    await alice.untilRow('begins with ws:// or wss://')
    alice.type(`${relay.url}\r`)
    await alice.untilRow('Server name:')
    alice.type('MyFriends\r')
    await alice.untilRow('PIN (hidden')
    alice.type('topSecretPin77\r')
    await alice.untilRow('Username:')
    alice.type('Alice\r')
    await alice.untilRow('You are alone here.')
    await alice.untilRow('MyFriends>')
    expect(alice.raw()).not.toContain('topSecret')
    const order = ['Relay or invite (', 'Server name:', 'PIN (', 'Username:'].map((text) =>
      alice.rows().findIndex((row) => row.includes(text)),
    )
    expect(order).toEqual([...order].sort((a, b) => a - b))
    alice.type('\x04')
    expect(await alice.exited).toBe(0)
  })

  it('answer an empty PIN with a code of six words that opens the same room elsewhere', async () => {
    const alice = startInTerminal(flags('Alice'))
    await alice.untilRow('PIN (hidden')
    alice.type('\r')
    const row = await alice.untilRow('Your new code:')
    const code = row.split(': ')[1]?.trim() ?? ''
    expect(code.split('-')).toHaveLength(6)
    await alice.untilRow('You are alone here.')
    expect(alice.rows().join(' ')).not.toContain('graphics card')
    const bob = startPiped([...flags('Bob'), '--json'], {
      PYCHAT_PIN: code.toUpperCase().replaceAll('-', ' '),
    })
    expect((await bob.until((event) => event.type === 'ready'))['users']).toEqual(['Bob', 'Alice'])
  })

  it('end with Ctrl-C and exit code 130', async () => {
    const alice = startInTerminal([])
    await alice.untilRow('Relay or invite (')
    alice.type('\x03')
    expect(await alice.exited).toBe(130)
  })
})

describe('the chat screen', () => {
  it('prints above the prompt without losing the draft, also a wrapped one and after a resize', async () => {
    const alice = startInTerminal(flags('Alice'), pin, { cols: 40, rows: 20 })
    await alice.untilRow('MyFriends>')
    const bob = bobJson()
    await alice.untilRow('Bob joined.')
    const draft = 'this draft is longer than one row of forty columns'
    alice.type(draft)
    await alice.untilRow('of forty columns'.slice(-8))
    bob.say('first')
    await alice.untilRow(/^\d\d:\d\d Bob: first$/)
    bob.say('second')
    await alice.untilRow(/^\d\d:\d\d Bob: second$/)
    const shown = () => alice.rows().join('')
    expect(shown().split('this draft').length - 1).toBe(1)
    expect(alice.rows().slice(-2).join('')).toBe(`MyFriends> ${draft}`)

    alice.resize(70, 20)
    await new Promise((resolve) => setTimeout(resolve, 200))
    bob.say('third')
    await alice.untilRow(/^\d\d:\d\d Bob: third$/)
    expect(alice.rows().slice(-1).join('')).toBe(`MyFriends> ${draft}`)

    alice.type('\r')
    await bob.until((event) => event['text'] === draft)
    await alice.untilRow('Alice: this draft')
    expect(alice.rows().at(-1)).toBe('MyFriends>')
    expect(shown().split('this draft').length - 1).toBe(1)
  })

  it('shows an own line only when the relay took it, and says so when it does not', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('MyFriends>')
    relay.takesFrames = false
    alice.type('hello?\r')
    await alice.untilRow('* Not sent yet: hello?')
    expect(alice.rows().some((row) => row.includes('Alice: hello?'))).toBe(false)
    relay.takesFrames = true
    relay.cut()
    await alice.untilRow('The connection to the relay was lost.')
    await alice.untilRow(/^\d\d:\d\d Alice: hello\?$/)
  })

  it('clears the line at the first Ctrl-C and leaves at the second, giving the terminal back', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('MyFriends>')
    alice.type('never mind')
    await alice.untilRow('never mind')
    alice.type('\x03')
    await alice.untilRow('Press Ctrl-C again to leave.')
    expect(alice.rows().at(-1)).toBe('MyFriends>')
    alice.type('\x03')
    expect(await alice.exited).toBe(0)
    expect(alice.rows().join('\n')).not.toContain('never mind')
  })

  it('sends what still waits after Ctrl-D before it leaves', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('You are alone here.')
    relay.takesFrames = false
    alice.type('wait for me\r\x04')
    await alice.untilRow('* Not sent yet: wait for me')
    relay.takesFrames = true
    relay.cut()
    expect(await alice.exited).toBe(0)
    expect(alice.rows().at(-1)).toMatch(/^\d\d:\d\d Alice: wait for me$/)
  })

  it('tells of a long outage in a few lines', async () => {
    const alice = startInTerminal(flags('Alice'), pin, { cols: 120, rows: 30 })
    await alice.untilRow('You are alone here.')
    await relay.close()
    await alice.untilRow('is the relay running there? Trying again until it works.')
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect(alice.rows().filter((row) => row.includes('Trying again')).length).toBeLessThanOrEqual(2)
    relay = await startFakeRelay(Number(new URL(url).port))
    const connected = () => alice.rows().filter((row) => row.endsWith('* Connected to the relay.')).length
    await expect.poll(connected, { timeout: 12_000 }).toBe(2)
  }, 30_000)

  it('shows help for a command with an example, and who is here', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('MyFriends>')
    alice.type('/help users\r')
    await alice.untilRow('Example: /users')
    alice.type('/users\r')
    await alice.untilRow(/Alice {2}[a-z2-7]{4}-[a-z2-7]{4} {2}\(you\)/)
    alice.type('/hlep\r')
    await alice.untilRow('did you mean /help?')
  })

  it('uses no colour with NO_COLOR, and nothing but lines with TERM=dumb', async () => {
    const calm = startInTerminal(flags('Alice'), { ...pin, NO_COLOR: '1' })
    await calm.untilRow('MyFriends>')
    expect(calm.raw()).not.toMatch(/\x1b\[[0-9;]*m/)
    const dumb = startInTerminal(flags('Bob'), { ...pin, TERM: 'dumb' })
    await dumb.untilRow('You are Bob')
    expect(dumb.raw()).not.toContain('\x1b')
  })
})

describe('hostile text through a real relay', () => {
  beforeEach(async () => {
    url = (await startNode()).url
  })

  /** What our own screen may send: cursor moves, erasing, colours. */
  const ownSequences = /\x1b\[[0-9;]*[mABCDGJKH]/g

  it('arrives harmless on the chat screen', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('MyFriends>')
    const bob = bobJson()
    await bob.until((event) => event.type === 'ready')
    for (const text of hostile) bob.say(text)
    bob.say('the end')
    await alice.untilRow('Bob: the end')
    const rest = alice
      .raw()
      .replace(ownSequences, '')
      .replace(/[\r\n]/g, '')
    expect(rest).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/)
    expect(rest).not.toMatch(/[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/)
    expect(alice.rows().join('\n')).not.toMatch(/^\d\d:\d\d Mallory: /m)
  })

  it('arrives harmless on the plain screen', async () => {
    const alice = startPiped([...flags('Alice'), '--plain'], pin)
    await alice.untilText('You are Alice')
    const bob = bobJson()
    await bob.until((event) => event.type === 'ready')
    for (const text of hostile) bob.say(text)
    bob.say('the end')
    await alice.untilText('Bob: the end')
    expect(alice.stdout().replace(/\n/g, '')).not.toMatch(
      /[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u2069\ufeff]/,
    )
  })
})
