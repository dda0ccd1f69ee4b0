// Channels: rooms whose keys come from the parent room's and a name. Who may be there is what the parent's rules say:
// clients of owner and ops sign the same for each channel they are in, so that its relay keeps to it too; everybody's
// client keeps to the parent's rules in any case.
import { CryptoInputError, channelName, channelRoom, type RoomKeys } from '@pychat/crypto'
import type { Charter, Rank, Signed } from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import { isRefusal, type Origin } from '../room-events.ts'
import type { Conversation, Emit } from './conversation.ts'
import type { Desk } from './desk.ts'
import { type Draft, withoutEndedBans } from './draft.ts'
import { inside } from './saying.ts'
import type { View } from './types.ts'

/** Open at once, so that a move finds place for twice as many on one connection. */
const openMax = 20
/** Names that others have made up and this client remembers. */
const knownMax = 256
/** So often in a minute at most, lest two ops whose clocks differ take turns for ever. */
const carriesPerMinute = 6
/** When an op's client signs a channel's rules: the owner's first, so that the others have nothing left to do. */
const ownerCarriesMs = { from: 100, spread: 400 }
/** Channels whose rules are there before a move. */
const preparedMax = 32
const opCarriesMs = { from: 1000, spread: 2000 }

type Channel = {
  name: string
  room: Room
  desk: Desk
  conversation: Conversation
  opened: boolean
  ended: boolean
  cancelCarry: (() => void) | null
  carriedAt: number[]
}

export type Channels = {
  /** Safe to repeat. @throws rejects with ChatRefusal */
  open(name: string): Promise<View>
  /** @returns false when it is not open */
  close(name: string): Promise<boolean>
  find(name: string): Conversation | null
  /** Names that are known, in order. */
  known(): string[]
  /** A channel that somebody speaks of. @returns whether it is new */
  heard(name: string): boolean
  /** The parent's rules are others now. */
  rulesChanged(): void
  /**
   * The parent has moved: every channel follows. @param carried who may still be heard in the rooms before
   * @returns leaves those
   */
  follow(parent: RoomKeys, carried: (room: Room, origin: Origin) => boolean): () => void
  /** Puts the rules of channels below a room that the parent will move to in force there, before anybody comes. */
  prepare(parent: RoomKeys, charter: Signed, rules: Draft): Promise<void>
  /** Open ones, by name. */
  names(): string[]
  conversations(): Conversation[]
}

export type ChannelPorts = Pick<ClientPorts, 'now' | 'setTimer' | 'jitter'> & {
  emit: Emit
  parent(): RoomKeys
  enter(keys: RoomKeys): Room
  desk(room: Room): Desk
  conversation(view: View): Conversation
  /** What is in force in the parent; null without a charter. */
  rules(): { charter: Charter; draft: Draft; rank: Rank } | null
  /** The relay put this person out of a channel's room. */
  expelled(view: View, why: 'kicked' | 'banned'): void
  /** The relay shows rules of a channel that nobody with the right to it has signed. */
  warn(view: View, why: 'foreign' | 'invalid'): void
  /** Which channels are open has changed. */
  changed(): void
  /** Opened by this person, and unknown before. */
  announce(name: string): void
}

