// What an event means for the person before the screen: which conversation it belongs to, what is shown now, what is
// counted and kept until they look, and when they are called. Pure: every function gives a new state.
import type { ChatEvent } from './events.ts'
import type { ScreenEvent, ViewLine } from './screen.ts'

/** What one conversation keeps while another is shown; older lines go. */
export const keptEventsMax = 300
const keptCharactersMax = 131_072
const speakersMax = 100

export type Conversation = {
  /** '' for the room, else as `viewKey` says it. */
  readonly key: string
  /** 'room', '#dev', '@Bob'. */
  readonly label: string
  readonly private: boolean
  readonly unread: number
  readonly calls: number
  /** Who spoke, the most recent first. */
  readonly speakers: readonly string[]
  readonly kept: readonly ChatEvent[]
  /** Index in `kept` of the first unread message; null: none. */
  readonly firstUnread: number | null
  readonly dropped: number
}

export type Conversations = {
  /** The room first, then in the order they were opened. */
  readonly all: readonly Conversation[]
  readonly current: string
  /** The person does not look at the screen. */
  readonly absent: boolean
  /** The screen shows all at once: nothing is counted or kept. */
  readonly mixed: boolean
}

export type Told = {
  conversations: Conversations
  show: ScreenEvent[]
  /** It calls the person. */
  calls: boolean
}

export const roomKey = ''

export function createConversations(mixed: boolean): Conversations {
  return { all: [fresh(roomKey, 'room', false)], current: roomKey, absent: false, mixed }
}

function fresh(key: string, label: string, isPrivate: boolean): Conversation {
  return {
    key,
    label,
    private: isPrivate,
    unread: 0,
    calls: 0,
    speakers: [],
    kept: [],
    firstUnread: null,
    dropped: 0,
  }
}

export function find(state: Conversations, key: string): Conversation | undefined {
  return state.all.find((one) => one.key === key)
}

export function numberOf(state: Conversations, key: string): number {
  return state.all.findIndex((one) => one.key === key) + 1
}

function change(state: Conversations, key: string, how: (one: Conversation) => Conversation): Conversations {
  return { ...state, all: state.all.map((one) => (one.key === key ? how(one) : one)) }
}

/** Safe to repeat. */
export function open(state: Conversations, key: string, label: string): Conversations {
  if (find(state, key)) return state
  return { ...state, all: [...state.all, fresh(key, label, label.startsWith('@'))] }
}

/** The room never closes; who was in the closed one is in the room then. */
export function close(state: Conversations, key: string): Conversations {
  if (key === roomKey) return state
  const all = state.all.filter((one) => one.key !== key)
  return { ...state, all, current: state.current === key ? roomKey : state.current }
}

export function rename(state: Conversations, from: string, to: string, label: string): Conversations {
  const renamed = change(state, from, (one) => ({ ...one, key: to, label }))
  return { ...renamed, current: state.current === from ? to : state.current }
}

/** @param key of the conversation it belongs to; null: to none, shown wherever one is */
export function tell(state: Conversations, key: string | null, event: ChatEvent): Told {
  if (key === null) return { conversations: state, show: [event], calls: false }
  const known = find(state, key)
  if (!known) return { conversations: state, show: [event], calls: false }
  const heard = event.type === 'message' && !event.own
  const call = heard && (event.mention || known.private)
  const spoken =
    event.type === 'message' && !event.own
      ? change(state, key, (one) => ({ ...one, speakers: withSpeaker(one.speakers, event.from) }))
      : state
  if (state.mixed) return { conversations: spoken, show: [event], calls: call }
  if (key === state.current) {
    if (!heard || !state.absent) return { conversations: spoken, show: [event], calls: call }
    const counted = change(spoken, key, (one) => count(one, call))
    return {
      conversations: counted,
      show: known.unread === 0 ? [{ type: 'divider' }, event] : [event],
      calls: call,
    }
  }
  // Sent from here to there: seen here, so that nobody wonders whether it went.
  if (event.type === 'message' && event.own) {
    return { conversations: change(spoken, key, (one) => keep(one, event)), show: [event], calls: false }
  }
  if (event.type === 'failed') return { conversations: spoken, show: [event], calls: false }
  const kept = change(spoken, key, (one) => keep(heard ? mark(count(one, call)) : one, event))
  const first = heard && known.private && known.unread === 0
  return {
    conversations: kept,
    show: first
      ? [{ type: 'elsewhere', view: known.label, from: event.from, number: numberOf(state, key) }]
      : [],
    calls: call,
  }
}

function withSpeaker(speakers: readonly string[], name: string): readonly string[] {
  if (speakers[0] === name) return speakers
  return [name, ...speakers.filter((one) => one !== name)].slice(0, speakersMax)
}

function count(one: Conversation, call: boolean): Conversation {
  return { ...one, unread: one.unread + 1, calls: one.calls + (call ? 1 : 0) }
}

/** Before it is kept: here the unread ones begin. */
function mark(one: Conversation): Conversation {
  return one.firstUnread === null ? { ...one, firstUnread: one.kept.length } : one
}

const sizeOf = (event: ChatEvent) => ('text' in event ? event.text.length : 64)

function keep(one: Conversation, event: ChatEvent): Conversation {
  let kept = [...one.kept, event]
  let size = kept.reduce((sum, each) => sum + sizeOf(each), 0)
  let gone = 0
  while (kept.length > 1 && (kept.length > keptEventsMax || size > keptCharactersMax)) {
    size -= sizeOf(kept[0] as ChatEvent)
    kept = kept.slice(1)
    gone += 1
  }
  const firstUnread = one.firstUnread === null ? null : Math.max(0, one.firstUnread - gone)
  return { ...one, kept, firstUnread, dropped: one.dropped + gone }
}

/** Shows another conversation: a header, then what came there meanwhile, with a line before what is unread. */
export function goTo(state: Conversations, key: string): Told {
  const one = find(state, key)
  if (!one) return { conversations: state, show: [], calls: false }
  const show: ScreenEvent[] = [{ type: 'view', view: one.label, unread: one.unread }]
  if (one.dropped > 0) show.push({ type: 'dropped', count: one.dropped })
  one.kept.forEach((event, index) => {
    if (index === one.firstUnread) show.push({ type: 'divider' })
    show.push(event)
  })
  const read = change({ ...state, current: key }, key, (it) => ({
    ...it,
    unread: 0,
    calls: 0,
    kept: [],
    firstUnread: null,
    dropped: 0,
  }))
  return { conversations: read, show, calls: false }
}

/** Whether the person looks. Who comes back has seen what is shown. */
export function setHere(state: Conversations, here: boolean): Conversations {
  if (!here) return { ...state, absent: true }
  const { current } = state
  return change({ ...state, absent: false }, current, (one) => ({ ...one, unread: 0, calls: 0 }))
}

/** The next conversation with news, those that call first; null when there is none. */
export function nextWithNews(state: Conversations): string | null {
  const at = Math.max(0, numberOf(state, state.current) - 1)
  const round = [...state.all.slice(at + 1), ...state.all.slice(0, at)]
  const next = round.find(({ calls }) => calls > 0) ?? round.find(({ unread }) => unread > 0)
  return next?.key ?? null
}

export function viewLines(state: Conversations): ViewLine[] {
  return state.all.map(({ key, label, unread, calls }, index) => ({
    number: index + 1,
    label,
    unread,
    calls,
    current: key === state.current,
  }))
}
