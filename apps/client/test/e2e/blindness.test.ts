// The relay is blind: what people typed is in none of the places that an operator can look into.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Redis } from 'ioredis'
import { afterEach, expect, inject, it, vi } from 'vitest'
import { adminUrl } from '../../../relay/test/support/redis.ts'
import { admin, endAll, startChatter, startNode } from './processes.ts'
import { randomId } from './raw-member.ts'

afterEach(endAll)

/** Every spelling in which a leaked canary could lie in a dump or a log. */
function spellings(canary: string): string[] {
  const bytes = Buffer.from(canary)
  const inBase64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    return text.slice(4, Math.floor((text.replace(/=+$/, '').length - 1) / 4) * 4)
  })
  return [
    canary,
    canary.toLowerCase(),
    bytes.toString('hex'),
    ...inBase64,
    ...inBase64.map((t) => t.replace(/\+/g, '-').replace(/\//g, '_')),
  ]
}

function leaked(canaries: readonly string[], haystacks: Record<string, string>): string[] {
  const found: string[] = []
  for (const canary of canaries) {
    for (const needle of spellings(canary)) {
      for (const [place, haystack] of Object.entries(haystacks)) {
        if (haystack.includes(needle)) found.push(`${canary} in ${place}`)
      }
    }
  }
  return found
}

/** What Redis is told from now on, a line each. By hand: ioredis takes a line that comes with the answer for an answer. */
async function watch(url: string): Promise<{ lines(): string[]; end(): void }> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let seen = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    seen += text
  })
  await once(socket, 'connect')
  socket.write('MONITOR\r\n')
  await vi.waitFor(() => expect(seen).toMatch(/^\+OK\r\n/))
  return { lines: () => seen.split('\r\n'), end: () => socket.destroy() }
}

async function dump(redis: Redis, prefix: string): Promise<string> {
  const parts: string[] = []
  for (const key of await redis.keys(`${prefix}*`)) {
    parts.push(key)
    const type = await redis.type(key)
    if (type === 'string') parts.push((await redis.getBuffer(key))?.toString('latin1') ?? '')
    if (type === 'hash')
      parts.push(...Object.entries(await redis.hgetallBuffer(key)).map(([k, v]) => k + v.toString('latin1')))
    if (type === 'set') parts.push(...(await redis.smembers(key)))
    if (type === 'zset') parts.push(...(await redis.zrange(key, '0', '-1')))
    if (type === 'stream') parts.push(JSON.stringify(await redis.xrange(key, '-', '+')))
  }
  return parts.join('\n')
}

it('keeps 1,000 messages, the names, server names and PINs out of Redis, logs, metrics and admin output', async () => {
  const canary = (kind: string) => `${kind}${randomBytes(9).toString('hex')}`
  const prefix = `blind-${randomId(4)}`
  const settings = {
    PYCHAT_REDIS_URL: inject('redisUrl'),
    PYCHAT_REDIS_PREFIX: prefix,
    PYCHAT_LOG_LEVEL: 'trace',
    PYCHAT_FRAMES_PER_SECOND: '500',
    PYCHAT_BYTES_PER_SECOND: '4000000',
  }
  const nodes = [await startNode(settings), await startNode(settings)]
  const redis = new Redis(adminUrl(inject('redisUrl')))
  const monitor = await watch(adminUrl(inject('redisUrl')))

  const canaries: string[] = []
  const rooms = Array.from({ length: 4 }, () => ({
    server: canary('Server'),
    pin: canary('Pin'),
    users: [canary('User'), canary('User')],
  }))
  for (const [index, room] of rooms.entries()) {
    canaries.push(room.server, room.pin, ...room.users)
    const [first, second] = room.users.map((user, i) =>
      startChatter({ relay: nodes[(index + i) % 2]?.url ?? '', server: room.server, pin: room.pin, user }),
    )
    if (!first || !second) throw new Error('no chatters')
    await first.until((event) => event.type === 'ready')
    await second.until((event) => event.type === 'ready')
    const texts = Array.from({ length: 250 }, () => canary('Text'))
    canaries.push(...texts)
    for (const text of texts) first.say(text)
    const last = texts.at(-1)
    await second.until((event) => event.type === 'message' && event['text'] === last, 60_000)
    expect(second.events.filter((event) => event.type === 'message').map((event) => event['text'])).toEqual(
      texts,
    )
  }

  const listed = await admin(nodes[0] as never, 'servers', '--json')
  const room = JSON.parse(listed.stdout).servers[0].room
  const outputs = await Promise.all([
    admin(nodes[0] as never, 'users', room),
    admin(nodes[1] as never, 'stats'),
    admin(nodes[1] as never, 'nodes'),
    admin(nodes[1] as never, 'servers'),
  ])
  const watched = monitor.lines()
  const haystacks = {
    monitor: watched.join('\n'),
    dump: await dump(redis, prefix),
    logs: nodes.map((node) => node.output()).join('\n'),
    metrics: await (await fetch(`${nodes[0]?.opsUrl}/metrics`)).text(),
    admin: listed.stdout + outputs.map((output) => output.stdout + output.stderr).join('\n'),
  }
  for (const [place, haystack] of Object.entries(haystacks))
    expect(haystack.length, place).toBeGreaterThan(100)
  expect(watched.length).toBeGreaterThan(1_000)
  expect(haystacks.monitor).toContain(prefix)
  expect(leaked(canaries, haystacks)).toEqual([])

  // The search itself works: one canary leaked on purpose, in each spelling, is found.
  const planted = canaries[7] as string
  await redis.set(`${prefix}:planted`, Buffer.from(`..${planted}`).toString('base64'))
  expect(leaked(canaries, { dump: await dump(redis, prefix) })).not.toEqual([])
  expect(leaked(canaries, { logs: `x ${planted} y` })).not.toEqual([])
  expect(leaked(canaries, { logs: Buffer.from(planted).toString('hex') })).not.toEqual([])
  await redis.del(`${prefix}:planted`)
  monitor.end()
  redis.disconnect()
}, 180_000)
