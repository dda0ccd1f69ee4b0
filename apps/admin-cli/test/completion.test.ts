// The completion scripts in the shells themselves: bash always, zsh and fish where they are installed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { admin } from './admin-process.ts'

// Each starts whole programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const folder = mkdtempSync(join(tmpdir(), 'pychat-completion-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0
const cases: [string, string[], string[]][] = [
  ['commands', ['dr'], ['drain']],
  ['commands of a command', ['contexts', ''], ['add', 'use', 'remove']],
  ['options of the place', ['drain', '1a2b', '--w'], ['--within']],
  ['after an option with its value', ['--context', 'drain', 'doctor', '--i'], ['--idle']],
  ['choices of an argument', ['completion', ''], ['bash', 'zsh', 'fish']],
]

/** Runs a script of a shell. @returns what it prints, by lines */
function say(shell: string, args: string[], script: string, words: string[] = []): string[] {
  const result = spawnSync(shell, [...args, script, ...words], { cwd: folder, encoding: 'utf8' })
  expect(result.stderr).toBe('')
  return result.stdout.trim().split('\n')
}

async function install(shell: string): Promise<string> {
  const { code, stdout } = await admin(['completion', shell], {})
  expect(code).toBe(0)
  const path = join(folder, shell)
  writeFileSync(path, stdout)
  return path
}

describe('bash', () => {
  let path: string
  beforeAll(async () => {
    path = await install('bash')
    writeFileSync(join(folder, 'a token'), '')
  })
  const complete = (words: string[]): string[] =>
    say(
      'bash',
      ['--norc', '-c'],
      `source "$0"; COMP_WORDS=(pychat-admin "$@"); COMP_CWORD=$#; _pychat_admin; printf '%s\\n' "\${COMPREPLY[@]}"`,
      [path, ...words],
    )

  test('is told by the script whom to ask', () => {
    expect(say('bash', ['--norc', '-c'], 'source "$0"; complete -p pychat-admin', [path])).toEqual([
      'complete -F _pychat_admin pychat-admin',
    ])
  })

  test.each(cases)('completes %s', (_, words, expected) => {
    expect(complete(words)).toEqual(expect.arrayContaining(expected))
  })

  test('offers every command that the help has, and files where a file is wanted', async () => {
    const { stdout } = await admin(['--help'], {})
    const commands = [...(/Commands:\n([\s\S]*?)\n\n/.exec(stdout)?.[1] ?? '').matchAll(/^ {2}([a-z]+)/gm)]
    expect(commands.length).toBeGreaterThan(8)
    const offered = complete([''])
    for (const [, command] of commands) if (command !== 'help') expect(offered).toContain(command)
    expect(complete(['contexts', 'add', 'x', '--token-file', 'a'])).toEqual(['a token'])
    expect(complete(['drain', '1a2b', '--within', ''])).toEqual([''])
  })
})

describe.skipIf(!has('zsh'))('zsh', () => {
  test.each(cases)('completes %s', async (_, words, expected) => {
    const path = await install('zsh')
    const offered = say(
      'zsh',
      ['-f', '-c'],
      `autoload -U compinit && compinit -u -D; source "$0"; [[ $_comps[pychat-admin] == _pychat_admin ]] || exit 1
       _describe() { print -rl -- \${(P)@[-1]} }
       words=(pychat-admin "$@"); CURRENT=$(($# + 1)); _pychat_admin`,
      [path, ...words],
    )
    expect(offered.map((line) => line.split(':')[0])).toEqual(expect.arrayContaining(expected))
  })
})

describe.skipIf(!has('fish'))('fish', () => {
  test.each(cases)('completes %s', async (_, words, expected) => {
    const path = await install('fish')
    const offered = say('fish', ['--no-config', '-c'], 'source $argv[1]; complete -C $argv[2]', [
      path,
      ['pychat-admin', ...words].join(' '),
    ])
    expect(offered.map((line) => line.split('\t')[0])).toEqual(expect.arrayContaining(expected))
  })
})
