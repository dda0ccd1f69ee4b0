// A whole chat over a scripted community and a screen that only remembers: what typed lines do, and what is told.
import type { Community } from '@pychat/client-engine'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ChatOptions, runChat } from '../../src/chat/chat.ts'
import type { Person, Screen, ScreenEvent, Status } from '../../src/chat/screen.ts'
import { hostile } from '../hostile-strings.ts'
import {
  channel,
  createFakeCommunity,
  type FakeCommunity,
  person,
  privately,
  room,
} from './fake-community.ts'

type Remembering = Screen & {
  shown: ScreenEvent[]
  now(): Status
  alerts: number
  closed: boolean
  type: Person
}

function rememberingScreen(mixed = false): Remembering {
  let last: Status | null = null
  const screen: Remembering = {
    mixed,
    personal: !mixed,
    shown: [],
    alerts: 0,
    closed: false,
    type: {
      line() {},
      ended() {},
      interrupted() {},
      go() {},
      here() {},
      sources: () => ({ names: [], channels: [] }),
    },
    now() {
      if (last === null) throw new Error('no status yet')
      return last
    },
    show: (event) => void screen.shown.push(event),
    status(status) {
      last = status
    },
    heard(_message, calls) {
      if (calls) screen.alerts += 1
    },
    listen(listener) {
      screen.type = listener
    },
    pause: vi.fn(),
    resume: vi.fn(),
    renamed: vi.fn(),
    close() {
      screen.closed = true
    },
  }
  return screen
}

const options: ChatOptions = {
  server: 'MyFriends',
  pinSentence: null,
  invitation: (parts) => ({ line: `pychat:${parts.name}`, qr: 'QR' }),
}

let community: FakeCommunity
let screen: Remembering
let code: Promise<number>
const texts = () => screen.shown.flatMap((event) => ('text' in event ? [event.text] : []))
const ofType = <T extends ScreenEvent['type']>(type: T) =>
  screen.shown.filter((event): event is Extract<ScreenEvent, { type: T }> => event.type === type)
/** Types and lets what is asked for happen. */
async function type(line: string): Promise<void> {
  screen.type.line(line)
  await vi.advanceTimersByTimeAsync(0)
}
function begin(mixed = false) {
  community = createFakeCommunity()
  community.members.push(person('Bob'), person('Ann Lee'))
  screen = rememberingScreen(mixed)
  code = runChat(options, screen, community as Community)
}

beforeEach(() => {
  vi.useFakeTimers()
  begin()
  community.enter()
})
afterEach(async () => {
  screen.type.interrupted()
  await vi.advanceTimersByTimeAsync(0)
  await code
  vi.useRealTimers()
})

