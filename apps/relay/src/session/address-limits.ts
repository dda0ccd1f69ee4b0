// Decides per peer address: is its X-Forwarded-For believed, how many sockets, handshakes, joins, rooms, frames and bytes
// it may have.
// IPv6 counts by /64. Loopback peers are exempt (the machine's own people), unless a trusted proxy there names another
// address. Memory is bounded: the table forgets idle addresses first and never grows past `trackedAddressesMax`.
import { type BlockList, isIP } from 'node:net'
import type { LimitName } from './figures.ts'
import { Share, shareRates } from './shares.ts'
import { rateOf, TokenBucket } from './token-bucket.ts'

export type AddressLimitSettings = {
  trustedProxies: BlockList
  connectionsPerAddressMax: number
  handshakesPerAddressPerSecond: number
  joinsPerAddressPerSecond: number
  roomsPerAddressPerMinute: number
  framesPerAddressPerSecond: number
  bytesPerAddressPerSecond: number
}

/** Addresses remembered at once; further new ones share one record. */
export const trackedAddressesMax = 100_000
const roomsWindowMs = 60_000
const handshakeBurstSeconds = 5
/** Who comes back joins every room: several people behind one address all at once. */
const joinBurstSeconds = 10

type AddressRecord = {
  sockets: number
  handshakeTokens: number
  handshakesAt: number
  /** Rooms tried in the window that began at `roomsSince`. */
  rooms: Set<string> | null
  roomsSince: number
  /** Made when they are first wanted, as the rooms are. */
  joins: TokenBucket | null
  share: Share | null
}

export type AddressLimits = {
  /**
   * Address to hold responsible for a connection.
   * @param peer the directly connected peer  @param forwardedFor X-Forwarded-For or an empty string
   */
  resolve(peer: string, forwardedFor: string): string
  /** Counts a handshake. @returns null when it may go on, else seconds to wait */
  handshake(address: string, now: number): number | null
  opened(address: string): void
  closed(address: string): void
  /** Counts a join, and the room it is for. @returns null when it may, else milliseconds to wait */
  join(address: string, room: string, now: number): number | null
  /** What an open connection's address may send; null when it is exempt. */
  share(address: string): Share | null
  /** Forgets idle addresses; to be called now and then. */
  sweep(now: number): void
  size(): number
}

/** Plain IPv4 for an IPv4-mapped IPv6 address, without zone; null for what is no address. */
export function plainAddress(text: string): string | null {
  let address = text.trim()
  const bracketed = /^\[([^\]]*)\](?::[0-9]+)?$/.exec(address)
  if (bracketed?.[1] !== undefined) address = bracketed[1]
  else if (/^[0-9.]+:[0-9]+$/.test(address)) address = address.slice(0, address.indexOf(':'))
  address = address.replace(/%.*$/, '')
  const groups = isIP(address) === 6 ? ipv6Groups(address) : null
  if (groups?.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const high = groups[6] ?? 0
    const low = groups[7] ?? 0
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  }
  return isIP(address) === 0 ? null : address
}

