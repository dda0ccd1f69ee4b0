// What "pychat send" promises, over a scripted community and a clock of the test: 0 only when all is taken.
import { expect, it } from 'vitest'
import { deliver } from '../../src/cli/deliver.ts'
import { exitCodes } from '../../src/exit-codes.ts'
import { createFakeCommunity, privately, room } from '../chat/fake-community.ts'

const tick = () => new Promise((resolve) => setImmediate(resolve))

function world(texts: Iterable<string> | AsyncIterable<string>, view = room) {
  const community = createFakeCommunity('ci')
  const said: string[] = []
  let expire = () => {}
  const { done, giveUp } = deliver({
    community,
    view,
    texts,
    timeoutMs: 1000,
    setTimer(_ms, run) {
      expire = run
      return () => {
        if (expire === run) expire = () => {}
      }
    },
    say: (sentence) => said.push(sentence),
  })
  let code: number | null = null
  void done.then((value) => {
    code = value
  })
  return { community, said, giveUp, expire: () => expire(), code: () => code }
}

it('ends with 0 when the last message is taken, not before', async () => {
  const here = world(['one', 'two'])
  here.community.enter()
  await tick()
  expect(here.community.sent.map(({ text }) => text)).toEqual(['one', 'two'])
  here.community.acknowledge()
  await tick()
  expect(here.code()).toBeNull()
  here.community.acknowledge()
  await tick()
  expect(here.code()).toBe(0)
  expect(here.said).toEqual([])
})

it('takes no more from its source than can be on their way', async () => {
  let given = 0
  async function* endless() {
    for (;;) {
      given += 1
      yield `line ${given}`
    }
  }
  const here = world(endless())
  here.community.enter()
  for (let i = 0; i < 200; i += 1) await tick()
  const before = given
  expect(before).toBeLessThan(40)
  here.community.acknowledge()
  for (let i = 0; i < 10; i += 1) await tick()
  expect(given).toBe(before + 1)
  here.giveUp()
  await tick()
  expect(here.code()).toBe(exitCodes.unreachable)
  expect(here.said).toEqual([expect.stringMatching(/\d\d messages were not sent\.$/)])
})

it('gives up when nothing moves, and says why', async () => {
  const here = world(['one'])
  here.community.emit('state', { state: 'offline', detail: 'Nothing answers at 10.0.0.5:8765.' })
  here.expire()
  await tick()
  expect(here.code()).toBe(exitCodes.unreachable)
  expect(here.said).toEqual(['Nothing answers at 10.0.0.5:8765. The message was not sent.'])
})

it('counts progress, not the whole time', async () => {
  const here = world(['one', 'two'])
  here.community.enter()
  await tick()
  here.community.acknowledge()
  await tick()
  here.expire()
  await tick()
  expect(here.code()).toBe(exitCodes.unreachable)
  expect(here.said).toEqual([expect.stringContaining('The message was not sent.')])
})

it('to a person who is not there ends with a code of its own', async () => {
  const here = world(['one'], privately('Bob'))
  here.community.refuse = { code: 'nobody', sentence: 'Nobody called Bob is here.' }
  here.community.enter()
  await tick()
  await tick()
  expect(here.code()).toBe(exitCodes.notThere)
  expect(here.said).toEqual(['Nobody called Bob is here.'])
  expect(here.community.sent).toEqual([])
})

it.each([
  ['name-taken', exitCodes.nameTaken],
  ['refused', exitCodes.refused],
] as const)('that is stopped because %s says so', async (reason, code) => {
  const here = world(['one'])
  here.community.emit('stopped', { reason, sentence: 'No.' })
  await tick()
  expect(here.code()).toBe(code)
  expect(here.said).toEqual(['No.'])
})

it('whose message is refused does not end with 0', async () => {
  const here = world(['one'])
  here.community.enter()
  await tick()
  const [{ id, text, view }] = here.community.sent as [(typeof here.community.sent)[0]]
  here.community.emit('failed', { view, id, text, reason: 'You are muted here.', retry: false })
  await tick()
  expect(here.code()).toBe(exitCodes.refused)
  expect(here.said).toEqual(['Not sent: You are muted here.'])
})

it('whose message is refused at once does not end with 0 either', async () => {
  const here = world(['one'])
  here.community.send = (view, text) => {
    here.community.emit('failed', { view, id: 1, text, reason: 'You are muted here.', retry: true })
    return 1
  }
  here.community.enter()
  await tick()
  expect(here.code()).toBe(exitCodes.refused)
  here.expire()
  await tick()
  expect(here.said).toEqual(['Not sent: You are muted here.'])
})

it('sends once, however often the connection comes back', async () => {
  const here = world(['one'])
  here.community.enter()
  here.community.enter(false)
  await tick()
  expect(here.community.sent).toHaveLength(1)
})
