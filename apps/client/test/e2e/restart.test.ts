// A relay that forgets everything, as an embedded node does when it is killed: its people come back, and what was said
// around it is on every screen once.
import { afterEach, expect, it } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import { endAll, startChatter, startNode } from './processes.ts'

afterEach(endAll)

it('loses nothing that was said around the death of an embedded relay', async () => {
  const port = await freePort()
  const settings = { PYCHAT_LISTEN: `127.0.0.1:${port}` }
  const first = await startNode(settings)
  const room = { relay: `ws://127.0.0.1:${port}`, server: 'Harbour', pin: 'a long enough pin' }
  const people = ['Alice', 'Bob', 'Carol'].map((user) => startChatter({ ...room, user }))
  for (const person of people) await person.until((event) => event.type === 'ready')
  const [alice, bob, carol] = people as [(typeof people)[0], (typeof people)[0], (typeof people)[0]]
  alice.say('before')
  for (const person of people) await person.until((event) => event['text'] === 'before')

  first.process.kill('SIGKILL')
  await first.exited
  bob.say('while it was gone')
  await startNode(settings)
  carol.say('afterwards')
  for (const text of ['while it was gone', 'afterwards']) {
    for (const person of people) {
      await person.until((event) => event.type === 'message' && event['text'] === text, 30_000)
    }
  }
  for (const { events } of people) {
    const texts = events.filter((event) => event.type === 'message').map((event) => event['text'])
    expect([...texts].sort()).toEqual(['afterwards', 'before', 'while it was gone'])
  }
}, 90_000)
