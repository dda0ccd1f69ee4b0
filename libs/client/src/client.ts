// Wires one client in one room: connection, roster, inbox and outbox, and the order of joining. It decides what a
// control message means for this room; how it looks on a screen is the host's.
import {
  CryptoInputError,
  createOpener,
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
  limits,
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
import type { Place } from './position.ts'
import { createRoster } from './roster.ts'
import { createRosterLoading } from './roster-loading.ts'

const joinRetryMs = 1000
const nackRetryMs = 1000
const leaveTimeoutMs = 1000
const renewTimeoutMs = 5000

export type ClientOptions = {
  /** ws:// or wss:// */
  url: string
  room: RoomKeys
  username: string
  /** Name and version as the relay may see it, e.g. "pychat/0.1.0": 1 to 64 visible ASCII characters. */
  software: string
  /** A new session begins after so many messages; the protocol's own bound when left out. */
  framesPerSessionMax?: number
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
  /** Place of the last message of the room that was worked off; null before the room was entered. */
  position(): Place | null
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
  let ackReplicas = 0

  let state: ConnectionState = 'connecting'
  let lastDetail = ''
  let inRoom = false
  /** In the room on this connection, and everybody in it known. */
  let settled = false
  let everReady = false
  let ended = false
  let stopping: Promise<void> | null = null
  let degraded = false
  let lastId = 0
  let lastRequest = 0
  let joinRequest: number | null = null
  let leaveRequest: { id: number; done: () => void; lost: () => void } | null = null
  let cancelJoinRetry: (() => void) | null = null

  const roster = createRoster(room, (id) => ownSessions.has(id), ports.createOpener ?? createOpener, {
    joined: (event) => emit('joined', event),
    left: (event) => emit('left', event),
    keychange: (event) => emit('keychange', event),
    unreadable: () => emit('unreadable', {}),
  })
  const loading = createRosterLoading({
    ask: (after) => request({ t: 'members', after }),
    loaded,
    late: () => connection.restart('The relay did not send the list of users in time.'),
    setTimer: ports.setTimer,
  })
  const inbox = createInbox(
    room.id,
    roster,
    {
      message: (event) => emit('message', event),
      gap: (event) => emit('gap', event),
      rewound: (event) => emit('rewound', event),
      brokeOff: () => outbox.probe(),
      fork: (event) => emit('fork', event),
      unreadable: (event) => emit('unreadable', event),
      isOwn: (id) => ownSessions.has(id),
      own(owner, counter, { frame, epoch, seq, at }) {
        if (owner !== session.id) return
        // The relay has to give back the very bytes: anything else under our name is forged.
        const verdict = outbox.returned(counter, frame, { epoch, seq, at })
        if (verdict === 'forged') emit('unreadable', { from: username })
        if (verdict === 'ours' && ackReplicas === 0) acknowledge(counter, 0)
      },
      askLog: ({ epoch, seq }) => request({ t: 'log', epoch, seq }),
      askMember: (id) => request({ t: 'member', session: id }),
      notMember: rejoin,
      broken: (detail) => connection.restart(detail),
    },
    ports,
  )

  const connection = createConnection({ urls: [options.url], software: options.software }, ports, {
    welcomed(welcome) {
      ackReplicas = welcome.ackReplicas
      join()
    },
    control: receive,
    binary: (bytes) => inbox.receive(bytes),
    lost() {
      inRoom = false
      settled = false
      degraded = false
      joinRequest = null
      leaveRequest?.lost()
      cancelJoinRetry?.()
      cancelJoinRetry = null
      loading.cancel()
      inbox.reset()
      outbox.suspend()
    },
    state: changeState,
    refused: (sentence) => end('refused', sentence),
  })

  function newOutbox(owner: Session): Outbox {
    return createOutbox(
      room,
      owner,
      {
        transmit: (frame) => connection.sendFrame(frame),
        unanswered() {
          // While something else is missing, answers may wait behind it, and that has its own time limit.
          if (!inbox.catchingUp && !loading.active) connection.restart(unansweredSentence)
        },
        now: ports.now,
        setTimer: ports.setTimer,
      },
      options.framesPerSessionMax ?? limits.framesPerSessionMax,
    )
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

  function request(
    message: { t: 'members'; after: string } | { t: 'member'; session: SessionId } | ({ t: 'log' } & Place),
  ): number {
    const id = nextRequest()
    connection.send({ ...message, id, room: room.id })
    return id
  }

  function join() {
    cancelJoinRetry?.()
    cancelJoinRetry = null
    joinRequest = nextRequest()
    inRoom = false
    settled = false
    loading.cancel()
    outbox.suspend()
    const after = inbox.hold()
    const counter = outbox.base()
    connection.send({
      t: 'join',
      id: joinRequest,
      room: room.id,
      session: session.id,
      secret: session.secret,
      tag,
      profile: encodeBase64url(sealProfile(room, session, { name: username }, 1)),
      ...(counter > 0 ? { counter } : {}),
      ...(after === null ? {} : { after }),
    })
  }
  /** Asks for the room again on this connection, once: many frames may have been refused. */
  function rejoin() {
    if (joinRequest === null && cancelJoinRetry === null) join()
  }
  function joinLater(ms: number) {
    cancelJoinRetry?.()
    cancelJoinRetry = ports.setTimer(ms, () => {
      cancelJoinRetry = null
      join()
    })
  }

  function receive(message: RelayControl) {
    // A nack may come without the room, when the relay does not know us there.
    if ('room' in message && message.room !== room.id && message.t !== 'nack') return
    switch (message.t) {
      case 'joined':
        return joined(message)
      case 'members':
        if (loading.isAsked(message.id)) loading.page(message)
        return
      case 'log':
      case 'member':
        return inbox.answer(message)
      case 'refused':
        return refused(message)
      case 'left':
        if (message.id === leaveRequest?.id) leaveRequest.done()
        return
      case 'arrived':
        if (loading.active) loading.arrived(message.member)
        else roster.add(message.member, false)
        return
      case 'departed':
        loading.departed(message.session)
        roster.remove(message.session, message.why === 'lost' ? 'lost' : 'left')
        return
      case 'ack':
        if (message.session === session.id && inRoom) acknowledgeLater(message.counter, message.seq)
        return
      case 'nack':
        if (message.session === session.id && inRoom) nack(message)
        return
      case 'reset':
        if (!inRoom) return
        inbox.restartAt({ epoch: message.epoch, seq: message.seq }, message.was)
        outbox.probe()
        return
      case 'position':
        if (inRoom) inbox.mark({ epoch: message.epoch, seq: message.seq })
        return
      case 'relay':
        return relayState(message.state)
    }
  }

  function joined(message: RelayControlOf<'joined'>) {
    if (message.id !== joinRequest) return
    joinRequest = null
    if (!outbox.rejoined(message.counter)) {
      connection.restart('The relay does not go on where this client can.')
      return
    }
    inRoom = true
    inbox.enter({ epoch: message.epoch, seq: message.seq }, message.id)
    acknowledgeLater(message.counter, 0)
    loading.begin(message)
  }

  /** Leaves as who we were and joins as somebody new. Only when nothing waits: a frame is never sealed twice. */
  function renewIfUsedUp() {
    if (!outbox.usedUp || !settled || leaveRequest) return
    inRoom = false
    settled = false
    outbox.suspend()
    leave(renewTimeoutMs, (answered) => {
      if (!answered) {
        connection.restart('The relay did not answer in time.')
        return
      }
      session = createSession(ports.random)
      ownSessions.add(session.id)
      outbox = newOutbox(session)
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

  function loaded(members: ReadonlyMap<SessionId, Member>) {
    roster.keepOnly(new Set(members.keys()))
    for (const member of members.values()) roster.add(member, !everReady)
    ready()
    inbox.release()
  }

  function ready() {
    settled = true
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
    renewIfUsedUp()
  }

  function refused(message: RelayControlOf<'refused'>) {
    if (message.id !== undefined && message.id === leaveRequest?.id) {
      leaveRequest.done()
      return
    }
    if (loading.isAsked(message.id)) {
      connection.restart(errorTable[message.code].sentence)
      return
    }
    if (inbox.refused(message)) return
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
    if (message.code === 'not-member') rejoin()
    else if (message.code === 'gap') {
      const last = message.last ?? 0
      if (outbox.missing(last)) return
      emit('unrepaired', { count: outbox.base() - last })
      // Joining again tells the relay to go on behind what is gone.
      connection.restart('The relay lost messages that are too old to be sent again.')
    } else if (errorTable[message.code].retry === 'later') {
      outbox.goBack(message.counter - 1, Math.min(message.retryMs ?? nackRetryMs, 30_000))
    } else end('refused', errorTable[message.code].sentence)
  }

  function relayState(now: 'ready' | 'degraded') {
    degraded = now === 'degraded'
    if (!settled) return
    if (degraded) {
      outbox.suspend()
      changeState({ state: 'degraded', detail: degradedSentence })
    } else {
      changeState({ state: 'online', detail: 'The relay takes messages again.' })
      outbox.resume()
    }
  }

  /** The relay's word for all frames up to this counter; their deliveries, and so their places, may come before. */
  function acknowledgeLater(counter: number, seq: number) {
    inbox.afterwards(() => acknowledge(counter, seq))
  }
  /** @param seq place of this very counter when no delivery told it, 0 for unknown */
  function acknowledge(counter: number, seq: number) {
    for (const item of outbox.acknowledge(counter)) {
      emit('message', {
        from: username,
        text: item.text,
        epoch: item.landing?.epoch ?? '',
        seq: item.landing?.seq ?? (item.counter === counter ? seq : 0),
        counter: item.counter,
        at: item.landing?.at ?? item.sentAt,
        sentAt: item.sentAt,
        own: true,
        id: item.id,
        fingerprint: fingerprint(session.publicKey),
      })
    }
    renewIfUsedUp()
  }

  function users(): User[] {
    return [{ name: username, fingerprint: fingerprint(session.publicKey), self: true }, ...roster.users()]
  }

  function end(reason: ClientEvents['stopped']['reason'], sentence: string) {
    if (ended) return
    connection.stop()
    outbox.suspend()
    loading.cancel()
    inbox.reset()
    cancelJoinRetry?.()
    inRoom = false
    settled = false
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
    position: () => inbox.position.place(),
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
      if (item !== null) return null
      if (outbox.pending().length < pendingMax) return usedUpSentence
      return `Already ${pendingMax} messages wait to be sent; wait until some are.`
    } catch (error) {
      if (error instanceof CryptoInputError) return error.message
      throw error
    }
  }
}

const degradedSentence = 'The relay cannot take messages right now; yours wait here and go out when it can.'
const unansweredSentence = 'The relay left messages without an answer; reconnecting.'
const usedUpSentence = 'This session has sent as much as it may, and a new one begins; try again in a moment.'
