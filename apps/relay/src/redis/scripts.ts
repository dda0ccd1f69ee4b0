// Typed callers of lua/*.lua: the one place that knows the order of their arguments and the shape of their answers.
// Scripts of a room go straight to the primary that holds it, with that server's replication id: see room_epoch.lua.
// ioredis sends a script's text once per connection and its digest afterwards (EVALSHA, again EVAL upon NOSCRIPT).
import { readFileSync } from 'node:fs'
import {
  decodeHex,
  type Epoch,
  limits,
  type Member,
  type NameTag,
  type NodeId,
  type RoomId,
  type SessionId,
  writeDeliveryHeader,
} from '@pychat/protocol'
import type { Redis } from 'ioredis'
import {
  type JoinRequest,
  joinPageBytesMax,
  joinPageFramesMax,
  type LogLimits,
  type LogPage,
  type Position,
  type PublishResult,
  StoreError,
  youngLogMs,
} from '../rooms/rooms.ts'
import { type RoomKeys, slotOf } from './keys.ts'
import type { StoreServer } from './server.ts'

/** Who holds a session: "<node>/<generation>". A place that nobody holds is "-". */
export type Owner = string

export function ownerOf(node: NodeId, generation: number): Owner {
  return `${node}/${generation}`
}

export function nodeOf(owner: Owner): NodeId {
  return owner.slice(0, owner.indexOf('/')) as NodeId
}

/** A member as the store has it. */
export type RosterEntry = Member & { owner: Owner }
export type RosterPage = { entries: RosterEntry[]; next: string | null }

/** Somebody who asks for a room, and who holds the session once it is in. */
export type Joiner = { request: JoinRequest; owner: Owner }

/** More joins than that are more than one call: a script keeps everybody else of its server waiting. */
export const joinsPerCallMax = 16

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
    }
  | { answer: 'taken'; owner: Owner }
  | { answer: 'session' }
  | { answer: 'full' }

export type LogAnswer =
  | { answer: 'page'; epoch: Epoch; seq: number; missed: number; more: boolean; deliveries: Buffer[] }
  /** The current epoch, and the place where it starts. */
  | { answer: 'unknown'; epoch: Epoch; seq: number }
  | { answer: 'none' }

/** Each throws StoreError unreachable while the server of the room is away, or was left behind by a failover. */
export interface Scripts {
  /**
   * @param joiners of this room, at most joinsPerCallMax; they come in one after the other
   * @returns one answer each; all of them show the room as it is afterwards
   */
  roomJoin(
    keys: RoomKeys,
    room: RoomId,
    joiners: readonly Joiner[],
    state: { now: number; epoch: Epoch; membersMax: number; oldestAt: number },
  ): Promise<JoinAnswer[]>
  /** @returns whether there was somebody to leave */
  roomLeave(
    keys: RoomKeys,
    room: RoomId,
    session: SessionId,
    owner: Owner,
    why: 'left' | 'lost',
    now: number,
    keepMs: number,
  ): Promise<boolean>
  /**
   * @param frame copied before the call returns only if it is sent at once: pass a buffer that stays as it is
   * @returns once enough replicas hold it; "unavailable" when they do not in time, though it may have its place
   */
  roomPublish(
    keys: RoomKeys,
    session: SessionId,
    owner: Owner,
    counter: number,
    now: number,
    frame: Buffer,
  ): Promise<PublishResult>
  /** Null for an unknown room. */
  roomPosition(keys: RoomKeys): Promise<Position | null>
  roomLog(keys: RoomKeys, after: Position, oldestAt: number): Promise<LogAnswer>
  /** @returns how many members of the node were taken out */
  roomReap(keys: RoomKeys, room: RoomId, node: NodeId, now: number, keepMs: number): Promise<number>
  roomRoster(keys: RoomKeys, after: string): Promise<RosterPage>
  /** Null for a session that never was in the room, or is forgotten. */
  roomMember(keys: RoomKeys, session: SessionId): Promise<RosterEntry | null>
  /** @returns false when the lease is gone */
  nodeBeat(leaseKey: string, leaseMs: number): Promise<boolean>
}

function source(name: string): string {
  return readFileSync(new URL(`../../lua/${name}.lua`, import.meta.url), 'utf8')
}

type Argument = string | number | Buffer
type Caller = (...args: Argument[]) => Promise<unknown>

const [epochPart, rosterPart, logPart] = [source('room_epoch'), source('roster_page'), source('log_page')]

