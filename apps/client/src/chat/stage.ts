// What the person sees and where they are: every event goes through here to the screen, and what follows from it for
// the conversations, the counts and the lines below. Knows no socket, no clock and nothing that is typed.
import type { Rank, View } from '@pychat/client-engine'
import * as talks from './conversations.ts'
import type { ChatEvent, ErrorCode, NoticeCode } from './events.ts'
import type { Entry } from './outgoing.ts'
import type { Screen, ScreenEvent, Status } from './screen.ts'
import { keyOf, viewLabel } from './translate.ts'

const room: View = { kind: 'room' }

export type Stage = {
  /** @param key of the conversation it belongs to; null: to none, shown wherever the person is */
  tell(key: string | null, event: ChatEvent): void
  notice(code: NoticeCode, text: string): void
  error(code: ErrorCode, text: string): void
  /** For people alone. */
  show(event: ScreenEvent): void
  /** Own name, rank and whether away, as far as they are known. */
  readonly self: { name: string; rank: Rank; away: boolean }
  /** The conversation that text goes to. */
  here(): View
  goTo(view: View): void
  viewAt(number: number): View | null
  /** By number, label or name; null: no such conversation is open. */
  findView(typed: string): View | null
  nextWithNews(): View | null
  unread(view: View): number
  /** So many people that not everybody is known. */
  quiet(view: View): boolean
  /** Who spoke here, the most recent first. */
  speakers(): readonly string[]
  /** Who wrote privately last. */
  lastPrivate(): string | null
  /** Safe to repeat. */
  opened(view: View): void
  entered(view: View, count: number, quiet: boolean): void
  closed(view: View, reason: string): void
  renamed(view: View, from: string, to: string): void
  connection(state: Status['connection'], retryAt: number | null): void
  setHere(here: boolean): void
  /** Below the conversation something is different. */
  refresh(): void
  /** From now on nothing is drawn below. */
  end(): void
}

/**
 * @param server what people call the room
 * @param outgoing what is not sent, oldest first
 */
export function createStage(screen: Screen, server: string, outgoing: () => readonly Entry[]): Stage {
  const views = new Map<string, View>([[talks.roomKey, room]])
  const counts = new Map<string, { count: number; quiet: boolean }>()
  const self: Stage['self'] = { name: '', rank: 'member', away: false }
  let conversations = talks.createConversations(screen.mixed)
  let connected: Pick<Status, 'connection' | 'retryAt'> = { connection: 'connecting', retryAt: null }
  let lastPrivate: string | null = null
  let ended = false

  function tell(key: string | null, event: ChatEvent) {
    follow(key, event)
    const told = talks.tell(conversations, key, event)
    apply(told)
    if (event.type === 'message' && !event.own) screen.heard(event, told.calls)
  }
  function apply(told: talks.Told) {
    conversations = told.conversations
    for (const event of told.show) screen.show(event)
    refresh()
  }
  function refresh() {
    if (!ended) screen.status(status())
  }
  function status(): Status {
    const { current } = conversations
    const view = views.get(current) ?? room
    const pending = outgoing().map(({ id, view: to, text, state, note }) => {
      const label = keyOf(to) === current ? null : viewLabel(to)
      return { id, label, text, state, note }
    })
    return {
      key: current,
      prompt: promptOf(view, server),
      views: talks.viewLines(conversations),
      pending,
      people: view.kind === 'private' ? null : (counts.get(current)?.count ?? null),
      ...connected,
      rank: self.rank,
      away: self.away,
    }
  }
  function follow(key: string | null, event: ChatEvent) {
    if (event.type === 'message' && !event.own && event.view.startsWith('@')) lastPrivate = event.from
    else if (event.type === 'charter') self.rank = event.rank
    else if (key === null) return
    else if (event.type === 'count') counts.set(key, { count: event.count, quiet: event.quiet })
    else if (event.type === 'joined' || event.type === 'left') {
      const counted = counts.get(key)
      if (counted && !counted.quiet) counted.count += event.type === 'joined' ? 1 : -1
    }
  }
  function opened(view: View) {
    const key = keyOf(view)
    views.set(key, view)
    conversations = talks.open(conversations, key, viewLabel(view))
  }
  function viewAt(number: number): View | null {
    const line = conversations.all[number - 1]
    return (line && views.get(line.key)) ?? null
  }

  return {
    tell,
    notice: (code, text) => tell(null, { type: 'notice', code, text }),
    error: (code, text) => tell(null, { type: 'error', code, text }),
    show: (event) => screen.show(event),
    self,
    here: () => views.get(conversations.current) ?? room,
    goTo(view) {
      opened(view)
      apply(talks.goTo(conversations, keyOf(view)))
    },
    viewAt,
    findView(typed) {
      const wanted = typed.trim()
      if (/^\d{1,3}$/.test(wanted)) return viewAt(Number(wanted))
      if (['room', server.toLowerCase()].includes(wanted.toLowerCase())) return room
      const channel: View = { kind: 'channel', name: wanted.replace(/^#/, '') }
      const person: View = { kind: 'private', user: wanted.replace(/^@/, '') }
      const guesses = wanted.startsWith('#')
        ? [channel]
        : wanted.startsWith('@')
          ? [person]
          : [person, channel]
      for (const guess of guesses) {
        const known = views.get(keyOf(guess))
        if (known) return known
      }
      return null
    },
    nextWithNews() {
      const key = talks.nextWithNews(conversations)
      return key === null ? null : (views.get(key) ?? null)
    },
    unread: (view) => talks.find(conversations, keyOf(view))?.unread ?? 0,
    quiet: (view) => counts.get(keyOf(view))?.quiet ?? false,
    speakers: () => talks.find(conversations, conversations.current)?.speakers ?? [],
    lastPrivate: () => lastPrivate,
    opened,
    entered(view, count, quiet) {
      counts.set(keyOf(view), { count, quiet })
      opened(view)
    },
    closed(view, reason) {
      const key = keyOf(view)
      const wasHere = conversations.current === key
      tell(null, { type: 'closed', view: viewLabel(view), reason })
      conversations = talks.close(conversations, key)
      views.delete(key)
      counts.delete(key)
      if (wasHere) apply(talks.goTo(conversations, talks.roomKey))
      refresh()
    },
    renamed(view, from, to) {
      const key = keyOf(view)
      if (view.kind === 'room' && from === self.name) self.name = to
      if (lastPrivate === from) lastPrivate = to
      tell(key, { type: 'renamed', view: viewLabel(view), from, to })
      if (view.kind !== 'private') return
      const renamed: View = { kind: 'private', user: to }
      conversations = talks.rename(conversations, key, keyOf(renamed), viewLabel(renamed))
      views.delete(key)
      views.set(keyOf(renamed), renamed)
      screen.renamed(key, keyOf(renamed))
      refresh()
    },
    connection(state, retryAt) {
      connected = { connection: state, retryAt }
      refresh()
    },
    setHere(here) {
      conversations = talks.setHere(conversations, here)
      refresh()
    },
    refresh,
    end() {
      ended = true
    },
  }
}

function promptOf(view: View, server: string): string {
  if (view.kind === 'room') return server
  return view.kind === 'channel' ? `#${view.name}` : `@${view.user} (private)`
}
