// The whole terminal screen over streams that only look like a terminal: how often it draws, and what it hands on.
import { PassThrough, Writable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Screen, Status } from '../../../src/chat/screen.ts'
import { createTerminalScreen } from '../../../src/ui/terminal-screen.ts'

const status = (more: Partial<Status> = {}): Status => ({
  key: '',
  prompt: 'MyFriends',
  views: [],
  pending: [],
  people: 2,
  connection: 'online',
  retryAt: null,
  rank: 'member',
  away: false,
  ...more,
})

let written: string
let raw: boolean
let input: PassThrough
let screen: Screen
let told: string[]
const env: NodeJS.ProcessEnv = { TERM: 'xterm', NO_COLOR: '1' }
const before = { ...process.env }

beforeEach(async () => {
  written = ''
  raw = false
  told = []
  input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode(on: boolean) {
      raw = on
    },
  })
  const output = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        written += String(chunk)
        done()
      },
    }),
    { isTTY: true, columns: 80, rows: 24 },
  )
  screen = await createTerminalScreen(
    input as unknown as NodeJS.ReadStream,
    output as unknown as NodeJS.WriteStream,
    env,
    'MyFriends',
  )
  screen.listen({
    line: (text) => void told.push(`line ${text}`),
    ended: () => void told.push('ended'),
    interrupted: () => void told.push('interrupted'),
    go: (to) => void told.push(`go ${to}`),
    here: (here) => void told.push(`here ${here}`),
    sources: () => ({ names: ['Bob'], channels: ['dev'] }),
  })
})
afterEach(() => screen.close())

const settled = () => new Promise((resolve) => setTimeout(resolve, 100))
const message = (text: string) =>
  screen.show({
    type: 'message',
    view: 'room',
    from: 'Bob',
    text,
    seq: 1,
    at: new Date().toISOString(),
    own: false,
    fingerprint: 'p2xw-77ld',
    memberId: '00',
    key: 'known',
    mention: false,
  })

it('draws a burst in few pictures and shows every line of it once, in order', async () => {
  const startedAt = Date.now()
  for (let burst = 0; burst < 10; burst += 1) {
    for (let i = 0; i < 200; i += 1) message(`<${burst * 200 + i}>`)
    screen.status(status({ people: burst }))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await settled()
  const shown = [...written.matchAll(/Bob: <(\d+)>/g)].map(([, number]) => Number(number))
  expect(shown).toEqual(Array.from({ length: 2000 }, (_, i) => i))
  // Two synchronised writes a picture: what is printed, and the footer below.
  const pictures = written.split('\x1b[?2026h').length - 1
  expect(pictures).toBeGreaterThan(4)
  expect(pictures).toBeLessThanOrEqual(2 * (Math.ceil((Date.now() - startedAt) / 34) + 2))
})

it('hands on what is typed, one draft for each conversation', async () => {
  input.write('for the room')
  await settled()
  screen.status(status({ key: '#dev', prompt: '#dev' }))
  input.write('for dev\r')
  await settled()
  screen.status(status())
  input.write('!\r')
  input.write('\x1b2\x1ba\x1b[O\x1b[I')
  await settled()
  input.write('bo\t\r\x04')
  await settled()
  expect(told).toEqual([
    'line for dev',
    'line for the room!',
    'go 2',
    'go next',
    'here false',
    'here true',
    'line Bob: ',
    'ended',
  ])
})

it('rings when the person is called, but not in a storm', async () => {
  const heard = () => screen.heard({ type: 'message' } as Parameters<Screen['heard']>[0], true)
  for (let i = 0; i < 100; i += 1) heard()
  screen.heard({ type: 'message' } as Parameters<Screen['heard']>[0], false)
  await settled()
  expect(written.replace(/\x1b\]2;[^\x07]*\x07/g, '').split('\x07')).toHaveLength(2)
})

it('counts calls in the title and gives everything back at the end, twice without harm', async () => {
  expect(raw).toBe(true)
  screen.status(status({ views: [{ number: 1, label: 'room', unread: 3, calls: 2, current: true }] }))
  await settled()
  expect(written).toContain('\x1b[22;2t\x1b]2;(2) PyChat\x07')
  message('the last line')
  screen.close()
  screen.close()
  expect(raw).toBe(false)
  expect(written).toContain('Bob: the last line')
  expect(written.lastIndexOf('\x1b[?2004l')).toBeGreaterThan(written.lastIndexOf('\x1b[?2004h'))
  expect(written.lastIndexOf('\x1b]2;\x07\x1b[23;2t')).toBeGreaterThan(written.lastIndexOf('PyChat\x07'))
})

it('leaves the environment as it found it', () => {
  expect(process.env).toEqual(before)
})
