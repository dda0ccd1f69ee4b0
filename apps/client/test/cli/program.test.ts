// The command line as a person meets it, with the real program: help, mistakes, secrets that do not belong there.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deriveRoom, entropyFromWords, memberKey, recoveryWords } from '@pychat/crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { exitCodeLines, exitCodes } from '../../src/exit-codes.ts'
import { inviteText } from '../../src/invite.ts'
import { endPrograms, startInTerminal, startPiped, temporaryFolder } from '../program.ts'

afterEach(endPrograms)

async function run(args: string[], env: Record<string, string> = {}, input = '') {
  const program = startPiped(args, env)
  if (input !== '') program.say(input)
  program.end()
  const code = await program.exited
  return { code, stdout: program.stdout(), stderr: program.stderr() }
}

const pin = 'secret123'
const invite = inviteText({ name: 'MyFriends', pin }, ['ws://127.0.0.1:9']).line

describe('help', () => {
  it('shows every command and every exit code', async () => {
    const { code, stdout } = await run(['--help'])
    expect(code).toBe(0)
    for (const name of ['join', 'host', 'send', 'tail', 'recover']) expect(stdout).toMatch(`\n  ${name} `)
    for (const line of exitCodeLines) expect(stdout).toContain(line)
  })

  it.each(['join', 'host', 'send', 'tail', 'recover'])('of %s has examples of it', async (name) => {
    const { code, stdout } = await run([name, '--help'])
    expect(code).toBe(0)
    expect(stdout.split('Examples:')[1]).toMatch(`pychat ${name}`)
    expect((await run(['help', name])).stdout).toBe(stdout)
  })
})

describe('a mistake in the command line', () => {
  it.each([
    [['joni'], /did you mean "pychat join"\?/],
    [['frobnicate'], /There is no command frobnicate: pychat --help shows all/],
    [['--plian'], /Did you mean --plain\?/],
    [['host', '--prot', '1'], /Did you mean --port\?/],
    [['host', '--port', '99999'], /whole number from 1 to 65535/],
    [['--plain', '--json'], /cannot be used with/],
    [['--json', 'send', 'x'], /after the command: pychat send --json/],
    [['send', '--to', 'Bob', '--channel', 'dev', 'x'], /cannot be used with/],
    [['send', '--lines', 'x'], /--lines reads stdin/],
    [['send', '--server', 'S', '--user', 'ci'], /The message is empty/],
    [['tail'], /give --server or PYCHAT_SERVER, and --pin-file or PYCHAT_PIN, and --user/],
    [['join', '--server', 'x'], /An invite names the server itself/],
    [['recover', '--no-state'], /leave out --no-state/],
    [['--relay', 'ws://chat.example.org', '--server', 'x', '--user', 'y'], /--insecure/],
    [['--user', 'a\u202eb', '--server', 'x'], /invisible or unassigned character/],
  ])('%j ends with 2 and one sentence that helps', async (args, sentence) => {
    const { code, stdout, stderr } = await run(args, args.includes('x') ? { PYCHAT_PIN: pin } : {})
    expect(code).toBe(exitCodes.usage)
    expect(stderr).toMatch(sentence)
    expect(stdout).toBe('')
  })

  it('in --json mode is an event too', async () => {
    const { code, stdout } = await run(['--json', '--server', 'x'])
    expect(code).toBe(exitCodes.usage)
    expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code: 'usage' })
  })
})

describe('a secret in the command line', () => {
  it.each([
    [['--pin', pin], /use PYCHAT_PIN or --pin-file/],
    [['--invite', invite], /use --invite-file/],
    [['recover', '--words', 'a b c'], /type them when asked/],
    [[invite], /run "pychat join" and paste it there/],
    [['join', invite], /run "pychat join" and paste it there/],
    [['--relay', invite, '--server', 'x', '--user', 'y'], /This is an invite, not a relay address/],
  ])('is refused, and the better way is named', async (args, sentence) => {
    const { code, stderr } = await run(args, { PYCHAT_PIN: pin })
    expect(code).toBe(exitCodes.usage)
    expect(stderr).toMatch(sentence)
    expect(stderr).not.toContain(invite)
  })

  it('is taken with --invite-in-argv', async () => {
    const { code, stderr } = await run(['join', '--invite-in-argv', invite, '--user', 'Bob', '--plain'])
    // Nothing listens on that port.
    expect(code, stderr).toBe(exitCodes.unreachable)
  }, 30_000)
})

