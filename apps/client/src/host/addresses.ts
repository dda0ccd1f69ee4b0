// Which addresses of this machine others on the same network can reach: what a host tells them to connect to.
import { createSocket } from 'node:dgram'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { isLocalHost } from '../settings.ts'

/** Bridges to containers and virtual machines: nobody outside this machine is there. */
const virtual = /^(docker|br-|veth|virbr|vmnet|vboxnet|vEthernet|cni|flannel|podman|lxc|utun|awdl|llw)/
/** Any public address: nothing is sent there (RFC 5737). */
const somewhere = '198.51.100.1'

export type LanAddress = { host: string; interfaceName: string }

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/**
 * Private addresses, the likeliest first: the one that this machine uses itself, IPv4 before IPv6, cables and radios
 * before bridges, self-assigned ones last. Public addresses are no local network and are left out.
 * @param preferred the address that this machine sends from, or null
 */
export function lanAddresses(interfaces: Interfaces, preferred: string | null): LanAddress[] {
  const found: (LanAddress & { rank: number })[] = []
  for (const [interfaceName, addresses] of Object.entries(interfaces)) {
    for (const { address, family, internal } of addresses ?? []) {
      const linkLocal6 = /^fe[89ab]/i.test(address)
      if (internal || linkLocal6 || !isLocalHost(address.toLowerCase())) continue
      const rank =
        (address === preferred ? 0 : 8) +
        (virtual.test(interfaceName) ? 4 : 0) +
        (address.startsWith('169.254.') ? 2 : 0) +
        (family === 'IPv6' ? 1 : 0)
      found.push({ host: address, interfaceName, rank })
    }
  }
  return found.sort((a, b) => a.rank - b.rank).map(({ host, interfaceName }) => ({ host, interfaceName }))
}

/** The address that this machine would send from, or null without a way out. Sends nothing. */
function preferredAddress(): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    const finish = (address: string | null) => {
      socket.close()
      resolve(address)
    }
    socket.once('error', () => finish(null))
    socket.connect(9, somewhere, () => finish(socket.address().address))
  })
}

/** @param host as `LanAddress` has it */
export function relayUrlOf(host: string, port: number): string {
  return `ws://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * Relays as others reach them: "this machine" means another one to them. Where it has no address on a network, the relay
 * stays as it is.
 */
export function seenFromOutside(urls: readonly string[], addresses: readonly LanAddress[]): string[] {
  const seen = urls.flatMap((text) => {
    const { protocol, hostname, port } = new URL(text)
    const loopback = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
    // A certificate is for a name, not for an address.
    if (protocol !== 'ws:' || !loopback || addresses.length === 0) return [text]
    return addresses.map(({ host }) => relayUrlOf(host, port === '' ? 80 : Number(port)))
  })
  return [...new Set(seen)]
}

/** The addresses of this machine, now. */
export async function ownAddresses(): Promise<LanAddress[]> {
  return lanAddresses(networkInterfaces(), await preferredAddress())
}