describe('messages', () => {
  it('are pending until the relay took them, and nothing looks sent before', async () => {
    await type('hello')
    expect(screen.now().pending).toEqual([{ id: 1, label: null, text: 'hello', state: 'sending', note: '' }])
    expect(ofType('message')).toEqual([])
    await vi.advanceTimersByTimeAsync(3000)
    expect(screen.now().pending).toMatchObject([{ state: 'late' }])
    expect(texts()).toContain('Not sent yet: hello')
    community.acknowledge()
    expect(screen.now().pending).toEqual([])
    expect(ofType('message')).toMatchObject([{ text: 'hello', own: true, view: 'room' }])
  })

  it('that failed stay in sight until they are tried again or given up', async () => {
    await type('hello')
    community.sent.length = 0
    community.emit('failed', { view: room, id: 1, text: 'hello', reason: 'You are muted.', retry: true })
    expect(screen.now().pending).toMatchObject([{ id: 1, state: 'failed', note: 'You are muted.' }])
    expect(ofType('failed')).toMatchObject([{ id: 1, reason: 'You are muted.' }])
    await type('/retry 7')
    expect(texts()).toContain('No message 7 failed.')
    await type('/retry 1')
    expect(community.asked).toContain('retry  1')
    await type('/drop')
    expect(screen.now().pending).toEqual([])
    screen.type.ended()
    expect(await code).toBe(0)
  })

  it('that failed are told at the end, with the exit code for it', async () => {
    await type('hello')
    community.sent.length = 0
    community.emit('failed', { view: room, id: 1, text: 'hello', reason: 'No.', retry: true })
    screen.type.ended()
    expect(await code).toBe(7)
    expect(texts()).toContain('1 message was not sent.')
  })

  it('go where the prompt says', async () => {
    expect(screen.now()).toMatchObject({ prompt: 'MyFriends', key: '', people: 3 })
    await type('/join dev')
    await type('in dev')
    expect(screen.now()).toMatchObject({ prompt: '#dev', key: '#dev' })
    await type('/msg ann lee psst')
    await type('/msg Bob')
    await type('for bob')
    expect(screen.now()).toMatchObject({ prompt: '@Bob (private)', people: null })
    screen.type.go(1)
    await type('for all')
    expect(community.sent.map(({ view, text }) => [view, text])).toEqual([
      [channel('dev'), 'in dev'],
      [privately('ann lee'), 'psst'],
      [privately('Bob'), 'for bob'],
      [room, 'for all'],
    ])
    expect(screen.now().pending.map(({ label }) => label)).toEqual(['#dev', '@ann lee', '@Bob', null])
  })

  it('wait for a channel that is being joined before them', async () => {
    screen.type.line('/join dev')
    screen.type.line('first')
    expect(community.sent).toEqual([])
    await vi.advanceTimersByTimeAsync(0)
    expect(community.sent).toMatchObject([{ view: channel('dev'), text: 'first' }])
  })

  it('wait in the system while too many are on their way', async () => {
    for (let i = 0; i < 300; i += 1) screen.type.line(`line ${i}`)
    expect(community.sent).toHaveLength(128)
    expect(screen.pause).toHaveBeenCalledTimes(1)
    while (community.sent.length > 0) community.acknowledge()
    expect(screen.resume).toHaveBeenCalledTimes(1)
    expect(ofType('message').map(({ text }) => text)).toEqual(
      Array.from({ length: 300 }, (_, i) => `line ${i}`),
    )
  })
})

describe('private messages', () => {
  it('are counted and announced without their text, and /reply answers the last one', async () => {
    community.emit('opened', { view: privately('Bob') })
    community.says('Bob', 'the secret', privately('Bob'))
    expect(screen.alerts).toBe(1)
    expect(JSON.stringify(screen.shown)).not.toContain('the secret')
    expect(ofType('elsewhere')).toEqual([{ type: 'elsewhere', view: '@Bob', from: 'Bob', number: 2 }])
    await type('/reply got it')
    expect(community.sent).toMatchObject([{ view: privately('Bob'), text: 'got it' }])
    screen.type.go('next')
    expect(texts()).toContain('the secret')
  })

  it('follow somebody to another name, with the draft', () => {
    community.emit('opened', { view: privately('Bob') })
    screen.type.go(2)
    community.emit('renamed', { view: privately('Bob'), from: 'Bob', to: 'Robert' })
    expect(screen.now()).toMatchObject({ prompt: '@Robert (private)', key: '@robert' })
    expect(screen.renamed).toHaveBeenCalledWith('@bob', '@robert')
  })

  it('have nobody to reply to at first', async () => {
    await type('/reply hi')
    expect(texts()).toContain('Nobody has written to you privately yet: /msg NAME TEXT begins.')
  })
})

describe('a mention', () => {
  it('calls, by the name that the person has now', () => {
    community.says('Bob', 'alice: look')
    community.emit('renamed', { view: room, from: 'Alice', to: 'Lissy' })
    community.says('Bob', 'alice: look')
    community.says('Bob', 'hey lissy!')
    expect(ofType('message').map(({ mention }) => mention)).toEqual([true, false, true])
    expect(screen.alerts).toBe(2)
  })
})