/** The eight 16-bit groups of a valid IPv6 address. */
export function ipv6Groups(address: string): number[] {
  const dotted = address.replace(/([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$/, (_, a, b, c, d) => {
    return `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`
  })
  const [head = '', tail] = dotted.split('::')
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((each) => parseInt(each, 16))
  const left = parse(head)
  if (tail === undefined) return left
  const right = parse(tail)
  return [...left, ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right]
}

export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

/** What limits count by: an IPv4 address, or the /64 of an IPv6 one. */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address
  return `${ipv6Groups(address)
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** An address as logs may show it: the /24 of IPv4, the /48 of IPv6. */
export function truncateAddress(text: string): string {
  const address = plainAddress(text)
  if (address === null) return 'unknown'
  if (isIP(address) === 4) return `${address.split('.').slice(0, 3).join('.')}.0/24`
  return `${ipv6Groups(address)
    .slice(0, 3)
    .map((group) => group.toString(16))
    .join(':')}::/48`
}

/**
 * @param limited told which limit refused something
 * @param share of the handshakes and rooms, 1 in calm times
 */
export function createAddressLimits(
  settings: AddressLimitSettings,
  limited: (limit: LimitName) => void = () => {},
  share: () => number = () => 1,
): AddressLimits {
  const records = new Map<string, AddressRecord>()
  const burst = settings.handshakesPerAddressPerSecond * handshakeBurstSeconds
  const { joinsPerAddressPerSecond: joinsPerSecond } = settings
  const joinRate = rateOf(joinsPerSecond, joinsPerSecond * joinBurstSeconds)
  const sending = shareRates(settings.framesPerAddressPerSecond, settings.bytesPerAddressPerSecond)
  const newRecord = (): AddressRecord => ({
    sockets: 0,
    handshakeTokens: burst,
    handshakesAt: 0,
    rooms: null,
    roomsSince: 0,
    joins: null,
    share: null,
  })
  /** All addresses that no longer fit share this one, so a flood of addresses limits itself. */
  const overflow = newRecord()

  const trusted = (address: string): boolean =>
    settings.trustedProxies.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')

  function record(address: string): AddressRecord | null {
    if (isLoopback(address)) return null
    const key = addressKey(address)
    const known = records.get(key)
    if (known !== undefined) return known
    if (records.size >= trackedAddressesMax) return overflow
    const fresh = newRecord()
    records.set(key, fresh)
    return fresh
  }

  return {
    resolve(peer, forwardedFor) {
      let address = plainAddress(peer) ?? peer
      const hops = forwardedFor === '' ? [] : forwardedFor.slice(-1024).split(',')
      // The nearest hop stands last; each one is believed only while the one that wrote it is trusted.
      while (hops.length > 0 && trusted(address)) {
        const next = plainAddress(hops.pop() ?? '')
        if (next === null) break
        address = next
      }
      return address
    },

    handshake(address, now) {
      const entry = record(address)
      if (entry === null) return null
      if (entry.sockets >= settings.connectionsPerAddressMax) {
        limited('address-connections')
        return 30
      }
      const elapsed = Math.max(0, now - entry.handshakesAt) / 1000
      const refilled = entry.handshakeTokens + elapsed * settings.handshakesPerAddressPerSecond * share()
      entry.handshakeTokens = Math.min(Math.max(1, burst * share()), refilled)
      entry.handshakesAt = now
      if (entry.handshakeTokens < 1) {
        limited('address-handshakes')
        return 1
      }
      entry.handshakeTokens -= 1
      return null
    },

    opened(address) {
      const entry = record(address)
      if (entry !== null) entry.sockets += 1
    },

    closed(address) {
      if (isLoopback(address)) return
      // A socket that was counted on the shared record is not on its own one.
      const own = records.get(addressKey(address))
      const entry = own !== undefined && own.sockets > 0 ? own : overflow
      if (entry.sockets > 0) entry.sockets -= 1
    },

    join(address, room, now) {
      const entry = record(address)
      if (entry === null) return null
      entry.joins ??= new TokenBucket(joinRate)
      const waitMs = entry.joins.take(1, now)
      if (waitMs > 0) {
        limited('address-joins')
        return waitMs
      }
      if (entry.rooms === null || now - entry.roomsSince >= roomsWindowMs) {
        entry.rooms = new Set()
        entry.roomsSince = now
      }
      if (entry.rooms.has(room)) return null
      if (entry.rooms.size >= Math.max(1, settings.roomsPerAddressPerMinute * share())) {
        limited('address-rooms')
        return Math.max(1, Math.ceil(roomsWindowMs - (now - entry.roomsSince)))
      }
      entry.rooms.add(room)
      return null
    },

    share(address) {
      const entry = record(address)
      if (entry === null) return null
      entry.share ??= new Share(sending)
      return entry.share
    },

    sweep(now) {
      for (const [key, entry] of records) {
        if (entry.sockets > 0) continue
        if (
          now - entry.handshakesAt > handshakeBurstSeconds * 1000 &&
          now - entry.roomsSince >= roomsWindowMs
        ) {
          records.delete(key)
        }
      }
    },

    size: () => records.size,
  }
}
