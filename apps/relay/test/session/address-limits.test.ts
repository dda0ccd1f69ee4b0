// Limits per address: whose word counts, what one address may do, and that the table stays small.
import { BlockList } from 'node:net'
import { describe, expect, test } from 'vitest'
import {
  addressKey,
  createAddressLimits,
  trackedAddressesMax,
  truncateAddress,
} from '../../src/session/address-limits.ts'

function limitsWith(trusted: string[] = []) {
  const trustedProxies = new BlockList()
  for (const cidr of trusted) {
    const [address = '', bits = '32'] = cidr.split('/')
    trustedProxies.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return createAddressLimits({
    trustedProxies,
    connectionsPerAddressMax: 3,
    handshakesPerAddressPerSecond: 2,
    joinsPerAddressPerSecond: 10,
    roomsPerAddressPerMinute: 4,
    framesPerAddressPerSecond: 20,
    bytesPerAddressPerSecond: 65_536,
  })
}

describe('whose address counts', () => {
  test('a forwarded address from an untrusted peer is ignored', () => {
    expect(limitsWith().resolve('198.51.100.7', '203.0.113.1')).toBe('198.51.100.7')
  })

  test('a trusted proxy is believed, right to left, up to the first untrusted hop', () => {
    const limits = limitsWith(['10.0.0.0/8', 'fd00::/8'])
    expect(limits.resolve('10.0.0.1', '203.0.113.1')).toBe('203.0.113.1')
    expect(limits.resolve('10.0.0.1', '1.2.3.4, 203.0.113.1, 10.9.9.9')).toBe('203.0.113.1')
    expect(limits.resolve('::ffff:10.0.0.1', '2001:db8::5')).toBe('2001:db8::5')
    expect(limits.resolve('fd00::1', '203.0.113.1:5555')).toBe('203.0.113.1')
    expect(limits.resolve('10.0.0.1', '[2001:db8::5]:443')).toBe('2001:db8::5')
  })

  test('nonsense in the header stops the walk at the last address that was an address', () => {
    const limits = limitsWith(['10.0.0.0/8'])
    expect(limits.resolve('10.0.0.1', 'unknown')).toBe('10.0.0.1')
    expect(limits.resolve('10.0.0.1', '203.0.113.1, , 10.0.0.2')).toBe('10.0.0.2')
    expect(limits.resolve('10.0.0.1', '')).toBe('10.0.0.1')
  })

  test('IPv6 counts by /64, IPv4 whole', () => {
    expect(addressKey('2001:db8:1:2:3:4:5:6')).toBe(addressKey('2001:db8:1:2::9'))
    expect(addressKey('2001:db8:1:2::1')).not.toBe(addressKey('2001:db8:1:3::1'))
    expect(addressKey('192.0.2.1')).toBe('192.0.2.1')
  })

  test('logs see a network, never an address', () => {
    expect(truncateAddress('192.0.2.77')).toBe('192.0.2.0/24')
    expect(truncateAddress('::ffff:192.0.2.77')).toBe('192.0.2.0/24')
    expect(truncateAddress('::ffff:c000:24d')).toBe('192.0.2.0/24')
    expect(truncateAddress('2001:db8:1:2:3::6')).toBe('2001:db8:1::/48')
    expect(truncateAddress('\u001b[31m')).toBe('unknown')
  })
})

describe('what one address may do', () => {
  test('handshakes have a burst and come back with time', () => {
    const limits = limitsWith()
    for (let i = 0; i < 10; i += 1) expect(limits.handshake('192.0.2.1', 1000)).toBeNull()
    expect(limits.handshake('192.0.2.1', 1000)).toBe(1)
    expect(limits.handshake('192.0.2.2', 1000)).toBeNull()
    expect(limits.handshake('192.0.2.1', 1500)).toBeNull()
    expect(limits.handshake('192.0.2.1', 1500)).toBe(1)
  })

  test('sockets are counted until they close', () => {
    const limits = limitsWith()
    for (let i = 0; i < 3; i += 1) limits.opened('192.0.2.1')
    expect(limits.handshake('192.0.2.1', 0)).toBe(30)
    limits.closed('192.0.2.1')
    expect(limits.handshake('192.0.2.1', 0)).toBeNull()
  })

  test('distinct rooms are bounded in a minute, the same room is free', () => {
    const limits = limitsWith()
    for (const room of ['a', 'b', 'c', 'd', 'a', 'b']) expect(limits.join('192.0.2.1', room, 5000)).toBeNull()
    expect(limits.join('192.0.2.1', 'e', 15_000)).toBe(50_000)
    expect(limits.join('192.0.2.1', 'd', 15_000)).toBeNull()
    expect(limits.join('192.0.2.1', 'e', 65_000)).toBeNull()
  })

  test('joins have a burst and come back with time, whatever the room', () => {
    const limits = limitsWith()
    for (let i = 0; i < 100; i += 1) expect(limits.join('192.0.2.1', 'a', 5000)).toBeNull()
    expect(limits.join('192.0.2.1', 'a', 5000)).toBe(100)
    expect(limits.join('192.0.2.2', 'a', 5000)).toBeNull()
    expect(limits.join('192.0.2.1', 'a', 5100)).toBeNull()
  })

  test('its connections share one bucket, loopback has none', () => {
    const limits = limitsWith()
    expect(limits.share('2001:db8::1')).toBe(limits.share('2001:db8::2'))
    expect(limits.share('192.0.2.1')).not.toBe(limits.share('192.0.2.2'))
    expect(limits.share('127.0.0.1')).toBeNull()
  })

  test('one IPv6 network cannot multiply itself', () => {
    const limits = limitsWith()
    for (let i = 0; i < 3; i += 1) limits.opened(`2001:db8::${i + 1}`)
    expect(limits.handshake('2001:db8::ffff', 0)).toBe(30)
  })

  test('loopback is exempt, but not an address that a proxy on loopback names', () => {
    const limits = limitsWith(['127.0.0.0/8'])
    for (let i = 0; i < 100; i += 1) {
      limits.opened('127.0.0.1')
      expect(limits.handshake('127.0.0.1', 0)).toBeNull()
      expect(limits.join('::1', `room ${i}`, 0)).toBeNull()
    }
    const address = limits.resolve('127.0.0.1', '192.0.2.9')
    for (let i = 0; i < 10; i += 1) limits.handshake(address, 0)
    expect(limits.handshake(address, 0)).toBe(1)
  })
})

describe('memory', () => {
  test('a flood of addresses stops growing the table and is then limited together', () => {
    const limits = limitsWith()
    for (let i = 0; i < trackedAddressesMax + 500; i += 1) {
      limits.handshake(`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`, 0)
    }
    expect(limits.size()).toBe(trackedAddressesMax)
    expect(limits.handshake('192.0.2.1', 0)).toBe(1)
  })

  test('idle addresses are forgotten, those with sockets are not', () => {
    const limits = limitsWith()
    limits.handshake('192.0.2.1', 1000)
    limits.handshake('192.0.2.2', 1000)
    limits.opened('192.0.2.2')
    limits.sweep(2000)
    expect(limits.size()).toBe(2)
    limits.sweep(200_000)
    expect(limits.size()).toBe(1)
  })
})
