// Two looks at the cluster make rates: what each node and each room does in a second. Pure; who looks when is up to the
// command.
import type { LoadReply, NodeId, NodeLoad, RoomId, ServersReply } from '@pychat/protocol'

export type Look = { at: number; load: LoadReply; servers: ServersReply }

/** Rates are null for what was not there at the look before. */
export type NodeRow = {
  node: NodeId
  state: NodeLoad['state']
  connections: number
  rooms: number
  members: number
  messagesInPerSecond: number | null
  messagesOutPerSecond: number | null
  bytesInPerSecond: number | null
  bytesOutPerSecond: number | null
  /** Of one core. */
  cpuPercent: number | null
  memoryBytes: number
  loopLagMs: number
}

export type RoomRow = {
  room: RoomId
  short: string
  users: number
  nodes: number
  messagesPerSecond: number | null
}

export type Sample = {
  schema: 1
  /** Milliseconds between the two looks. */
  overMs: number
  list: NodeRow[]
  /** Busiest first, a hundred at most. */
  busiest: RoomRow[]
  nodes: { asked: number; answered: number }
}

const roomsMax = 100

const tenths = (value: number): number => Math.round(value * 10) / 10

export function sampleOf(before: Look, now: Look): Sample {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000)
  const known = new Map(before.servers.servers.map((room) => [room.room, room.messages]))
  const busiest = now.servers.servers.map(({ room, short, users, nodes, messages }) => {
    const last = known.get(room)
    const rate = last === undefined || messages < last ? null : tenths((messages - last) / seconds)
    return { room, short, users, nodes, messagesPerSecond: rate }
  })
  busiest.sort((a, b) => (b.messagesPerSecond ?? 0) - (a.messagesPerSecond ?? 0) || b.users - a.users)
  return {
    schema: 1,
    overMs: Math.round(now.at - before.at),
    list: now.load.list.map((load) =>
      rowOf(
        before.load.list.find(({ node }) => node === load.node),
        load,
      ),
    ),
    busiest: busiest.slice(0, roomsMax),
    nodes: now.load.nodes,
  }
}

/** By the node's own clock: when the answers came does not matter. */
function rowOf(before: NodeLoad | undefined, now: NodeLoad): NodeRow {
  const ms = before === undefined ? 0 : now.upMs - before.upMs
  const rate = (read: (load: NodeLoad) => number): number | null =>
    before === undefined || ms <= 0 ? null : tenths(((read(now) - read(before)) * 1000) / ms)
  const { node, state, connections, rooms, members, memoryBytes, loopLagMs } = now
  return {
    ...{ node, state, connections, rooms, members },
    messagesInPerSecond: rate(({ messagesIn }) => messagesIn),
    messagesOutPerSecond: rate(({ messagesOut }) => messagesOut),
    bytesInPerSecond: rate(({ bytesIn }) => bytesIn),
    bytesOutPerSecond: rate(({ bytesOut }) => bytesOut),
    cpuPercent: rate(({ cpuMs }) => cpuMs / 10),
    ...{ memoryBytes, loopLagMs },
  }
}
