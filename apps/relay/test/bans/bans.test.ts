// Bans as values, as a list that ends on time, and as what each kind of store keeps of them.
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BanKind, memberIdOf, type PublicKey, type RoomId } from '@pychat/protocol'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it, test } from 'vitest'
import { type Ban, bansKeptMax } from '../../src/bans/ban-list.ts'
import { createMatcher } from '../../src/bans/ban-matcher.ts'
import { banAddress, banKey } from '../../src/bans/ban-values.ts'
import { createFileBanStore } from '../../src/bans/bans.file.ts'
import { type Bans, createBans, TooManyBansError } from '../../src/bans/bans.ts'
import { openRedisStore } from '../../src/redis/store.ts'
import { verifier } from '../../src/verifier.ts'
import { nodeOptionsDefault } from '../rooms/contract.ts'
import { freshPrefix, getRedis } from '../support/redis.ts'
import { RedisWire } from '../support/wire.ts'
import { room } from '../wire-client.ts'

const ban = (kind: BanKind, value: string, until: number | null = null): Ban => ({
  kind,
  value,
  reason: '',
  createdAt: 1,
  until,
})

describe('what can be banned', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.77/24', '203.0.113.0/24'],
    ['203.0.113.77/32', '203.0.113.77'],
    ['10.200.3.4/9', '10.128.0.0/9'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7/120', '203.0.113.0/24'],
    ['2001:DB8:1:2:3::4', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:3::4/128', '2001:db8:1:2:3::4/128'],
    ['2001:db8:ffff::/36', '2001:db8:f000::/36'],
    ['0.0.0.0/0', null],
    ['8.0.0.0/7', null],
    ['::/0', null],
    ['2001:db8::/15', null],
    ['203.0.113.7/33', null],
    ['203.0.113', null],
    ['203.0.113.7/24/8', null],
    ['203.0.113.7/', null],
    ['[2001:db8::1]:443', null],
    ['example.org', null],
    ['', null],
  ])('the address %s is %s', (text, value) => {
    expect(banAddress(text)).toBe(value)
    if (value !== null) expect(banAddress(value)).toBe(value)
  })

  test('a key in each of its spellings is one member', () => {
    const key = 'b1bc9a4e477db5f0f096a305caa35006a6114e42e39a15301d6e3c84dc21ac7b' as PublicKey
    const id = memberIdOf(key, verifier)
    expect(banKey(key)).toBe(id)
    expect(banKey(Buffer.from(key, 'hex').toString('base64url'))).toBe(id)
    expect(banKey(id)).toBe(id)
    for (const wrong of ['', 'Alice', key.toUpperCase(), key.slice(2), '?'.repeat(43)]) {
      expect(banKey(wrong)).toBeNull()
    }
  })

  test('a matcher means whom the bans name, and nobody else', () => {
    const id = '58ab6584585847751accfaf46939d1c5' as never
    const [here, there] = [room(), room()]
    const bans = createMatcher([
      ban('address', '203.0.113.0/24'),
      ban('address', '2001:db8:1:2::/64'),
      ban('room', here),
      ban('key', id),
    ])
    for (const address of ['203.0.113.9', '2001:db8:1:2:ffff::1']) expect(bans.address(address)).toBe(true)
    for (const address of ['203.0.114.9', '2001:db8:1:3::1', '127.0.0.1', '::1', '']) {
      expect(bans.address(address), address).toBe(false)
    }
    expect(bans.member(here, null)).toBe('room-banned')
    expect(bans.member(there, id)).toBe('key-banned')
    expect(bans.member(there, null)).toBeNull()
    expect(createMatcher([]).address('203.0.113.9')).toBe(false)
  })
})

const folders: string[] = []
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'pychat-bans-'))
  folders.push(made)
  return made
}
afterEach(() => {
  for (const each of folders.splice(0)) rmSync(each, { recursive: true, force: true })
})

describe('one node', () => {
  it('ends each ban on time, without anybody asking it to', async () => {
    let now = 1000
    const bans = createBans(
      createFileBanStore(null),
      () => now,
      () => {},
    )
    await bans.start()
    const here = room()
    await bans.add(ban('room', here, 5000))
    await bans.add(ban('address', '203.0.113.7', 9000))
    now = 4999
    expect(bans.member(here, null)).toBe('room-banned')
    now = 5000
    expect(bans.member(here, null)).toBeNull()
    expect(bans.address('203.0.113.7')).toBe(true)
    expect(bans.list()).toHaveLength(1)
    expect(await bans.lift({ kind: 'room', value: here })).toBeNull()
    now = 9000
    expect(bans.address('203.0.113.7')).toBe(false)
  })

  it('keeps no more bans than it can look through, but still replaces and lifts', async () => {
    const store = createFileBanStore(null)
    await store.change(() =>
      Array.from({ length: bansKeptMax }, (_, i) => ban('address', `198.51.${i >> 8}.${i & 255}`)),
    )
    const bans = createBans(
      store,
      () => 1000,
      () => {},
    )
    await bans.start()
    await expect(bans.add(ban('room', room()))).rejects.toThrow(TooManyBansError)
    expect(await bans.add(ban('address', '198.51.0.0', 9000))).toMatchObject({ replaced: true })
    await bans.lift({ kind: 'address', value: '198.51.0.1' })
    await bans.add(ban('room', room()))
  })

  it('keeps them in a file for its user alone, over a restart', async () => {
    const file = join(folder(), 'state', 'bans-8765.json')
    const first = createBans(
      createFileBanStore(file),
      () => 1000,
      () => {},
    )
    await first.start()
    const here = room()
    await first.add({ ...ban('room', here), reason: 'späm 🐝' })
    await first.add(ban('address', '203.0.113.7', 2000))
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const second = createBans(
      createFileBanStore(file),
      () => 1500,
      () => {},
    )
    await second.start()
    expect(second.list()).toEqual(first.list())
    expect(second.version()).toBe(first.version())
    expect(second.member(here, null)).toBe('room-banned')
  })

  it('does not start over a file that it cannot read, and changes nothing that it cannot write', async () => {
    const place = folder()
    const file = join(place, 'bans-8765.json')
    for (const text of ['', '{', '{"schema":1}', '{"schema":1,"version":1,"bans":[{"kind":"planet"}]}']) {
      writeFileSync(file, text)
      await expect(createFileBanStore(file).start(() => {})).rejects.toThrow(/damaged.*Repair the file/)
    }
    rmSync(file)
    writeFileSync(join(place, 'no-folder'), '')
    const bans = createBans(
      createFileBanStore(join(place, 'no-folder', 'bans.json')),
      () => 1000,
      () => {},
    )
    await bans.start()
    await expect(bans.add(ban('address', '203.0.113.7'))).rejects.toThrow(/Nothing was changed/)
    expect(bans.address('203.0.113.7')).toBe(false)
    chmodSync(place, 0o700)
    expect(() => readFileSync(file)).toThrow()
  })
})

