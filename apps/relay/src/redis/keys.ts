// Where everything lies in Redis. A room's keys and its channel share the hash tag {room}, hence one slot.
// lua/*.lua say what each key holds.
import type { NodeId, RoomId } from '@pychat/protocol'

export type RoomKeys = {
  /** In the order of KEYS[1..7] of room_join.lua, the channel last. */
  all: readonly [
    room: string,
    members: string,
    names: string,
    gone: string,
    roster: string,
    log: string,
    channel: string,
  ]
  room: string
  members: string
  roster: string
  log: string
  channel: string
  /** Of all of them. */
  slot: number
}

export function roomKeys(prefix: string, id: RoomId): RoomKeys {
  const base = `${prefix}:{${id}}`
  const keys = {
    room: `${base}:room`,
    members: `${base}:members`,
    roster: `${base}:roster`,
    log: `${base}:log`,
    channel: `${base}:x`,
  }
  const { room, members, roster, log, channel } = keys
  return {
    ...keys,
    all: [room, members, `${base}:names`, `${base}:gone`, roster, log, channel],
    slot: slotOf(base),
  }
}

/** Set of the ids of all nodes that registered and are not buried yet. */
export function nodesKey(prefix: string): string {
  return `${prefix}:nodes`
}

/** Hash: id of a node that is gone -> from when on its members may be taken out, milliseconds since 1970. */
export function gravesKey(prefix: string): string {
  return `${prefix}:graves`
}

/** String that expires unless its node renews it. */
export function leaseKey(prefix: string, node: NodeId): string {
  return `${prefix}:node:${node}`
}

/** Set of the rooms in which the node may have members. */
export function nodeRoomsKey(prefix: string, node: NodeId): string {
  return `${prefix}:node:${node}:rooms`
}

/** Held by the node that is reaping a dead one. */
export function reaperKey(prefix: string, node: NodeId): string {
  return `${prefix}:node:${node}:reaper`
}

export type BansKeys = { list: string; channel: string; slot: number }

/** Hash of the operator's bans, and the sharded channel on which nodes hear of another list. */
export function bansKeys(prefix: string): BansKeys {
  const list = `${prefix}:{bans}`
  return { list, channel: `${list}:x`, slot: slotOf(list) }
}

/** Sharded channel on which a node is asked, and hears answers. */
export function nodeChannel(prefix: string, node: NodeId): string {
  return `${prefix}:node:${node}:x`
}

/** Hash of the emergency level, and the sharded channel that tells when it changes. */
export function emergencyKeys(prefix: string): { level: string; channel: string } {
  return { level: `${prefix}:{defcon}`, channel: `${prefix}:{defcon}:x` }
}

const slotCount = 16_384

/** Redis Cluster's slot of a key or sharded channel: CRC16/XMODEM of its hash tag, if it has one. */
export function slotOf(key: string): number {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  const hashed = Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key)
  let crc = 0
  for (const byte of hashed) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
    crc &= 0xffff
  }
  return crc % slotCount
}
