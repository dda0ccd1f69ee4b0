// Whom a list of bans means: asked at each handshake, each join, and of every session when the list has changed.
import { BlockList, isIP } from 'node:net'
import type { MemberId, RoomId } from '@pychat/protocol'
import type { Ban } from './ban-list.ts'
import { addTo } from './ban-values.ts'

/** Why a member may not be in a room: a code of the protocol's errors, and of `expelled`. */
export type MemberBan = 'room-banned' | 'key-banned'

export type BanMatcher = {
  /** @param address as text, IPv4 or IPv6 */
  address(address: string): boolean
  /** @param member whose key it proved there; null for nobody's */
  member(room: RoomId, member: MemberId | null): MemberBan | null
}

/** @param bans all of them in force */
export function createMatcher(bans: readonly Pick<Ban, 'kind' | 'value'>[]): BanMatcher {
  const nets = new BlockList()
  const rooms = new Set<string>()
  const keys = new Set<string>()
  let hasNets = false
  for (const { kind, value } of bans) {
    if (kind === 'room') rooms.add(value)
    else if (kind === 'key') keys.add(value)
    else {
      addTo(nets, value)
      hasNets = true
    }
  }
  return {
    address: (address) => hasNets && nets.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'),
    member(room, member) {
      if (rooms.has(room)) return 'room-banned'
      return member !== null && keys.has(member) ? 'key-banned' : null
    },
  }
}
