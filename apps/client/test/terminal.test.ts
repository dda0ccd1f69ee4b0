// The real program in a pseudo-terminal, its screen rendered: questions, drafts, signals, and a safe terminal.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { endAll, startNode } from './e2e/processes.ts'
import { type FakeRelay, startFakeRelay } from './fake-relay.ts'
import { hostile } from './hostile-strings.ts'
import { endPrograms, startInTerminal, startPiped } from './program.ts'

// Each starts whole programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

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
  it('prints above the prompt without losing the draft, also a wrapped one and after a resize to 40 columns', async () => {
    const alice = startInTerminal(flags('Alice'), pin, { cols: 80, rows: 20 })
    await alice.untilRow('MyFriends>')
    const bob = bobJson()
    await alice.untilRow('Bob joined.')
    const draft =
      'this draft is longer than one row of eighty columns, and so it stands in two rows, the cursor in the last'
    const whole = `MyFriends> ${draft}`
    /** The draft's rows in a window of so many columns: the last column stays free. */
    const rowsIn = (columns: number) =>
      Array.from({ length: Math.ceil(whole.length / (columns - 1)) }, (_, i) =>
        whole.slice(i * (columns - 1), (i + 1) * (columns - 1)).trimEnd(),
      )
    const lastRows = (count: number) => alice.rows().slice(-count)
    const shown = () => alice.rows().join('')
    alice.type(`${draft}\x1bb`)
    await expect.poll(() => lastRows(2)).toEqual(rowsIn(80))

    alice.resize(40, 20)
    await expect.poll(() => lastRows(3)).toEqual(rowsIn(40))
    bob.say('message one')
    await alice.untilRow(/^\d\d:\d\d Bob: message one$/)
    bob.say('message two')
    await alice.untilRow(/^\d\d:\d\d Bob: message two$/)
    expect(shown().split('this draft').length - 1).toBe(1)
    expect(lastRows(3)).toEqual(rowsIn(40))
    // The rows of before, which the terminal broke, are gone.
    expect(alice.rows().filter((row) => row.startsWith('online |'))).toHaveLength(1)
    const lastWord = (columns: number) => (whole.length - 'last'.length) % (columns - 1)
    await expect.poll(alice.cursor).toEqual({ row: rowsIn(40).at(-1), x: lastWord(40), shown: true })

    alice.resize(70, 20)
    await expect.poll(() => lastRows(2)).toEqual(rowsIn(70))
    bob.say('message three')
    await alice.untilRow(/^\d\d:\d\d Bob: message three$/)
    await expect.poll(alice.cursor).toEqual({ row: rowsIn(70).at(-1), x: lastWord(70), shown: true })
    for (const text of ['message one', 'message two', 'message three', 'this draft'])
      expect(shown().split(text).length - 1, text).toBe(1)

    alice.type('\r')
    await bob.until((event) => event['text'] === draft)
    await alice.untilRow('Alice: this draft')
    await alice.untilLast('MyFriends>')
    await expect.poll(alice.cursor).toEqual({ row: 'MyFriends>', x: 11, shown: true })
    expect(shown().split('this draft').length - 1).toBe(1)
  })

  it('shows an own line above only when the relay took it, and says below that it did not', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('MyFriends>')
    relay.takesFrames = false
    alice.type('hello?\r')
    await alice.untilRow(/^… hello\?$/)
    await alice.untilRow('… hello? (not sent yet)')
    expect(alice.rows().some((row) => row.includes('Alice: hello?'))).toBe(false)
    relay.takesFrames = true
    relay.cut()
    await alice.untilRow('The connection to the relay was lost.')
    await alice.untilRow(/^\d\d:\d\d Alice: hello\?$/)
    await alice.untilGone('not sent yet')
  })

  it('clears the line at the first Ctrl-C and leaves at the second, giving the terminal back', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('MyFriends>')
    alice.type('never mind')
    await alice.untilRow('never mind')
    alice.type('\x03')
    await alice.untilRow('Press Ctrl-C again to leave.')
    await alice.untilLast('MyFriends>')
    alice.type('\x03')
    expect(await alice.exited).toBe(0)
    expect(alice.rows().join('\n')).not.toMatch(/never mind|MyFriends>/)
    expect(alice.cursor().shown).toBe(true)
    for (const [on, off] of [
      ['\x1b[?2004h', '\x1b[?2004l'],
      ['\x1b[?1004h', '\x1b[?1004l'],
      ['\x1b[22;2t', '\x1b[23;2t'],
    ] as const) {
      expect(alice.raw().lastIndexOf(off)).toBeGreaterThan(alice.raw().lastIndexOf(on))
    }
  })

  it('gives the terminal back at SIGTERM, and when it fails', async () => {
    for (const name of ['SIGTERM', 'SIGUSR1']) {
      const alice = startInTerminal(
        flags('Alice'),
        name === 'SIGUSR1' ? { ...pin, NODE_OPTIONS: `--import=${crash}` } : pin,
      )
      await alice.untilRow('You are alone here.')
      alice.signal(name)
      await alice.exited
      expect(alice.cursor().shown).toBe(true)
      expect(alice.raw().lastIndexOf('\x1b[?2004l')).toBeGreaterThan(alice.raw().lastIndexOf('\x1b[?2004h'))
    }
  })

  it('stops at Ctrl-Z with the terminal as it was, and comes back with its draft', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('You are alone here.')
    alice.type('a draft')
    await alice.untilRow('MyFriends> a draft')
    const before = alice.raw().length
    alice.type('\x1a')
    await expect.poll(() => alice.raw().slice(before)).toContain('\x1b[?2004l')
    alice.signal('SIGCONT')
    await expect.poll(() => alice.raw().slice(before)).toContain('\x1b[?2004h')
    alice.type('!')
    await alice.untilRow('MyFriends> a draft!')
  })

  it('sends what still waits after Ctrl-D before it leaves', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('You are alone here.')
    relay.takesFrames = false
    alice.type('wait for me\r\x04')
    await alice.untilRow('wait for me (not sent yet)')
    relay.takesFrames = true
    relay.cut()
    expect(await alice.exited).toBe(0)
    expect(alice.rows().at(-1)).toMatch(/^\d\d:\d\d Alice: wait for me$/)
  })

  it('tells of a long outage in a few lines, and counts to the next try below', async () => {
    const alice = startInTerminal(flags('Alice'), pin, { cols: 120, rows: 30 })
    await alice.untilRow('You are alone here.')
    await relay.close()
    await alice.untilRow('is the relay running there? Trying again until it works.')
    await alice.untilRow(/^offline, (next try in \d+ s|trying)/)
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect(alice.rows().filter((row) => row.includes('Trying again')).length).toBeLessThanOrEqual(2)
    relay = await startFakeRelay(Number(new URL(url).port))
    const connected = () => alice.rows().filter((row) => row.endsWith('* Connected to the relay.')).length
    await expect.poll(connected, { timeout: 12_000 }).toBe(2)
    await alice.untilRow(/^online/)
  }, 30_000)

  it('shows help for a command with an example, and who is here', async () => {
    const alice = startInTerminal(flags('Alice'), pin)
    await alice.untilRow('MyFriends>')
    alice.type('/help users\r')
    await alice.untilRow('Example: /users')
    alice.type('/users\r')
    await alice.untilRow(/Alice {2}member {2}[a-z2-7]{4}-[a-z2-7]{4} {2}since \d\d:\d\d {2}\(you\)/)
    alice.type('/hlep\r')
    await alice.untilRow('did you mean /help?')
  })

  it('draws although the shell calls itself CI, and calls no debugger', async () => {
    const alice = startInTerminal(flags('Alice'), { ...pin, CI: 'true', DEV: 'true' })
    await alice.untilRow('MyFriends>')
    alice.type('/help users\r')
    await alice.untilRow('Example: /users')
  })

  it('uses no colour with NO_COLOR, and nothing but lines with TERM=dumb or a screen reader', async () => {
    const calm = startInTerminal(flags('Alice'), { ...pin, NO_COLOR: '1' })
    await calm.untilRow('MyFriends>')
    calm.type('/nothing\r')
    await calm.untilRow('There is no command')
    expect(calm.raw()).not.toMatch(/\x1b\[[0-9;]*m/)
    for (const env of [{ TERM: 'dumb' }, { INK_SCREEN_READER: 'true' }] as Record<string, string>[]) {
      const plain = startInTerminal(flags('Bob'), { ...pin, ...env })
      await plain.untilRow('You are Bob')
      plain.type('hello\r')
      await plain.untilRow(/^\d\d:\d\d Bob: hello$/)
      expect(plain.raw()).not.toContain('\x1b')
      plain.type('/quit\r')
      await plain.exited
    }
  })

  it('never wipes the scrollback, however small the window', async () => {
    const alice = startInTerminal(flags('Alice'), pin, { cols: 30, rows: 5 })
    await alice.untilRow('* You are Alice')
    alice.type(Array.from({ length: 12 }, (_, i) => `line ${i}`).join('\x1b\r'))
    await alice.untilRow('line 11')
    expect(alice.raw()).not.toMatch(/\x1b\[[23]J|\x1bc/)
    expect(alice.rows().join('\n')).toContain('Connected to the relay')
    alice.type('\r')
    await alice.untilRow('| line 11')
  })
})

