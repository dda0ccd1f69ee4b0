// Typed callers of lua/*.lua: the one place that knows the order of their arguments and the shape of their answers.
// ioredis sends a script's text once per connection and its digest afterwards (EVALSHA, again EVAL upon NOSCRIPT).
import { readFileSync } from 'node:fs'
import {
  type Epoch,
  limits,
  type Member,
  type NameTag,
  type NodeId,
  type RoomId,
  type SessionId,
} from '@pychat/protocol'
import type { Cluster, Redis } from 'ioredis'
import type { JoinRequest, PublishResult } from '../rooms/rooms.ts'
import type { RoomKeys } from './keys.ts'

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

export type JoinAnswer =
  | { answer: 'ok'; epoch: Epoch; seq: number; counter: number; count: number; page: RosterPage }
  | { answer: 'taken'; owner: Owner }
  | { answer: 'session' }
  | { answer: 'full' }

export interface Scripts {
  roomJoin(
    keys: RoomKeys,
    request: JoinRequest,
    state: { owner: Owner; now: number; epoch: Epoch; membersMax: number },
  ): Promise<JoinAnswer>
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
  /** @param head the first 26 bytes of the delivery header  @param frame copied before the call returns only if it is
   * sent at once: pass a buffer that stays as it is */
  roomPublish(
    keys: RoomKeys,
    session: SessionId,
    owner: Owner,
    counter: number,
    now: number,
    head: Buffer,
    frame: Buffer,
  ): Promise<PublishResult>
  /** @returns how many members of the node were taken out */
  roomReap(keys: RoomKeys, room: RoomId, node: NodeId, now: number, keepMs: number): Promise<number>
  roomRoster(keys: RoomKeys, after: string): Promise<RosterPage>
  /** @returns false when the lease is gone */
  nodeBeat(leaseKey: string, leaseMs: number): Promise<boolean>
}

function source(name: string): string {
  return readFileSync(new URL(`../../lua/${name}.lua`, import.meta.url), 'utf8')
}

type Argument = string | number | Buffer
type Caller = (...args: Argument[]) => Promise<unknown>

/** Teaches the scripts to a client; once per client. */
export function createScripts(client: Redis | Cluster): Scripts {
  const define = (name: string, numberOfKeys: number, before = ''): Caller => {
    client.defineCommand(name, { numberOfKeys, lua: before + source(name) })
    return (client as unknown as Record<string, Caller>)[name]?.bind(client) as Caller
  }
  const rosterPage = source('roster_page')
  const join = define('room_join', 6, rosterPage)
  const leave = define('room_leave', 6)
  const publish = define('room_publish', 2)
  const reap = define('room_reap', 6)
  const roster = define('room_roster', 3, rosterPage)
  const beat = define('node_beat', 1)

  return {
    async roomJoin(keys, request, { owner, now, epoch, membersMax }) {
      const { room, session, tag, proof, profile } = request
      const page = limits.rosterPageMembersMax
      const reply = (await join(
        ...keys.all,
        session,
        tag,
        owner,
        proof,
        profile,
        now,
        epoch,
        membersMax,
        room,
        page,
      )) as (string | number)[]
      const [answer, ...rest] = reply
      if (answer === 'taken') return { answer, owner: String(rest[0]) }
      if (answer === 'session' || answer === 'full') return { answer }
      return {
        answer: 'ok',
        epoch: rest[0] as Epoch,
        seq: Number(rest[1]),
        counter: Number(rest[2]),
        count: Number(rest[3]),
        page: readPage(rest.slice(4) as string[]),
      }
    },
    async roomLeave(keys, room, session, owner, why, now, keepMs) {
      return (await leave(...keys.all, session, owner, why, now, keepMs, room)) === 1
    },
    async roomPublish(keys, session, owner, counter, now, head, frame) {
      const reply = await publish(keys.room, keys.channel, session, owner, counter, now, head, frame)
      const [status, value] = reply as [number, number]
      if (status === 1) return { status: 'taken', seq: value }
      if (status === 2) return { status: 'duplicate', seq: value }
      if (status === 3) return { status: 'gap', last: value }
      return { status: 'not-member' }
    },
    async roomReap(keys, room, node, now, keepMs) {
      return (await reap(...keys.all, node, now, keepMs, room)) as number
    },
    async roomRoster(keys, after) {
      const reply = await roster(keys.room, keys.members, keys.roster, after, limits.rosterPageMembersMax)
      return readPage(reply as string[])
    },
    async nodeBeat(leaseKey, leaseMs) {
      return (await beat(leaseKey, leaseMs)) === 1
    },
  }
}

function readPage(reply: readonly string[]): RosterPage {
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