describe('a cluster', () => {
  const running: { bans: Bans; stop(): Promise<void> }[] = []
  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop()
  })

  async function node(keyPrefix: string, url = getRedis(), bansMs = 60_000) {
    const events = {
      deliver() {},
      replaced() {},
      expelled() {},
      availability() {},
      leaseLost() {},
    }
    const store = openRedisStore(
      {
        ...nodeOptionsDefault,
        url,
        keyPrefix,
        ackReplicas: 0,
        roomMembersMax: 10,
        now: Date.now,
        random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
        times: { bansMs },
      },
      events,
    )
    let told = 0
    const bans = createBans(store.bans, Date.now, () => {
      told += 1
    })
    await store.rooms.start()
    await bans.start()
    running.push({
      bans,
      async stop() {
        bans.stop()
        await store.rooms.stop()
      },
    })
    return { bans, told: () => told }
  }
  const holds = (bans: Bans, id: RoomId) => bans.member(id, null) !== null
  const until = async (done: () => boolean): Promise<void> => {
    const endsAt = Date.now() + 5000
    while (!done()) {
      if (Date.now() > endsAt) throw new Error('it did not come about')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  it('hears of a change on every node at once, and has it at the start', async () => {
    const prefix = freshPrefix()
    const [a, b] = [await node(prefix), await node(prefix)]
    const here = room()
    await a.bans.add(ban('room', here))
    expect(holds(a.bans, here)).toBe(true)
    await until(() => holds(b.bans, here))
    const late = await node(prefix)
    expect(holds(late.bans, here)).toBe(true)
    await late.bans.lift({ kind: 'room', value: here })
    await until(() => !holds(a.bans, here) && !holds(b.bans, here))
    expect(new Set([a, b, late].map(({ bans }) => bans.version()))).toEqual(new Set([2]))
  })

  it('loses no change that several operators make at once', async () => {
    const prefix = freshPrefix()
    const nodes = [await node(prefix), await node(prefix), await node(prefix)]
    const rooms = Array.from({ length: 12 }, room)
    await Promise.all(rooms.map((id, i) => nodes[i % 3]?.bans.add(ban('room', id))))
    for (const { bans } of nodes) await until(() => rooms.every((id) => holds(bans, id)))
  })

  it('reads anew when its subscriber was cut, and now and then in any case', async () => {
    const prefix = freshPrefix()
    const wire = new RedisWire(getRedis())
    await wire.open()
    const cut = await node(prefix, wire.url)
    const deaf = await node(prefix, getRedis(), 100)
    const other = await node(prefix)
    await wire.cut()
    const [here, there] = [room(), room()]
    await other.bans.add(ban('room', here))
    expect(holds(cut.bans, here)).toBe(false)
    await wire.open()
    await until(() => holds(cut.bans, here))
    // Changed without a word on the channel.
    const redis = new Redis(getRedis())
    const list = JSON.stringify([ban('room', there)])
    await redis.hset(`${prefix}:{bans}`, 'stamp', '7-00112233', 'list', list)
    await redis.quit()
    await until(() => holds(deaf.bans, there) && !holds(deaf.bans, here))
    for (const each of running.splice(0)) await each.stop()
    await wire.cut()
  })

  it('gives back what Redis lost, also when somebody bans first, and is not led astray by junk', async () => {
    const prefix = freshPrefix()
    const knowing = await node(prefix, getRedis(), 100)
    const [here, there] = [room(), room()]
    await knowing.bans.add(ban('room', here))
    const redis = new Redis(getRedis())
    await redis.del(`${prefix}:{bans}`)
    const fresh = await node(prefix, getRedis(), 100)
    await fresh.bans.add(ban('room', there))
    for (const { bans } of [knowing, fresh]) await until(() => holds(bans, here) && holds(bans, there))
    for (const list of ['', '{', '[{"kind":"room"}]', '"x"']) {
      await redis.hset(`${prefix}:{bans}`, 'stamp', 'x', 'list', list)
      await new Promise((resolve) => setTimeout(resolve, 250))
      expect(holds(knowing.bans, here) && holds(fresh.bans, there), list).toBe(true)
    }
    await until(() => knowing.bans.version() === fresh.bans.version())
    expect(JSON.parse((await redis.hget(`${prefix}:{bans}`, 'list')) ?? '')).toHaveLength(2)
    await redis.quit()
  })
})
