// Which addresses a host tells others: those that people on the same network can reach, the likeliest first.
import type { NetworkInterfaceInfo } from 'node:os'
import { expect, it } from 'vitest'
import { lanAddresses, relayUrlOf, seenFromOutside } from '../../src/host/addresses.ts'
import { relayUrl } from '../../src/settings.ts'

const at = (address: string, internal = false) =>
  ({ address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4' }) as NetworkInterfaceInfo
const hosts = (interfaces: Record<string, NetworkInterfaceInfo[]>, preferred: string | null = null) =>
  lanAddresses(interfaces, preferred).map(({ host }) => host)

it('leaves out this machine itself, link-local IPv6 and the internet', () => {
  expect(
    hosts({
      lo: [at('127.0.0.1', true), at('::1', true)],
      eth0: [at('203.0.113.7'), at('2001:db8::7'), at('fe80::1'), at('192.168.1.20'), at('fd00::20')],
    }),
  ).toEqual(['192.168.1.20', 'fd00::20'])
  expect(hosts({ lo: [at('127.0.0.1', true)] })).toEqual([])
})

it('puts the address that is used first, and bridges to containers and self-assigned ones last', () => {
  const interfaces = {
    docker0: [at('172.17.0.1')],
    eth0: [at('169.254.3.4'), at('fd00::20'), at('10.0.0.5')],
    wlan0: [at('192.168.1.20')],
  }
  const all = ['10.0.0.5', '192.168.1.20', 'fd00::20', '169.254.3.4', '172.17.0.1']
  expect(hosts(interfaces)).toEqual(all)
  expect(hosts(interfaces, '192.168.1.20')[0]).toBe('192.168.1.20')
  expect(hosts(interfaces, '192.168.1.20').sort()).toEqual([...all].sort())
})

it.each(['192.168.1.20', 'fd00::20'])('gives %s as an address that a client takes', (host) => {
  const url = relayUrlOf(host, 8765)
  expect(relayUrl(url, false)).toEqual({ url })
})

it('names this machine in invites as others reach it', () => {
  const lan = [
    { host: '192.168.1.20', interfaceName: 'wlan0' },
    { host: 'fd00::20', interfaceName: 'wlan0' },
  ]
  expect(seenFromOutside(['ws://localhost:8765', 'ws://127.0.0.1:8765'], lan)).toEqual([
    'ws://192.168.1.20:8765',
    'ws://[fd00::20]:8765',
  ])
  const others = ['wss://chat.example.org', 'ws://10.0.0.5:80', 'wss://localhost']
  expect(seenFromOutside(others, lan)).toEqual(others)
  expect(seenFromOutside(['ws://localhost:8765'], [])).toEqual(['ws://localhost:8765'])
})
