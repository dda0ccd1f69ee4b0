// Hostile input over real sockets: random and mutated messages get typed errors or a close, the node lives, its memory
// stays flat, and a room beside it notices nothing. PYCHAT_TEST_HOSTILE_MESSAGES sets how many (100,000 in a release).
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { closeTable, decodeRelayControl } from '@pychat/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { loadUwsBinary } from '../src/transport/uws-binary.ts'
import { type RelayChild, startRelay } from './child.ts'
import { banned, charterPair, handover, newPerson, proofOf } from './support/charters.ts'
import { connect, frame, joinMessage, room, session } from './wire-client.ts'

const messages = Number(process.env['PYCHAT_TEST_HOSTILE_MESSAGES'] ?? 20_000)
const seed = Number(process.env['PYCHAT_TEST_SEED'] ?? randomBytes(4).readUInt32BE())
const perConnection = 200

/** mulberry32: small, and the same everywhere. */
function createRandom(start: number): (below: number) => number {
  let state = start >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  const copy = Buffer.from(bytes)
  for (let i = 0; i <= random(4); i += 1) if (copy.length > 0) copy[random(copy.length)] = random(256)
  if (random(4) === 0) return copy.subarray(0, random(copy.length + 1))
  if (random(8) === 0) return Buffer.concat([copy, Buffer.alloc(random(700), random(256))])
  return copy
}

const texts = [
  '{"t":"hello","version":1,"software":"x"}',
  '{"t":"ping","id":1}',
  '{"t":"leave","id":1,"room":"00000000000000000000000000000000"}',
  '{"t":"members","id":1,"room":"00000000000000000000000000000000","after":"99999999999999999999"}',
  '{"t":"join","__proto__":{"id":1}}',
  '{"t":"constructor"}',
  '['.repeat(3000),
  '{"t":"welcome","version":1}',
  'null',
  '',
  '"\\ud800"',
  '{"t":"ping","id":1e999}',
  '{"t":"charter"}',
  `{"t":"charter",${'['.repeat(40_000)}`,
  `{"t":"charter","id":1,"t":"ping","x":"${'x'.repeat(30_000)}"}`,
  '{"t":"profile","id":1,"room":"00000000000000000000000000000000","tag":"","profile":""}',
  '{"t":"kick","id":1,"room":"00000000000000000000000000000000","session":"00000000000000000000000000000000"}',
]

const [owner, other] = [newPerson(), newPerson()]
const governed = room()
/** True, of a room that nobody here is in; so each of them is also one from a stranger. */
const charters = [
  charterPair(owner, governed),
  charterPair(owner, governed, { version: 2, rulesVersion: 2, ops: [other], bans: [banned(newPerson())] }),
  charterPair(other, governed, { handovers: [handover(governed, 1, owner, other)], lock: true }),
].map((pair) => JSON.stringify({ t: 'charter', id: 1, room: governed, ...pair }))

/** A join that proves a key, or nearly. */
function provenJoin(random: (below: number) => number): string {
  const join = joinMessage(1 + random(9), { room: random(2) === 0 ? governed : room() })
  const key = proofOf(owner, join.room, random(2) === 0 ? join.session : session(), join.secret)
  return JSON.stringify({ ...join, key })
}

function hostile(random: (below: number) => number): string | Buffer {
  switch (random(8)) {
    case 0:
      return Buffer.from(Array.from({ length: random(600) }, () => random(256)))
    case 1:
      return mutate(frame(session(), random(5), 256), random)
    case 2:
      return frame(session(), 1 + random(2 ** 24))
    case 3:
      return JSON.stringify(joinMessage(1 + random(1000)))
    case 4:
      return mutate(Buffer.from(JSON.stringify(joinMessage(1 + random(9)))), random).toString('latin1')
    case 5:
      return provenJoin(random)
    case 6: {
      const text = random(4) === 0 ? provenJoin(random) : (charters[random(charters.length)] ?? '')
      return random(3) === 0 ? text : mutate(Buffer.from(text), random).toString('latin1')
    }
    default: {
      const text = texts[random(texts.length)] ?? ''
      return random(2) === 0 ? text : mutate(Buffer.from(text), random).toString('latin1')
    }
  }
}

