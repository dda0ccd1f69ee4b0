// Wires one client in one room: connection, roster, inbox and outbox, and the order of joining. It decides what a
// control message means for this room; how it looks on a screen is the host's.
import {
  CryptoInputError,
  createSession,
  displayName,
  fingerprint,
  nameTag,
  type RoomKeys,
  type Session,
  sealProfile,
} from '@pychat/crypto'
import {
  encodeBase64url,
  errorTable,
  type Member,
  type RelayControl,
  type RelayControlOf,
  type SessionId,
} from '@pychat/protocol'
import { createConnection } from './connection.ts'
import { type ClientEvents, type ConnectionState, createEmitter, type Emitter, type User } from './events.ts'
import { createInbox } from './inbox.ts'
import { createOutbox, type Outbox, type Pending, pendingMax } from './outbox.ts'
import type { ClientPorts } from './ports.ts'
import { createRoster } from './roster.ts'

const rosterPagesMax = 1024
const rosterTimeoutMs = 10_000
const joinRetryMs = 1000
const leaveTimeoutMs = 1000
const renewTimeoutMs = 5000

export type ClientOptions = {
  /** ws:// or wss:// */
  url: string
  room: RoomKeys
  username: string
  /** Name and version as the relay may see it, e.g. "pychat/0.1.0": 1 to 64 visible ASCII characters. */
  software: string
}

export type Client = {
  on: Emitter['on']
  start(): void
  /**
   * Takes a message; it is sent now or when the relay can take it, once. Comes back as `message` with this id when it
   * stands in the room's log, or as `failed`.
   */
  send(text: string): number
  /** Messages not acknowledged yet, oldest first. */
  pending(): { id: number; text: string; sentAt: number }[]
  /** Everybody in the room by our knowledge, this client first. */
  users(): User[]
  readonly state: ConnectionState
  /** Leaves and closes within about a second; what is still pending is not sent. Safe to repeat. */
  stop(): Promise<void>
}

