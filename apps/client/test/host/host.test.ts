// "pychat host" on a local network without internet: two others join by the printed invite, and hear of its end.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Event, endPrograms, startInTerminal, startPiped } from '../program.ts'
import { createLan, type Lan } from '../support/lan.ts'

let lan: Lan | { missing: string }
beforeAll(() => {
  lan = createLan()
})
afterEach(endPrograms)
afterAll(() => {
  if ('remove' in lan) lan.remove()
})

const inviteIn = (text: string) => /pychat:[A-Za-z0-9_-]+\.[a-z2-7]{6}/.exec(text)?.[0]
const hostFlags = ['host', '--server', 'MyFriends', '--user', 'Alice']

describe('a host on a local network', () => {
  it('lets others in by the printed invite, and at its end everybody is told what to do', async ({
    skip,
  }) => {
    if ('missing' in lan) return skip(lan.missing)
    const [first, second, third] = lan.machines
    const alice = startInTerminal(hostFlags, {}, { cols: 100, rows: 50 }, first.through)
    await alice.untilRow('PIN (hidden')
    alice.type('\r')
    await alice.untilRow(`ws://${first.address}:8765`)
    await alice.untilRow('paste this invite')
    await alice.untilRow('You are alone here.')
    const invite = inviteIn(alice.raw().replaceAll(/[\r\n]/g, '')) ?? ''
    expect(alice.raw()).toContain('▀')

    const bob = startPiped(['join', '--user', 'Bob', '--json'], {}, second.through)
    bob.say(invite)
    await bob.until(({ type }) => type === 'ready')
    const carol = startInTerminal(['join', '--user', 'Carol'], {}, undefined, third.through)
    await carol.untilRow('Invite (')
    carol.type(`${invite.slice(0, 40)}\r${invite.slice(40)}\r`)
    await bob.until(({ type, user }) => type === 'joined' && user === 'Carol')
    expect(carol.raw()).not.toContain(invite.slice(8, 30))

    carol.type('Hello from the sofa\r')
    await alice.untilRow('Hello from the sofa')
    bob.say('Hello from the kitchen')
    await carol.untilRow('Hello from the kitchen')

    // Two channels, each with other people in it.
    carol.type('/join #kitchen\r')
    bob.say('/join #kitchen')
    await bob.until(meets('#kitchen', 'Carol'))
    bob.say('The soup is ready')
    await carol.untilRow('The soup is ready')
    carol.type('On my way\r')
    const answer = await bob.until(({ type, text }) => type === 'message' && text === 'On my way')
    expect(answer).toMatchObject({ view: '#kitchen', from: 'Carol' })
    bob.say('/join #garden')
    alice.type('/join #garden\r')
    await bob.until(meets('#garden', 'Alice'))
    alice.type('The roses need water\r')
    const heard = await bob.until(({ type, text }) => type === 'message' && text === 'The roses need water')
    expect(heard).toMatchObject({ view: '#garden', from: 'Alice' })
    expect(carol.rows().join('\n')).not.toContain('roses')
    expect(alice.rows().join('\n')).not.toContain('soup')

    alice.type('/quit\r')
    expect(await alice.exited).toBe(0)
    await alice.untilRow('everybody who was in it was told')
    const told = await bob.until(({ type, state }) => type === 'state' && state === 'offline')
    expect(told['text']).toMatch(/The host ended this room: ask for a new invite, or host it yourself/)
    await carol.untilRow('The host ended this room')

    // The same person hosts again: everybody is back by themselves.
    const again = startPiped([...hostFlags, '--json'], { PYCHAT_PIN: pinOf(invite) }, first.through)
    const back = ({ type, user, users }: Event) =>
      (type === 'joined' && user === 'Bob') || (type === 'ready' && String(users).includes('Bob'))
    await again.until(back, 30_000)
    bob.say('/go room')
    bob.say('You are back!')
    await again.until(({ type, text }) => type === 'message' && text === 'You are back!')
  }, 90_000)

  it('that dies without a word leaves the others with what to do', async ({ skip }) => {
    if ('missing' in lan) return skip(lan.missing)
    const [first, second] = lan.machines
    const alice = startPiped([...hostFlags, '--json'], { PYCHAT_PIN: 'secret123' }, first.through)
    await alice.until(({ type }) => type === 'ready')
    const bob = startPiped(['join', '--user', 'Bob', '--json'], {}, second.through)
    bob.say(inviteIn(alice.stderr()) ?? '')
    await bob.until(({ type }) => type === 'ready')
    alice.kill()
    const told = await bob.until(
      ({ type, text }) => type === 'state' && String(text).includes('Nothing answers'),
    )
    expect(told['text']).toMatch(/ask them for a new invite, or host it yourself with "pychat host"/)
  }, 60_000)
})

/** In this view with somebody, whoever came first. */
function meets(where: string, name: string) {
  return ({ type, view, user, users }: Event) =>
    view === where &&
    ((type === 'joined' && user === name) || (type === 'entered' && String(users).includes(name)))
}

function pinOf(invite: string): string {
  const json = Buffer.from(invite.slice('pychat:'.length).split('.')[0] ?? '', 'base64url').toString('utf8')
  return String((JSON.parse(json) as { pin: unknown }).pin)
}

describe('without any network', () => {
  it('a host takes another port when the usual one is taken, and says that only this machine can join', async () => {
    const alice = startPiped([...hostFlags, '--json'], { PYCHAT_PIN: 'secret123' })
    await alice.until(({ type }) => type === 'ready')
    const other = startPiped(['host', '--server', 'Other', '--user', 'Alice', '--json'], {
      PYCHAT_PIN: 'secret123',
    })
    await other.until(({ type }) => type === 'ready')
    expect(inviteIn(other.stderr())).toBeTruthy()
    const taken = startPiped(['host', '--server', 'X', '--user', 'A', '--port', '8765'], {
      PYCHAT_PIN: 'secret123',
    })
    expect(await taken.exited).toBe(2)
    expect(taken.stderr()).toMatch(/already listens on .*8765; stop it or choose another port/)
    expect(taken.stdout()).toBe('')
  }, 60_000)
})
