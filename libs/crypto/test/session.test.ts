import { randomBytes } from 'node:crypto'
import { createSession, fingerprint, memberKey } from '@pychat/crypto'
import { expect, test } from 'vitest'
import { hex, seededRandom } from './fixtures.ts'

const random = (n: number) => new Uint8Array(randomBytes(n))

test('the same randomness gives the same session, other randomness another one', () => {
  const [a, again, b] = [seededRandom('a'), seededRandom('a'), seededRandom('b')].map((random) =>
    createSession(random),
  )
  expect(again).toMatchObject({ id: a?.id, secret: a?.secret, publicKey: a?.publicKey })
  expect(again?.boxPublicKey).toEqual(a?.boxPublicKey)
  expect(b?.id).not.toBe(a?.id)
  expect(b?.secret).not.toBe(a?.secret)
  expect(hex(b?.publicKey as Uint8Array)).not.toBe(hex(a?.publicKey as Uint8Array))
})

test('asks for 16 bytes of id, 16 of secret and 32 of each key, and shows no private key', () => {
  const asked: number[] = []
  const session = createSession((n) => {
    asked.push(n)
    return new Uint8Array(n).fill(asked.length)
  })
  expect(asked).toEqual([16, 16, 32, 32])
  expect(session.id).toBe('01'.repeat(16))
  expect(session.secret).toBe('02'.repeat(16))
  const shown = JSON.stringify(session)
  for (const key of ['03', '04']) expect(shown).not.toContain(key.repeat(8))
  // RFC 8032 hashes the seed and RFC 7748 clamps it: the same bytes give two keys that have nothing in common.
  expect(hex(session.boxPublicKey)).not.toBe(hex(session.publicKey))
})

test('of somebody who is known, it signs with the member key and draws no other', () => {
  const member = memberKey(new Uint8Array(16).fill(5))
  const asked: number[] = []
  const draw = (n: number) => {
    asked.push(n)
    return random(n)
  }
  const [first, second] = [createSession(draw, member), createSession(draw, member)]
  expect(asked).toEqual([16, 16, 32, 16, 16, 32])
  expect(first.publicKey).toEqual(member.publicKey)
  expect(first.memberId).toBe(member.id)
  expect(second.memberId).toBe(member.id)
  expect(second.id).not.toBe(first.id)
  expect(hex(second.boxPublicKey)).not.toBe(hex(first.boxPublicKey))
})

test('an id keeps its value when the caller uses its random buffer again', () => {
  const pool = new Uint8Array(32).fill(7)
  const session = createSession((n) => pool.subarray(0, n))
  pool.fill(9)
  expect(hex(session.idBytes)).toBe(session.id)
})

// A broken encoder once left a chat 2^54 keys to choose from (Cryptocat). Of fair bits none sticks.
test('every bit of ids and secrets takes both values about equally often over 512 sessions', () => {
  const rounds = 512
  for (const field of ['id', 'secret'] as const) {
    const ones = new Array<number>(128).fill(0)
    const seen = new Set<string>()
    for (let round = 0; round < rounds; round += 1) {
      const value = createSession(random)[field]
      expect(value).toMatch(/^[0-9a-f]{32}$/)
      seen.add(value)
      const bits = BigInt(`0x${value}`)
      for (let bit = 0; bit < 128; bit += 1)
        ones[bit] = (ones[bit] as number) + Number((bits >> BigInt(bit)) & 1n)
    }
    expect(seen.size).toBe(rounds)
    // Mean 256, deviation 11.3: eight deviations off is a bug, not bad luck.
    for (const count of ones) {
      expect(count).toBeGreaterThan(165)
      expect(count).toBeLessThan(347)
    }
  }
})

test('a fingerprint is eight characters in two groups and differs from key to key', () => {
  const prints = Array.from({ length: 20 }, () => fingerprint(createSession(random).publicKey))
  for (const print of prints) expect(print).toMatch(/^[a-z2-7]{4}-[a-z2-7]{4}$/)
  expect(new Set(prints).size).toBe(20)
})