/** Lets a process fail when it is told to. */
const crash = `data:text/javascript,process.on('SIGUSR1',()=>{throw%20new%20Error('told%20to')})`

describe('hostile text through a real relay', () => {
  beforeEach(async () => {
    url = (await startNode()).url
  })

  /** What our own screen may send: cursor moves, erasing, colours, modes, the title and the bell. */
  const ownSequences = /\x1b\[\??[0-9;]*[mABCDGJKHhlt]|\x1b\]2;(\(\d+\) PyChat|PyChat)?\x07|\x07/g

  it('arrives harmless on the chat screen, in whatever place', async () => {
    const bob = bobJson()
    await bob.until((event) => event.type === 'owner', 40_000)
    const alice = startInTerminal(flags('Alice'), pin, { cols: 250, rows: 40 })
    await alice.untilRow('MyFriends>')
    const eve = startPiped([...flags('Eve'), '--json'], pin)
    await eve.until((event) => event.type === 'ready')
    for (const text of hostile) {
      for (const command of ['', '/msg Alice ', '/away ', '/motd ', '/nick ', '/join #'])
        bob.say(`${command}${text}`)
      bob.say('/go room')
    }
    bob.say(`/kick Eve ${hostile.slice(0, 6).join(' ')}`)
    bob.say('/nick Bob')
    bob.say('the end')
    await alice.untilRow(/: the end$/, 30_000)
    await alice.untilRow('kicked Eve: clear')
    await alice.untilRow('wrote to you privately')
    alice.type('\x1b2')
    await alice.untilRow(/^── @.* unread ──$/)
    // A draft of the person's own is as safe as what others write.
    alice.type(`\x1b[200~${hostile.join(' ').replaceAll('\x1b', '')}\x1b[201~`)
    await alice.untilRow('form�feed')
    const rest = alice
      .raw()
      .replace(ownSequences, '')
      .replace(/[\r\n]/g, '')
    expect(rest).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/)
    expect(rest).not.toMatch(/[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/)
    expect(alice.rows().join('\n')).not.toMatch(/^\d\d:\d\d Mallory: /m)
    for (const line of bob.stdout().split('\n')) expect(line).toMatch(/^[\x20-\x7e\xa0-\uffff]*$/)
  })

  it('arrives harmless on the plain screen', async () => {
    const alice = startPiped([...flags('Alice'), '--plain'], pin)
    await alice.untilText('You are Alice')
    const bob = bobJson()
    await bob.until((event) => event.type === 'ready')
    for (const text of hostile) bob.say(text)
    for (const text of hostile) bob.say(`/msg Alice ${text}`)
    bob.say('the end')
    await alice.untilText('Bob: the end')
    await alice.untilText('[@Bob] Bob:')
    expect(alice.stdout().replace(/\n/g, '')).not.toMatch(
      /[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u2069\ufeff]/,
    )
  })
})
