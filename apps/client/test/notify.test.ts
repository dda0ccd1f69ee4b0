// The notify hook with real programs: what it gets, how it is bounded, and that its failures are said once.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { commandWords, createNotifier, type Notification, type Notifier } from '../src/notify.ts'

let folder: string
let said: string[]
const notifiers: Notifier[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pychat-notify-'))
  said = []
})
afterEach(() => {
  for (const notifier of notifiers.splice(0)) notifier.stop()
  rmSync(folder, { recursive: true, force: true })
})

const from = (name: string, more: Partial<Notification> = {}): Notification => ({
  view: '',
  from: name,
  mention: false,
  private: false,
  at: '2026-11-24T10:00:00.000Z',
  text: 'a secret text',
  ...more,
})

/** @param source what the hook's Node does  */
function hook(source: string, withText = false): Notifier {
  const notifier = createNotifier({
    command: [process.execPath, '-e', source],
    withText,
    env: { ...process.env, PYCHAT_PIN: 'secret123' },
    say: (sentence) => said.push(sentence),
  })
  notifiers.push(notifier)
  return notifier
}
const writer = () => {
  const out = join(folder, 'out')
  const source = `
    const fs = require('node:fs')
    const input = fs.readFileSync(0, 'utf8')
    fs.appendFileSync(${JSON.stringify(out)}, 'begin ' + (process.env.PYCHAT_PIN ?? 'no PIN') + '\\n' + input + 'end\\n')
  `
  return { source, lines: () => (existsSync(out) ? readFileSync(out, 'utf8').split('\n').slice(0, -1) : []) }
}
async function until(done: () => boolean, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!done()) {
    if (Date.now() > deadline) throw new Error(`waited in vain; said ${said.join(' ')}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('the notify program', () => {
  it('gets one object on its stdin for each message, one after another, and no text', async () => {
    const { source, lines } = writer()
    const notifier = hook(source)
    notifier.tell(from('Alice', { mention: true }))
    notifier.tell(from('Bob', { view: '@bob', private: true }))
    await until(() => lines().length >= 6)
    const [begin, first, end, begin2, second, end2] = lines()
    expect([begin, end, begin2, end2]).toEqual(['begin no PIN', 'end', 'begin no PIN', 'end'])
    const at = '2026-11-24T10:00:00.000Z'
    expect(JSON.parse(first ?? '')).toEqual({
      schema: 1,
      view: '',
      from: 'Alice',
      mention: true,
      private: false,
      at,
    })
    expect(JSON.parse(second ?? '')).toMatchObject({ view: '@bob', from: 'Bob', private: true })
    expect(lines().join()).not.toContain('secret')
    expect(said).toEqual([])
  })

  it('gets the text when the person wants that, harmless to show', async () => {
    const { source, lines } = writer()
    hook(source, true).tell(from('Mal\x1b[2Jlory', { text: 'a\x07b\u202e' }))
    await until(() => lines().length >= 3)
    expect(JSON.parse(lines()[1] ?? '')).toMatchObject({ from: 'Mal\ufffd[2Jlory', text: 'a\ufffdb\ufffd' })
  })

  it('that hangs is ended after 5 s, with all that it started, and the next one runs', async () => {
    const { source, lines } = writer()
    const alive = join(folder, 'alive')
    const touch = `setInterval(() => require('node:fs').writeFileSync(${JSON.stringify(alive)}, String(Date.now())), 100)`
    const notifier = hook(`
      const fs = require('node:fs')
      if (!fs.existsSync(${JSON.stringify(join(folder, 'once'))})) {
        fs.writeFileSync(${JSON.stringify(join(folder, 'once'))}, '')
        require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(touch)}])
        setInterval(() => {}, 1000)
      } else { ${source} }
    `)
    notifier.tell(from('Alice'))
    notifier.tell(from('Bob'))
    await until(() => lines().length >= 3, 15_000)
    expect(said).toEqual([expect.stringMatching(/ran for more than 5 s and was ended/)])
    const last = readFileSync(alive, 'utf8')
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(readFileSync(alive, 'utf8')).toBe(last)
  }, 30_000)

  it('that fails is said once, not for each message', async () => {
    const notifier = hook('process.exit(3)')
    for (let i = 0; i < 3; i += 1) notifier.tell(from('Alice'))
    await until(() => said.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(said).toEqual([expect.stringMatching(/failed \(exit code 3\)/)])
  })

  it('that is not there is said once', async () => {
    const notifier = createNotifier({
      command: [join(folder, 'nothing')],
      withText: false,
      env: {},
      say: (sentence) => said.push(sentence),
    })
    notifier.tell(from('Alice'))
    notifier.tell(from('Alice'))
    await until(() => said.length > 0)
    expect(said).toEqual([expect.stringMatching(/cannot be run \(ENOENT\): give --notify/)])
  })

  it('is not flooded: what it cannot keep up with is passed over', async () => {
    const { source, lines } = writer()
    const notifier = hook(source)
    for (let i = 0; i < 100; i += 1) notifier.tell(from(`user ${i}`))
    expect(said).toEqual([expect.stringMatching(/too slow for so many messages/)])
    await until(() => lines().length >= 33 * 3, 30_000)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(lines()).toHaveLength(33 * 3)
  }, 40_000)
})

it.each([
  ['notify-send', ['notify-send']],
  ['  node  hook.js  --loud ', ['node', 'hook.js', '--loud']],
  [`"C:\\Program Files\\x.exe" 'a b' c"d e"`, ['C:\\Program Files\\x.exe', 'a b', 'cd e']],
  [`node -e ''`, ['node', '-e', '']],
  ['', null],
  ['   ', null],
  ['"open', null],
])('a notify command %j is read without a shell', (text, words) => {
  expect(commandWords(text)).toEqual(words)
})
