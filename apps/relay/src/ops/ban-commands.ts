// The admin commands that keep people out or put them out, and the operator's word to them. They ask the whole cluster, and
// say how many nodes enforce what was decided; bans/ keeps it, sessions carry it out.
import {
  type AdminBan,
  type AnnounceReply,
  type AnnounceRequest,
  adminRoutes,
  announcementTextSchema,
  announceRequestSchema,
  type BanReply,
  type BanRequest,
  type BansReply,
  banReasonSchema,
  banRequestSchema,
  type KickReply,
  type KickRequest,
  kickRequestSchema,
  type NodesAsked,
  plainLine,
  type RoomId,
  type SessionId,
  type UnbanReply,
  type UnbanRequest,
  unbanRequestSchema,
} from '@pychat/protocol'
import type { Ban } from '../bans/ban-list.ts'
import { banAddress, banKey } from '../bans/ban-values.ts'
import { BansFileError } from '../bans/bans.file.ts'
import { TooManyBansError } from '../bans/bans.ts'
import { type AdminCommand, type AdminContext, AdminError, askRooms, roomNamed } from './admin-context.ts'

/** So long is waited for nodes to enforce a change, and so long between two questions whether they do. */
const enforcedMs = 1500
const pauseMs = 50

const shown = (ban: Ban): AdminBan => ({
  ...ban,
  createdAt: new Date(ban.createdAt).toISOString(),
  until: ban.until === null ? null : new Date(ban.until).toISOString(),
})

/** @throws AdminError */
async function canonical(context: AdminContext, kind: Ban['kind'], text: string): Promise<string> {
  if (kind === 'address') {
    const address = banAddress(text)
    if (address !== null) return address
    throw new AdminError(
      'bad-request',
      'An address is like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64, no wider than /8, or /16 of IPv6.',
    )
  }
  if (kind === 'key') {
    const member = banKey(text)
    if (member !== null) return member
    throw new AdminError(
      'bad-request',
      'A key is a public key as 64 hex digits or 43 characters of base64url, or a member id of 32 hex digits.',
    )
  }
  const banned = context.bans.list().filter((ban) => ban.kind === 'room')
  // The banned ones are empty: nobody but the list knows their short forms.
  const { byRoom } = await askRooms(context)
  const room = roomNamed(text, new Set([...byRoom.keys(), ...banned.map(({ value }) => value as RoomId)]))
  if (room === null) {
    throw new AdminError('not-found', 'No room in use has this short form; give all 32 hex digits.')
  }
  return room
}

const sum = (answers: readonly { answer: number }[]): number =>
  answers.reduce((total, { answer }) => total + answer, 0)

