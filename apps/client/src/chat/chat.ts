// A chat from the first connection to the exit code: turns the community's events into the screen's, and typed lines
// into messages and commands. It draws nothing and knows no socket.
import { randomBytes } from 'node:crypto'
import type { Community, InviteParts, Rank, View } from '@pychat/client-engine'
import { readLine } from '../commands/parse.ts'
import { exitCodes } from '../exit-codes.ts'
import { createActions, type Invitation, orderedCommands } from './actions.ts'
import { createConfirm } from './confirm.ts'
import * as talks from './conversations.ts'
import { type ChatEvent, type ErrorCode, eventsSchema, type NoticeCode } from './events.ts'
import { createLeaving } from './leaving.ts'
import { createOutgoing } from './outgoing.ts'
import type { Screen, ScreenEvent, Status } from './screen.ts'
import { keyOf, translate, viewLabel } from './translate.ts'
import { createTypedLines } from './typed.ts'

/** The first connection is given up after so long; later ones are tried for ever. */
const firstConnectMs = 5500
const firstTriesMax = 6
/** Typed lines wait in the system while so many messages are on their way. */
const pendingHigh = 128
const unreadableEveryMs = 10_000
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export type ChatOptions = {
  /** What people call the room; the prompt shows it. */
  server: string
  /** How long a chosen PIN withstands guessing, or null for a generated code. */
  pinSentence: string | null
  /** The line and the QR code that let a friend in; null when none can be made. */
  invitation(parts: InviteParts): Invitation | null
}

