// A room moves while somebody is cut off who has typed something: with real programs. It reaches the others once they
// let its sender in, and never the one who stands in the old room with the old PIN.
import { afterEach, expect, it } from 'vitest'
import { type Event, endPrograms, type Piped, startPiped, temporaryFolder } from '../program.ts'
import { type Door, startDoor } from './door.ts'
import { endAll, startNode } from './processes.ts'

let door: Door | null = null
afterEach(async () => {
  endPrograms()
  await door?.close()
  await endAll()
  door = null
})

function start(user: string, relay: string): Piped {
  const env = { PYCHAT_PIN: 'a long enough pin', PYCHAT_STATE_DIR: temporaryFolder() }
  return startPiped(['--relay', relay, '--server', 'Harbour', '--user', user, '--json'], env)
}
async function enters(user: string, relay: string): Promise<Piped> {
  const program = start(user, relay)
  await program.until(({ type }) => type === 'ready')
  return program
}
const messages = (program: Piped) => program.events().filter(({ type }) => type === 'message')

it.each([
  ['is missed for a moment only', '60000', false],
  ['has to be let in', '500', true],
])(
  'what was typed while cut off is read by friends alone, when its sender %s',
  async (_, graceMs, isLost) => {
    const node = await startNode({ PYCHAT_GRACE_MS: graceMs })
    door = await startDoor([{ host: '127.0.0.1', port: Number(new URL(node.url).port) }])
    const alice = await enters('Alice', node.url)
    alice.say('/motd Be kind')
    await alice.until(({ type, motd }) => type === 'charter' && motd === 'Be kind')
    const bob = await enters('Bob', `ws://127.0.0.1:${door.port}`)
    const carol = await enters('Carol', node.url)

    await door.shut()
    await bob.until(({ state }) => state === 'offline')
    bob.say('for friends')
    await bob.until(({ type }) => type === 'pending')
    if (isLost) await carol.until(({ type, user }) => type === 'left' && user === 'Bob')
    alice.say('/rekey')
    const { text } = await alice.until(({ code }) => code === 'confirm')
    alice.say(/\/rekey \d+$/.exec(String(text))?.[0] ?? '')
    for (const program of [alice, carol]) await program.until(({ type }) => type === 'moved')
    const mallory = await enters('Mallory', node.url)
    await mallory.until(({ code }) => code === 'locked-out')
    await door.open()

    if (isLost) {
      const isOutside = ({ type, waiting }: Event) => type === 'pending' && /let in/.test(String(waiting))
      await bob.until(isOutside)
      await alice.until(({ type, user, known }) => type === 'knock' && user === 'Bob' && known === true)
      alice.say('/admit Bob')
    }
    await bob.until(({ type }) => type === 'moved')
    for (const program of [alice, bob, carol]) {
      await program.until((event) => event.type === 'message' && event['text'] === 'for friends')
    }
    bob.say('here I am')
    for (const program of [alice, bob, carol]) {
      await program.until((event) => event.type === 'message' && event['text'] === 'here I am')
      expect(messages(program).map((event) => event['text'])).toEqual(['for friends', 'here I am'])
    }
    expect(messages(mallory)).toEqual([])
  },
  90_000,
)
