// Two people at two terminals over a real relay, as they see it: what is typed, read, missed and found again.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { freePort } from '../../../loadtest/free-port.js'
import { endAll, type Node, startNode } from './e2e/processes.ts'
import { endPrograms, type Screened, startInTerminal, startPiped } from './program.ts'

// Each starts whole programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

let node: Node
let listen: string
beforeEach(async () => {
  listen = `127.0.0.1:${await freePort()}`
  node = await startNode({ PYCHAT_LISTEN: listen })
})
afterEach(async () => {
  endPrograms()
  await endAll()
})

const pin = { PYCHAT_PIN: 'secret123' }
const flags = (user: string) => ['--relay', `ws://${listen}`, '--server', 'MyFriends', '--user', user]
const tab = '\t'
const alt = (key: string) => `\x1b${key}`
const pasted = (text: string) => `\x1b[200~${text}\x1b[201~`
const [away, back] = ['\x1b[O', '\x1b[I']

async function twoPeople(): Promise<{ alice: Screened; bob: Screened }> {
  const alice = startInTerminal(flags('Alice'), pin)
  await alice.untilRow('You are alone here.')
  const bob = startInTerminal(flags('Bob'), pin)
  await bob.untilRow('You are Bob')
  await alice.untilRow('Bob joined.')
  return { alice, bob }
}
/** How often the terminal rang: a bell that ends no title. */
const bells = (screen: Screened) =>
  screen
    .raw()
    .replace(/\x1b\]2;[^\x07]*\x07/g, '')
    .split('\x07').length - 1
const indexOf = (screen: Screened, text: string) => screen.rows().findIndex((row) => row.includes(text))

describe('two people', () => {
  it('talk, complete a name, and are called by it', async () => {
    const { alice, bob } = await twoPeople()
    alice.type('hello all\r')
    await bob.untilRow(/^\d\d:\d\d Alice: hello all$/)
    await alice.untilRow(/^\d\d:\d\d Alice: hello all$/)
    expect(bells(bob)).toBe(0)
    bob.type(`al${tab}`)
    await bob.untilRow(/^MyFriends> Alice:$/)
    bob.type('hi there\r')
    await alice.untilRow(/^\d\d:\d\d » Bob: Alice: hi there$/)
    await expect.poll(() => bells(alice)).toBe(1)
    expect(bells(bob)).toBe(0)
  })

  it('paste five lines: asked, sent as one message, or dropped', async () => {
    const { alice, bob } = await twoPeople()
    alice.type(pasted('one\rtwo\rthree\rfour\rfive\r'))
    await alice.untilRow('Paste 5 lines? Enter sends as one message, Esc drops')
    alice.type('\x1b')
    await alice.untilLast('MyFriends>')
    alice.type(pasted('uno\rdos\rtres\rcuatro\rcinco'))
    await alice.untilRow('Paste 5 lines?')
    alice.type('\r')
    await bob.untilRow(/^\d\d:\d\d Alice: uno$/)
    await bob.untilRow(/^ {6}\| cinco$/)
    expect(bob.rows().join('\n')).not.toMatch(/three|four/)
    // Two lines only become part of the draft; the break sends nothing.
    alice.type(pasted('short\rone'))
    await alice.untilLast('one')
    alice.type('!\r')
    await bob.untilRow(/^ {6}\| one!$/)
    expect(bob.rows().filter((row) => row.includes('Alice:'))).toHaveLength(2)
  })

  it('find a line before what they have not seen, in a window title too', async () => {
    const { alice, bob } = await twoPeople()
    bob.type('seen\r')
    await alice.untilRow('Bob: seen')
    alice.type(away)
    bob.type('not seen, alice\r')
    await alice.untilRow('Bob: not seen')
    bob.type('nor this\r')
    await alice.untilRow('Bob: nor this')
    const [before, line, after] = ['Bob: seen', '── unread ──', 'not seen'].map((text) =>
      indexOf(alice, text),
    )
    expect([before, line, after]).toEqual([...[before, line, after]].sort((a = 0, b = 0) => a - b))
    expect(alice.rows().filter((row) => row.includes('── unread ──'))).toHaveLength(1)
    await expect.poll(() => alice.raw()).toContain('\x1b]2;(1) PyChat\x07')
    alice.type(back)
    await expect
      .poll(() => alice.raw().lastIndexOf('\x1b]2;PyChat\x07'))
      .toBeGreaterThan(alice.raw().indexOf('\x1b]2;(1) PyChat\x07'))
  })

  it('talk in a channel and alone, each with its own draft, and nothing gets mixed', async () => {
    const { alice, bob } = await twoPeople()
    bob.type('/join #dev\r')
    await bob.untilLast('#dev>')
    await alice.untilRow('There is a channel #dev: /join #dev')
    alice.type('a draft for the room')
    await alice.untilRow('MyFriends> a draft')
    bob.type('/msg Alice only for you\r')
    await alice.untilRow('Bob wrote to you privately: Alt-2 or /go @Bob')
    await alice.untilRow(/2 @Bob \(1!\)/)
    expect(alice.rows().join('\n')).not.toContain('only for you')
    await bob.untilRow('[@Alice] Bob: only for you')
    alice.type(alt('2'))
    await alice.untilRow(/^\d\d:\d\d Bob: only for you$/)
    await alice.untilLast('@Bob (private)>')
    const [header, line, text] = ['── @Bob ──', '── unread ──', 'only for you'].map((one) =>
      indexOf(alice, one),
    )
    expect([header, line, text]).toEqual([...[header, line, text]].sort((a = 0, b = 0) => a - b))
    alice.type('got it\r')
    await bob.untilRow(/3 @Alice \(1!\)|2 @Alice \(1!\)/)
    alice.type(alt('1'))
    await alice.untilLast('MyFriends> a draft for the room')
    bob.type(alt('a'))
    await bob.untilRow(/^\d\d:\d\d Alice: got it$/)
    bob.type('/go #dev\r')
    await bob.untilLast('#dev>')
  })

  it('keep their drafts in a window of 40 columns, and when the relay goes and comes back', async () => {
    const { alice, bob } = await twoPeople()
    const draft = 'half a thought that takes more than one row'
    alice.type(draft)
    await alice.untilLast(`MyFriends> ${draft}`)
    alice.resize(40, 24)
    const rowsOfDraft = () => alice.rows().slice(-2).join('')
    await expect.poll(rowsOfDraft).toBe(`MyFriends> ${draft}`)
    node.process.kill('SIGKILL')
    await alice.untilRow(/^offline, /)
    bob.type('while it was gone\r')
    await bob.untilRow(/^… while it was gone/)
    node = await startNode({ PYCHAT_LISTEN: listen })
    await alice.untilRow(/^online/, 30_000)
    await alice.untilRow(/^\d\d:\d\d Bob: while it was gone$/, 30_000)
    await bob.untilRow(/^\d\d:\d\d Bob: while it was gone$/)
    await bob.untilLast('MyFriends>')
    expect(rowsOfDraft()).toBe(`MyFriends> ${draft}`)
    expect(alice.rows().join('').split('half a thought').length - 1).toBe(1)
    alice.type('\r')
    await bob.untilRow(`Alice: ${draft}`)
  }, 60_000)
})