function setTimer(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

/**
 * @param community not started yet
 * @returns the exit code, when the chat is over and the screen closed
 */
export function runChat(options: ChatOptions, screen: Screen, community: Community): Promise<number> {
  return new Promise((resolve) => {
    const startedAt = Date.now()
    const views = new Map<string, View>([[talks.roomKey, { kind: 'room' }]])
    const counts = new Map<string, { count: number; quiet: boolean }>()
    const self: { name: string; rank: Rank; away: boolean } = { name: '', rank: 'member', away: false }
    let conversations = talks.createConversations(screen.mixed)
    let connection: Pick<Status, 'connection' | 'retryAt'> = { connection: 'connecting', retryAt: null }
    let lastPrivate: string | null = null
    let tries = 0
    let wasReady = false
    let over = false
    let doing = 0
    let unreadable = 0
    let unreadableTimer: (() => void) | null = null

    // What is told and shown.

    const tellAll = (event: ChatEvent) => tell(null, event)
    const notice = (code: NoticeCode, text: string) => tellAll({ type: 'notice', code, text })
    const error = (code: ErrorCode, text: string) => tellAll({ type: 'error', code, text })
    function tell(key: string | null, event: ChatEvent) {
      follow(key, event)
      const told = talks.tell(conversations, key, event)
      apply(told)
      if (event.type === 'message' && !event.own) screen.heard(event, told.calls)
    }
    function apply(told: talks.Told) {
      conversations = told.conversations
      for (const event of told.show) show(event)
      refresh()
    }
    function show(event: ScreenEvent) {
      screen.show(event)
    }
    function refresh() {
      if (!over) screen.status(status())
    }
    function status(): Status {
      const { current } = conversations
      const view = views.get(current)
      const lines = outgoing.list().map(({ id, view: to, text, state, note }) => {
        const label = keyOf(to) === current ? null : viewLabel(to)
        return { id, label, text, state, note }
      })
      return {
        key: current,
        prompt: promptOf(view, options.server),
        views: talks.viewLines(conversations),
        pending: lines,
        people: view?.kind === 'private' ? null : (counts.get(current)?.count ?? null),
        ...connection,
        rank: self.rank,
        away: self.away,
      }
    }

    // What follows from an event for the things above.

    function follow(key: string | null, event: ChatEvent) {
      const counted = key === null ? undefined : counts.get(key)
      if (event.type === 'message') {
        if (event.own && event.id !== undefined) outgoing.sent(event.id)
        if (!event.own && event.view.startsWith('@')) lastPrivate = event.from
      } else if (event.type === 'joined' && counted && !counted.quiet) counted.count += 1
      else if (event.type === 'left' && counted && !counted.quiet) counted.count -= 1
      else if (event.type === 'count' && key !== null)
        counts.set(key, { count: event.count, quiet: event.quiet })
      else if (event.type === 'charter') self.rank = event.rank
    }
    function opened(view: View) {
      const key = keyOf(view)
      views.set(key, view)
      conversations = talks.open(conversations, key, viewLabel(view))
    }

    const outgoing = createOutgoing({
      now: () => Date.now(),
      setTimer,
      changed: refresh,
      late: ({ text }) => notice('not-sent-yet', `Not sent yet: ${oneLine(text)}`),
    })
    const typed = createTypedLines({
      take,
      hasRoom: () => !over && community.pending().length < pendingHigh,
      full: (full) => (full ? screen.pause() : screen.resume()),
      settled: () => leaving.progress(),
    })
    const leaving = createLeaving({
      unsent: () => community.pending().length + failures() + typed.waiting(),
      underWay: () => community.pending().length + typed.waiting() + (typed.idle() ? 0 : 1) + doing,
      wasReady: () => wasReady,
      setTimer,
      tell(what) {
        if ('stillToSend' in what) {
          notice('help', `${what.stillToSend} still to be sent before leaving; /quit again leaves without.`)
        } else {
          const { notSent } = what
          error('not-sent', notSent === 1 ? '1 message was not sent.' : `${notSent} messages were not sent.`)
        }
      },
      finish,
    })
    const failures = () => outgoing.list().filter(({ state }) => state === 'failed').length
    function finish(code: number) {
      if (over) return
      over = true
      outgoing.stop()
      unreadableTimer?.()
      for (const signal of signals) process.removeListener(signal, leaving.now)
      void community.stop().then(() => {
        screen.close()
        resolve(code)
      })
    }

    // What is typed.

    const here = (): View => views.get(conversations.current) ?? { kind: 'room' }
    function goTo(view: View) {
      opened(view)
      apply(talks.goTo(conversations, keyOf(view)))
    }
    function viewAt(number: number): View | null {
      const line = conversations.all[number - 1]
      return (line && views.get(line.key)) ?? null
    }
    function findView(text: string): View | null {
      const wanted = text.trim()
      if (/^\d{1,3}$/.test(wanted)) return viewAt(Number(wanted))
      if (wanted.toLowerCase() === 'room') return { kind: 'room' }
      const guesses: View[] = wanted.startsWith('#')
        ? [{ kind: 'channel', name: wanted.slice(1) }]
        : [
            { kind: 'private', user: wanted.replace(/^@/, '') },
            { kind: 'channel', name: wanted },
          ]
      for (const guess of guesses) {
        const known = views.get(keyOf(guess))
        if (known && talks.find(conversations, keyOf(guess))) return known
      }
      return null
    }
    function nextWithNews(): View | null {
      const key = talks.nextWithNews(conversations)
      return key === null ? null : (views.get(key) ?? null)
    }
    const act = createActions({
      community,
      outgoing,
      confirm: createConfirm(() => Date.now(), randomBytes),
      tell: tellAll,
      self: () => self,
      current: here,
      goTo,
      findView,
      nextWithNews,
      quiet: (view) => counts.get(keyOf(view))?.quiet ?? false,
      unread: (view) => talks.find(conversations, keyOf(view))?.unread ?? 0,
      lastPrivate: () => lastPrivate,
      say: (view, text) => void community.send(view, text),
      invitation: () => options.invitation(community.invite()),
      showQr: (text) => show({ type: 'qr', text }),
      quit: leaving.quit,
    })
    const others = () => community.people({ kind: 'room' }).filter((person) => !person.self)
    function names(): string[] {
      const rules = community.charter()
      const listed = [...(rules?.bans ?? []), ...(rules?.muted ?? [])]
      return [...others(), ...listed].map(({ name }) => name)
    }
    function take(line: string): Promise<void> | null {
      const meant = readLine(line, line.startsWith('/') ? names() : [])
      if (meant.kind === 'mistake') error('bad-command', meant.text)
      else if (meant.kind === 'text') community.send(here(), meant.text)
      else if (meant.kind === 'command') {
        const run = Promise.resolve(act(meant.name, meant.given))
        if (orderedCommands.has(meant.name)) return run
        doing += 1
        void run.finally(() => {
          doing -= 1
          leaving.progress()
        })
      }
      return null
    }
    function sources() {
      const { speakers = [] } = talks.find(conversations, conversations.current) ?? {}
      const present = [...community.people(here()), ...others()].filter((person) => !person.self)
      const all = present.map(({ name }) => name)
      const spoke = speakers.filter((name) => all.includes(name))
      return { names: [...new Set([...spoke, ...all])], channels: community.channels() }
    }

    // What happens.

    translate(community, tell, () => self.name)
    community.on('pending', ({ view, id, text, waiting }) => outgoing.pending(view, id, text, waiting))
    community.on('failed', ({ view, id, text, reason, retry }) => {
      outgoing.failed(view, id, text, reason)
      if (!retry) outgoing.drop(id)
      leaving.progress()
    })
    community.on('message', ({ own }) => {
      if (!own) return
      typed.pump()
      leaving.progress()
    })
    community.on('state', ({ state, detail: text, retryInMs }) => {
      const retryAt = retryInMs === undefined ? null : Date.now() + retryInMs
      connection = { connection: state, retryAt }
      tellAll({ type: 'state', state, text, ...(retryInMs === undefined ? {} : { retryInMs }) })
      if (state !== 'offline' || wasReady) return
      tries += 1
      if (Date.now() - startedAt + (retryInMs ?? 0) > firstConnectMs || tries >= firstTriesMax) {
        error('unreachable', text)
        finish(exitCodes.unreachable)
      }
    })
    community.on('ready', ({ view, room, user, users: people, count, quiet, alone, first }) => {
      const key = keyOf(view)
      counts.set(key, { count, quiet })
      opened(view)
      const users = people.map(({ name }) => name)
      if (view.kind === 'room') {
        self.name = user
        if (first) {
          tell(key, { type: 'ready', schema: eventsSchema, room, user, users, count })
          if (alone) notice('alone', aloneText(room, options.pinSentence))
        }
        wasReady = true
      } else if (first) tell(key, { type: 'entered', view: viewLabel(view), room, users, count })
      refresh()
      typed.pump()
      leaving.progress()
    })
    community.on('opened', ({ view }) => {
      opened(view)
      tellAll({ type: 'opened', view: viewLabel(view) })
    })
    community.on('closed', ({ view, reason }) => {
      const key = keyOf(view)
      const wasHere = conversations.current === key
      tellAll({ type: 'closed', view: viewLabel(view), reason })
      conversations = talks.close(conversations, key)
      views.delete(key)
      counts.delete(key)
      if (wasHere) apply(talks.goTo(conversations, talks.roomKey))
      refresh()
    })
    community.on('renamed', ({ view, from, to }) => {
      const key = keyOf(view)
      if (view.kind === 'room' && from === self.name) self.name = to
      tell(key, { type: 'renamed', view: viewLabel(view), from, to })
      if (view.kind !== 'private') return
      const renamed: View = { kind: 'private', user: to }
      conversations = talks.rename(conversations, key, keyOf(renamed), viewLabel(renamed))
      views.delete(key)
      views.set(keyOf(renamed), renamed)
      screen.renamed(key, keyOf(renamed))
      refresh()
    })
    community.on('away', ({ person }) => {
      if (person.self) self.away = person.away !== null
      refresh()
    })
    community.on('owner', ({ founded, words }) => {
      tellAll({ type: 'owner', founded })
      if (words !== null && screen.personal) tellAll({ type: 'recovery', words })
    })
    community.on('unreadable', () => {
      unreadable += 1
      unreadableTimer ??= setTimer(unreadable === 1 ? 0 : unreadableEveryMs, () => {
        const what = unreadable === 1 ? 'Something' : `${unreadable} things`
        notice(
          'unreadable',
          `${what} came from the relay that nobody here can be shown to have sent; dropped.`,
        )
        unreadable = 0
        unreadableTimer = null
      })
    })
    community.on('stopped', ({ reason, sentence }) => {
      if (reason === 'quit') return
      error(reason === 'name-taken' ? 'name-taken' : 'refused', sentence)
      finish(reason === 'name-taken' ? exitCodes.nameTaken : exitCodes.refused)
    })

    screen.listen({
      line(text) {
        if (!(leaving.quitting() && readLine(text).kind === 'text')) typed.push(text)
      },
      ended: leaving.whenSent,
      interrupted: leaving.now,
      go(to) {
        const view = to === 'next' ? nextWithNews() : viewAt(to)
        if (view) goTo(view)
      },
      here(isHere) {
        conversations = talks.setHere(conversations, isHere)
        refresh()
      },
      sources,
    })
    for (const signal of signals) process.once(signal, leaving.now)
    refresh()
    community.start()
  })
}

/** The begin of a text, to recognise it by. */
function oneLine(text: string): string {
  const line = text.slice(0, 200).replace(/\s+/g, ' ')
  return text.length > 200 ? `${line}…` : line
}

function promptOf(view: View | undefined, server: string): string {
  if (view === undefined || view.kind === 'room') return server
  return view.kind === 'channel' ? `#${view.name}` : `@${view.user} (private)`
}

function aloneText(room: string, pinSentence: string | null): string {
  const text = `You are alone here. If you expected others, compare room id ${room} with them and check server name and PIN.`
  return pinSentence === null
    ? text
    : `${text}\nGuessing this PIN takes ${pinSentence}; whoever runs the relay could try. A generated code (leave the PIN empty) cannot be guessed.`
}
