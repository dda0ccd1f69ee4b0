// Wires a community: the room its members live in, its channels and private conversations, who may do what, and how
// it moves. The parts decide; this file lends them to each other and is what a host holds (`types.ts`).
import {
  awayText,
  displayName,
  frameKinds,
  memberId,
  memberKey,
  movedRoom,
  normalizeName,
  publicKeyText,
  type RoomKeys,
  recoveryWords,
  verifyWords,
} from '@pychat/crypto'
import {
  type CharterPair,
  decodeHex,
  encodeNotice,
  errorTable,
  type MemberId,
  type RoomId,
} from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import { type Client, createClient } from '../client.ts'
import { createEmitter, type StopReason } from '../events.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import type { EndCode, User } from '../room-events.ts'
import { createActing, typedAs } from './acting.ts'
import { listChannel } from './acts.ts'
import type { Why } from './attendance.ts'
import { createChannels } from './channels.ts'
import { type Conversation, type ConversationPorts, createConversation } from './conversation.ts'
import { createDesk } from './desk.ts'
import { createFounding } from './founding.ts'
import { createHomeListening, refusedSentences } from './home-listening.ts'
import { createKnocking } from './knocking.ts'
import { createLaw } from './law.ts'
import { createMoving, type Moving, outsideSentence } from './moving.ts'
import { createPeople } from './people.ts'
import { createPrivateTalks } from './private.ts'
import { createRecords } from './record.ts'
import type { Saying } from './saying.ts'
import type {
  Community,
  CommunityEvents,
  CommunityMemory,
  CommunityOptions,
  InviteParts,
  Person,
  View,
} from './types.ts'
import { viewKey } from './view.ts'

/** Channels that ops' clients put on the list for one member. */
const listedPerMemberMax = 4
const listWithinMs = 3000

const beforeReady: ReadonlySet<keyof CommunityEvents> = new Set([
  'state',
  'pending',
  'failed',
  'warning',
  'announcement',
  'expelled',
  'stopped',
])

const roomView: View = { kind: 'room' }

export type CommunityPorts = ClientPorts & {
  memory: CommunityMemory
  /** In place of a client over `openSocket`: tests script its rooms. */
  client?: Client
}

