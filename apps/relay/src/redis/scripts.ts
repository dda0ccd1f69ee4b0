// Typed callers of lua/*.lua: the one place that knows the order of their arguments and the shape of their answers.
// Scripts of a room go straight to the primary that holds it, with that server's replication id: see room_epoch.lua.
// Most of them share a call with what else is asked in a loop turn; how that is gathered is for turn-calls.ts.
// A script's text is sent once per connection and its digest afterwards (EVALSHA, again EVAL upon NOSCRIPT): by ioredis,
// and for messages by publish-call.ts.
import { readFileSync } from 'node:fs'
import {
  type Epoch,
  encodeHex,
  limits,
  type Member,
  type MemberId,
  type NameTag,
  type NodeId,
  type RoomId,
  type SessionId,
  writeDeliveryHeader,
} from '@pychat/protocol'
import type { Redis } from 'ioredis'
import type { Admission, StoredCharter } from '../rooms/charter.ts'
import {
  type JoinRequest,
  joinPageBytesMax,
  joinPageFramesMax,
  type LogLimits,
  type LogPage,
  type Position,
  type PublishResult,
  type QuietBounds,
  quietBoundsDefault,
  StoreError,
  youngLogMs,
} from '../rooms/rooms.ts'
import { type BansKeys, type RoomKeys, slotOf } from './keys.ts'
import type { Owner } from './owner.ts'
import { createPublishCall, type Publish } from './publish-call.ts'
import type { StoreServer } from './server.ts'
import { createTurnCalls, type StorePorts } from './turn-calls.ts'

/** A member as the store has it. */
export type RosterEntry = Member & { owner: Owner }
export type RosterPage = { entries: RosterEntry[]; next: string | null }

/** Somebody who asks for a room, and who holds the session once it is in. */
export type Joiner = { request: JoinRequest; owner: Owner; admission: Admission }

/** More joins than that are more than one call: a script keeps everybody else of its server waiting. */
export const joinsPerCallMax = 16
const framesPerCallMax = 16

export type JoinAnswer =
  | {
      answer: 'ok'
      epoch: Epoch
      seq: number
      counter: number
      /** From where on the session may have the log. */
      start: number
      count: number
      roster: RosterPage
      /** As JoinResult says. */
      page: LogPage | null
      quiet: boolean
    }
  | { answer: 'taken'; owner: Owner }
  | { answer: 'session' }
  | { answer: 'full' }
  | { answer: NonNullable<Admission['refusal']> }

/** The room has another charter than its caller judged by: judge again. */
export type OtherCharter = { answer: 'charter'; stored: StoredCharter }

/** Where a room stands, for nodes that hear it. */
export type PositionAnswer = Position & { quiet: boolean }

export type LogAnswer =
  | { answer: 'page'; epoch: Epoch; seq: number; missed: number; more: boolean; deliveries: Buffer[] }
  /** The current epoch, and the place where it starts. */
  | { answer: 'unknown'; epoch: Epoch; seq: number }
  | { answer: 'none' }

