// A chat from the first connection to the exit code: turns the engine's events into the screen's, and typed lines into
// messages and commands. It draws nothing and knows no socket.
import { randomBytes } from 'node:crypto'
import { type ClientPorts, createClient } from '@pychat/client-engine'
import type { RoomKeys } from '@pychat/crypto'
import { type ChatEvent, eventsSchema, isoTime, type Screen } from './chat-events.ts'
import { helpText, readLine } from './commands.ts'
import { exitCodes } from './exit-codes.ts'
import { sanitiseName } from './sanitise.ts'

/** The first connection is given up after so long; later ones are tried for ever. */
const firstConnectMs = 5500
const firstTriesMax = 6
const confirmWithinMs = 3000
const drainMs = 10_000
/** Typed lines wait in the system while so many messages are on their way. */
const pendingHigh = 128
const unreadableEveryMs = 10_000
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export type ChatOptions = {
  url: string
  room: RoomKeys
  username: string
  software: string
  /** How long a chosen PIN withstands guessing, or null for a generated code. */
  pinSentence: string | null
}

/** @returns the exit code, when the chat is over and the screen closed */
export function runChat(
  options: ChatOptions,
  screen: Screen,
  openSocket: ClientPorts['openSocket'],
): Promise<number> {
  const client = createClient(
    { urls: [options.url], software: options.software },
    {
      openSocket,
      random: (bytes) => randomBytes(bytes),
      now: () => Date.now(),
      setTimer(ms, fn) {
        const timer = setTimeout(fn, ms)
        return () => clearTimeout(timer)
      },
      jitter: () => Math.random(),
    },
  )
  const room = client.enter({
    room: options.room,
    root: options.room.id,
    username: options.username,
    trusted: null,
  })
  const show = (event: ChatEvent) => screen.show(event)
  const notice = (code: (ChatEvent & { type: 'notice' })['code'], text: string) =>
    show({ type: 'notice', code, text })
  const error = (code: (ChatEvent & { type: 'error' })['code'], text: string) =>
    show({ type: 'error', code, text })

  return new Promise((resolve) => {
    const startedAt = Date.now()
    let tries = 0
    let wasReady = false
    let leaving = false
    let quitting = false
    let over = false
    let paused = false
    let unreadable = 0
    let lastConfirmedAt = 0
    let unreadableTimer: NodeJS.Timeout | null = null
    let drainTimer: NodeJS.Timeout | null = null
    const typed: string[] = []
    const confirmTimers = new Map<number, NodeJS.Timeout>()

    function finish(code: number) {
      if (over) return
      over = true
      for (const timer of confirmTimers.values()) clearTimeout(timer)
      if (drainTimer) clearTimeout(drainTimer)
      if (unreadableTimer) clearTimeout(unreadableTimer)
      for (const signal of signals) process.removeListener(signal, leaveNow)
      void client.stop().then(() => {
        screen.close()
        resolve(code)
      })
    }
    function leaveNow() {
      const unsent = room.pending().length + typed.length
      if (unsent > 0) {
        error('not-sent', unsent === 1 ? '1 message was not sent.' : `${unsent} messages were not sent.`)
      }
      finish(unsent > 0 ? exitCodes.unreachable : exitCodes.quit)
    }
    /** Goes when everything typed so far is acknowledged, at the latest after `drainMs` without progress. */
    function leaveWhenSent() {
      leaving = true
      if (drainTimer) clearTimeout(drainTimer)
      drainTimer = setTimeout(leaveNow, drainMs)
      takeTyped()
      leaveIfSent()
    }
    function quit() {
      // Asked twice: the person does not want to wait.
      if (quitting) return leaveNow()
      quitting = true
      typed.length = 0
      const waiting = room.pending().length
      if (waiting > 0) {
        notice('help', `${waiting} still to be sent before leaving; /quit again leaves without.`)
      }
      leaveWhenSent()
    }
    function leaveIfSent() {
      if (leaving && wasReady && typed.length === 0 && room.pending().length === 0) finish(exitCodes.quit)
    }

    function take(line: string) {
      const meant = readLine(line)
      if (meant.kind === 'nothing') return
      if (meant.kind === 'mistake') return error('bad-command', meant.text)
      if (meant.kind === 'text') return say(meant.text)
      if (meant.name === 'help') return notice('help', helpText(meant.argument))
      if (meant.name === 'quit') return quit()
      const members = room.users().map(({ name, fingerprint, self }) => ({ name, fingerprint, own: self }))
      show({ type: 'users', users: members.map(({ name }) => name), members })
    }
    function say(text: string) {
      const id = room.send(text)
      if (!room.pending().some((item) => item.id === id)) return
      watch(id, text, confirmWithinMs)
    }
    /** Tells once of a message that waits while nothing moves; in a long queue that does move, waiting is normal. */
    function watch(id: number, text: string, ms: number) {
      const look = () => {
        confirmTimers.delete(id)
        const leftMs = lastConfirmedAt + confirmWithinMs - Date.now()
        if (leftMs > 0) watch(id, text, leftMs)
        else notice('not-sent-yet', `Not sent yet: ${text}`)
      }
      confirmTimers.set(id, setTimeout(look, ms))
    }
    function takeTyped() {
      while (!over && room.pending().length < pendingHigh) {
        const line = typed.shift()
        if (line === undefined) break
        take(line)
      }
      const full = typed.length >= pendingHigh
      if (full !== paused) {
        paused = full
        if (full) screen.pause()
        else screen.resume()
      }
    }
    function confirmed(id: number | undefined) {
      if (id === undefined) return
      lastConfirmedAt = Date.now()
      clearTimeout(confirmTimers.get(id))
      confirmTimers.delete(id)
    }

    client.on('state', (event) => {
      const text = event.detail
      show({
        type: 'state',
        state: event.state,
        text,
        ...(event.retryInMs === undefined ? {} : { retryInMs: event.retryInMs }),
      })
      if (event.state !== 'offline' || wasReady) return
      tries += 1
      if (Date.now() - startedAt + (event.retryInMs ?? 0) > firstConnectMs || tries >= firstTriesMax) {
        error('unreachable', text)
        finish(exitCodes.unreachable)
      }
    })
    room.on('ready', (event) => {
      if (event.first) {
        show({
          type: 'ready',
          schema: eventsSchema,
          room: event.room,
          user: event.user,
          users: event.users.map(({ name }) => name),
        })
        if (event.alone) notice('alone', aloneText(event.room, options.pinSentence))
      }
      wasReady = true
      takeTyped()
      leaveIfSent()
    })
    room.on('joined', ({ user, fingerprint }) => show({ type: 'joined', user, fingerprint }))
    room.on('left', ({ user, why }) => show({ type: 'left', user, why: why === 'lost' ? why : 'left' }))
    room.on('message', ({ id, from, text, seq, at, own, fingerprint }) => {
      confirmed(id)
      show({ type: 'message', from, text, seq, at: isoTime(at), own, fingerprint })
      if (!own) return
      if (leaving) leaveWhenSent()
      else takeTyped()
    })
    room.on('gap', ({ missed }) => notice('gap', gapText(missed)))
    room.on('rewound', ({ lost }) =>
      notice(
        'rewound',
        `The relay lost the last ${lost === 1 ? 'message' : `${lost} messages`} that you saw; the senders' clients send again what they still have.`,
      ),
    )
    room.on('unrepaired', ({ count }) =>
      notice(
        'unrepaired',
        `The relay lost ${count === 1 ? 'a message' : `${count} messages`} of yours, sent too long ago to be sent again; who was not here then may miss ${count === 1 ? 'it' : 'them'}.`,
      ),
    )
    room.on('fork', ({ from }) =>
      notice(
        'fork',
        `The relay does not show ${sanitiseName(from)} the same messages as you: do not trust it, and tell the others another way.`,
      ),
    )
    room.on('keychange', (event) =>
      notice(
        'key-changed',
        `${sanitiseName(event.user)} is here with a new key (${event.new}, before ${event.old}). That is so after a restart of PyChat; if in doubt, ask for the fingerprint by phone.`,
      ),
    )
    room.on('unreadable', () => {
      unreadable += 1
      unreadableTimer ??= setTimeout(
        () => {
          notice(
            'unreadable',
            `${unreadable === 1 ? 'Something' : `${unreadable} things`} came from the relay that nobody here can be shown to have sent; dropped.`,
          )
          unreadable = 0
          unreadableTimer = null
        },
        unreadable === 1 ? 0 : unreadableEveryMs,
      )
    })
    room.on('failed', ({ id, reason }) => {
      confirmed(id)
      error('message-refused', `Not sent: ${reason}`)
    })
    room.on('ended', ({ code, sentence }) => {
      if (code === 'left') return
      error(code === 'name-taken' ? code : 'refused', sentence)
      finish(code === 'name-taken' ? exitCodes.nameTaken : exitCodes.refused)
    })

    screen.listen({
      line(text) {
        if (quitting && readLine(text).kind === 'text') return
        typed.push(text)
        takeTyped()
      },
      ended: leaveWhenSent,
      interrupted: leaveNow,
    })
    for (const signal of signals) process.once(signal, leaveNow)
    client.start()
  })
}

function gapText(missed: number | null): string {
  if (missed === null) return 'Messages may have been missed here; nobody knows how many.'
  return missed === 1 ? '1 message was missed here.' : `${missed} messages were missed here.`
}

function aloneText(room: string, pinSentence: string | null): string {
  const text = `You are alone here. If you expected others, compare room id ${room} with them and check server name and PIN.`
  return pinSentence === null
    ? text
    : `${text}\nGuessing this PIN takes ${pinSentence}; whoever runs the relay could try. A generated code (leave the PIN empty) cannot be guessed.`
}