/** @throws CryptoInputError when the username is no name or the away text too long */
export function createCommunity(options: CommunityOptions, ports: CommunityPorts): Community {
  const { now, setTimer, jitter, random } = ports
  const { door } = options
  const member = memberKey(options.entropy)
  const root: RoomId = 'root' in door ? door.root : door.keys.id
  const emitter = createEmitter<CommunityEvents>()
  const client = ports.client ?? createClient({ urls: options.urls, software: options.software }, ports)

  let username = displayName(options.username, 'username')
  let away = options.away == null ? null : awayText(options.away)
  let lastId = 0
  let ended = false
  const listed = new Map<MemberId, number>()

  /** The first `ready` comes before everything that is said of the room. */
  let held: (() => void)[] | null = []
  function emit<E extends keyof CommunityEvents>(event: E, value: CommunityEvents[E]) {
    if (ended) return
    if (held !== null && !beforeReady.has(event) && event !== 'ready') {
      held.push(() => emit(event, value))
      return
    }
    emitter.emit(event, value)
    if (event !== 'ready') return
    const late = held ?? []
    held = null
    for (const tell of late) tell()
  }
  const keyText = publicKeyText(member.publicKey)
  const self = () => ({ publicKey: keyText, id: member.id, name: username })
  const homeRoom = () => moving.home.room

  // Parts, in the order in which they need each other.

  const people = createPeople(root, ports.memory, now, (change) =>
    emit('keychange', { view: roomView, ...change }),
  )
  const records = createRecords(root, ports.memory, () => [root, moving.home.keys.id])
  const law = createLaw({
    now,
    emit,
    self: () => member.id,
    nameOf,
    changed(banned) {
      for (const id of banned) {
        for (const each of [conversation, ...channels.conversations()]) each.drop(id, 'banned')
        talks.drop(id, `${nameOf(id) ?? 'This person'} was banned.`)
      }
      channels.rulesChanged()
      if (law.current()?.rank === 'member') knocking.unwatch()
      else watchOld()
    },
    becameOwner: () => emit('owner', { founded: false, words: recoveryWords(options.entropy) }),
  })
  const founding = createFounding({
    setTimer,
    founds: options.founds ?? true,
    async found() {
      await moving.home.desk.found(username)
      emit('owner', { founded: true, words: recoveryWords(options.entropy) })
    },
  })
  const conversation = createConversation(roomView, conversationPorts(whyLeft))
  conversation.show()
  const talks = createPrivateTalks({
    ...{ now, setTimer, emit },
    parent: () => (ended ? null : homeRoom()),
    enter: (keys) => enter(keys, null, false),
    conversation: (view, why) =>
      createConversation(view, {
        ...conversationPorts((_id, left) => why(left)),
        mayShow: (origin) => !law.isHidden(origin.memberId),
        hindrance: () => null,
        isMoving: () => false,
      }),
    isHidden: law.isHidden,
  })
  const channels = createChannels({
    ...{ now, setTimer, jitter, emit },
    parent: () => moving.home.keys,
    enter(keys) {
      const room = enter(keys, records.charterOf(keys.id) ?? homeRoom().charter()?.pair ?? null)
      listening.lookAfter(room)
      return room
    },
    desk,
    conversation: (view) => createConversation(view, conversationPorts(whyLeft)),
    rules: law.current,
    expelled: (view, why) => emit('expelled', { view, why, ...listening.whyPutOut(member.id, why) }),
    warn: (view, why) =>
      emit('warning', { code: `charter-${why}`, sentence: `${viewKey(view)}: ${refusedSentences[why]}` }),
    changed: () => records.saveChannels(channels.names()),
    announce(name) {
      moving.home.saying.say(frameKinds.notice, encodeNotice({ t: 'channel', name })).catch(ignore)
      list(name, member.id)
    },
  })
  const knocking = createKnocking({
    ...{ now, setTimer, jitter, random, emit, self },
    home: () => moving.home,
    rankOf: law.rankOf,
    isHidden: law.isHidden,
    isKnown: people.isKnown,
  })
  const listening = createHomeListening(
    { law, records, founding, talks, channels, knocking, moving: () => moving },
    {
      ...{ now, setTimer, jitter, emit },
      self: () => member.id,
      entered() {
        // A program that comes and goes opens what it needs by itself.
        if (options.founds !== false) for (const name of records.channels()) channels.open(name).catch(ignore)
        watchOld()
      },
      outside: () => hold(outsideSentence),
      ended: homeEnded,
      offered: (handover, from) => acting.offered(handover, from),
      channelHeard: list,
    },
  )
  const first = firstHome()
  const moving: Moving = createMoving(first, {
    ...{ setTimer, random, emit, self, conversation, hold, desk },
    signer: member,
    enter: (keys, trusted) => enter(keys, trusted),
    bind: listening.bind,
    record: { secrets: records.secrets, moving: records.moving, save: records.saveMoves },
    isHidden: law.isHidden,
    nameOf: (publicKey) => nameOf(memberId(publicKey)) ?? 'An op',
    async prepare(to) {
      const charter = to.room.charter()
      const draft = to.desk.draft()
      if (charter !== null && draft !== null) await channels.prepare(to.keys, charter.pair.charter, draft)
    },
    arrived(before, carried) {
      const leaveChannels = channels.follow(moving.home.keys, carried)
      talks.look()
      const isAbove = () => (law.current()?.rank ?? 'member') !== 'member'
      if (isAbove()) knocking.watch(before.room, before.saying)
      return () => {
        leaveChannels()
        if (isAbove()) watch(before.room, before.saying)
        else void before.room.leave()
      }
    },
  })
  const acting = createActing({
    ...{ now, emit, root, member, self, people, founding },
    home: () => moving.home,
  })

  // What the parts are lent.

  function hold(sentence: string | null) {
    for (const each of [conversation, ...channels.conversations()]) each.wait(sentence)
  }
  /** Where this client begins: the newest room that it knows of. */
  function firstHome(): { keys: RoomKeys; secret: string | null; trusted: CharterPair | null } {
    if ('secret' in door && !records.secrets().includes(door.secret)) {
      records.saveMoves([...records.secrets(), door.secret], null)
    }
    const secret = records.secrets().at(-1) ?? null
    const keys = 'keys' in door && secret === null ? door.keys : movedRoom(decodeHex(secret ?? ''))
    return { keys, secret, trusted: records.charterOf(keys.id) ?? records.charterOf(root) }
  }
  /** @param trusted null also for rooms that nobody owns */
  function enter(keys: RoomKeys, trusted: CharterPair | null, provesKey = true): Room {
    const { framesPerSessionMax } = options
    const room = client.enter({
      ...{ room: keys, username, member, provesKey, away, root, trusted },
      ...(framesPerSessionMax === undefined ? {} : { framesPerSessionMax }),
    })
    // A new name or absence may have come while it was on its way.
    room.on('ready', () => {
      const self = room.users().find((user) => user.self)
      if (self !== undefined && self.name !== username) room.rename(username).catch(ignore)
      if (self !== undefined && self.away !== away) room.away(away).catch(ignore)
    })
    return room
  }
  function desk(room: Room) {
    return createDesk({ root, room: room.keys }, room, member, { now, setTimer, random })
  }
  function conversationPorts(why: ConversationPorts['whyLeft']): ConversationPorts {
    return {
      ...{ now, setTimer, emit, person },
      nextId() {
        lastId += 1
        return lastId
      },
      meet: people.meet,
      isHidden: law.isHidden,
      mayShow(origin, room) {
        const rules = room.charter()?.rules
        const id = origin.memberId
        return law.mayShow(origin, rules !== undefined && (rules.bans.has(id) || rules.muted.has(id)))
      },
      whyLeft: why,
      hindrance: () => (law.isMuted(member.id) ? errorTable.muted.sentence : null),
      isMoving: () => moving.underWay || homeRoom().charter()?.rules.moved === true,
    }
  }
  function whyLeft(id: MemberId, why: Why): { by?: string; reason?: string } {
    if (why !== 'kicked' && why !== 'banned') return {}
    const { by, reason } = listening.whyPutOut(id, why)
    return { ...(by === null ? {} : { by }), ...(reason === '' ? {} : { reason }) }
  }
  function person(user: User): Person {
    const { name, session, memberId: id, fingerprint, self: isSelf, away: text, since, publicKey } = user
    return {
      ...{ name, session, memberId: id, fingerprint, self: isSelf, away: text, since },
      rank: law.rankOf(publicKey),
      muted: law.isMuted(id),
      verified: !isSelf && people.isVerified(name, publicKey),
    }
  }
  function nameOf(id: MemberId): string | null {
    if (id === member.id) return username
    const here = homeRoom()
      .users()
      .find((user) => user.memberId === id)
    return here?.name ?? people.recall(id)?.name ?? null
  }
  function userCalled(name: string): User | null {
    const wanted = normalized(name)
    return (
      homeRoom()
        .users()
        .find((user) => normalizeName(user.name) === wanted) ?? null
    )
  }

  /** Rooms behind, where people who were away knock: owner and ops look after them. */
  function watchOld() {
    const { rank } = law.current() ?? { rank: 'member' }
    if (rank === 'member' || !homeRoom().inside) return
    const begun = 'keys' in door && records.secrets().length > 0 ? [door.keys] : []
    const behind = records.secrets().map((secret) => movedRoom(decodeHex(secret)))
    for (const keys of [...begun, ...behind]) {
      if (keys.id === moving.home.keys.id || knocking.isWatched(keys.id) || isEntered(keys.id)) continue
      try {
        const room = enter(keys, records.charterOf(keys.id))
        listening.lookAfter(room)
        watch(room)
      } catch (error) {
        ignore(error)
      }
    }
  }
  /** A room behind has to say that it is one, also when who moved it could not finish. */
  function watch(room: Room, saying?: Saying) {
    knocking.watch(room, saying)
    const say = () => {
      const current = law.current()
      if (current === null || current.rank === 'member' || room.charter()?.rules.moved) return
      const text = { motd: '', people: current.draft.text.people, channels: [] }
      const behind = { ...current.draft, moved: true, text }
      desk(room).adopt(current.charter.pair.charter, behind).catch(ignore)
    }
    room.on('ready', say)
    if (room.inside) say()
  }
  function isEntered(id: RoomId): boolean {
    return client.rooms().some((room) => room.keys.id === id)
  }

  /** Ops' clients put a channel that somebody opened on the list for newcomers, a few for each. */
  function list(name: string, by: MemberId) {
    const count = listed.get(by) ?? 0
    if ((law.current()?.rank ?? 'member') === 'member' || count >= listedPerMemberMax) return
    if (by !== member.id) listed.set(by, count + 1)
    setTimer(Math.floor(jitter() * listWithinMs), () => {
      if (homeRoom().inside) moving.home.desk.change((draft) => listChannel(draft, name)).catch(ignore)
    })
  }

  function homeEnded(code: EndCode, sentence: string) {
    if (code === 'left' || code === 'stopped') return
    stopped(code === 'name-taken' ? 'name-taken' : 'refused', sentence)
    void client.stop()
  }
  function stopped(reason: StopReason, sentence: string) {
    if (ended) return
    founding.cancel()
    emit('stopped', { reason, sentence })
    ended = true
  }

  // What a host holds.

  function conversationOf(view: View): Conversation | null {
    if (view.kind === 'room') return conversation
    const key = keyOf(view)
    if (key === null) return null
    return view.kind === 'channel' ? channels.find(key.slice(1)) : talks.find(key)
  }
  const all = () => [conversation, ...channels.conversations(), ...talks.conversations()]

  client.on('state', (event) => emit('state', event))
  client.on('announcement', ({ text }) => emit('announcement', { text }))
  client.on('unreadable', () => emit('unreadable', { view: roomView }))
  client.on('stopped', ({ reason, sentence }) => stopped(reason, sentence))
  conversation.attach(homeRoom())

  return {
    on: emitter.on,
    start: () => client.start(),
    stop: () => client.stop(),
    get state() {
      return client.state
    },
    send(view, text) {
      const key = keyOf(view)
      const id =
        view.kind === 'private' && key !== null ? talks.send(key, text) : conversationOf(view)?.send(text)
      if (id !== null && id !== undefined) return id
      lastId += 1
      emit('failed', { view, id: lastId, text, reason: closedSentence(view), retry: false })
      return lastId
    },
    retry(view, id) {
      conversationOf(view)?.retry(id)
      talks.look()
    },
    pending(view) {
      const of = view === undefined ? all() : [conversationOf(view)]
      return of.flatMap((each) => each?.pending() ?? []).sort((a, b) => a.id - b.id)
    },
    people: (view) => conversationOf(view)?.people() ?? [],
    async page(view, after) {
      const room = conversationOf(view)?.room
      if (!room) throw new ChatRefusal('no-channel', closedSentence(view))
      const page = await room.page(after)
      const shown = page.users.filter((user) => user.self || !law.isHidden(user.memberId))
      return { people: shown.map(person), count: page.count, next: page.next }
    },
    find(name) {
      const user = userCalled(name)
      return user === null ? null : person(user)
    },
    views: () => all().map(({ view }) => view),
    open: (view) =>
      typedAs(async () => {
        if (view.kind === 'room') return roomView
        if (view.kind === 'channel') return channels.open(view.name)
        const open = talks.reopen(viewKey(view))
        if (open !== null && userCalled(view.user) === null) return open
        return talks.open(await acting.lookUp(view.user))
      }),
    close: (view) =>
      typedAs(async () => {
        const isClosed =
          view.kind === 'channel'
            ? await channels.close(view.name)
            : view.kind === 'private' && talks.close(viewKey(view), '')
        if (!isClosed) throw new ChatRefusal('no-channel', closedSentence(view))
      }),
    channels: channels.known,
    charter: law.view,
    rename: (name) => typedAs(() => rename(name)),
    async away(text) {
      await homeRoom().away(text)
      away = text === null ? null : awayText(text)
      await Promise.all(others().map((room) => room.away(text).catch(ignore)))
    },
    ...acting,
    rekey: () => moving.rekey(),
    admit: (name) => typedAs(() => knocking.admit(name)),
    recoveryWords: () => recoveryWords(options.entropy),
    verifyWords(name) {
      const user = userCalled(name)
      return user === null || user.self ? null : verifyWords(member.publicKey, decodeHex(user.publicKey))
    },
    setVerified(name, verified) {
      const user = userCalled(name)
      if (user !== null && !user.self) people.setVerified(user, verified)
    },
    invite(): InviteParts {
      const { name } = options
      const { secret } = moving.home
      if (secret !== null) return { name, secret, root }
      return { name, pin: 'pin' in door ? door.pin : '' }
    },
  }

  function others(): Room[] {
    return client.rooms().filter((room) => room !== homeRoom())
  }
  async function rename(name: string): Promise<void> {
    await homeRoom().rename(name)
    username = displayName(name, 'username')
    const refused: string[] = []
    for (const room of others()) {
      await room.rename(name).catch((error: unknown) => {
        ignore(error)
        if ((error as ChatRefusal).code !== 'name-taken') return
        const view = all().find((each) => each.room === room)?.view
        if (view !== undefined) refused.push(viewKey(view))
      })
    }
    if (refused.length === 0) return
    throw new ChatRefusal(
      'name-taken',
      `You are ${username} now, but not in ${refused.join(', ')}: there the name is taken.`,
    )
  }
}

function normalized(name: string): string | null {
  try {
    return normalizeName(name)
  } catch {
    return null
  }
}

function keyOf(view: View): string | null {
  try {
    return viewKey(view)
  } catch {
    return null
  }
}

function closedSentence(view: View): string {
  if (view.kind === 'channel') return `You are not in #${view.name}; /join #${view.name} enters it.`
  if (view.kind === 'private')
    return `No conversation with ${view.user} is open; /msg ${view.user} begins one.`
  return 'The room itself cannot be closed; /quit leaves it.'
}

function ignore(error: unknown): void {
  if (!(error instanceof ChatRefusal)) throw error
}
