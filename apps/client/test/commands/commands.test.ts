// The one table of commands: what a typed line means, help, suggestions, durations.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseDuration } from '../../src/commands/duration.ts'
import { helpText } from '../../src/commands/help.ts'
import { readLine } from '../../src/commands/parse.ts'
import { type Command, commandTable, findCommand } from '../../src/commands/table.ts'

const names = ['Bob', 'Ann Lee', 'Ann']
const command = (name: string, given = {}) => ({ kind: 'command', name, given })

describe('a typed line', () => {
  it.each([
    ['hello', { kind: 'text', text: 'hello' }],
    ['//etc', { kind: 'text', text: '/etc' }],
    ['two\nlines', { kind: 'text', text: 'two\nlines' }],
    ['   ', { kind: 'nothing' }],
    ['/USERS', command('users')],
    ['/who 2', command('users', { number: 2 })],
    ['/help  quit ', command('help', { command: 'quit' })],
    ['/msg Bob are  you\nthere?', command('msg', { name: 'Bob', text: 'are  you\nthere?' })],
    ['/msg @Bob', command('msg', { name: 'Bob' })],
    ['/msg ann lee hi', command('msg', { name: 'ann lee', text: 'hi' })],
    ['/msg Ann hi', command('msg', { name: 'Ann', text: 'hi' })],
    ['/msg "Ann Lee" hi', command('msg', { name: 'Ann Lee', text: 'hi' })],
    ['/msg Zoe hi there', command('msg', { name: 'Zoe', text: 'hi there' })],
    ['/ban Bob', command('ban', { name: 'Bob' })],
    ['/ban Bob --for 1h spam, again', command('ban', { name: 'Bob', forMs: 3_600_000, text: 'spam, again' })],
    ['/ban Bob --for=7d', command('ban', { name: 'Bob', forMs: 7 * 86_400_000 })],
    ['/ban Bob for 1h', command('ban', { name: 'Bob', text: 'for 1h' })],
    ['/limit 0', command('limit', { number: 0 })],
    ['/history off', command('history', { on: false })],
    ['/verify Bob no', command('verify', { name: 'Bob', ok: false })],
    ['/join #dev', command('join', { channel: 'dev' })],
    ['/j dev', command('join', { channel: 'dev' })],
    ['/go @Ann Lee', command('go', { view: '@Ann Lee' })],
    ['/transfer accept', command('transfer', { name: 'accept' })],
    ['/transfer Ann Lee 0420', command('transfer', { name: 'Ann Lee', code: '0420' })],
    ['/rekey 1234', command('rekey', { code: '1234' })],
  ])('%j is understood', (line, meant) => {
    expect(readLine(line, names)).toEqual(meant)
  })

  it.each([
    '/msg',
    '/users now',
    '/users 1 2',
    '/ban Bob --for soon',
    '/ban Bob --for',
    '/history maybe',
    '/verify Bob yes',
    '/limit -1',
    '/limit many',
    '/rekey now',
    '/join #',
    '/quit now',
    '/reply',
  ])('%j is answered with usage and example', (line) => {
    const meant = readLine(line, names)
    const known = findCommand(line.split(' ')[0] ?? '')
    expect(meant).toEqual({ kind: 'mistake', text: `Type it as ${known?.usage}, e.g. ${known?.example}` })
  })

  it('that is no command names the nearest one', () => {
    expect(readLine('/quti')).toMatchObject({ text: expect.stringContaining('did you mean /quit?') })
    expect(readLine('/user')).toMatchObject({ text: expect.stringContaining('did you mean /users?') })
    expect(readLine('/jion #dev')).toMatchObject({ text: expect.stringContaining('did you mean /join?') })
    expect(readLine('/frobnicate')).toMatchObject({ text: expect.stringContaining('/help shows all') })
    expect(readLine(`/${'x'.repeat(100_000)}`)).toMatchObject({ kind: 'mistake' })
  })

  it('of a megabyte is read in no time', () => {
    const startedAt = Date.now()
    for (const line of [
      `/msg ${'a '.repeat(500_000)}`,
      `/ban "${'x'.repeat(1_000_000)}`,
      `/${' '.repeat(1_000_000)}x`,
    ])
      readLine(line, names)
    expect(Date.now() - startedAt).toBeLessThan(2000)
  })
})

describe('the table', () => {
  const table: readonly Command[] = commandTable

  it('has no word twice, and for each command an example that means it', () => {
    const words = table.flatMap(({ name, aliases = [] }) => [name, ...aliases])
    expect(new Set(words).size).toBe(words.length)
    for (const { name, example, summary, usage } of table) {
      expect(readLine(example, ['Bob', 'Mallory', 'Carol'])).toMatchObject({ kind: 'command', name })
      expect(usage.startsWith(`/${name}`)).toBe(true)
      expect(summary).toMatch(/\.$/)
    }
  })

  it('gives help for all and for one, with an example and who may', () => {
    for (const { usage } of table) expect(helpText('')).toContain(usage)
    expect(helpText('/ban')).toContain('Example: /ban Mallory --for 7d spam')
    expect(helpText('ban')).toContain('For: the owner and ops.')
    expect(helpText('who')).toContain('/users')
    expect(helpText('bna')).toContain('did you mean /ban?')
  })
})

it('reads durations strictly', () => {
  expect(parseDuration('30m')).toBe(1_800_000)
  expect(parseDuration('1h')).toBe(3_600_000)
  expect(parseDuration('7d')).toBe(604_800_000)
  for (const text of [
    '',
    '0h',
    '1',
    'h',
    '1.5h',
    '-1h',
    '1 h',
    '1H',
    '01h',
    '1hour',
    '9999999d',
    '367d',
    '١h',
  ])
    expect(parseDuration(text), text).toBe(null)
})

it('is what docs/chat.md speaks of: no other commands, and none forgotten', () => {
  const page = readFileSync(new URL('../../../../docs/chat.md', import.meta.url), 'utf8')
  const named = [...page.matchAll(/`\/([a-z]+)/g)].map(([, word = '']) => word)
  for (const word of named) expect(findCommand(word)?.name, word).toBe(word)
  for (const { name } of commandTable) expect(named, name).toContain(name)
})
