// One spelling for each thing that can be banned, so that two ways of writing it are one ban.
import { type BlockList, isIP, SocketAddress } from 'node:net'
import { decodeBase64url, encodeHex, memberIdOf, memberIdSchema, publicKeySchema } from '@pychat/protocol'
import { ipv6Groups, plainAddress } from '../session/address-limits.ts'
import { verifier } from '../verifier.ts'

/** The widest nets that may be banned, in bits: /8 is a 256th of all IPv4 addresses, /16 a lot of providers' IPv6. */
const prefixMin = { 4: 8, 6: 16 } as const
/** An IPv6 address without "/bits" stands for its network, as in the limits: within it people change theirs at will. */
const ipv6Bits = 64

/**
 * "192.0.2.7", "192.0.2.0/24", "2001:db8::/64": host bits cleared, mapped IPv4 as IPv4.
 * @returns null for what is none, or wider than may be banned
 */
export function banAddress(text: string): string | null {
  const [host = '', bits, ...more] = text.trim().split('/')
  if (more.length > 0 || (bits !== undefined && !/^[0-9]{1,3}$/.test(bits))) return null
  if (isIP(host) === 0) return null
  const address = plainAddress(host)
  if (address === null) return null
  const family = isIP(address) as 4 | 6
  const wide = family === 4 ? 32 : 128
  const mappedBits = family === 4 && isIP(host) === 6 ? 96 : 0
  const prefix = bits === undefined ? (family === 4 ? 32 : ipv6Bits) : Number(bits) - mappedBits
  if (prefix < prefixMin[family] || prefix > wide) return null
  const net = masked(address, family, prefix)
  return prefix === 32 && family === 4 ? net : `${net}/${prefix}`
}

function masked(address: string, family: 4 | 6, prefix: number): string {
  const bytes = addressBytes(address, family)
  const kept = bytes.map((byte, i) => byte & (0xff << (8 - Math.min(8, Math.max(0, prefix - 8 * i)))) & 0xff)
  if (family === 4) return kept.join('.')
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) groups.push((((kept[i] ?? 0) << 8) | (kept[i + 1] ?? 0)).toString(16))
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
}

function addressBytes(address: string, family: 4 | 6): number[] {
  if (family === 4) return address.split('.').map(Number)
  return ipv6Groups(address).flatMap((group) => [group >> 8, group & 255])
}

/** Puts a canonical value on a list that answers whether an address is among them. */
export function addTo(list: BlockList, value: string): void {
  const [net = '', bits] = value.split('/')
  const family = isIP(net) === 6 ? 'ipv6' : 'ipv4'
  if (bits === undefined) list.addAddress(net, family)
  else list.addSubnet(net, Number(bits), family)
}

/** @param text a public key as 64 hex digits or base64url, or a member id of 32 hex digits  @returns the member id, or null */
export function banKey(text: string): string | null {
  const id = memberIdSchema.safeParse(text)
  if (id.success) return id.data
  const key = publicKeySchema.safeParse(text.length === 43 ? hexOf(text) : text)
  return key.success ? memberIdOf(key.data, verifier) : null
}

function hexOf(base64url: string): string {
  try {
    return encodeHex(decodeBase64url(base64url))
  } catch {
    return ''
  }
}