describe('a room of one owner', () => {
  it('shows the words once, the message of the day to who comes, and asks for a code before it moves', async () => {
    const alice = startInTerminal(flags('Alice'), pin, { cols: 300, rows: 40 })
    await alice.untilRow('You made this room and own it', 20_000)
    expect(await alice.untilRow(/^\* {3}([a-z]+ ){11}[a-z]+$/)).toBeDefined()
    alice.type('/motd Be kind\r')
    await alice.untilRow('Message of the day: Be kind')
    const bob = startInTerminal(flags('Bob'), pin)
    await bob.untilRow('Message of the day: Be kind')
    const mallory = startPiped([...flags('Mallory'), '--json'], pin)
    await mallory.until((event) => event.type === 'ready')
    bob.type('/kick Mallory\r')
    await bob.untilRow('! /kick NAME [REASON] is for the owner and ops.')
    alice.type('/ban mal')
    alice.type(`${tab}--for 1h too loud\r`)
    await alice.untilRow(/Alice banned Mallory until \d\d:\d\d: too loud/)
    await bob.untilRow(/Alice banned Mallory until \d\d:\d\d: too loud/)
    expect(await mallory.exited).toBe(4)
    await alice.untilRow('/rekey moves the room away from Mallory')
    alice.type('/rekey\r')
    const row = await alice.untilRow(/\/rekey \d{4}/)
    const code = /\/rekey (\d{4})/.exec(row)?.[1] ?? ''
    alice.type(`/rekey ${code}\r`)
    await alice.untilRow('The room has new keys', 20_000)
    await bob.untilRow('The room has new keys', 20_000)
    bob.type('still here\r')
    await alice.untilRow(/^\d\d:\d\d Bob: still here$/)
  }, 90_000)
})
