// The owner's laptop is lost: twelve words on another machine give the room back, and nobody else becomes its owner.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { inviteText } from '../../src/invite.ts'
import { type Event, endPrograms, startPiped, temporaryFolder } from '../program.ts'
import { endAll, startNode } from './processes.ts'

afterEach(async () => {
  endPrograms()
  await endAll()
})

it('gives an owner the room back on another machine', async () => {
  const node = await startNode()
  const invite = join(temporaryFolder(), 'friends.invite')
  writeFileSync(invite, inviteText({ name: 'MyFriends', pin: 'secret123' }, [node.url]).line)
  const chat = (user: string, stateDir: string) =>
    startPiped(['--invite-file', invite, '--user', user, '--json'], { PYCHAT_STATE_DIR: stateDir })

  const laptop = temporaryFolder()
  const alice = chat('Alice', laptop)
  await alice.until(({ type }) => type === 'owner', 20_000)
  alice.say('/motd Be kind')
  await alice.until(({ type, motd }) => type === 'charter' && motd === 'Be kind')
  alice.say('/recovery')
  const words = String((await alice.until(({ type }) => type === 'recovery'))['words'])
  expect(words.split(' ')).toHaveLength(12)
  const bob = chat('Bob', temporaryFolder())
  await bob.until(({ type }) => type === 'charter')
  alice.kill()
  await alice.exited

  const machine = temporaryFolder()
  const recovery = startPiped(['recover', '--invite-file', invite, '--words-file', '-'], {
    PYCHAT_STATE_DIR: machine,
  })
  recovery.say(words)
  expect(await recovery.exited, recovery.stderr()).toBe(0)
  // None of the words: all that it says is this.
  expect(recovery.stdout()).toMatch(
    /^Done: in MyFriends your key is \w{4}-\w{4} again\. Enter the room as always; if the key owns it, you are told so\.\s*$/,
  )

  const again = chat('Alice again', machine)
  const charter = await again.until(({ type }) => type === 'charter')
  expect(charter).toMatchObject({ rank: 'owner', motd: 'Be kind' })
  again.say('/mute Bob')
  const muted = ({ type, what, target }: Event) => type === 'act' && what === 'mute' && target === 'Bob'
  await bob.until(muted)
  bob.say('/mute Alice again')
  await bob.until(({ type, code }) => type === 'error' && code === 'not-done')
}, 90_000)
