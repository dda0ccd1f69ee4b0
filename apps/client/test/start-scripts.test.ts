// The scripts for people who double-click, as they are run: in a copy of the project that is only a sketch of it, with
// an npm and a compiler of its own.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const source = fileURLToPath(new URL('../../../start/', import.meta.url))
const scripts = ['start-chat', 'start-relay']

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pychat start '))
  for (const file of ['start.cjs', ...scripts.map((name) => `${name}.command`)]) put(`start/${file}`)
  write('package-lock.json', '{}')
  write('apps/client/bin/pychat.js', "console.log('chatting', process.argv.slice(2).join())")
  write(
    'apps/relay/bin/pychat-relay.js',
    "console.log('relaying'); process.exit(Number(process.env.CODE ?? 0))",
  )
  // What npm and the compiler would do is noted down.
  write(
    'bin/npm',
    `#!/bin/sh\necho "npm $*"\n[ -z "$NPM_FAILS" ] || exit 1\nmkdir -p node_modules/typescript/bin
cp compiler.js node_modules/typescript/bin/tsc\necho > node_modules/.package-lock.json\n`,
  )
  chmodSync(join(root, 'bin/npm'), 0o755)
  write(
    'compiler.js',
    "console.log('tsc', process.argv.slice(2).join()); process.exit(process.env.TSC_FAILS ? 1 : 0)",
  )
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(file: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  copyFileSync(join(source, '..', file), join(root, file))
}
function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}
function start(name: string, args: string[] = [], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(join(root, 'start', `${name}.command`), args, {
    env: { ...process.env, PATH: `${join(root, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`, ...env },
    encoding: 'utf8',
    cwd: tmpdir(),
  })
  return { status, text: stdout + stderr, lines: (stdout + stderr).trim().split('\n') }
}

describe.skipIf(process.platform === 'win32')('a start script', () => {
  it('fetches and builds at the first start, and only what has changed later', () => {
    const first = start('start-chat')
    expect(first.status).toBe(0)
    expect(first.lines).toEqual([
      expect.stringContaining('this happens once'),
      'npm ci --ignore-scripts --no-audit --no-fund',
      expect.stringContaining('Building PyChat'),
      'tsc -b',
      'chatting',
    ])
    write('apps/client/dist/main.js', '')
    expect(start('start-chat', ['join', '--plain']).lines).toEqual(['tsc -b', 'chatting join,--plain'])
    const later = new Date(Date.now() + 60_000)
    write('package-lock.json', '{ }')
    spawnSync('touch', ['-d', later.toISOString(), join(root, 'package-lock.json')])
    expect(start('start-chat').text).toContain('npm ci')
  })

  it('says what to do when there is no internet at the first start', () => {
    const { status, text } = start('start-chat', [], { NPM_FAILS: '1' })
    expect(status).toBe(1)
    expect(text).toContain('check the internet connection, and start this again.')
    expect(text).not.toContain('chatting')
  })

  it('says so when it cannot be built, and when the program fails', () => {
    expect(start('start-relay', [], { TSC_FAILS: '1' })).toMatchObject({
      status: 1,
      text: expect.stringContaining('could not be built'),
    })
    const failed = start('start-relay', [], { CODE: '78' })
    expect(failed.status).toBe(78)
    expect(failed.lines.at(-1)).toBe('The PyChat relay ended (exit code 78): the lines above say why.')
  })

  it('of a relay says what people type as relay', () => {
    expect(start('start-relay').text).toContain('start-chat takes as relay: localhost')
  })

  it('without Node says where to get it', () => {
    const { status, text } = start('start-chat', [], { PATH: join(root, 'empty') })
    expect(status).not.toBe(0)
    const bare = spawnSync('/bin/sh', [join(root, 'start/start-chat.command')], {
      env: { PATH: join(root, 'nobin') },
      encoding: 'utf8',
    })
    expect(text + bare.stdout + bare.stderr).toContain('https://nodejs.org')
  })
})

describe('with an old Node', () => {
  it('a kind sentence is all that happens', () => {
    const pretend = join(root, 'old.cjs')
    writeFileSync(
      pretend,
      "Object.defineProperty(process, 'versions', { value: Object.assign({}, process.versions, { node: '18.20.4' }) })",
    )
    const { status, stdout } = spawnSync(
      process.execPath,
      ['--require', pretend, join(root, 'start/start.cjs'), 'chat'],
      { encoding: 'utf8' },
    )
    expect(status).toBe(1)
    expect(stdout).toMatch(/needs Node\.js 20\.19 or newer, and this is 18\.20\.4\.\nGet the LTS version/)
    expect(existsSync(join(root, 'node_modules'))).toBe(false)
  })
})

it.each(scripts)('%s.cmd has the line ends that Windows needs, and starts the same file', (name) => {
  const text = readFileSync(join(source, `${name}.cmd`), 'utf8')
  expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
  expect(text).toContain(`node "%~dp0start.cjs" ${name.replace('start-', '')} %*`)
})

it('the shell scripts have no fault that shellcheck knows', ({ skip }) => {
  const update = fileURLToPath(new URL('../../../deploy/update.sh', import.meta.url))
  const files = [...scripts.map((name) => join(source, `${name}.command`)), update]
  const { error, status, stdout } = spawnSync('shellcheck', files, { encoding: 'utf8' })
  if (error) return skip('shellcheck is not installed')
  expect(stdout).toBe('')
  expect(status).toBe(0)
})
