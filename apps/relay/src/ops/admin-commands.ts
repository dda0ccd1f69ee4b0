// The table of what an operator may ask: the admin API serves it, the terminal console types it.
// Every command asks the whole cluster through the Cluster port and says how many nodes answered.
import { randomBytes } from 'node:crypto'
import {
  type AdminServer,
  adminRoutes,
  type DiagnosisReply,
  type DrainReply,
  encodeHex,
  type LoadReply,
  type NodeId,
  type NodesReply,
  type RoomId,
  type ServersReply,
  type ShutdownReply,
  type StatsReply,
  type UsersReply,
} from '@pychat/protocol'
import {
  type AdminCommand,
  type AdminContext,
  AdminError,
  askRooms,
  roomNamed,
  roomShort,
} from './admin-context.ts'
import { banCommands } from './ban-commands.ts'
import { defconCommands } from './defcon-commands.ts'

async function servers(context: AdminContext): Promise<ServersReply> {
  const { byRoom, nodes } = await askRooms(context)
  const stats = await context.rooms.stats([...byRoom.keys()])
  const list: AdminServer[] = stats.map((room) => ({
    room: room.room,
    short: roomShort(room.room),
    users: room.users,
    nodes: byRoom.get(room.room)?.nodes ?? 0,
    messages: room.messages,
    bytes: room.bytes,
    createdAt: new Date(room.createdAt).toISOString(),
    lastActiveAt: new Date(room.lastActiveAt).toISOString(),
  }))
  list.sort((a, b) => b.users - a.users || (a.room < b.room ? -1 : 1))
  return { schema: 1, servers: list, nodes }
}

async function nodes({ cluster }: AdminContext): Promise<NodesReply> {
  const { asked, answers } = await cluster.ask('node', null)
  const list = answers.map(({ answer }) => answer).sort((a, b) => (a.node < b.node ? -1 : 1))
  return { schema: 1, list, nodes: { asked, answered: answers.length } }
}

async function stats(context: AdminContext): Promise<StatsReply> {
  const [{ byRoom }, { list, nodes: asked }] = [await askRooms(context), await nodes(context)]
  const sum = (read: (node: (typeof list)[number]) => number): number =>
    list.reduce((total, node) => total + read(node), 0)
  return {
    schema: 1,
    servers: byRoom.size,
    users: sum((node) => node.members),
    connections: sum((node) => node.connections),
    messagesIn: sum((node) => node.messagesIn),
    messagesOut: sum((node) => node.messagesOut),
    bytesIn: sum((node) => node.bytesIn),
    bytesOut: sum((node) => node.bytesOut),
    store: context.rooms.kind,
    defcon: context.emergency.level(),
    nodes: asked,
  }
}

async function users(context: AdminContext, name: string): Promise<UsersReply> {
  const { byRoom, nodes } = await askRooms(context)
  const room = roomNamed(name, byRoom.keys())
  const members = room === null ? null : await context.rooms.roomMembers(room)
  if (room === null || members === null) throw new AdminError('not-found', 'There is nobody in such a room.')
  return {
    schema: 1,
    room,
    users: members.map(({ session, node, joinedAt, counter }) => ({
      session,
      node,
      joinedAt: new Date(joinedAt).toISOString(),
      messages: counter,
    })),
    nodes,
  }
}

async function load({ cluster }: AdminContext): Promise<LoadReply> {
  const { asked, answers } = await cluster.ask('load', null)
  const list = answers.map(({ answer }) => answer).sort((a, b) => (a.node < b.node ? -1 : 1))
  return { schema: 1, list, nodes: { asked, answered: answers.length } }
}

/** Answers as long as this node runs, whatever is the matter with the rest. */
async function diagnosis({ cluster, rooms, diagnose }: AdminContext): Promise<DiagnosisReply> {
  const { living, lapsed } = await cluster.census().catch(() => ({ living: [], lapsed: [] }))
  const asked = new Set<NodeId>([...living, rooms.node])
  const ask = { room: encodeHex(randomBytes(16)) as RoomId, nodes: asked.size }
  const [own, others] = await Promise.all([
    diagnose(ask),
    cluster.ask('diagnosis', ask).catch(() => ({ answers: [] })),
  ])
  const list = [own, ...others.answers.map(({ answer }) => answer).filter(({ node }) => node !== own.node)]
  list.sort((a, b) => (a.node < b.node ? -1 : 1))
  const silent = [...asked].filter((node) => !list.some((each) => each.node === node))
  return {
    schema: 1,
    list,
    silent,
    lapsed,
    nodes: { asked: list.length + silent.length, answered: list.length },
  }
}

const noSuchNode = 'There is no such node.'

async function shutdown({ cluster }: AdminContext, node?: NodeId): Promise<ShutdownReply> {
  const { asked, answers } = await cluster.ask('shutdown', null, node)
  if (asked === 0 && node !== undefined) throw new AdminError('not-found', noSuchNode)
  return { schema: 1, stopping: answers.map((each) => each.node), nodes: { asked, answered: answers.length } }
}

async function drain({ cluster }: AdminContext, node: NodeId, withinMs: number): Promise<DrainReply> {
  const { asked, answers } = await cluster.ask('drain', { withinMs }, node)
  if (asked === 0) throw new AdminError('not-found', noSuchNode)
  return { schema: 1, draining: node, withinMs, nodes: { asked, answered: answers.length } }
}

export const adminCommands = {
  servers: { ...adminRoutes.servers, args: [], help: 'rooms in use on all nodes', run: servers },
  stats: { ...adminRoutes.stats, args: [], help: 'totals of all nodes', run: stats },
  users: {
    ...adminRoutes.users,
    args: ['ROOM'],
    help: 'sessions in a room, by hash or short form',
    run: users,
  },
  nodes: { ...adminRoutes.nodes, args: [], help: 'nodes of the cluster', run: nodes },
  load: { ...adminRoutes.load, args: [], help: 'what each node is doing', run: load },
  diagnosis: { ...adminRoutes.diagnosis, args: [], help: 'what each node finds wrong', run: diagnosis },
  shutdown: { ...adminRoutes.shutdown, args: [], help: 'stop all nodes, or one', run: shutdown },
  drain: { ...adminRoutes.drain, args: ['NODE', 'MS'], help: 'empty one node, then stop it', run: drain },
  ...defconCommands,
  ...banCommands,
} as const satisfies Record<string, AdminCommand>