export function createChannels(ports: ChannelPorts): Channels {
  const open = new Map<string, Channel>()
  const known = new Set<string>()
  const opening = new Map<string, Promise<View>>()

  function hear(name: string): boolean {
    if (known.has(name) || known.size >= knownMax) return false
    known.add(name)
    ports.emit('channel', { name })
    return true
  }

  async function start(name: string): Promise<View> {
    if (open.size >= openMax) {
      throw new ChatRefusal('full', `You are in ${openMax} channels; leave one with /part first.`)
    }
    const view: View = { kind: 'channel', name }
    const room = ports.enter(channelRoom(ports.parent(), name))
    const conversation = ports.conversation(view)
    const channel: Channel = {
      name,
      room,
      desk: ports.desk(room),
      conversation,
      opened: false,
      ended: false,
      cancelCarry: null,
      carriedAt: [],
    }
    open.set(name, channel)
    return new Promise((resolve, reject) => {
      bind(channel, room, {
        ready() {
          if (channel.opened) return
          channel.opened = true
          ports.emit('opened', { view })
          conversation.show()
          if (hear(name)) ports.announce(name)
          ports.changed()
          resolve(view)
        },
        ended: (code, sentence) => reject(new ChatRefusal(code, sentence)),
      })
      conversation.attach(room)
    })
  }

  /** @param first what the opening waits for */
  function bind(
    channel: Channel,
    room: Room,
    first: { ready(): void; ended(code: ChatRefusal['code'], sentence: string): void } | null,
  ) {
    const isHere = () => !channel.ended && channel.room === room
    room.on('ready', () => {
      if (!isHere()) return
      first?.ready()
      carryLater(channel)
    })
    room.on('charter', () => {
      if (isHere()) carryLater(channel)
    })
    room.on('charter-refused', ({ why }) => {
      // Older than the parent's is what it is until an op has been there.
      if (isHere() && why !== 'old') ports.warn(channel.conversation.view, why)
    })
    room.on('expelled', ({ why }) => {
      if (isHere()) ports.expelled(channel.conversation.view, why)
    })
    room.on('ended', ({ code, sentence }) => {
      if (!isHere()) return
      first?.ended(isRefusal(code) ? code : 'stopped', sentence)
      // The whole client goes: the next start comes back to this channel.
      if (code === 'left' || code === 'stopped') drop(channel, sentence)
      else end(channel, sentence)
    })
  }

  function drop(channel: Channel, reason: string) {
    channel.ended = true
    channel.cancelCarry?.()
    channel.conversation.end(reason === '' ? 'You left this channel.' : reason)
    open.delete(channel.name)
  }
  function end(channel: Channel, reason: string) {
    if (channel.ended) return
    drop(channel, reason)
    if (!channel.opened) return
    ports.emit('closed', { view: channel.conversation.view, reason })
    ports.changed()
  }

  function entered(channel: Channel, parent: RoomKeys): Room | null {
    try {
      return ports.enter(channelRoom(parent, channel.name))
    } catch (error) {
      if (!(error instanceof ChatRefusal)) throw error
      end(channel, error.message)
      return null
    }
  }

  function carryLater(channel: Channel) {
    const rank = ports.rules()?.rank ?? 'member'
    if (rank === 'member' || !channel.room.inside || channel.cancelCarry !== null) return
    const { from, spread } = rank === 'owner' ? ownerCarriesMs : opCarriesMs
    channel.cancelCarry = ports.setTimer(from + Math.floor(ports.jitter() * spread), () => {
      channel.cancelCarry = null
      const rules = ports.rules()
      if (rules === null || rules.rank === 'member' || channel.ended || !channel.room.inside) return
      // Whoever was faster has put the same into force; what fails now is done again at the next change.
      channel.carriedAt = channel.carriedAt.filter((at) => at > ports.now() - 60_000)
      if (channel.carriedAt.length >= carriesPerMinute) {
        carryLater(channel)
        return
      }
      channel.carriedAt.push(ports.now())
      const draft = withoutEndedBans(inChannel(rules.draft), ports.now())
      channel.desk.adopt(rules.charter.pair.charter, draft).catch(ignoreRefusal)
    })
  }

  return {
    async open(typed) {
      const name = nameOf(typed)
      const channel = open.get(name)
      if (channel?.opened) return channel.conversation.view
      const under = opening.get(name)
      if (under !== undefined) return under
      const opened = start(name).finally(() => opening.delete(name))
      opening.set(name, opened)
      return opened
    },
    async close(typed) {
      const channel = open.get(nameOf(typed))
      if (channel === undefined) return false
      const { room } = channel
      end(channel, '')
      await room.leave()
      return true
    },
    find: (name) => {
      const channel = open.get(name)
      return channel?.opened ? channel.conversation : null
    },
    known: () => [...known].sort(),
    heard: hear,
    rulesChanged() {
      for (const name of ports.rules()?.draft.text.channels ?? []) hear(name)
      for (const channel of open.values()) carryLater(channel)
    },
    follow(parent, carried) {
      const before: { channel: Channel; room: Room }[] = []
      for (const channel of [...open.values()]) {
        const { room } = channel
        const next = entered(channel, parent)
        if (next === null) continue
        before.push({ channel, room })
        channel.conversation.expect(next)
        let arrived = false
        next.on('ready', () => {
          if (arrived || channel.ended) return
          arrived = true
          channel.room = next
          channel.desk = ports.desk(next)
          channel.conversation.move(next, (origin) => carried(room, origin))
          carryLater(channel)
        })
        next.on('ended', ({ sentence }) => {
          if (!arrived) end(channel, sentence)
        })
        bind(channel, next, null)
      }
      return () => {
        for (const { channel, room } of before) {
          channel.conversation.forget(room)
          void room.leave()
        }
      }
    },
    async prepare(parent, charter, rules) {
      for (const name of [...known].slice(0, preparedMax)) {
        try {
          const room = ports.enter(channelRoom(parent, name))
          await inside(room)
          await ports.desk(room).adopt(charter, inChannel(rules))
          await room.leave()
        } catch (error) {
          // Its first op signs them, as in any channel.
          ignoreRefusal(error)
        }
      }
    },
    names: () => [...open.values()].filter(({ opened }) => opened).map(({ name }) => name),
    conversations: () =>
      [...open.values()].filter(({ opened }) => opened).map(({ conversation }) => conversation),
  }
}

/** What the parent's rules say for a channel of it. */
export function inChannel(parent: Draft): Draft {
  return { ...parent, moved: false, text: { motd: '', people: parent.text.people, channels: [] } }
}

/** @throws ChatRefusal bad-input */
function nameOf(typed: string): string {
  try {
    return channelName(typed)
  } catch (error) {
    if (error instanceof CryptoInputError) throw new ChatRefusal('bad-input', error.message)
    throw error
  }
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ChatRefusal)) throw error
}
