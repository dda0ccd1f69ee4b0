// Questions about the way in, in a real terminal: an invite answers several at once, and is never shown.
import { afterEach, describe, expect, it } from 'vitest'
import { inviteText } from '../../src/invite.ts'
import { endPrograms, startInTerminal, startPiped } from '../program.ts'

afterEach(endPrograms)

const nobody = 'ws://127.0.0.1:9'
const invite = inviteText({ name: 'MyFriends', pin: 'secret123' }, [nobody]).line
const withoutPin = inviteText({ name: 'MyFriends' } as never, [nobody]).line

describe('an invite', () => {
  it('in place of a relay answers server and PIN too, and is not shown', async () => {
    const alice = startInTerminal([])
    await alice.untilRow('Relay or invite')
    alice.type(`${invite}\r`)
    await alice.untilRow('Username:')
    expect(alice.rows().join('\n')).not.toContain('Server name')
    expect(alice.raw()).not.toContain(invite.slice(8, 24))
    alice.type('\x03')
    expect(await alice.exited).toBe(130)
  })

  it('that was cut off is asked for again', async () => {
    const alice = startInTerminal(['join', '--user', 'Alice'])
    await alice.untilRow('Invite (')
    alice.type(`${invite.slice(0, -3)}\r`)
    await alice.untilRow('is cut off or mistyped')
    alice.type('\x04')
    expect(await alice.exited).toBe(130)
    expect(alice.raw()).not.toContain(invite.slice(8, 24))
  })

  it('without a PIN leaves that to be asked', async () => {
    const alice = startInTerminal(['join', '--user', 'Alice'])
    await alice.untilRow('Invite (')
    alice.type(`${withoutPin}\r`)
    await alice.untilRow('PIN (hidden):')
    alice.type('\r')
    await alice.untilRow('is empty')
    alice.type('\x03')
    expect(await alice.exited).toBe(130)
    const piped = startPiped(['join', '--user', 'Alice', '--plain'])
    piped.say(withoutPin)
    expect(await piped.exited).toBe(2)
    expect(piped.stderr()).toContain('give --pin-file or PYCHAT_PIN')
  })

  it('is the first line of a pipe, and what follows are messages', async () => {
    const alice = startPiped(['join', '--user', 'Alice', '--json'])
    alice.say(invite)
    alice.say('hello')
    const unreachable = await alice.until(({ type, code }) => type === 'error' && code === 'unreachable')
    expect(unreachable['text']).toContain('Nothing answers at 127.0.0.1:9')
    expect(await alice.exited).toBe(7)
  }, 30_000)
})