describe('recovering a key', () => {
  const entropy = new Uint8Array(16).fill(7)
  const words = recoveryWords(entropy)
  const recordOf = async (folder: string) => {
    const root = (await deriveRoom('MyFriends', pin)).id
    const file = join(folder, 'rooms', `${root}.json`)
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)
    return JSON.parse(readFileSync(file, 'utf8')) as { entropy: string }
  }

  it('asks for the words without showing them, and keeps the key', async () => {
    const folder = temporaryFolder()
    const alice = startInTerminal(['recover'], { PYCHAT_STATE_DIR: folder })
    await alice.untilRow('Server name:')
    alice.type('MyFriends\r')
    await alice.untilRow('PIN (hidden):')
    alice.type(`${pin}\r`)
    await alice.untilRow('twelve recovery words')
    alice.type(`${words.replace(/^\w+/, 'zoo')}\r`)
    await alice.untilRow('type all 12 in their order')
    alice.type(`${words.toUpperCase()}\r`)
    await alice.untilRow(`your key is ${memberKey(entropy).fingerprint} again`)
    expect(await alice.exited).toBe(0)
    const last = words.split(' ').at(-1) as string
    expect(alice.raw().toLowerCase()).not.toContain(last)
    expect((await recordOf(folder)).entropy).toBe('07'.repeat(16))
  })

  it('works with files alone, and does not replace another recovered key unasked', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'words'), `${words}\n`)
    writeFileSync(join(folder, 'invite'), `${invite}\n`)
    const env = { PYCHAT_STATE_DIR: join(folder, 'state') }
    const files = ['recover', '--words-file', join(folder, 'words'), '--invite-file', join(folder, 'invite')]
    const { code, stderr } = await run(files, env)
    expect(code, stderr).toBe(0)
    const others = recoveryWords(new Uint8Array(16))
    expect(entropyFromWords(others)).toEqual(new Uint8Array(16))
    const again = ['recover', '--words-file', '-', '--invite-file', join(folder, 'invite')]
    expect(await run(again, env, others)).toMatchObject({
      code: exitCodes.usage,
      stderr: expect.stringContaining('add --replace'),
    })
    expect((await recordOf(env.PYCHAT_STATE_DIR)).entropy).toBe('07'.repeat(16))
    expect((await run([...again, '--replace'], env, others)).code).toBe(0)
    expect((await recordOf(env.PYCHAT_STATE_DIR)).entropy).toBe('00'.repeat(16))
  })

  it('in a state folder that cannot be used fails, and says why', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'words'), words)
    writeFileSync(join(folder, 'invite'), invite)
    writeFileSync(join(folder, 'state'), 'a file, not a folder')
    const files = ['recover', '--words-file', join(folder, 'words'), '--invite-file', join(folder, 'invite')]
    const { code, stderr } = await run(files, { PYCHAT_STATE_DIR: join(folder, 'state') })
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toMatch(/^pychat: The state folder .* cannot be used/)
  })
})

it('chats without a state folder that can be used, and says what that means', async () => {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, '')
  const flags = ['--server', 'x', '--user', 'y', '--relay', 'ws://127.0.0.1:9', '--plain']
  const { code, stdout } = await run(flags, { PYCHAT_PIN: pin, PYCHAT_STATE_DIR: join(file, 'state') })
  expect(stdout).toMatch(/cannot be used \(ENOTDIR\).* This time nothing is kept, and people see a new key/)
  expect(code).toBe(exitCodes.unreachable)
}, 30_000)

it('keeps nothing with --no-state', async () => {
  const folder = join(temporaryFolder(), 'state')
  await run(['--no-state', '--server', 'x', '--user', 'y', '--relay', 'ws://127.0.0.1:9', '--plain'], {
    PYCHAT_PIN: pin,
    PYCHAT_STATE_DIR: folder,
  })
  expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([])
}, 30_000)
