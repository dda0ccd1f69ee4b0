// Wires one room: its session, who is in it, what comes and what goes out, and the order of joining, renewing and
// leaving. It decides what a control message means for this room; the connection is the client's, and lent.
import {
  createOpener,
  createSession,
  fingerprint,
  frameKinds,
  joinKey,
  publicKeyText,
  type Session,
} from '@pychat/crypto'
import {
  type CharterPair,
  errorTable,
  isAdmitted,
  isMuted,
  limits,
  type MemberId,
  type RelayControl,
  type RelayControlOf,
  type SessionId,
} from '@pychat/protocol'
import { createAnswers } from './answers.ts'
import { ChatRefusal } from './chat-refusal.ts'
import { createEmitter } from './events.ts'
import { createInbox } from './inbox.ts'
import { createJoining } from './joining.ts'
import { createLeaving } from './leaving.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import { createOwnProfile } from './own-profile.ts'
import type { ClientPorts } from './ports.ts'
import type { Place } from './position.ts'
import { createPresence } from './presence.ts'
import { createRequests } from './requests.ts'
import type { Room, RoomOptions } from './room.ts'
import type { RoomDrive, RoomLink } from './room-drive.ts'
import type { CharterAtRelay, EndCode, Origin, RoomEvents, User } from './room-events.ts'
import { createRoster, userOf } from './roster.ts'
import { createSending, textOf } from './sending.ts'
import { createShowing } from './showing.ts'
import { createTrust } from './trust.ts'

const leaveTimeoutMs = 1000
const renewTimeoutMs = 5000