describe('commands', () => {
  const owner = () =>
    community.emit('charter', {
      motd: '',
      rank: 'owner',
      lock: false,
      limit: 0,
      history: false,
      changed: [],
      by: null,
    })

  it.each([
    ['/nick Bob the Great', 'rename Bob the Great'],
    ['/away lunch break', 'away lunch break'],
    ['/back', 'away '],
    ['/motd hello all', 'motd hello all'],
    ['/kick ann lee too loud', 'kick ann lee too loud'],
    ['/ban Bob --for 1h spam', 'ban Bob 3600000 spam'],
    ['/ban Bob', 'ban Bob  '],
    ['/unban Bob', 'unban Bob'],
    ['/mute Bob', 'mute Bob'],
    ['/unmute Bob', 'unmute Bob'],
    ['/op Bob', 'op Bob'],
    ['/deop Bob', 'deop Bob'],
    ['/lock', 'lock true'],
    ['/unlock', 'lock false'],
    ['/limit 20', 'limit 20'],
    ['/history on', 'history true'],
    ['/admit Carol', 'admit Carol'],
    ['/transfer accept', 'accept'],
    ['/verify Bob ok', 'verified Bob true'],
    ['/join #dev', 'open #dev'],
    ['/users', 'start'],
  ])('%s asks for: %s', async (line, asked) => {
    owner()
    await type(line)
    expect(community.asked.at(-1)).toBe(asked)
  })

  it('of owners and ops are refused to others without asking anybody', async () => {
    community.rules = { motd: '', lock: false, limit: 0, history: false, owner: 'Bob', bans: [], muted: [] }
    for (const line of ['/kick Bob', '/rekey', '/op Bob', '/motd x', '/limit 3', '/transfer Bob'])
      await type(line)
    expect(community.asked).toEqual(['start'])
    expect(ofType('error')).toHaveLength(6)
    expect(texts()).toContain('/op NAME is for the owner.')
  })

  it('of owners and ops go on to whoever decides while the room is nobody\u2019s', async () => {
    await type('/motd mine')
    expect(community.asked.at(-1)).toBe('motd mine')
  })

  it('say in one sentence why something was not done', async () => {
    owner()
    community.refuse = { code: 'rank', sentence: 'Bob is an op: only the owner can do that.' }
    await type('/kick Bob')
    expect(ofType('error')).toEqual([
      { type: 'error', code: 'not-done', text: 'Bob is an op: only the owner can do that.' },
    ])
  })

  it('that cannot be undone happen only with the code that the first call shows', async () => {
    owner()
    for (const [line, asked] of [
      ['/rekey', 'rekey'],
      ['/transfer Bob', 'transfer Bob'],
    ] as const) {
      const before = community.asked.length
      await type(line)
      const shown = /(\d{4})$/.exec(texts().at(-1) ?? '')?.[1] ?? 'none'
      await type(`${line} ${shown === '0000' ? '0001' : '0000'}`)
      expect(community.asked).toHaveLength(before)
      const second = /(\d{4})$/.exec(texts().at(-1) ?? '')?.[1] ?? 'none'
      await type(`${line} ${shown}`)
      expect(community.asked).toHaveLength(before)
      const third = /(\d{4})$/.exec(texts().at(-1) ?? '')?.[1] ?? 'none'
      expect(second).not.toBe('none')
      await vi.advanceTimersByTimeAsync(61_000)
      await type(`${line} ${third}`)
      expect(community.asked).toHaveLength(before)
      const fourth = /(\d{4})$/.exec(texts().at(-1) ?? '')?.[1] ?? 'none'
      await type(`${line} ${fourth}`)
      expect(community.asked.at(-1)).toBe(asked)
    }
  })

  it('offer new keys after a ban', async () => {
    owner()
    await type('/ban Bob')
    expect(ofType('notice').at(-1)).toMatchObject({
      code: 'rekey-offer',
      text: expect.stringContaining('/rekey'),
    })
  })

  it('show people, a page at a time where there are many', async () => {
    await type('/users')
    expect(ofType('users').at(-1)).toMatchObject({
      users: ['Alice', 'Bob', 'Ann Lee'],
      count: 3,
      page: 1,
      more: false,
    })
    community.emit('count', { view: room, count: 3000, quiet: true })
    await type('/users 2')
    expect(ofType('users').at(-1)).toMatchObject({ users: ['Ann Lee'], page: 2, more: false })
  })

  it('show what is known of channels, bans, rules and words', async () => {
    community.rules = {
      motd: 'Be kind',
      lock: true,
      limit: 5,
      history: true,
      owner: 'Alice',
      bans: [
        { id: 'aa', name: 'Mallory', until: Date.parse('2026-12-01T00:00:00Z'), reason: 'spam', by: 'Alice' },
      ],
      muted: [{ id: 'bb', name: 'Eve' }],
    }
    for (const line of ['/channels', '/bans', '/motd', '/verify Bob', '/recovery', '/invite', '/help ban'])
      await type(line)
    expect(ofType('channels')).toMatchObject([
      { channels: [{ channel: '#dev', open: false }, { channel: '#random' }] },
    ])
    expect(ofType('bans')).toMatchObject([
      { bans: [{ name: 'Mallory', until: '2026-12-01T00:00:00.000Z' }], muted: [{ name: 'Eve' }] },
    ])
    expect(ofType('charter')).toMatchObject([{ motd: 'Be kind', lock: true, limit: 5, changed: [] }])
    expect(ofType('verify')).toMatchObject([
      { user: 'Bob', words: 'apple bear cat dog egg fox', verified: false },
    ])
    expect(ofType('recovery')).toMatchObject([{ words: 'one two three' }])
    expect(ofType('invite')).toMatchObject([{ line: 'pychat:MyFriends' }])
    expect(texts().at(-1)).toContain('Example: /ban')
  })

  it('/go and /part move between conversations', async () => {
    await type('/join #dev')
    await type('/go room')
    await type('/go #DEV')
    expect(screen.now().key).toBe('#dev')
    await type('/go 1')
    expect(screen.now().key).toBe('')
    await type('/part dev')
    expect(screen.now().views).toHaveLength(1)
    await type('/part')
    expect(texts().at(-1)).toContain('/quit leaves it')
    await type('/go nowhere')
    expect(texts().at(-1)).toContain('no conversation nowhere')
    await type('/go')
    expect(texts().at(-1)).toBe('Nothing is unread.')
  })

  it('complete people by who spoke last', () => {
    community.says('Bob', 'one')
    community.says('Ann Lee', 'two')
    expect(screen.type.sources()).toEqual({ names: ['Ann Lee', 'Bob'], channels: ['dev', 'random'] })
  })
})

