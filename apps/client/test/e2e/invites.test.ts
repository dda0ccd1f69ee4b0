// Invites made in a chat, with real processes: they open the room as it is now, also after it moved.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeInvite } from '@pychat/crypto'
import { afterEach, expect, it } from 'vitest'
import { endPrograms, type Piped, startPiped, temporaryFolder } from '../program.ts'
import { endAll, startChatter, startNode } from './processes.ts'

afterEach(async () => {
  endPrograms()
  await endAll()
})

const room = { server: 'MyFriends', pin: 'secret123' }

async function inviteOf(chat: Piped, after: number): Promise<string> {
  chat.say('/invite')
  const invites = () => chat.events().filter(({ type }) => type === 'invite')
  await chat.until(() => invites().length > after)
  return String(invites()[after]?.['line'])
}

it('let others into the room as it is, before and after it moved', async () => {
  const node = await startNode()
  const alice = startPiped(['--relay', node.url, '--server', room.server, '--user', 'Alice', '--json'], {
    PYCHAT_PIN: room.pin,
  })
  await alice.until(({ type }) => type === 'owner', 20_000)
  const first = await inviteOf(alice, 0)
  // This machine is somewhere else for whoever gets it, unless it is in no network.
  const { relays, ...parts } = decodeInvite(first)
  expect(parts).toEqual({ v: 1, name: room.server, pin: room.pin })
  expect(relays.length).toBeGreaterThan(0)
  const bob = startPiped(['join', '--relay', node.url, '--user', 'Bob', '--json'])
  bob.say(first)
  await bob.until(({ type }) => type === 'ready')

  alice.say('/rekey')
  const asked = await alice.until(({ type, code }) => type === 'notice' && code === 'confirm')
  alice.say(/\/rekey \S+$/.exec(String(asked['text']))?.[0] ?? '')
  await bob.until(({ type }) => type === 'moved', 30_000)
  const second = decodeInvite(await inviteOf(alice, 1))
  expect(second).toMatchObject({ v: 1, name: room.server, secret: expect.stringMatching(/^[0-9a-f]{64}$/) })
  expect(second).not.toHaveProperty('pin')

  // By a file, as a bot would.
  const file = join(temporaryFolder(), 'moved.invite')
  writeFileSync(file, await inviteOf(alice, 2))
  const sent = startPiped([
    'send',
    '--relay',
    node.url,
    '--invite-file',
    file,
    '--user',
    'ci',
    'hello from the new room',
  ])
  expect(await sent.exited, sent.stderr()).toBe(0)
  await bob.until(({ type, text }) => type === 'message' && text === 'hello from the new room')

  // Who has only the PIN stands before the old door.
  const mallory = startChatter({ relay: node.url, ...room, user: 'Mallory' })
  await mallory.until(({ type, code }) => type === 'notice' && code === 'locked-out')
  expect(bob.events().some(({ type, user }) => type === 'joined' && user === 'Mallory')).toBe(false)
}, 90_000)
