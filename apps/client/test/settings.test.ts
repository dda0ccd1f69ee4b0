// What an address means, and what counts as given.
import { beforeEach, describe, expect, it } from 'vitest'
import { givenSettings, isLocalHost, relayUrl, relayUrls, UsageError } from '../src/settings.ts'
import { errorSentence } from '../src/socket.ts'

describe('a relay address', () => {
  it.each([
    ['localhost', 'ws://localhost:8765'],
    ['localhost:9000', 'ws://localhost:9000'],
    ['LOCALHOST', 'ws://localhost:8765'],
    ['127.0.0.1', 'ws://127.0.0.1:8765'],
    ['192.168.1.20', 'ws://192.168.1.20:8765'],
    ['10.0.0.5:80', 'ws://10.0.0.5:80'],
    ['172.31.255.1', 'ws://172.31.255.1:8765'],
    ['mybox.local', 'ws://mybox.local:8765'],
    ['::1', 'ws://[::1]:8765'],
    ['[fd00::1]:9000', 'ws://[fd00::1]:9000'],
    ['chat.example.org', 'wss://chat.example.org'],
    ['chat.example.org:8443', 'wss://chat.example.org:8443'],
    ['172.32.0.1', 'wss://172.32.0.1'],
    ['8.8.8.8', 'wss://8.8.8.8'],
    ['wss://chat.example.org/pychat', 'wss://chat.example.org/pychat'],
    ['ws://localhost:1234', 'ws://localhost:1234'],
    ['wss://localhost', 'wss://localhost'],
    [' localhost ', 'ws://localhost:8765'],
  ])('%s means %s', (typed, url) => {
    expect(relayUrl(typed, false)).toEqual({ url })
  })

  it('with ws:// to a public host is refused, or warned of with --insecure', () => {
    expect(() => relayUrl('ws://chat.example.org', false)).toThrow(/--insecure/)
    expect(relayUrl('ws://chat.example.org', true)).toMatchObject({
      url: 'ws://chat.example.org',
      warning: expect.stringContaining('not encrypted on its way'),
    })
  })

  it.each(['', ' ', 'http://x', 'ws://', 'a b', 'ws://user:pw@localhost', 'localhost?x', 'host:99999'])(
    'refuses %j in one sentence',
    (typed) => {
      expect(() => relayUrl(typed, false)).toThrow(/relay address/)
    },
  )

  it.each([
    'localhost.example.org',
    '127.0.0.1.example.org',
    '100.64.0.1',
    '169.255.0.1',
    'local',
    '2001:db8::1',
  ])('does not take %s for this machine or network', (host) => {
    expect(isLocalHost(host)).toBe(false)
  })
})

describe('what was given', () => {
  const whole = { PYCHAT_RELAY: 'a', PYCHAT_SERVER: 'b', PYCHAT_USER: '', PYCHAT_PIN: 'p' }
  let env: Record<string, string>
  beforeEach(() => {
    env = { ...whole }
  })
  const nothing = async () => ''

  it('is taken from flags before the environment, and an empty value is none', async () => {
    const given = await givenSettings({ relay: 'c' }, env, false, nothing)
    expect(given).toEqual({ relay: 'c', server: 'b', pin: 'p' })
    expect(env).toEqual({ PYCHAT_RELAY: 'a', PYCHAT_SERVER: 'b', PYCHAT_USER: '' })
  })

  it('beside an invite is not taken from the environment, which is for another room', async () => {
    const given = await givenSettings({ inviteFile: '-', user: 'Bob' }, env, false, async () => 'pychat:x')
    expect(given).toEqual({ user: 'Bob', invite: 'pychat:x' })
    expect(await givenSettings({ relay: 'c' }, env, true, nothing)).toEqual({ relay: 'c' })
    await expect(givenSettings({ server: 'b' }, env, true, nothing)).rejects.toThrow(/leave out --server/)
  })

  it('in a file that cannot be read is said in one sentence', async () => {
    await expect(givenSettings({ pinFile: '/does/not/exist' }, env, false, nothing)).rejects.toThrow(/ENOENT/)
  })
})

it('takes of several relays those that may be used', () => {
  const both = ['ws://chat.example.org', 'ws://192.168.1.20:8765']
  expect(relayUrls(both, false)).toEqual({ urls: ['ws://192.168.1.20:8765'] })
  expect(relayUrls(both, true)).toMatchObject({ urls: both, warning: expect.stringContaining('--insecure') })
  expect(() => relayUrls(['ws://chat.example.org'], false)).toThrow(/--insecure/)
  expect(() => relayUrls([], true)).toThrow(/names no relay/)
  expect(() => relayUrls(['javascript:alert(1)'], true)).toThrow(UsageError)
})

it.each([
  ['ECONNREFUSED', 'is the relay running there?'],
  ['ENOTFOUND', 'check the relay address'],
  ['CERT_HAS_EXPIRED', 'cannot be trusted'],
  ['EPROTO', 'begins with ws://'],
  ['EWHATEVER', 'failed (EWHATEVER)'],
])('says what to do about %s in one sentence', (code, part) => {
  const sentence = errorSentence(Object.assign(new Error('x'), { code }), 'wss://chat.example.org')
  expect(sentence).toContain(part)
  expect(sentence).toMatch(/^[^\n]+[.?]$/)
})

it('of a relay on the local network that is gone says that its host may have ended it', () => {
  const refused = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
  expect(errorSentence(refused, 'ws://192.168.1.20:8765')).toContain('host it yourself with "pychat host"')
  for (const url of [
    'ws://localhost:8765',
    'wss://chat.example.org',
    'ws://[::1]:8765',
    'ws://127.0.0.1:1',
  ]) {
    expect(errorSentence(refused, url)).not.toContain('host it yourself')
  }
})