/** @throws CryptoInputError when the username is no name */
export function createClient(options: ClientOptions, ports: ClientPorts): Client {
  const { room } = options
  const username = displayName(options.username, 'username')
  const tag = nameTag(room, username)
  const emitter = createEmitter()

  let session = createSession(ports.random)
  let outbox = newOutbox(session)
  /** Ids and own earlier sessions: the relay may still speak of these. */
  const ownSessions = new Set<SessionId>([session.id])
  /** Own frames that are known as taken by the relay, highest counter. */
  let takenCounter = 0

  let state: ConnectionState = 'connecting'
  let lastDetail = ''
  let inRoom = false
  let everReady = false
  let ended = false
  let stopping: Promise<void> | null = null
  let degraded = false
  let lastId = 0
  let lastRequest = 0
  let joinRequest: number | null = null
  let leaveRequest: { id: number; done: () => void; lost: () => void } | null = null
  let loading: Loading | null = null
  let cancelJoinRetry: (() => void) | null = null

  /** A roster on its way: pages asked for, and what changed meanwhile. */
  type Loading = {
    request: number | null
    members: Map<SessionId, Member>
    departed: Set<SessionId>
    pages: number
    joining: boolean
    cancel: () => void
  }

  const roster = createRoster(room, (id) => ownSessions.has(id), {
    joined: (event) => emit('joined', event),
    left: (event) => emit('left', event),
    keychange: (event) => emit('keychange', event),
    unreadable: () => emit('unreadable', {}),
  })
  const inbox = createInbox(room.id, roster, {
    message: (event) => emit('message', event),
    gap: (event) => emit('gap', event),
    fork: (event) => emit('fork', event),
    unreadable: (event) => emit('unreadable', event),
    isOwn: (id) => ownSessions.has(id),
    own(owner, counter, delivery) {
      if (owner !== session.id) return
      // The relay has to give back the very bytes: anything else under our name is forged.
      const item = outbox.find(counter)
      if (!item || !equal(item.frame, delivery.frame)) {
        if (counter > takenCounter) emit('unreadable', { from: username })
        return
      }
      acknowledge(counter, delivery.seq, delivery.at)
    },
    loadRoster: () => load({ joining: false }),
    overflow: () => connection.restart('Too many messages came while the list of users was on its way.'),
  })
  inbox.hold()

  const connection = createConnection({ url: options.url, software: options.software }, ports, {
    welcomed: () => join(),
    control: receive,
    binary: (bytes) => inbox.receive(bytes),
    lost() {
      inRoom = false
      degraded = false
      joinRequest = null
      leaveRequest?.lost()
      cancelJoinRetry?.()
      cancelJoinRetry = null
      endLoading()
      inbox.reset()
      outbox.suspend()
    },
    state: changeState,
    refused: (sentence) => end('refused', sentence),
  })

  function newOutbox(owner: Session): Outbox {
    return createOutbox(room, owner, {
      transmit: (frame) => connection.sendFrame(frame),
      setTimer: ports.setTimer,
    })
  }
  function emit<E extends keyof ClientEvents>(event: E, value: ClientEvents[E]) {
    if (!ended) emitter.emit(event, value)
  }
  function changeState(event: ClientEvents['state']) {
    if (event.state === state && event.detail === lastDetail && event.retryInMs === undefined) return
    state = event.state
    lastDetail = event.detail
    emit('state', event)
  }
  function nextRequest(): number {
    lastRequest = (lastRequest % 0x7fff_fffe) + 1
    return lastRequest
  }

  function join() {
    joinRequest = nextRequest()
    inRoom = false
    outbox.suspend()
    inbox.hold()
    connection.send({
      t: 'join',
      id: joinRequest,
      room: room.id,
      session: session.id,
      secret: session.secret,
      tag,
      profile: encodeBase64url(sealProfile(room, session, username, 1)),
    })
  }
  function joinLater(ms: number) {
    cancelJoinRetry?.()
    cancelJoinRetry = ports.setTimer(ms, () => {
      cancelJoinRetry = null
      join()
    })
  }

  function receive(message: RelayControl) {
    if ('room' in message && message.room !== room.id) return
    switch (message.t) {
      case 'joined':
        return joined(message)
      case 'members':
        if (loading && message.id === loading.request) page(loading, message.members, message.next)
        return
      case 'refused':
        return refused(message)
      case 'left':
        if (message.id === leaveRequest?.id) leaveRequest.done()
        return
      case 'arrived':
        inbox.forgive(message.member.session)
        if (loading) loading.members.set(message.member.session, message.member)
        else roster.add(message.member, false)
        return
      case 'departed':
        loading?.members.delete(message.session)
        loading?.departed.add(message.session)
        roster.remove(message.session, message.why)
        return
      case 'ack':
        if (message.session === session.id) acknowledge(message.counter, message.seq, null)
        return
      case 'nack':
        if (message.session === session.id && inRoom) nack(message)
        return
      case 'relay':
        return relayState(message.state)
    }
  }

  function joined(message: RelayControlOf<'joined'>) {
    if (message.id !== joinRequest) return
    joinRequest = null
    if (message.counter < takenCounter) {
      // The relay forgot this session (it restarted): its counters would never fit again.
      renewSession()
      return
    }
    inbox.enter(message.epoch, message.seq)
    inRoom = true
    acknowledge(Math.min(message.counter, lastSealed()), 0, null)
    load({ joining: true, members: message.members, next: message.next })
  }

  function lastSealed(): number {
    return outbox.pending().at(-1)?.counter ?? takenCounter
  }

  /** Leaves as who we were and joins as somebody new; messages that wait are sealed anew. */
  function renewSession() {
    inRoom = false
    outbox.suspend()
    leave(renewTimeoutMs, (answered) => {
      if (!answered) {
        connection.restart('The relay did not answer in time.')
        return
      }
      const waiting = outbox.pending()
      session = createSession(ports.random)
      ownSessions.add(session.id)
      takenCounter = 0
      outbox = newOutbox(session)
      for (const item of waiting) outbox.add(item.id, item.text, item.sentAt, null)
      join()
    })
  }
  /** @param then false when no answer came in time; not called when the connection was lost unless `whenLost` */
  function leave(timeoutMs: number, then: (answered: boolean) => void, whenLost?: () => void) {
    const id = nextRequest()
    const finish = (next: () => void) => () => {
      cancel()
      leaveRequest = null
      next()
    }
    const cancel = ports.setTimer(timeoutMs, () => finish(() => then(false))())
    leaveRequest = { id, done: finish(() => then(true)), lost: finish(() => whenLost?.()) }
    connection.send({ t: 'leave', id, room: room.id })
  }

  function load(start: { joining: boolean; members?: Member[]; next?: string | undefined }) {
    if (loading) return
    const current: Loading = {
      request: null,
      members: new Map(),
      departed: new Set(),
      pages: 0,
      joining: start.joining,
      cancel: ports.setTimer(rosterTimeoutMs, () => {
        connection.restart('The relay did not send the list of users in time.')
      }),
    }
    loading = current
    if (start.members) page(current, start.members, start.next)
    else ask(current, '0')
  }
  function ask(current: Loading, after: string) {
    current.request = nextRequest()
    connection.send({ t: 'members', id: current.request, room: room.id, after })
  }
  function page(current: Loading, members: readonly Member[], next: string | undefined) {
    current.pages += 1
    for (const member of members) {
      if (current.departed.has(member.session) || current.members.has(member.session)) continue
      current.members.set(member.session, member)
    }
    if (next !== undefined && current.pages < rosterPagesMax) {
      ask(current, next)
      return
    }
    endLoading()
    roster.keepOnly(new Set(current.members.keys()))
    for (const member of current.members.values()) {
      inbox.forgive(member.session)
      roster.add(member, !everReady)
    }
    if (current.joining) ready()
    inbox.release()
  }
  function endLoading() {
    loading?.cancel()
    loading = null
  }

  function ready() {
    connection.settled()
    const everyone = users()
    changeState(
      degraded
        ? { state: 'degraded', detail: degradedSentence }
        : { state: 'online', detail: 'Connected to the relay.' },
    )
    const first = !everReady
    everReady = true
    emit('ready', {
      room: room.shortId,
      user: username,
      users: everyone,
      alone: everyone.length === 1,
      first,
    })
    if (!degraded) outbox.resume()
  }

  function refused(message: RelayControlOf<'refused'>) {
    if (message.id !== undefined && message.id === leaveRequest?.id) {
      leaveRequest.done()
      return
    }
    if (message.id !== undefined && message.id === loading?.request) {
      connection.restart(errorTable[message.code].sentence)
      return
    }
    if (message.id === undefined || message.id !== joinRequest) return
    joinRequest = null
    const { retry, sentence } = errorTable[message.code]
    if (message.code === 'already-joined') connection.restart(sentence)
    else if (retry === 'never') end(message.code === 'name-taken' ? 'name-taken' : 'refused', sentence)
    else {
      changeState({ state: 'connecting', detail: sentence })
      joinLater(Math.min(message.retryMs ?? joinRetryMs, 30_000) + Math.floor(ports.jitter() * joinRetryMs))
    }
  }

  function nack(message: RelayControlOf<'nack'>) {
    if (message.code === 'not-member') {
      if (joinRequest === null && !loading) join()
    } else if (message.code === 'gap' && (message.last ?? 0) < takenCounter) {
      renewSession()
    } else if (errorTable[message.code].retry === 'later') {
      if (message.code === 'gap') acknowledge(Math.min(message.last ?? 0, lastSealed()), 0, null)
      outbox.goBack(Math.min(message.retryMs ?? 0, 30_000))
    } else end('refused', errorTable[message.code].sentence)
  }

  function relayState(now: 'ready' | 'degraded') {
    degraded = now === 'degraded'
    if (!inRoom || loading?.joining) return
    if (degraded) {
      outbox.suspend()
      changeState({ state: 'degraded', detail: degradedSentence })
    } else {
      changeState({ state: 'online', detail: 'The relay takes messages again.' })
      outbox.resume()
    }
  }

  /** @param seq place of this very counter, 0 when unknown; earlier ones have no known place */
  function acknowledge(counter: number, seq: number, at: number | null) {
    takenCounter = Math.max(takenCounter, Math.min(counter, lastSealed()))
    for (const item of outbox.acknowledge(counter)) {
      const exact = item.counter === counter
      emit('message', {
        from: username,
        text: item.text,
        seq: exact ? seq : 0,
        at: (exact ? at : null) ?? item.sentAt,
        sentAt: item.sentAt,
        own: true,
        id: item.id,
        fingerprint: fingerprint(session.publicKey),
      })
    }
  }

  function users(): User[] {
    return [{ name: username, fingerprint: fingerprint(session.publicKey), self: true }, ...roster.users()]
  }

  function end(reason: ClientEvents['stopped']['reason'], sentence: string) {
    if (ended) return
    connection.stop()
    outbox.suspend()
    endLoading()
    cancelJoinRetry?.()
    inRoom = false
    ended = true
    emitter.emit('stopped', { reason, sentence })
  }

  return {
    on: emitter.on,
    start: () => connection.start(),
    send(text) {
      lastId += 1
      const id = lastId
      const reason = refusal(id, text)
      if (reason !== null) emit('failed', { id, text, reason })
      return id
    },
    pending: () => outbox.pending().map(({ id, text, sentAt }: Pending) => ({ id, text, sentAt })),
    users,
    get state() {
      return state
    },
    stop() {
      stopping ??= leaveAndEnd()
      return stopping
    },
  }

  async function leaveAndEnd(): Promise<void> {
    if (inRoom && !ended) {
      await new Promise<void>((resolve) => leave(leaveTimeoutMs, () => resolve(), resolve))
    }
    end('quit', 'You left the room.')
  }

  function refusal(id: number, text: string): string | null {
    if (ended) return 'This client has stopped.'
    try {
      const item = outbox.add(id, text, ports.now(), inbox.position.view())
      if (item === null) return `Already ${pendingMax} messages wait to be sent; wait until some are.`
      return null
    } catch (error) {
      if (error instanceof CryptoInputError) return error.message
      throw error
    }
  }
}

const degradedSentence = 'The relay cannot take messages right now; yours wait here and go out when it can.'

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
