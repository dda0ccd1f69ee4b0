// What the admin commands share: what they are given, how they refuse, what each is in the table, and how they find the
// room that an operator names.
import {
  type AnnounceReply,
  type BanReply,
  type BansReply,
  type DefconReply,
  type DiagnosisReply,
  type DrainReply,
  decodeHex,
  type KickReply,
  type LoadReply,
  type NodesReply,
  type RoomId,
  roomIdSchema,
  type ServersReply,
  type ShutdownReply,
  type StatsReply,
  shortCode,
  type UnbanReply,
  type UsersReply,
} from '@pychat/protocol'
import type { z } from 'zod'
import type { Bans } from '../bans/bans.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { EmergencyWatch } from '../emergency/emergency.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Diagnose } from './diagnosis.ts'

export type AdminContext = {
  cluster: Cluster
  rooms: Rooms
  bans: Bans
  emergency: Pick<EmergencyWatch, 'level' | 'state' | 'set'>
  /** Looks at this node, which answers for itself even when Redis carries no questions. */
  diagnose: Diagnose
  /** Milliseconds since 1970. */
  now(): number
}

/** The request names something that is not there, names it badly, or cannot be carried out now. */
export class AdminError extends Error {
  override readonly name = 'AdminError'
  readonly code: 'not-found' | 'bad-request' | 'unavailable'

  constructor(code: AdminError['code'], message: string) {
    super(message)
    this.code = code
  }
}

type AdminReply =
  | ServersReply
  | StatsReply
  | NodesReply
  | UsersReply
  | LoadReply
  | DiagnosisReply
  | ShutdownReply
  | DrainReply
  | DefconReply
  | BansReply
  | BanReply
  | UnbanReply
  | KickReply
  | AnnounceReply

export type AdminCommand = {
  method: 'GET' | 'POST'
  path: string
  /** Names of its arguments; those in brackets may be left out. */
  args: readonly string[]
  help: string
  /** What a POST has to bring, given to `run` as its one argument, and the sentence for what is something else. */
  request?: { schema: z.ZodType; words: string }
  run(context: AdminContext, ...args: never[]): Promise<AdminReply>
}

export const roomShort = (room: RoomId): string => shortCode(decodeHex(room))

/** Rooms stand on as many nodes as say so; figures come from the store. */
export async function askRooms({ cluster }: AdminContext) {
  const { asked, answers } = await cluster.ask('rooms', null)
  const byRoom = new Map<RoomId, { users: number; nodes: number }>()
  for (const { answer } of answers) {
    for (const { room, users } of answer) {
      const sum = byRoom.get(room) ?? { users: 0, nodes: 0 }
      byRoom.set(room, { users: sum.users + users, nodes: sum.nodes + 1 })
    }
  }
  return { byRoom, nodes: { asked, answered: answers.length } }
}

/**
 * @param name room id or short form
 * @param rooms those that a short form may mean
 * @returns null when none of them has it  @throws AdminError
 */
export function roomNamed(name: string, rooms: Iterable<RoomId>): RoomId | null {
  const whole = roomIdSchema.safeParse(name)
  if (whole.success) return whole.data
  if (!/^[a-z2-7]{4}-[a-z2-7]{4}$/.test(name)) {
    throw new AdminError(
      'bad-request',
      'A room is named by its 32 hex digits or its short form like abcd-efgh.',
    )
  }
  const [room, another] = [...rooms].filter((each) => roomShort(each) === name)
  if (another !== undefined) {
    throw new AdminError('bad-request', 'Several rooms have this short form; give all 32 hex digits.')
  }
  return room ?? null
}
