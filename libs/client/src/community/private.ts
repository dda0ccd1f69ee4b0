// Private conversations: a room of two, whose keys only these two sessions can derive. Whoever begins calls the other
// one in the room both are in; texts wait until the other one's client has come, since a room gives nothing to those
// who were not there. A conversation belongs to one key: who comes back under the name with another one is not taken
// for the same person (docs/protocol.md, section 17).
import { callBody, frameKinds, isCalled, normalizeName, pairRoom, type RoomKeys } from '@pychat/crypto'
import { decodeHex, type MemberId, type SessionId } from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import type { User } from '../room-events.ts'
import type { Why } from './attendance.ts'
import type { Conversation, Emit } from './conversation.ts'
import type { View } from './types.ts'
import { viewKey } from './view.ts'

/** With what a move needs, and channels, below the rooms that one connection may be in. */
const talksMax = 18
/** Of these, conversations that others began and said nothing in; the oldest makes room. */
const silentMax = 12
/** What was acknowledged so shortly before somebody left, or was lost, may not have reached them. */
const leftDoubtMs = 1000
const lostDoubtMs = 60_000
/** Shortest time between two calls for one conversation. */
const callAgainMs = 15_000
/** In a quiet room nobody tells that somebody has gone: a call without an answer for so long has failed. */
const answerWithinMs = 45_000

type Peer = Pick<User, 'name' | 'memberId' | 'publicKey' | 'session'>

type Talk = {
  peer: Peer
  /** Where the call goes. */
  parent: Room
  room: Room
  conversation: Conversation
  /** The host knows of it. */
  opened: boolean
  /** Last call that was not answered, and since when texts wait. */
  calledAt: number | null
  waitingSince: number | null
  cancelTimer: (() => void) | null
  /** The same name came back with another key: nothing goes out before the host opens it anew. */
  doubtful: boolean
  /** When own texts were acknowledged, since the other one was last heard. */
  unheard: number[]
  ended: boolean
}

export type PrivateTalks = {
  /** @throws ChatRefusal when that cannot be */
  open(user: User): View
  /** Turns to a conversation that there is. @returns null without one */
  reopen(key: string): View | null
  find(key: string): Conversation | null
  send(key: string, text: string): number | null
  close(key: string, reason: string): boolean
  /** Somebody called somebody in a room that this client is in. */
  called(room: Room, session: SessionId, body: Uint8Array): void
  /** Who is in the room has changed. */
  look(): void
  /** Ends conversations with somebody who was put out. */
  drop(id: MemberId, reason: string): void
  conversations(): Conversation[]
  rooms(): Room[]
}

export type PrivatePorts = Pick<ClientPorts, 'now' | 'setTimer'> & {
  emit: Emit
  /** The room where people are called; null when there is none now. */
  parent(): Room | null
  enter(keys: RoomKeys): Room
  conversation(view: View, whyLeft: (why: Why) => { reason?: string }): Conversation
  isHidden(id: MemberId): boolean
}