it('tells of things that nobody can be shown to have sent at once, and then in sums', async () => {
  for (let i = 0; i < 50; i += 1) {
    community.emit('unreadable', { view: room })
    await vi.advanceTimersByTimeAsync(100)
  }
  await vi.advanceTimersByTimeAsync(10_000)
  const told = ofType('notice').filter(({ code }) => code === 'unreadable')
  expect(told.map(({ text }) => text.split(' came')[0])).toEqual(['Something', '49 things'])
})

describe('recovery words', () => {
  it('are shown to a person who made the room', () => {
    community.emit('owner', { founded: true, words: 'one two three' })
    expect(ofType('recovery')).toHaveLength(1)
  })
  it('are not written into pipes and logs unasked', async () => {
    screen.type.interrupted()
    await vi.advanceTimersByTimeAsync(0)
    begin(true)
    community.emit('owner', { founded: true, words: 'one two three' })
    expect(ofType('owner')).toHaveLength(1)
    expect(ofType('recovery')).toHaveLength(0)
  })
})

describe('leaving', () => {
  it('waits until all is sent, and says what was not', async () => {
    await type('one')
    await type('/quit')
    expect(screen.closed).toBe(false)
    await vi.advanceTimersByTimeAsync(9000)
    community.acknowledge()
    expect(await code).toBe(0)
    expect(screen.closed).toBe(true)
  })

  it('gives up after ten seconds without progress', async () => {
    await type('one')
    screen.type.ended()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await code).toBe(7)
  })

  it('happens at once when asked twice', async () => {
    await type('one')
    await type('/quit')
    await type('/quit')
    expect(await code).toBe(7)
  })

  it('has its own exit code for a taken name and for a refusal', async () => {
    community.emit('stopped', { reason: 'name-taken', sentence: 'Taken.' })
    expect(await code).toBe(3)
    begin()
    community.emit('stopped', { reason: 'refused', sentence: 'You were banned.' })
    expect(await code).toBe(4)
    expect(ofType('error')).toEqual([{ type: 'error', code: 'refused', text: 'You were banned.' }])
  })

  it('comes by itself when nobody answers at first', async () => {
    begin()
    for (let i = 0; i < 6; i += 1)
      community.emit('state', { state: 'offline', detail: 'Nothing there.', retryInMs: 10 })
    expect(await code).toBe(7)
  })
})

it('survives whatever names, texts and reasons hold', () => {
  for (const text of hostile) {
    const view = privately(text)
    community.emit('opened', { view })
    community.says(text, text, view)
    community.emit('act', { what: 'ban', target: text, by: text, reason: text, until: 1e300 })
    community.emit('away', { view: room, person: person(text, { away: text, since: -5 }) })
    community.emit('keychange', { view: room, name: text, old: text, new: text, wasVerified: true })
    community.emit('channel', { name: text })
    community.emit('closed', { view, reason: text })
  }
  expect(screen.now().views).toHaveLength(1)
})
