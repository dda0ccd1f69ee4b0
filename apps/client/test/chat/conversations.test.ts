// Conversations as a pure model: what is shown, what is counted and kept, when the person is called.
import { describe, expect, it } from 'vitest'
import * as talks from '../../src/chat/conversations.ts'
import type { ChatEvent } from '../../src/chat/events.ts'

const message = (text: string, more: Partial<ChatEvent & { type: 'message' }> = {}): ChatEvent => ({
  type: 'message',
  view: 'room',
  from: 'Bob',
  text,
  seq: 1,
  at: '2026-11-24T10:00:00.000Z',
  own: false,
  fingerprint: 'p2xw-77ld',
  memberId: '00',
  key: 'known',
  mention: false,
  ...more,
})
const divider = { type: 'divider' }

/** Tells one after the other. */
function tellAll(state: talks.Conversations, events: readonly (readonly [string | null, ChatEvent])[]) {
  return events.reduce<{ conversations: talks.Conversations; shown: unknown[]; alerts: number }>(
    ({ conversations, shown, alerts }, [key, event]) => {
      const told = talks.tell(conversations, key, event)
      return {
        conversations: told.conversations,
        shown: [...shown, ...told.show],
        alerts: alerts + (told.calls ? 1 : 0),
      }
    },
    { conversations: state, shown: [], alerts: 0 },
  )
}

const three = () => {
  const room = talks.createConversations(false)
  return talks.open(talks.open(room, '#dev', '#dev'), '@bob', '@Bob')
}

describe('a conversation that is not shown', () => {
  it('counts what comes and shows it when the person goes there, with a line before the unread', () => {
    const joined: ChatEvent = {
      type: 'joined',
      view: '#dev',
      user: 'Eve',
      fingerprint: '',
      memberId: '',
      rank: 'member',
    }
    const { conversations, shown } = tellAll(three(), [
      ['#dev', joined],
      ['#dev', message('one', { view: '#dev' })],
      ['#dev', message('two', { view: '#dev' })],
    ])
    expect(shown).toEqual([])
    expect(talks.viewLines(conversations)[1]).toEqual({
      number: 2,
      label: '#dev',
      unread: 2,
      calls: 0,
      current: false,
    })
    const went = talks.goTo(conversations, '#dev')
    expect(went.show).toMatchObject([
      { type: 'view', view: '#dev', unread: 2 },
      { type: 'joined' },
      divider,
      { text: 'one' },
      { text: 'two' },
    ])
    expect(talks.viewLines(went.conversations)[1]).toMatchObject({ unread: 0, current: true })
    expect(talks.goTo(talks.goTo(went.conversations, '').conversations, '#dev').show).toEqual([
      { type: 'view', view: '#dev', unread: 0 },
    ])
  })

  it('that is private calls once without its text, and is counted as a call', () => {
    const secret = message('the secret', { view: '@Bob' })
    const { conversations, shown, alerts } = tellAll(three(), [
      ['@bob', secret],
      ['@bob', secret],
    ])
    expect(shown).toEqual([{ type: 'elsewhere', view: '@Bob', from: 'Bob', number: 3 }])
    expect(JSON.stringify(shown)).not.toContain('secret')
    expect(alerts).toBe(2)
    expect(talks.viewLines(conversations)[2]).toMatchObject({ unread: 2, calls: 2 })
  })

  it('calls for a mention', () => {
    const told = talks.tell(three(), '#dev', message('alice: look', { view: '#dev', mention: true }))
    expect(told).toMatchObject({ calls: true, show: [] })
    expect(talks.viewLines(told.conversations)[1]).toMatchObject({ unread: 1, calls: 1 })
  })

  it('keeps a bounded number of lines and says how many are gone', () => {
    const many = Array.from(
      { length: talks.keptEventsMax + 20 },
      (_, i) => ['#dev', message(`line ${i}`)] as const,
    )
    const { conversations } = tellAll(three(), many)
    const { show } = talks.goTo(conversations, '#dev')
    expect(show).toHaveLength(talks.keptEventsMax + 3)
    expect(show.slice(0, 4)).toMatchObject([
      { unread: 320 },
      { type: 'dropped', count: 20 },
      divider,
      { text: 'line 20' },
    ])
    const large = Array.from({ length: 20 }, () => ['#dev', message('x'.repeat(16_000))] as const)
    expect(talks.goTo(tellAll(three(), large).conversations, '#dev').show.length).toBeLessThan(12)
  })

  it('shows at once what the person sent there from here, and what failed', () => {
    const own = message('to dev', { view: '#dev', own: true, from: 'Alice' })
    const failed: ChatEvent = { type: 'failed', view: '#dev', id: 1, text: 'x', reason: 'No.', retry: true }
    const { shown, conversations } = tellAll(three(), [
      ['#dev', own],
      ['#dev', failed],
    ])
    expect(shown).toEqual([own, failed])
    expect(talks.goTo(conversations, '#dev').show).toEqual([{ type: 'view', view: '#dev', unread: 0 }, own])
  })
})

describe('the conversation that is shown', () => {
  it('gets one line before the first message that comes while the person is away from the screen', () => {
    const seen = talks.tell(three(), '', message('seen')).conversations
    const { shown, conversations } = tellAll(talks.setHere(seen, false), [
      ['', message('one')],
      ['', message('two')],
    ])
    expect(shown).toMatchObject([divider, { text: 'one' }, { text: 'two' }])
    const back = talks.setHere(conversations, true)
    expect(talks.viewLines(conversations)[0]).toMatchObject({ unread: 2 })
    expect(talks.viewLines(back)[0]).toMatchObject({ unread: 0 })
    expect(talks.tell(back, '', message('three')).show).toMatchObject([{ text: 'three' }])
  })

  it('becomes the room when it closes, and keeps its place under a new name', () => {
    const inDev = talks.goTo(three(), '#dev').conversations
    expect(talks.close(inDev, '#dev')).toMatchObject({ current: '' })
    const withBob = talks.rename(talks.goTo(three(), '@bob').conversations, '@bob', '@robert', '@Robert')
    expect(withBob.current).toBe('@robert')
    expect(talks.viewLines(withBob)[2]).toMatchObject({ label: '@Robert', current: true })
    expect(talks.close(inDev, '')).toBe(inDev)
  })
})

it('leads to the next conversation with news, those that call first', () => {
  const { conversations } = tellAll(three(), [
    ['#dev', message('x')],
    ['@bob', message('x')],
  ])
  expect(talks.nextWithNews(conversations)).toBe('@bob')
  const read = talks.goTo(conversations, '@bob').conversations
  expect(talks.nextWithNews(read)).toBe('#dev')
  expect(talks.nextWithNews(talks.goTo(read, '#dev').conversations)).toBe(null)
})

it('puts who spoke last first, for completion', () => {
  const { conversations } = tellAll(three(), [
    ['', message('x', { from: 'Bob' })],
    ['', message('x', { from: 'Eve' })],
    ['', message('x', { from: 'Bob' })],
    ['', message('x', { from: 'Alice', own: true })],
  ])
  expect(talks.find(conversations, '')?.speakers).toEqual(['Bob', 'Eve'])
})

it('on a mixed screen everything is shown and nothing counted', () => {
  const mixed = talks.open(talks.createConversations(true), '#dev', '#dev')
  const told = talks.tell(mixed, '#dev', message('hi'))
  expect(told.show).toMatchObject([{ text: 'hi' }])
  expect(talks.viewLines(told.conversations)[1]).toMatchObject({ unread: 0 })
})