const scripts = {
  room_join: { keys: 7, lua: epochPart + rosterPart + logPart + source('room_join') },
  room_leave: { keys: 7, lua: source('room_leave') },
  room_publish: { keys: 3, lua: epochPart + source('room_publish') },
  room_position: { keys: 2, lua: epochPart + source('room_position') },
  room_log: { keys: 2, lua: logPart + source('room_log') },
  room_reap: { keys: 7, lua: source('room_reap') },
  room_member: { keys: 2, lua: source('room_member') },
  room_roster: { keys: 3, lua: rosterPart + source('room_roster') },
  node_beat: { keys: 1, lua: source('node_beat') },
} as const

type ScriptName = keyof typeof scripts

/** ioredis adds a method per script, and one that answers in bytes. */
type Taught = Record<ScriptName | `${ScriptName}Buffer`, Caller>

/** Version, type, room and epoch: what a delivery of this epoch starts with. */
const headBytes = 26

function headOf(room: RoomId, epoch: Epoch): Buffer {
  const header = Buffer.alloc(42)
  writeDeliveryHeader(header, decodeHex(room), decodeHex(epoch), 0, 0)
  return header.subarray(0, headBytes)
}

/** @param server the primary of a slot; throws StoreError while there is none */
export function createScripts(server: (slot: number) => StoreServer, log: LogLimits): Scripts {
  const taught = new WeakSet<Redis>()

  function teach(redis: Redis): Taught {
    if (!taught.has(redis)) {
      for (const [name, { keys, lua }] of Object.entries(scripts)) {
        redis.defineCommand(name, { numberOfKeys: keys, lua })
      }
      taught.add(redis)
    }
    return redis as unknown as Taught
  }

  async function call(at: StoreServer, name: keyof Taught, ...args: Argument[]): Promise<unknown> {
    try {
      return await teach(at.redis)[name](...args)
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
    async roomJoin(keys, room, joiners, { now, epoch, membersMax, oldestAt }) {
      const at = server(keys.slot)
      const reply = (await call(
        at,
        'room_joinBuffer',
        ...keys.all,
        now,
        headOf(room, epoch),
        membersMax,
        room,
        limits.rosterPageMembersMax,
        epoch,
        at.replicationId,
        youngLogMs,
        joinPageFramesMax,
        joinPageBytesMax,
        oldestAt,
        ...joiners.flatMap(({ request, owner }) => {
          const { session, tag, proof, profile, counter, after } = request
          return [session, tag, owner, proof, profile, counter, after?.epoch ?? '', after?.seq ?? 0]
        }),
      )) as JoinReply
      await safe(at)
      if (reply.length === 0) return stale(at)
      return readJoins(reply)
    },
    async roomLeave(keys, room, session, owner, why, now, keepMs) {
      return (
        (await call(server(keys.slot), 'room_leave', ...keys.all, session, owner, why, now, keepMs, room)) ===
        1
      )
    },
    async roomPublish(keys, session, owner, counter, now, frame) {
      const at = server(keys.slot)
      const [status, value] = (await call(
        at,
        'room_publish',
        keys.room,
        keys.log,
        keys.channel,
        session,
        owner,
        counter,
        now,
        at.replicationId,
        log.messagesMax,
        log.bytesMax,
        log.ageMs,
        frame,
      )) as [number, number]
      if (status === 3) return { status: 'gap', last: value }
      if (status === 4) return { status: 'not-member' }
      if (status === 5) return stale(at)
      if (!(await at.replicated())) return { status: 'unavailable' }
      return status === 1 ? { status: 'taken', seq: value } : { status: 'duplicate', seq: value }
    },
    async roomPosition(keys) {
      const at = server(keys.slot)
      const reply = (await call(at, 'room_position', keys.room, keys.channel, at.replicationId)) as string[]
      const [answer, seq] = reply
      if (answer === 'none') return null
      if (answer === 'stale') return stale(at)
      return { epoch: answer as Epoch, seq: Number(seq) }
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
      return (await call(server(keys.slot), 'room_reap', ...keys.all, node, now, keepMs, room)) as number
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
  }
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
    ]

function readJoins([epoch, seq, count, roster = [], pages = [], answers = []]: JoinReply): JoinAnswer[] {
  const room = {
    epoch: String(epoch) as Epoch,
    seq: Number(seq),
    count: count ?? 0,
    roster: readRoster(roster.map((each) => each.toString('latin1'))),
  }
  const read = pages.map(readJoinPage)
  return answers.map(([word, ...rest]) => {
    const answer = String(word)
    if (answer === 'taken') return { answer, owner: String(rest[0]) }
    if (answer === 'session' || answer === 'full') return { answer }
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