/** Each throws StoreError unreachable while the server of the room is away, or was left behind by a failover. */
export interface Scripts {
  /**
   * @param joiners of this room, at most joinsPerCallMax; they come in one after the other
   * @returns one answer each; all of them show the room as it is afterwards. Nobody came in where the room has another
   * charter.
   */
  roomJoin(
    keys: RoomKeys,
    room: RoomId,
    joiners: readonly Joiner[],
    state: {
      now: number
      epoch: Epoch
      oldestAt: number
      /** Stamp of the charter by which the joiners' admissions were decided; "" for none. */
      judged: string
    },
  ): Promise<{ answer: 'asked'; answers: JoinAnswer[] } | OtherCharter>
  /** @returns whether there was somebody to leave */
  roomLeave(
    keys: RoomKeys,
    room: RoomId,
    session: SessionId,
    owner: Owner,
    why: 'left' | 'lost' | 'banned',
    now: number,
    keepMs: number,
  ): Promise<boolean>
  roomProfile(
    keys: RoomKeys,
    room: RoomId,
    session: SessionId,
    owner: Owner,
    tag: NameTag,
    profile: string,
  ): Promise<{ answer: 'ok' } | { answer: 'taken'; owner: Owner } | { answer: 'none' }>
  /**
   * @param judged stamp of the charter by which the kicker may do so  @param spared whom it may not put out
   * @returns "none" when the session is no member
   */
  roomKick(
    keys: RoomKeys,
    room: RoomId,
    session: SessionId,
    judged: string,
    spared: readonly MemberId[],
    now: number,
    keepMs: number,
  ): Promise<{ answer: 'ok' | 'none' | 'spared' } | OtherCharter>
  /**
   * @param judged stamp of what the new one was found to follow; "" for nothing
   * @returns the other charter that came in between
   */
  roomCharter(
    keys: RoomKeys,
    room: RoomId,
    judged: string,
    next: StoredCharter,
    keepMs: number,
  ): Promise<{ answer: 'ok' } | OtherCharter>
  /** What the room has now; both empty for nothing. */
  charterOf(keys: RoomKeys): Promise<StoredCharter>
  /**
   * Who holds these sessions: "-" for one that is gone, null for one that nobody knows. Of a room's members those of one
   * node, in place of its roster.
   */
  ownersOf(keys: RoomKeys, sessions: readonly SessionId[]): Promise<(Owner | null)[]>
  /**
   * @param publish whose frame stays as it is until it is written
   * @returns once enough replicas hold it; "unavailable" when they do not in time, though it may have its place
   */
  roomPublish(publish: Publish): Promise<PublishResult>
  /** The position is null for an unknown room. */
  roomPosition(keys: RoomKeys): Promise<{ position: PositionAnswer | null; stamp: string }>
  roomLog(keys: RoomKeys, after: Position, oldestAt: number): Promise<LogAnswer>
  /** @returns how many members of the node were taken out */
  roomReap(keys: RoomKeys, room: RoomId, node: NodeId, now: number, keepMs: number): Promise<number>
  roomRoster(keys: RoomKeys, after: string): Promise<RosterPage>
  /** Null for a session that never was in the room, or is forgotten. */
  roomMember(keys: RoomKeys, session: SessionId): Promise<RosterEntry | null>
  /** @returns false when the lease is gone */
  nodeBeat(leaseKey: string, leaseMs: number): Promise<boolean>
  /** @param seen stamp of the list that this one was made from, "" for none  @returns whether it was still that one */
  bansSwap(keys: BansKeys, seen: string, stamp: string, list: string): Promise<boolean>
}

function source(name: string): string {
  return readFileSync(new URL(`../../lua/${name}.lua`, import.meta.url), 'utf8')
}

type Argument = string | number | Buffer
type Caller = (...args: Argument[]) => Promise<unknown>

/** A script behind the parts that it calls. @param keys how many */
const script = (keys: number, ...parts: string[]) => ({
  numberOfKeys: keys,
  lua: parts.map(source).join(''),
})

/** Scripts that one call may carry out many of, as room_calls.lua says. */
const roomScripts = [
  'room_join',
  'room_leave',
  'room_kick',
  'room_reap',
  'room_profile',
  'room_position',
] as const
type RoomScript = (typeof roomScripts)[number]

const roomCallsLua = [
  ...['room_epoch', 'member', 'roster_page', 'log_page', 'charter_known', 'arrived', 'take_out'].map(source),
  'local calls = {}\n',
  ...roomScripts.map((name) => `calls.${name} = function(KEYS, ARGV)\n${source(name)}end\n`),
  source('room_calls'),
].join('')

const scripts = {
  room_calls: { lua: roomCallsLua },
  room_charter: script(2, 'room_epoch', 'charter_known', 'room_charter'),
  room_log: script(2, 'log_page', 'room_log'),
  room_member: script(2, 'member', 'room_member'),
  room_roster: script(3, 'roster_page', 'room_roster'),
  node_beat: script(1, 'node_beat'),
  bans_swap: script(2, 'bans_swap'),
} as const

const publishCall = createPublishCall(['room_epoch', 'room_publish'].map(source).join(''))

type ScriptName = keyof typeof scripts

