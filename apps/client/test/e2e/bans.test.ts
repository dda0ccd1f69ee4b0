// What a person sees of the relay's operator: an announcement, being put out, and being kept out, each one kind sentence.
import { afterEach, expect, test } from 'vitest'
import { admin, type Chatter, endAll, startChatter, startNode } from './processes.ts'

afterEach(endAll)

const said = async (chatter: Chatter): Promise<unknown> =>
  (await chatter.until(({ type, code }) => type === 'error' && code === 'refused'))['text']

test('an announcement, a kick and each kind of ban reach the terminal as one sentence', async () => {
  const node = await startNode()
  const door = { relay: node.url, server: 'Lobby', pin: 'lake tulip ember' }
  const enter = async (user: string) => {
    const chatter = startChatter({ ...door, user })
    const ready = await chatter.until(({ type }) => type === 'ready')
    return { chatter, room: String(ready['room']) }
  }
  const { chatter: alice, room } = await enter('alice')

  await admin(node, 'announce', 'Back at noon', '--yes')
  expect(await alice.until(({ code }) => code === 'announcement')).toMatchObject({
    type: 'notice',
    text: 'From whoever runs this relay: Back at noon',
  })

  expect((await admin(node, 'kick', room, '--yes')).code).toBe(0)
  expect(await said(alice)).toBe('Whoever runs this relay put you out of this room; you may come back.')
  expect(await alice.exited).toBe(4)

  const { chatter: again } = await enter('alice')
  expect((await admin(node, 'ban', 'room', room, '--for', '1h', '--yes')).code).toBe(0)
  expect(await said(again)).toBe('Whoever runs this relay has closed this room; ask them why.')
  expect(await again.exited).toBe(4)
  const late = startChatter({ ...door, user: 'bob' })
  expect(await said(late)).toBe('Whoever runs this relay has closed this room; ask them why.')
  expect(await late.exited).toBe(4)
  expect((await admin(node, 'unban', 'room', room, '--yes')).code).toBe(0)

  const { chatter: mallory } = await enter('mallory')
  expect((await admin(node, 'ban', 'address', '127.0.0.1', '--yes')).code).toBe(0)
  const banned = 'Whoever runs this relay has banned your network address; ask them why.'
  expect(await said(mallory)).toBe(banned)
  expect(await mallory.exited).toBe(4)
  const outside = startChatter({ ...door, user: 'mallory' })
  expect(await said(outside)).toBe(banned)
  expect(await outside.exited).toBe(4)
}, 60_000)