/** @throws CryptoInputError when the username is no name or the away text too long */
export function createRoom(options: RoomOptions, link: RoomLink, ports: ClientPorts): RoomDrive {
  const { now, setTimer, jitter } = ports
  const keys = options.room
  const emitter = createEmitter<RoomEvents>()

  let session = createSession(ports.random, options.member)
  let outbox = newOutbox(session)
  /** Ids of this and own earlier sessions: the relay may still speak of these. */
  const ownSessions = new Set<SessionId>([session.id])

  let inRoom = false
  /** In the room on this connection, and everybody in it known. */
  let settled = false
  let everReady = false
  let ended = false
  let since = 0
  let charterAtRelay: CharterAtRelay = 'none'
  /** Leaving for good. */
  let goodbye: Promise<void> | null = null

  let mutedBefore: ReadonlySet<MemberId> = new Set()
  const own = createOwnProfile(keys, { name: options.username, away: options.away ?? null })
  const requests = createRequests({
    now,
    setTimer,
    jitter,
    nextRequest: link.nextRequest,
    send: link.send,
  })
  const showing = createShowing(keys, own, requests, {
    session: () => session,
    hindrance: notInRoom,
    shown(before, { name, away }) {
      const who = { session: session.id, memberId: session.memberId, self: true }
      if (name !== before.name) emit('renamed', { from: before.name, to: name, ...who })
      if (away !== before.away) emit('away', { user: name, away, ...who })
    },
  })
  const trust = createTrust(
    { room: keys.id, root: options.root, trusted: options.trusted },
    {
      charter(event) {
        // Who is muted loses what was on its way, and goes on behind it.
        const { muted } = event.charter.rules
        roster.noteGap(new Set([...mutedBefore, ...muted]))
        mutedBefore = muted
        emit('charter', event)
      },
      refused: (event) => emit('charter-refused', event),
    },
    now,
  )
  mutedBefore = trust.charter()?.rules.muted ?? mutedBefore
  const joining = createJoining({
    setTimer,
    jitter,
    nextRequest: link.nextRequest,
    queue: link.queueJoin,
    done: link.joinDone,
    send: sendJoin,
    late: () => link.restart('The relay did not answer in time.'),
  })
  const leaving = createLeaving({
    setTimer,
    send() {
      const id = link.nextRequest()
      link.send({ t: 'leave', id, room: keys.id })
      return id
    },
  })
  const roster = createRoster(keys, (id) => ownSessions.has(id), ports.createOpener ?? createOpener, {
    joined: (event) => emit('joined', event),
    left: (event) => emit('left', event),
    renamed: (event) => emit('renamed', event),
    away: (event) => emit('away', event),
    keychange: (event) => emit('keychange', event),
    unreadable: () => emit('unreadable', {}),
  })
  const presence = createPresence(keys.id, roster, requests, {
    setTimer,
    askPage: (after) => request({ t: 'members', after }),
    isSelf: (id) => ownSessions.has(id),
    ready,
    count: (event) => emit('count', event),
    late: () => link.restart('The relay did not send the list of users in time.'),
  })
  const inbox = createInbox(
    keys.id,
    roster,
    {
      said,
      gap: (event) => emit('gap', event),
      rewound: (event) => emit('rewound', event),
      brokeOff: () => outbox.probe(),
      fork: (event) => emit('fork', event),
      unreadable: (event) => emit('unreadable', event),
      isOwn: (id) => ownSessions.has(id),
      own(owner, counter, { frame, epoch, seq, at }) {
        if (owner === session.id) answers.returned(counter, frame, { epoch, seq, at })
      },
      askLog: ({ epoch, seq }) => request({ t: 'log', epoch, seq }),
      askMember: (id) => request({ t: 'member', session: id }),
      notMember: rejoin,
      broken: (detail) => link.restart(detail),
    },
    ports,
  )
  const sending = createSending({
    outbox: () => outbox,
    now,
    hindrance,
    failed: (event) => emit('failed', event),
  })

  const answers = createAnswers(() => outbox, sending, {
    ackReplicas: () => link.ackReplicas,
    self,
    said,
    forged: () => emit('unreadable', { from: own.shown.name }),
    unrepaired: (count) => emit('unrepaired', { count }),
    notMember: rejoin,
    settled: renewIfUsedUp,
    restart: (detail) => link.restart(detail),
    end,
  })

  function newOutbox(owner: Session): Outbox {
    return createOutbox(
      keys,
      owner,
      {
        transmit: (frame) => link.sendFrame(frame),
        view: () => inbox.position.view(),
        skip: () => link.restart('Connecting anew, to go on after messages that the relay did not take.'),
        unanswered() {
          // While something else is missing, answers may wait behind it, and that has its own time limit.
          if (!inbox.catchingUp && !presence.loading) link.restart(unansweredSentence)
        },
        now,
        setTimer,
      },
      options.framesPerSessionMax ?? limits.framesPerSessionMax,
    )
  }
  function emit<E extends keyof RoomEvents>(event: E, value: RoomEvents[E]) {
    if (!ended) emitter.emit(event, value)
  }
  function request(
    message: { t: 'members'; after: string } | { t: 'member'; session: SessionId } | ({ t: 'log' } & Place),
  ): number {
    const id = link.nextRequest()
    link.send({ ...message, id, room: keys.id })
    return id
  }

  function wantJoin() {
    if (ended || goodbye) return
    inRoom = false
    settled = false
    presence.cancel()
    outbox.suspend()
    inbox.hold()
    joining.want()
  }
  /** Asks for the room again on this connection, once: many frames may have been refused. */
  function rejoin() {
    if (!joining.underWay) wantJoin()
  }
  function sendJoin(id: number) {
    const after = inbox.hold()
    const counter = outbox.joinCounter()
    link.send({
      t: 'join',
      id,
      room: keys.id,
      session: session.id,
      secret: session.secret,
      ...showing.forJoin(session),
      ...(counter > 0 ? { counter } : {}),
      ...(options.provesKey === false ? {} : { key: joinKey(keys.id, session) }),
      ...(after === null ? {} : { after }),
    })
  }

  function receive(message: RelayControl) {
    if (requests.answered(message)) return
    switch (message.t) {
      case 'joined':
        return joined(message)
      case 'members':
        return presence.page(message)
      case 'log':
      case 'member':
        return inbox.answer(message)
      case 'left':
        if (leaving.isAnswer(message.id)) leaving.answered()
        return
      case 'arrived':
        return presence.arrived(message.member)
      case 'departed':
        return presence.departed(message)
      case 'expelled':
        // What the relay's operator does is nobody's act in the room.
        if (message.why === 'kicked' || message.why === 'banned') emit('expelled', { why: message.why })
        return end(message.why, expelledSentences[message.why])
    }
    if (inRoom) receiveInside(message)
  }
  function receiveInside(message: RelayControl) {
    switch (message.t) {
      case 'count':
        return presence.counted(message)
      case 'charter':
        trust.hear({ charter: message.charter, rules: message.rules }, false)
        return
      case 'ack':
        if (message.session === session.id) acknowledgeLater(message.counter, message.seq)
        return
      case 'nack':
        if (message.session === session.id) answers.nack(message)
        return
      case 'reset':
        inbox.restartAt({ epoch: message.epoch, seq: message.seq }, message.was)
        outbox.probe()
        return
      case 'position':
        return inbox.mark({ epoch: message.epoch, seq: message.seq })
    }
  }

  function joined(message: RelayControlOf<'joined'>) {
    if (!joining.isAnswer(message.id)) return
    joining.answered()
    if (!outbox.rejoined(message.counter)) {
      link.restart('The relay does not go on where this client can.')
      return
    }
    inRoom = true
    since = message.members.find((member) => member.session === session.id)?.since ?? now()
    trust.entered()
    charterAtRelay = message.charter ? trust.hear(message.charter, true) : 'none'
    inbox.enter({ epoch: message.epoch, seq: message.seq }, message.id, getsHistory())
    acknowledgeLater(message.counter, 0)
    presence.joined(message)
  }
  function getsHistory(): boolean {
    const rules = trust.charter()?.rules
    return rules !== undefined && (rules.history || isAdmitted(rules, session.memberId))
  }

  function ready() {
    settled = true
    link.settled()
    const first = !everReady
    everReady = true
    const everyone = users()
    const { count, quiet } = presence
    emit('ready', {
      room: keys.shortId,
      user: own.shown.name,
      users: everyone,
      count,
      quiet,
      alone: !quiet && everyone.length === 1,
      first,
      charter: charterAtRelay,
    })
    if (!settled) return
    showing.entered()
    if (!link.degraded) outbox.resume()
    renewIfUsedUp()
    inbox.release()
  }

  /** Leaves as who we were and joins as somebody new. Only when nothing waits: a frame is never sealed twice. */
  function renewIfUsedUp() {
    if (!outbox.usedUp || !settled || leaving.underWay) return
    inRoom = false
    settled = false
    outbox.suspend()
    leaving.ask(renewTimeoutMs, (answered) => {
      if (!answered) {
        link.restart('The relay did not answer in time.')
        return
      }
      session = createSession(ports.random, options.member)
      ownSessions.add(session.id)
      outbox = newOutbox(session)
      wantJoin()
    })
  }
  async function leaveAndEnd(): Promise<void> {
    if (link.open && !leaving.underWay && (inRoom || joining.asked)) {
      await new Promise<void>((resolve) => leaving.ask(leaveTimeoutMs, () => resolve(), resolve))
    }
    end('left', 'You left the room.')
  }

  function refused(message: RelayControlOf<'refused'>): boolean {
    if (message.id === undefined) return false
    const { retry, sentence } = errorTable[message.code]
    if (leaving.isAnswer(message.id)) leaving.answered()
    else if (presence.refused(message)) link.restart(sentence)
    else if (joining.isAnswer(message.id)) {
      joining.answered()
      if (message.code === 'already-joined') link.restart(sentence)
      else if (retry === 'never') end(message.code, sentence)
      else {
        link.waits(sentence)
        joining.later(message)
      }
    } else return inbox.refused(message) || requests.refused(message)
    return true
  }

  function hindrance() {
    if (ended) return { sentence: endedSentence, retry: false }
    const rules = trust.charter()?.rules
    if (rules && isMuted(rules, session.memberId)) return { sentence: errorTable.muted.sentence, retry: true }
    return null
  }

  /** The relay's word for all frames up to this counter; their deliveries, and so their places, may come before. */
  function acknowledgeLater(counter: number, seq: number) {
    inbox.afterwards(() => answers.acknowledge(counter, seq))
  }
  function said(origin: Origin, kind: number, body: Uint8Array) {
    if (origin.live && !origin.own) presence.spoke(origin.session)
    if (kind === frameKinds.text) emit('message', { ...origin, text: textOf({ kind, body }) })
    else emit('body', { ...origin, kind, body })
  }

  function self(): User {
    const { id, publicKey, memberId, boxPublicKey: boxKey } = session
    const { name, away } = own.shown
    const key = { fingerprint: fingerprint(publicKey), publicKey: publicKeyText(publicKey), memberId, boxKey }
    return { name, ...key, self: true, session: id, away, since }
  }
  function users(): User[] {
    return presence.users(self())
  }

  function notInRoom(): ChatRefusal | null {
    if (ended) return new ChatRefusal('stopped', endedSentence)
    if (inRoom) return null
    return new ChatRefusal('offline', 'Not connected to the room right now; try again when you are.')
  }
  async function inside(): Promise<void> {
    const refusal = notInRoom()
    if (refusal) throw refusal
  }
  async function publish(pair: CharterPair): Promise<void> {
    await inside()
    const verdict = trust.judge(pair)
    const code =
      verdict === 'old'
        ? 'charter-old'
        : verdict === 'foreign' || verdict === 'invalid'
          ? 'charter-invalid'
          : null
    if (code) throw new ChatRefusal(code, errorTable[code].sentence)
    const { charter, rules } = pair
    await requests.ask('charter', { room: keys.id, charter, rules }, (refusal) => {
      // A newer one may have been told to everybody before this answer came.
      if (refusal === null) trust.hear(pair, false)
    })
  }

  function lost() {
    inRoom = false
    settled = false
    joining.cancel()
    leaving.lost()
    presence.cancel()
    inbox.reset()
    outbox.suspend()
    requests.cancel(
      new ChatRefusal('offline', 'The connection was lost before the relay answered; try again.'),
    )
  }
  function end(code: EndCode, sentence: string) {
    if (ended) return
    lost()
    if (code !== 'left') sending.failed(outbox.pending(), sentence, false)
    ended = true
    link.ended()
    emitter.emit('ended', { code, sentence })
  }

  const room: Room = {
    on: emitter.on,
    keys,
    get session() {
      return session.id
    },
    get ownSession() {
      return session
    },
    get inside() {
      return settled
    },
    get ended() {
      return ended
    },
    send: sending.text,
    sendBody: sending.body,
    retry: sending.retry,
    withdraw: () => (ended ? [] : outbox.withdraw(frameKinds.text).map(({ id }) => id)),
    pending: () => (ended ? [] : sending.pending()),
    users,
    find(id) {
      const entry = roster.find(id)
      return id === session.id ? self() : entry ? userOf(entry) : null
    },
    get count() {
      return presence.count
    },
    get quiet() {
      return presence.quiet
    },
    async page(after) {
      await inside()
      return presence.ask(after, self())
    },
    position: () => inbox.position.place(),
    rename: (name) => showing.change({ name }),
    away: (away) => showing.change({ away }),
    charter: trust.charter,
    publish,
    async kick(target) {
      await inside()
      await requests.ask('kick', { room: keys.id, session: target })
    },
    leave() {
      goodbye ??= leaveAndEnd()
      return goodbye
    },
  }
  return {
    room,
    welcomed: wantJoin,
    join: joining.ask,
    receive,
    refused,
    binary: inbox.receive,
    relayState(state) {
      if (!settled) return
      if (state === 'degraded') outbox.suspend()
      else outbox.resume()
    },
    lost,
    end,
  }
}

const unansweredSentence = 'The relay left messages without an answer; reconnecting.'
const endedSentence = 'This room has ended here; enter it again first.'
const expelledSentences = {
  kicked: 'You were put out of the room; you may come back.',
  banned: 'You were put out of the room and banned from it.',
  removed: 'Whoever runs this relay put you out of this room; you may come back.',
  'room-banned': errorTable['room-banned'].sentence,
  'key-banned': errorTable['key-banned'].sentence,
} as const