/** ioredis adds a method per script, and one that answers in bytes. */
type Taught = Record<ScriptName | `${ScriptName}Buffer`, Caller>

/** Version and type in hex: what a delivery starts with, before its room and epoch. */
const headStart = (() => {
  const header = new Uint8Array(42)
  writeDeliveryHeader(header, new Uint8Array(16), new Uint8Array(8), 0, 0)
  return encodeHex(header.subarray(0, 2))
})()

/** A call of one of the scripts that others may share a call of the store with. */
type RoomCall = {
  keys: RoomKeys
  name: RoomScript
  args: readonly Argument[]
  /** How much longer than most it keeps others waiting. */
  weight: number
}

export function createScripts(
  ports: StorePorts,
  log: LogLimits,
  quiet: QuietBounds = quietBoundsDefault,
): Scripts {
  const { server } = ports
  const taught = new WeakSet<Redis>()
  const bounds = [log.messagesMax, log.bytesMax, log.ageMs].map(String)
  const publishes = createTurnCalls<Publish, PublishResult>({
    ...ports,
    weightMax: framesPerCallMax,
    send: sendPublishes,
  })
  const roomCalls = createTurnCalls<RoomCall, unknown>({
    ...ports,
    weightMax: joinsPerCallMax,
    weight: ({ weight }) => weight,
    send: sendRoomCalls,
  })

  function teach(redis: Redis): Taught {
    if (!taught.has(redis)) {
      for (const [name, definition] of Object.entries(scripts)) redis.defineCommand(name, definition)
      taught.add(redis)
    }
    return redis as unknown as Taught
  }

  async function sendRoomCalls(at: StoreServer, asks: readonly RoomCall[]): Promise<unknown[]> {
    publishes.flush()
    const keys = asks.flatMap(({ keys }) => keys.all)
    const args = asks.flatMap(({ name, args }) => [name, args.length, ...args])
    try {
      const answers = (await teach(at.redis).room_callsBuffer(keys.length, ...keys, ...args)) as unknown[]
      for (const each of answers) if (each instanceof Error) at.failed(each)
      return answers
    } catch (error) {
      at.failed(error)
      throw error
    }
  }

  /** @returns what the script does, texts as buffers */
  function callRoom(
    name: RoomScript,
    keys: RoomKeys,
    args: readonly Argument[],
    weight = 1,
  ): Promise<unknown> {
    return roomCalls.ask(keys.slot, { name, keys, args, weight })
  }

  async function callWords(name: RoomScript, keys: RoomKeys, args: readonly Argument[]): Promise<string[]> {
    return ((await callRoom(name, keys, args)) as Buffer[]).map(String)
  }

  async function call(at: StoreServer, name: keyof Taught, ...args: Argument[]): Promise<unknown> {
    roomCalls.flush()
    publishes.flush()
    try {
      return await teach(at.redis)[name](...args)
    } catch (error) {
      at.failed(error)
      throw error
    }
  }

  async function fields(keys: RoomKeys, ...names: string[]): Promise<(string | null)[]> {
    const at = server(keys.slot)
    try {
      return await at.redis.hmget(keys.room, ...names)
    } catch (error) {
      at.failed(error)
      throw error
    }
  }

  function stale(at: StoreServer): never {
    const error = new StoreError('unreachable', 'STALE: this server was left behind by a failover.')
    at.failed(error)
    throw error
  }

  async function sendPublishes(at: StoreServer, publishes: readonly Publish[]): Promise<PublishResult[]> {
    const now = publishes[0]?.now ?? 0
    let reply: number[]
    try {
      reply = (await publishCall(at.redis, publishes, [String(now), at.replicationId, ...bounds])) as number[]
    } catch (error) {
      at.failed(error)
      throw error
    }
    const replicated = await at.replicated()
    return publishes.map((_, i): PublishResult => {
      const [status, value = 0] = reply.slice(2 * i)
      if (status === 3) return { status: 'gap', last: value }
      if (status === 4) return { status: 'not-member' }
      if (status === 5) return stale(at)
      if (!replicated) return { status: 'unavailable' }
      return status === 1 ? { status: 'taken', seq: value } : { status: 'duplicate', seq: value }
    })
  }

  /**
   * What a join says holds for what it counts: earlier frames have to be as safe as the join itself. Asked once the
   * script has answered: a server that does not know it yet gets it a second time, behind whatever was asked meanwhile.
   */
  async function safe(at: StoreServer): Promise<void> {
    if (!(await at.replicated())) {
      throw new StoreError('unreachable', 'Too few replicas of Redis answered in time.')
    }
  }

  return {
    async roomJoin(keys, room, joiners, { now, epoch, oldestAt, judged }) {
      const at = server(keys.slot)
      const asked = joiners.flatMap(({ request, owner, admission: { refusal, membersMax, whole } }) => {
        const { session, tag, proof, profile, counter, after, member } = request
        const place = [after?.epoch ?? '', after?.seq ?? 0]
        const judgement = [member ?? '', refusal ?? '', membersMax, whole ? 1 : 0]
        return [session, tag, owner, proof, profile, counter, ...place, ...judgement]
      })
      const page = [joinPageFramesMax, joinPageBytesMax, oldestAt]
      const shared = [
        headStart,
        judged,
        room,
        limits.rosterPageMembersMax,
        epoch,
        at.replicationId,
        youngLogMs,
      ]
      const args = [now, ...shared, ...page, quiet.above, ...asked]
      const reply = (await callRoom('room_join', keys, args, joiners.length)) as
        | JoinReply
        | [word: Buffer, stamp: Buffer, charter: Buffer]
      await safe(at)
      if (reply.length === 0) return stale(at)
      if (reply.length === 3) return otherCharter(reply.slice(1).map(String))
      return { answer: 'asked', answers: readJoins(reply) }
    },
    async roomLeave(keys, room, session, owner, why, now, keepMs) {
      return (await callRoom('room_leave', keys, [session, owner, why, now, keepMs, room, quiet.min])) === 1
    },
    async roomProfile(keys, room, session, owner, tag, profile) {
      const reply = await callWords('room_profile', keys, [session, owner, tag, profile, room])
      const [answer, holder] = reply as ['ok' | 'none' | 'taken', string]
      return answer === 'taken' ? { answer, owner: holder } : { answer }
    },
    async roomKick(keys, room, session, judged, spared, now, keepMs) {
      const list = spared.map((id) => ` ${id}`).join('')
      const reply = await callWords('room_kick', keys, [session, judged, list, now, keepMs, room, quiet.min])
      const [answer, ...rest] = reply as ['ok' | 'none' | 'spared' | 'charter', ...string[]]
      return answer === 'charter' ? otherCharter(rest) : { answer }
    },
    async roomCharter(keys, room, judged, { stamp, text }, keepMs) {
      const at = server(keys.slot)
      const last = [judged, stamp, text, room, at.replicationId, keepMs]
      const reply = (await call(at, 'room_charter', keys.room, keys.channel, ...last)) as string[]
      const [answer, ...rest] = reply
      if (answer === 'stale') return stale(at)
      await safe(at)
      return answer === 'ok' ? { answer } : otherCharter(rest)
    },
    async charterOf(keys) {
      return readCharter(await fields(keys, 'stamp', 'charter'))
    },
    async ownersOf(keys, sessions) {
      const states = await fields(keys, ...sessions.map((session) => `s:${session}`))
      return states.map((state) => state?.split(' ')[1] ?? null)
    },
    roomPublish: (publish) => publishes.ask(publish.keys.slot, publish),
    async roomPosition(keys) {
      const at = server(keys.slot)
      const [answer, seq, stamp = '', isQuiet] = await callWords('room_position', keys, [at.replicationId])
      if (answer === 'none') return { position: null, stamp: seq ?? '' }
      if (answer === 'stale') return stale(at)
      return { position: { epoch: answer as Epoch, seq: Number(seq), quiet: isQuiet !== '' }, stamp }
    },
    async roomLog(keys, { epoch, seq }, oldestAt) {
      const reply = await call(
        server(keys.slot),
        'room_logBuffer',
        keys.room,
        keys.log,
        epoch,
        seq,
        limits.logPageFramesMax,
        limits.logPageBytesMax,
        oldestAt,
      )
      return readLog(reply as LogReply)
    },
    async roomReap(keys, room, node, now, keepMs) {
      return (await callRoom('room_reap', keys, [node, now, keepMs, room, quiet.min])) as number
    },
    async roomRoster(keys, after) {
      const page = limits.rosterPageMembersMax
      const at = server(keys.slot)
      return readRoster(
        (await call(at, 'room_roster', keys.room, keys.members, keys.roster, after, page)) as string[],
      )
    },
    async roomMember(keys, session) {
      const reply = await call(server(keys.slot), 'room_member', keys.room, keys.members, session)
      return readRoster(reply as string[]).entries[0] ?? null
    },
    async nodeBeat(leaseKey, leaseMs) {
      return (await call(server(slotOf(leaseKey)), 'node_beat', leaseKey, leaseMs)) === 1
    },
    async bansSwap({ list, channel, slot }, seen, stamp, text) {
      return (await call(server(slot), 'bans_swap', list, channel, seen, stamp, text)) === 1
    },
  }
}