/** @returns how many nodes enforce this version of the bans; waits a moment for those that do not yet */
async function enforcing({ cluster, now }: AdminContext, version: number): Promise<NodesAsked> {
  const endsAt = now() + enforcedMs
  for (;;) {
    const { asked, answers } = await cluster.ask('bans', null)
    const answered = answers.filter(({ answer }) => answer >= version).length
    if (answered === asked || now() >= endsAt) return { asked, answered }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** Says in the operator's words what the store could not do. */
async function kept<T>(change: Promise<T>): Promise<T> {
  try {
    return await change
  } catch (error) {
    if (error instanceof BansFileError) throw new AdminError('unavailable', error.message)
    if (error instanceof TooManyBansError) {
      throw new AdminError('bad-request', 'There are as many bans as a relay keeps; lift some first.')
    }
    throw error
  }
}

async function bans(context: AdminContext): Promise<BansReply> {
  const nodes = await enforcing(context, context.bans.version())
  return { schema: 1, bans: context.bans.list().map(shown), nodes }
}

async function ban(context: AdminContext, request: BanRequest): Promise<BanReply> {
  const { kind, forMs, dryRun } = request
  const reason = banReasonSchema.safeParse(plainLine(request.reason))
  if (!reason.success) throw new AdminError('bad-request', 'The reason is too long: 200 characters at most.')
  const value = await canonical(context, kind, request.value)
  const { asked, answers } = await context.cluster.ask('met', { kind, value })
  const createdAt = context.now()
  const until = forMs === undefined ? null : createdAt + forMs
  const made: Ban = { kind, value, reason: reason.data, createdAt, until }
  const met = sum(answers)
  if (dryRun) {
    const replaced = context.bans.list().some((each) => each.kind === kind && each.value === value)
    const nodes = { asked, answered: answers.length }
    return { schema: 1, dryRun: 'ban', ban: shown(made), replaced, met, nodes }
  }
  const { version, replaced } = await kept(context.bans.add(made))
  return { schema: 1, ban: shown(made), replaced, met, nodes: await enforcing(context, version) }
}

async function unban(
  context: AdminContext,
  { kind, value: given, dryRun }: UnbanRequest,
): Promise<UnbanReply> {
  const value = await canonical(context, kind, given)
  const none = () => new AdminError('not-found', 'There is no such ban; pychat-admin bans lists them.')
  if (dryRun) {
    const found = context.bans.list().find((each) => each.kind === kind && each.value === value)
    if (found === undefined) throw none()
    const nodes = await enforcing(context, context.bans.version())
    return { schema: 1, dryRun: 'unban', ban: shown(found), nodes }
  }
  const done = await kept(context.bans.lift({ kind, value }))
  if (done === null) throw none()
  return { schema: 1, ban: shown(done.lifted), nodes: await enforcing(context, done.version) }
}

async function kick(context: AdminContext, request: KickRequest): Promise<KickReply> {
  const { dryRun } = request
  const { byRoom } = await askRooms(context)
  const room = roomNamed(request.room, byRoom.keys())
  const members = room === null ? null : await context.rooms.roomMembers(room)
  if (room === null || members === null) throw new AdminError('not-found', 'There is nobody in such a room.')
  let session: SessionId | null = null
  if (request.session !== undefined) {
    const begin = request.session
    const found = members.filter((member) => member.session.startsWith(begin))
    if (found.length > 1) {
      throw new AdminError('bad-request', 'Several sessions begin with these digits; give more of them.')
    }
    session = found[0]?.session ?? null
    if (session === null) throw new AdminError('not-found', 'There is no such session in that room.')
  }
  const { asked, answers } = await context.cluster.ask('kick', { room, session, dryRun })
  return {
    schema: 1,
    ...(dryRun ? { dryRun: 'kick' as const } : {}),
    room,
    session,
    kicked: sum(answers),
    nodes: { asked, answered: answers.length },
  }
}

async function announce(context: AdminContext, request: AnnounceRequest): Promise<AnnounceReply> {
  const { dryRun } = request
  const text = announcementTextSchema.safeParse(plainLine(request.text))
  if (!text.success) {
    throw new AdminError('bad-request', 'An announcement is one line of 1 to 500 characters.')
  }
  let room: RoomId | null = null
  if (request.room !== undefined) {
    const { byRoom } = await askRooms(context)
    room = roomNamed(request.room, byRoom.keys())
    if (room === null) throw new AdminError('not-found', 'There is nobody in such a room.')
  }
  const { asked, answers } = await context.cluster.ask('announce', { room, text: text.data, dryRun })
  return {
    schema: 1,
    ...(dryRun ? { dryRun: 'announce' as const } : {}),
    room,
    text: text.data,
    told: sum(answers),
    nodes: { asked, answered: answers.length },
  }
}

export const banCommands = {
  bans: { ...adminRoutes.bans, args: [], help: 'bans in force', run: bans },
  ban: {
    ...adminRoutes.ban,
    args: ['room|address|key', 'VALUE', '[1h]', '[REASON]'],
    help: 'keep a room, an address or a member key out',
    request: {
      schema: banRequestSchema,
      words:
        'The body has to be {"kind":"room|address|key","value":"..."} with "forMs" of 1000 or more, "reason" and "dryRun" if wanted.',
    },
    run: ban,
  },
  unban: {
    ...adminRoutes.unban,
    args: ['room|address|key', 'VALUE'],
    help: 'lift a ban',
    request: {
      schema: unbanRequestSchema,
      words: 'The body has to be {"kind":"room|address|key","value":"..."} with "dryRun" if wanted.',
    },
    run: unban,
  },
  kick: {
    ...adminRoutes.kick,
    args: ['ROOM', '[SESSION]'],
    help: 'put everybody out of a room, or one session; they may come back',
    request: {
      schema: kickRequestSchema,
      words:
        'The body has to be {"room":"..."} with "session" (8 hex digits or more) and "dryRun" if wanted.',
    },
    run: kick,
  },
  announce: {
    ...adminRoutes.announce,
    args: ['TEXT'],
    help: 'say something to everybody, as the one who runs the relay',
    request: {
      schema: announceRequestSchema,
      words: 'The body has to be {"text":"..."} with "room" and "dryRun" if wanted.',
    },
    run: announce,
  },
} as const satisfies Record<string, AdminCommand>