/** Resident bytes of a process, from Linux; 0 elsewhere. */
function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
  } catch {
    return 0
  }
}

const transports = ['uws', 'ws'].filter((kind) => kind === 'ws' || loadUwsBinary().ok)

describe.each(transports)('hostile input on %s', (transport) => {
  let relay: RelayChild
  beforeAll(async () => {
    relay = await startRelay({ PYCHAT_TRANSPORT: transport })
  })
  afterAll(() => relay.dispose())

  /** One connection's worth of junk. @returns how many were sent, and the close code if the relay closed it */
  function attack(
    random: (below: number) => number,
    greet: boolean,
  ): Promise<{ sent: number; code: number }> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(relay.url, { perMessageDeflate: false })
      let sent = 0
      socket.on('error', () => {})
      socket.on('open', () => {
        if (greet) socket.send('{"t":"hello","version":1,"software":"x"}')
        // A few at a time, so that hardly any is spent on a connection that is closed already.
        const more = (): void => {
          if (sent >= perConnection) {
            socket.close()
            return
          }
          for (let i = 0; i < 4; i += 1) socket.send(hostile(random))
          sent += 4
          socket.ping()
        }
        socket.on('pong', more)
        more()
      })
      socket.on('message', (data: Buffer, isBinary) => {
        try {
          if (!isBinary) decodeRelayControl(data.toString())
        } catch (error) {
          reject(error)
        }
      })
      socket.on('close', (code) => resolve({ sent, code }))
    })
  }

  test(`${messages} messages do no harm (seed ${seed})`, { timeout: 300_000 }, async () => {
    const random = createRandom(seed)
    const [alice, bob] = [await connect(relay.url), await connect(relay.url)]
    const a = joinMessage(1)
    alice.send(a)
    await alice.control('joined')
    const b = joinMessage(1, { room: a.room })
    bob.send(b)
    await bob.control('joined')
    let counter = 0
    const chat = setInterval(() => {
      counter += 1
      alice.socket.send(frame(a.session, counter))
    }, 100)

    const codes = new Set<number>()
    let sent = 0
    const round = async (until: number): Promise<void> => {
      while (sent < until) {
        const results = await Promise.all([0, 1, 2, 3, 4].map((i) => attack(random, i > 0)))
        for (const result of results) {
          sent += result.sent
          codes.add(result.code)
        }
      }
    }
    const pid = relay.process.pid ?? 0
    await round(messages / 2)
    const before = residentBytes(pid)
    await round(messages)
    const grown = residentBytes(pid) - before
    clearInterval(chat)

    await bob.until(() => bob.deliveries.length === counter, 'every message of the room beside')
    expect(bob.deliveries.map((each) => each.seq)).toEqual(Array.from({ length: counter }, (_, i) => i + 1))
    const noise = bob.controls.filter((each) => !['welcome', 'joined', 'position'].includes(each.t))
    // His own arrival is all that the room told him.
    expect(noise.filter((each) => each.t !== 'arrived' || each.member.session !== b.session)).toEqual([])
    expect(relay.process.exitCode).toBeNull()
    expect(relay.stderr()).not.toContain('fault')
    const expected = [1000, 1005, 1006, 1007, closeTable.badMessage.code, closeTable.unsupportedVersion.code]
    for (const code of codes) expect(expected).toContain(code)
    expect(codes).toContain(closeTable.badMessage.code)
    // A heap that breathes, not one that grows with what was sent.
    expect(grown).toBeLessThan(48 * 1024 * 1024)
    const live = await fetch(`${relay.opsUrl}/livez`)
    expect(live.status).toBe(200)
    for (const client of [alice, bob]) client.socket.close()
  })
})