function readCharter([stamp, text]: readonly (string | null | undefined)[]): StoredCharter {
  return { stamp: stamp ?? '', text: text ?? '' }
}

function otherCharter(reply: readonly string[]): OtherCharter {
  return { answer: 'charter', stored: readCharter(reply) }
}

/** What log_page.lua returns. */
type LogReply = [answer: Buffer, epoch: Buffer, seq: Buffer, missed: number, more: number, ...Buffer[]]

function readLog([answer, epoch, seq, missed, more, ...deliveries]: LogReply): LogAnswer {
  const word = answer.toString('latin1')
  if (word === 'none') return { answer: word }
  const at = { epoch: String(epoch) as Epoch, seq: Number(seq) }
  if (word === 'unknown') return { answer: word, ...at }
  return { answer: 'page', ...at, missed, more: more === 1, deliveries }
}

/** Of room_join.lua: the room, its pages, and one answer each; nothing when the server was left behind. */
type JoinReply =
  | []
  | [
      epoch: Buffer,
      seq: Buffer,
      count: number,
      roster: Buffer[],
      pages: LogReply[],
      answers: (Buffer | number)[][],
      quiet: Buffer,
    ]

function readJoins([
  epoch,
  seq,
  count,
  roster = [],
  pages = [],
  answers = [],
  quiet,
]: JoinReply): JoinAnswer[] {
  const room = {
    epoch: String(epoch) as Epoch,
    seq: Number(seq),
    count: count ?? 0,
    roster: readRoster(roster.map((each) => each.toString('latin1'))),
    quiet: String(quiet) !== '',
  }
  const read = pages.map(readJoinPage)
  return answers.map(([word, ...rest]) => {
    const answer = String(word)
    if (answer === 'taken') return { answer, owner: String(rest[0]) }
    if (answer !== 'ok') return { answer: answer as Exclude<JoinAnswer['answer'], 'ok' | 'taken'> }
    const [counter, start, page] = rest.map(Number)
    return {
      answer: 'ok',
      ...room,
      counter: counter ?? 0,
      start: start ?? 0,
      page: read[(page ?? 0) - 1] ?? null,
    }
  })
}

function readJoinPage(reply: LogReply): LogPage {
  const log = readLog(reply)
  if (log.answer !== 'page') throw new Error(`room_join answered with a log that is ${log.answer}`)
  const { epoch, seq, missed, more, deliveries } = log
  return { epoch, seq, missed: missed < 0 ? null : missed, more, deliveries }
}

function readRoster(reply: readonly string[]): RosterPage {
  const entries: RosterEntry[] = []
  for (let i = 1; i + 2 < reply.length; i += 3) {
    const [since, tag, , profile] = (reply[i + 1] ?? '').split(' ')
    const [counter, owner] = (reply[i + 2] ?? '').split(' ')
    entries.push({
      session: reply[i] as SessionId,
      tag: tag as NameTag,
      profile: profile ?? '',
      counter: Number(counter),
      since: Number(since),
      owner: owner ?? '-',
    })
  }
  return { entries, next: reply[0] || null }
}
