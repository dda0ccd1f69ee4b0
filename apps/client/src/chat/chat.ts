// A chat from the first connection to the exit code: turns the community's events into the screen's, and typed lines
// into messages and commands. It draws nothing and knows no socket.
import { randomBytes } from 'node:crypto'
import { ChatRefusal, type Community, type InviteParts, type View } from '@pychat/client-engine'
import { readLine } from '../commands/parse.ts'
import { exitCodes } from '../exit-codes.ts'
import { createActions, type Invitation, orderedCommands } from './actions.ts'
import { createConfirm } from './confirm.ts'
import { eventsSchema } from './events.ts'
import { createLeaving } from './leaving.ts'
import { createOutgoing } from './outgoing.ts'
import type { Screen, Sources } from './screen.ts'
import { createStage } from './stage.ts'
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
    let tries = 0
    let wasReady = false
    let over = false
    /** Commands that nobody waits for. */
    let doing = 0

    const stage = createStage(screen, options.server, () => outgoing.list())
    const { notice, error } = stage
    const outgoing = createOutgoing({
      now: () => Date.now(),
      setTimer,
      changed: stage.refresh,
      late: ({ text }) => notice('not-sent-yet', `Not sent yet: ${oneLine(text)}`),
    })
    const typed = createTypedLines({
      take,
      hasRoom: () => !over && community.pending().length < pendingHigh,
      full: (full) => (full ? screen.pause() : screen.resume()),
      settled: () => leaving.progress(),
    })
    const failures = () => outgoing.list().filter(({ state }) => state === 'failed').length
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
    const unreadable = createUnreadable((text) => notice('unreadable', text))
    const act = createActions({
      ...{ community, outgoing, stage },
      confirm: createConfirm(() => Date.now(), randomBytes),
      say,
      invitation: () => options.invitation(community.invite()),
      quit: leaving.quit,
    })

    function finish(code: number) {
      if (over) return
      over = true
      stage.end()
      outgoing.stop()
      unreadable.stop()
      for (const signal of signals) process.removeListener(signal, leaving.now)
      void community.stop().then(() => {
        screen.close()
        resolve(code)
      })
    }

    // What is typed.

    function say(view: View, text: string) {
      try {
        community.send(view, text)
      } catch (problem) {
        if (!(problem instanceof ChatRefusal)) throw problem
        error('not-done', problem.sentence)
      }
    }
    function take(line: string): Promise<void> | null {
      const meant = readLine(line, line.startsWith('/') ? knownNames(community) : [])
      if (meant.kind === 'mistake') error('bad-command', meant.text)
      else if (meant.kind === 'text') say(stage.here(), meant.text)
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
    function sources(): Sources {
      const present = [...community.people(stage.here()), ...community.people({ kind: 'room' })]
      const all = new Set(present.filter((person) => !person.self).map(({ name }) => name))
      const spoke = stage.speakers().filter((name) => all.has(name))
      return { names: [...new Set([...spoke, ...all])], channels: community.channels() }
    }

    // What happens.

    // Before anybody else hears of it: what is sent is not pending any more.
    community.on('message', ({ own, id }) => {
      if (own && id !== undefined) outgoing.sent(id)
    })
    translate(community, stage.tell, () => stage.self.name)
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
      stage.connection(state, retryInMs === undefined ? null : Date.now() + retryInMs)
      stage.tell(null, { type: 'state', state, text, ...(retryInMs === undefined ? {} : { retryInMs }) })
      if (state !== 'offline' || wasReady) return
      tries += 1
      if (Date.now() - startedAt + (retryInMs ?? 0) > firstConnectMs || tries >= firstTriesMax) {
        error('unreachable', text)
        finish(exitCodes.unreachable)
      }
    })
    community.on('ready', ({ view, room, user, users: people, count, quiet, alone, first }) => {
      const key = keyOf(view)
      stage.entered(view, count, quiet)
      const users = people.map(({ name }) => name)
      if (view.kind === 'room') {
        stage.self.name = user
        if (first) stage.tell(key, { type: 'ready', schema: eventsSchema, room, user, users, count })
        if (first && alone) notice('alone', aloneText(room, options.pinSentence))
        wasReady = true
      } else if (first) stage.tell(key, { type: 'entered', view: viewLabel(view), room, users, count })
      stage.refresh()
      typed.pump()
      leaving.progress()
    })
    community.on('opened', ({ view }) => {
      stage.opened(view)
      stage.tell(null, { type: 'opened', view: viewLabel(view) })
    })
    community.on('closed', ({ view, reason }) => stage.closed(view, reason))
    community.on('renamed', ({ view, from, to }) => stage.renamed(view, from, to))
    community.on('away', ({ person }) => {
      if (person.self) stage.self.away = person.away !== null
      stage.refresh()
    })
    community.on('owner', ({ founded, words }) => {
      stage.tell(null, { type: 'owner', founded })
      if (words !== null && screen.personal) stage.tell(null, { type: 'recovery', words })
    })
    community.on('unreadable', unreadable.count)
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
        const view = to === 'next' ? stage.nextWithNews() : stage.viewAt(to)
        if (view) stage.goTo(view)
      },
      here: stage.setHere,
      sources,
    })
    for (const signal of signals) process.once(signal, leaving.now)
    stage.refresh()
    community.start()
  })
}

/** Names that a command may be about: who is here, and who is banned or muted. */
function knownNames(community: Community): string[] {
  const rules = community.charter()
  const people = community.people({ kind: 'room' }).filter((person) => !person.self)
  return [...people, ...(rules?.bans ?? []), ...(rules?.muted ?? [])].map(({ name }) => name)
}

/** Says at once that something was dropped, then no more often than every `unreadableEveryMs`. */
function createUnreadable(say: (text: string) => void) {
  let count = 0
  let stop: (() => void) | null = null
  let toldAt = Number.NEGATIVE_INFINITY
  function tell() {
    toldAt = Date.now()
    const what = count === 1 ? 'Something' : `${count} things`
    say(`${what} came from the relay that nobody here can be shown to have sent; dropped.`)
    count = 0
    stop = null
  }
  return {
    count() {
      count += 1
      stop ??= setTimer(Math.max(0, toldAt + unreadableEveryMs - Date.now()), tell)
    },
    stop: () => stop?.(),
  }
}

/** The begin of a text, to recognise it by. */
function oneLine(text: string): string {
  const line = text.slice(0, 200).replace(/\s+/g, ' ')
  return text.length > 200 ? `${line}…` : line
}

function aloneText(room: string, pinSentence: string | null): string {
  const text = `You are alone here. If you expected others, compare room id ${room} with them and check server name and PIN.`
  return pinSentence === null
    ? text
    : `${text}\nGuessing this PIN takes ${pinSentence}; whoever runs the relay could try. A generated code (leave the PIN empty) cannot be guessed.`
}