export function createPrivateTalks(ports: PrivatePorts): PrivateTalks {
  const talks = new Map<string, Talk>()

  const keyOf = (name: string) => viewKey({ kind: 'private', user: name })
  const isPeer = ({ peer }: Talk, user: User) => !user.self && user.publicKey === peer.publicKey
  const isInside = (talk: Talk) => talk.room.inside && talk.room.users().some((user) => isPeer(talk, user))
  /** The same person in the room where people are called, under the same name. */
  const inParent = (talk: Talk, parent: Room): User | undefined =>
    parent
      .users()
      .find((user) => isPeer(talk, user) && normalizeName(user.name) === normalizeName(talk.peer.name))

  function pairWith(parent: Room, user: User): RoomKeys | null {
    if (user.boxKey === null) return null
    const { session, boxKey } = user
    return pairRoom(parent.keys, parent.ownSession, { session, boxKey, publicKey: decodeHex(user.publicKey) })
  }

  function begin(parent: Room, user: User, keys: RoomKeys): Talk {
    const view: View = { kind: 'private', user: user.name }
    const room = ports.enter(keys)
    const talk: Talk = {
      peer: peerOf(user),
      parent,
      room,
      conversation: ports.conversation(view, (why) => leftReason(talk, why)),
      opened: false,
      calledAt: null,
      waitingSince: null,
      cancelTimer: null,
      doubtful: false,
      unheard: [],
      ended: false,
    }
    talk.conversation.wait(callingSentence(talk))
    talks.set(keyOf(user.name), talk)
    bind(talk)
    return talk
  }

  function bind(talk: Talk) {
    const { room } = talk
    const on: Room['on'] = (event, listener) =>
      room.on(event, (value) => {
        if (!talk.ended && talk.room === room) listener(value)
      })
    on('message', ({ own }) => {
      if (own) {
        const since = ports.now() - lostDoubtMs
        talk.unheard = [...talk.unheard.filter((at) => at >= since), ports.now()]
      } else {
        talk.unheard = []
        announce(talk)
      }
    })
    on('ready', () => check(talk))
    on('joined', () => check(talk))
    talk.conversation.attach(room)
    on('left', () => {
      // A call that nothing was said after.
      if (!talk.opened && !isInside(talk)) end(talk, '')
      else check(talk)
    })
    on('renamed', ({ to, self }) => {
      if (!self) rename(talk, to)
    })
    on('ended', ({ code, sentence }) => {
      if (code !== 'left' && code !== 'stopped') end(talk, sentence)
    })
  }

  /** Another session of the same person, after a restart of their client. */
  function rebind(talk: Talk, parent: Room, user: User, keys: RoomKeys) {
    const before = talk.room
    talk.room = ports.enter(keys)
    talk.peer = peerOf(user)
    talk.parent = parent
    talk.calledAt = null
    talk.unheard = []
    talk.conversation.wait(callingSentence(talk))
    bind(talk)
    void before.leave()
  }

  function announce(talk: Talk) {
    if (talk.opened) return
    talk.opened = true
    ports.emit('opened', { view: talk.conversation.view })
    talk.conversation.show()
  }

  /** Lets texts out when the other one is there, else calls, else says that nobody is. */
  function check(talk: Talk) {
    if (talk.ended) return
    if (isInside(talk)) {
      rest(talk)
      if (talk.opened) talk.conversation.show()
      talk.conversation.wait(talk.doubtful ? doubtSentence(talk) : null)
      return
    }
    talk.conversation.wait(talk.doubtful ? doubtSentence(talk) : callingSentence(talk))
    if (talk.doubtful || talk.conversation.pending().length === 0) rest(talk)
    else seek(talk)
  }

  /** Texts wait and the other one is not there. */
  function seek(talk: Talk) {
    talk.waitingSince ??= ports.now()
    talk.cancelTimer ??= ports.setTimer(callAgainMs, () => {
      talk.cancelTimer = null
      check(talk)
    })
    const waitedMs = ports.now() - talk.waitingSince
    const parent = ports.parent()
    if (parent === null || !parent.inside) return
    const found = inParent(talk, parent)
    const { name, session } = talk.peer
    if (found === undefined && !parent.quiet)
      fail(talk, `${name} is not here any more, so this was not sent.`)
    else if (found === undefined && waitedMs >= answerWithinMs) {
      fail(talk, `${name}'s client does not answer, so this was not sent.`)
    } else if (found !== undefined && found.session !== session) {
      // After a move the same client has another session there, and comes back here by itself if it is alive.
      if (talk.parent !== parent && waitedMs < callAgainMs) return
      const keys = pairWith(parent, found)
      if (keys !== null) tryTo(() => rebind(talk, parent, found, keys))
    } else if (talk.parent === parent && talk.room.inside) call(talk)
  }
  function call(talk: Talk) {
    if (talk.calledAt !== null && ports.now() - talk.calledAt < callAgainMs) return
    talk.calledAt = ports.now()
    const { parent, room, peer } = talk
    const body = callBody(parent.keys, room.keys, parent.ownSession.id, peer.session)
    parent.sendBody(frameKinds.call, body)
  }
  function rest(talk: Talk) {
    talk.cancelTimer?.()
    talk.cancelTimer = null
    talk.calledAt = null
    talk.waitingSince = null
  }
  function fail(talk: Talk, reason: string) {
    rest(talk)
    talk.conversation.failWaiting(reason)
  }

  function rename(talk: Talk, name: string) {
    const [before, after] = [keyOf(talk.peer.name), keyOf(name)]
    const other = talks.get(after)
    if (other !== undefined && other !== talk) end(other, `${name} is somebody else now.`)
    talks.delete(before)
    talks.set(after, talk)
    talk.peer = { ...talk.peer, name }
    talk.conversation.rename({ kind: 'private', user: name })
  }

  function end(talk: Talk, reason: string) {
    if (talk.ended) return
    rest(talk)
    talk.conversation.end(reason === '' ? 'This conversation was closed.' : reason)
    talk.ended = true
    for (const [key, each] of talks) if (each === talk) talks.delete(key)
    if (talk.opened) ports.emit('closed', { view: talk.conversation.view, reason })
    void talk.room.leave()
  }

  function leftReason(talk: Talk, why: Why): { reason?: string } {
    const since = ports.now() - (why === 'left' ? leftDoubtMs : lostDoubtMs)
    const count = talk.unheard.filter((at) => at >= since).length + talk.conversation.handed()
    talk.unheard = []
    if (count === 0) return {}
    const which = count === 1 ? 'The last message' : `The last ${count} messages`
    return { reason: `${which} may not have reached ${talk.peer.name}.` }
  }

  function answer(parent: Room, user: User, keys: RoomKeys) {
    const known = talks.get(keyOf(user.name))
    if (known?.room.keys.id === keys.id) return check(known)
    tryTo(() => {
      if (known === undefined) {
        if (makeRoom()) begin(parent, user, keys)
        return
      }
      if (known.peer.publicKey !== user.publicKey) {
        // Somebody else under the name: shown with a warning, and not written to by mistake.
        known.conversation.failWaiting(doubtSentence(known))
        known.doubtful = known.opened
      }
      rebind(known, parent, user, keys)
    })
  }
  /** In too many rooms, or just leaving this one: there will be another call. */
  function tryTo(enter: () => void) {
    try {
      enter()
    } catch (error) {
      if (!(error instanceof ChatRefusal)) throw error
    }
  }

  /** @returns whether there is a place for one more */
  function makeRoom(): boolean {
    const all = [...talks.values()]
    const silent = all.filter(({ opened }) => !opened)
    const idle = all.filter(
      (talk) => talk.opened && !isInside(talk) && talk.conversation.pending().length === 0,
    )
    const [oldest] = silent.length >= silentMax || talks.size >= talksMax ? [...silent, ...idle] : []
    if (oldest !== undefined)
      end(oldest, oldest.opened ? 'Closed to make room for another conversation.' : '')
    return talks.size < talksMax
  }

  return {
    open(user) {
      if (user.self) throw new ChatRefusal('nobody', 'You cannot write to yourself.')
      const key = keyOf(user.name)
      const known = talks.get(key)
      if (known !== undefined && known.peer.publicKey !== user.publicKey) {
        end(known, `${user.name} is somebody else now, with another key.`)
      } else if (known !== undefined) {
        known.doubtful = false
        announceQuietly(known)
        return known.conversation.view
      }
      const parent = ports.parent()
      if (parent === null)
        throw new ChatRefusal('offline', 'You are not in the room now; try again in a moment.')
      const keys = pairWith(parent, user)
      if (keys === null) {
        throw new ChatRefusal(
          'nobody',
          `${user.name}'s client cannot take private messages; it has to be updated.`,
        )
      }
      if (!makeRoom()) {
        throw new ChatRefusal(
          'full',
          `You are in ${talksMax} private conversations; close one with /part first.`,
        )
      }
      const talk = begin(parent, user, keys)
      announceQuietly(talk)
      return talk.conversation.view
    },
    reopen(key) {
      const talk = talks.get(key)
      if (talk === undefined || talk.doubtful) return null
      announceQuietly(talk)
      return talk.conversation.view
    },
    find: (key) => {
      const talk = talks.get(key)
      return talk?.opened ? talk.conversation : null
    },
    send(key, text) {
      const talk = talks.get(key)
      if (!talk?.opened) return null
      const id = talk.conversation.send(text)
      if (talk.doubtful) talk.conversation.failWaiting(doubtSentence(talk))
      else check(talk)
      return id
    },
    close(key, reason) {
      const talk = talks.get(key)
      if (talk === undefined) return false
      end(talk, reason)
      return true
    },
    called(parent, session, body) {
      const user = parent.find(session)
      if (user === null || user.self || ports.isHidden(user.memberId)) return
      const keys = pairWith(parent, user)
      if (keys === null || !isCalled(parent.keys, keys, session, parent.ownSession.id, body)) return
      answer(parent, user, keys)
    },
    look() {
      for (const talk of [...talks.values()]) check(talk)
    },
    drop(id, reason) {
      for (const talk of [...talks.values()]) if (talk.peer.memberId === id) end(talk, reason)
    },
    conversations: () => [...talks.values()].filter(({ opened }) => opened).map((talk) => talk.conversation),
    rooms: () => [...talks.values()].map(({ room }) => room),
  }

  /** The host turns to it: it is open from now on, and shown once the other one is there. */
  function announceQuietly(talk: Talk) {
    if (!talk.opened) {
      talk.opened = true
      ports.emit('opened', { view: talk.conversation.view })
    }
    check(talk)
  }
}

function peerOf({ name, memberId, publicKey, session }: User): Peer {
  return { name, memberId, publicKey, session }
}

function callingSentence({ peer }: Pick<Talk, 'peer'>): string {
  return `${peer.name}'s client is being called.`
}

function doubtSentence({ peer }: Talk): string {
  return `${peer.name} is here with another key than before: compare with /verify, then open the conversation again with /msg.`
}
