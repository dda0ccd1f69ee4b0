// Bans, kicks and announcements as an operator types them, over three real nodes around one Redis: who is put out, who is
// kept out, on which node, and for how long; and over one embedded node that is killed and started again.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  announceReplySchema,
  banReplySchema,
  bansReplySchema,
  closeTable,
  decodeHex,
  kickReplySchema,
  type RoomId,
  shortCode,
} from '@pychat/protocol'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../../loadtest/free-port.js'
import { type RelayChild, startRelay } from '../../relay/test/child.ts'
import { newPerson, type Person } from '../../relay/test/support/charters.ts'
import { RawMember } from '../../relay/test/support/raw-member.ts'
import { freshPrefix, getRedis } from '../../relay/test/support/redis.ts'
import { connect, room, tryHandshake } from '../../relay/test/wire-client.ts'
import { admin } from './admin-process.ts'

const token = '0123456789abcdef0123456789abcdef'
const relays: RelayChild[] = []
const members: RawMember[] = []
const folders: string[] = []

afterEach(async () => {
  for (const member of members.splice(0)) member.close()
  await Promise.all(relays.splice(0).map((relay) => relay.dispose()))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

async function threeNodes(prefix: string): Promise<RelayChild[]> {
  const settings = {
    PYCHAT_REDIS_URL: getRedis(),
    PYCHAT_REDIS_PREFIX: prefix,
    PYCHAT_ADMIN_TOKEN: token,
    PYCHAT_TRUSTED_PROXIES: '127.0.0.0/8',
    PYCHAT_LOG_LEVEL: 'debug',
    PYCHAT_DRAIN_MS: '0',
  }
  const started = await Promise.all([startRelay(settings), startRelay(settings), startRelay(settings)])
  relays.push(...started)
  return started
}

function typed(relay: RelayChild, ...args: string[]) {
  return admin(args, { PYCHAT_ADMIN_URL: relay.opsUrl, PYCHAT_ADMIN_TOKEN: token })
}

const from = (address: string) => ({ 'x-forwarded-for': address })

async function enters(node: RelayChild, id: RoomId, address: string, person?: Person): Promise<RawMember> {
  const member = new RawMember(id, person)
  members.push(member)
  member.headers = from(address)
  await member.enter(node.url)
  return member
}

const handshake = (node: RelayChild, address: string) => tryHandshake(node.url, from(address))

/** Waits for something to come about. @returns after how many milliseconds it did */
async function within(ms: number, done: () => boolean | Promise<boolean>, what: string): Promise<number> {
  const beganAt = Date.now()
  while (!(await done())) {
    if (Date.now() - beganAt > ms) throw new Error(`${what}: not within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return Date.now() - beganAt
}

/** Bans by the admin API. @returns its reply, and how long it took from the request on until `done` */
async function bans(node: RelayChild, body: object, done: () => boolean) {
  const beganAt = Date.now()
  const asked = fetch(`${node.opsUrl}/admin/v1/ban`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  })
  await within(3000, done, 'a ban')
  const ms = Date.now() - beganAt
  return { reply: banReplySchema.parse(await (await asked).json()), ms }
}

const expelled = (member: RawMember) => member.heard('expelled').at(-1)?.why
const short = (id: RoomId) => shortCode(decodeHex(id))

test('bans by address, room and key hold on every node within a second, on resume, over restarts, and end on time', async () => {
  const prefix = freshPrefix()
  const nodes = await threeNodes(prefix)
  const [first, second, third] = nodes as [RelayChild, RelayChild, RelayChild]
  const [closed, shared] = [room(), room()]
  const mallory = newPerson()
  const each = <T>(make: (node: RelayChild, i: number) => Promise<T>) => Promise.all(nodes.map(make))
  const byAddress = await each((node, i) => enters(node, shared, `203.0.113.${i + 1}`))
  const byRoom = await each((node, i) => enters(node, closed, `198.51.100.${i + 1}`))
  const byKey = await each((node, i) => enters(node, shared, `198.51.100.${i + 1}`, mallory))
  const others = await each((node) => enters(node, shared, '198.51.100.99'))

  const dry = await typed(second, 'ban', 'address', '203.0.113.77/24', '--dry-run')
  expect(dry).toMatchObject({
    code: 0,
    stdout: 'Would ban address 203.0.113.0/24: it meets 3 connections.\n',
  })
  expect((await typed(first, 'ban', 'address', '203.0.113.0/24')).stderr).toContain('add --yes')
  expect(await handshake(third, '203.0.114.9')).toBe('open')

  // Who is in is put out, on every node, whichever was asked.
  const took: number[] = []
  const address = { kind: 'address', value: '203.0.113.77/24', reason: 'spam' }
  const closes = () => byAddress.every(({ client }) => client.socket.readyState === client.socket.CLOSED)
  const { reply, ms } = await bans(first, address, closes)
  took.push(ms)
  expect(reply).toMatchObject({ met: 3, replaced: false, nodes: { asked: 3, answered: 3 } })
  for (const member of byAddress) expect(await member.client.closed).toBe(closeTable.addressBanned.code)
  const byHand = await typed(second, 'ban', 'room', short(closed), '--yes')
  expect(byHand.stdout).toBe(`Banned room ${closed}: it meets 3 members.\n`)
  await within(1000, () => byRoom.every((one) => expelled(one) === 'room-banned'), 'room')
  const key = { kind: 'key', value: mallory.public, forMs: 86_400_000 }
  const banned = await bans(third, key, () => byKey.every((one) => expelled(one) === 'key-banned'))
  took.push(banned.ms)
  expect(banned.reply).toMatchObject({ ban: { kind: 'key', value: mallory.id }, met: 3 })
  // A second is what is promised; a machine with other work may take three times as long.
  for (const each of took) expect(each).toBeLessThan(3000)
  for (const one of others) {
    expect(one.heard('expelled')).toEqual([])
    for (const gone of byKey) await within(3000, () => one.departed(gone) === 'left', 'departed')
    one.say()
  }
  await within(
    3000,
    () => others.every((one) => one.client.deliveries.length === 3),
    'deliveries of the others',
  )

  const keptOut = async (node: RelayChild) => {
    expect(await handshake(node, '203.0.113.200')).toBe('403 4503')
    expect(await handshake(node, '203.0.114.200')).toBe('open')
    // As the session that was in before: a resume.
    for (const one of byRoom) expect(await one.tries(node.url)).toBe('room-banned')
    for (const one of byKey) expect(await one.tries(node.url)).toBe('key-banned')
    expect(await new RawMember(shared, newPerson()).tries(node.url)).toBe('joined')
  }
  for (const node of nodes) await keptOut(node)
  const metrics = await (await fetch(`${second.opsUrl}/metrics`)).text()
  for (const kind of ['address', 'room', 'key']) {
    expect(metrics).toContain(`pychat_relay_bans{kind="${kind}"} 1`)
    expect(metrics).toMatch(new RegExp(`pychat_relay_ban_refusals_total\\{kind="${kind}"\\} [1-9]`))
  }
  expect(metrics).toContain('pychat_relay_joins_refused_total{code="key-banned"} 3')
  for (const node of nodes) {
    const said = node.stdout() + node.stderr()
    for (const secret of ['203.0.113.77', '203.0.113.200', closed, short(closed), mallory.id, 'spam']) {
      expect(said).not.toContain(secret)
    }
  }

  // Everything but Redis is killed.
  for (const node of nodes) node.process.kill('SIGKILL')
  await Promise.all(nodes.map((node) => node.exited))
  const again = await threeNodes(prefix)
  for (const node of again) await keptOut(node)
  const [one, two, three] = again as [RelayChild, RelayChild, RelayChild]
  const listed = await typed(two, 'bans')
  expect(listed.stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
    ['KIND', 'VALUE'],
    ['address', '203.0.113.0/24'],
    ['room', closed],
    ['key', mallory.id],
    [''],
  ])
  expect(listed.stdout).toMatch(/always {2,}\S+ +spam/)

  // Lifted on one node, lifted on all.
  const lifted = await Promise.all([
    typed(three, 'unban', 'address', '203.0.113.0/24', '--yes'),
    typed(two, 'unban', 'room', short(closed), '--yes'),
    typed(one, 'unban', 'key', mallory.id, '--yes'),
  ])
  // The killed ones hold their leases for some seconds, and are asked as long.
  for (const { code } of lifted) expect([0, 6]).toContain(code)
  expect((await typed(three, 'unban', 'room', closed, '--yes')).code).toBe(2)
  for (const node of again) expect(await handshake(node, '203.0.113.200')).toBe('open')
  expect(await byRoom[0]?.tries(two.url)).toBe('joined')
  expect(await byKey[0]?.tries(two.url)).toBe('joined')

  // Ends on time, on a node that was frozen when it began too.
  two.process.kill('SIGSTOP')
  const partial = await typed(one, 'ban', 'address', '192.0.2.1', '--for', '6s', '--yes', '--json')
  two.process.kill('SIGCONT')
  expect(partial.code).toBe(6)
  expect(partial.stderr).toMatch(/^Partial: 2 of [3-6] nodes answered\.\n$/)
  const { createdAt, until } = banReplySchema.parse(JSON.parse(partial.stdout)).ban
  const endsAt = Date.parse(until ?? '')
  expect(endsAt - Date.parse(createdAt)).toBe(6000)
  await within(1000, async () => (await handshake(two, '192.0.2.1')) === '403 4503', 'thawed')
  for (const node of again) expect(await handshake(node, '192.0.2.1')).toBe('403 4503')
  expect(Date.now()).toBeLessThan(endsAt)
  await new Promise((resolve) => setTimeout(resolve, endsAt - 300 - Date.now()))
  expect(await handshake(three, '192.0.2.1')).toBe('403 4503')
  await within(3000, async () => Date.now() >= endsAt, 'the end')
  for (const node of again) expect(await handshake(node, '192.0.2.1')).toBe('open')
  const none = bansReplySchema.parse(JSON.parse((await typed(two, 'bans', '--json')).stdout))
  expect(none).toMatchObject({ schema: 1, bans: [], nodes: { answered: 3 } })
}, 60_000)

test('kick puts out whom it names, who may come back; an announcement reaches everybody, or a room', async () => {
  const nodes = await threeNodes(freshPrefix())
  const [first, second, third] = nodes as [RelayChild, RelayChild, RelayChild]
  const [here, there] = [room(), room()]
  const a = await enters(first, here, '198.51.100.1')
  const b = await enters(second, here, '198.51.100.2')
  const c = await enters(third, there, '198.51.100.3')

  const dry = await typed(third, 'kick', short(here), '--dry-run', '--json')
  expect(kickReplySchema.parse(JSON.parse(dry.stdout))).toMatchObject({ dryRun: 'kick', kicked: 2 })
  const one = await typed(third, 'kick', here, b.session.slice(0, 12), '--yes')
  expect(one).toMatchObject({ code: 0, stdout: 'Put out 1 member.\n' })
  await within(3000, () => expelled(b) === 'removed', 'kick of one')
  expect(expelled(a)).toBeUndefined()
  expect(await b.tries(third.url)).toBe('joined')
  expect((await typed(first, 'kick', short(here), '--yes')).stdout).toBe('Put out 2 members.\n')
  await within(3000, () => expelled(a) === 'removed' && expelled(b) === 'removed', 'kick of all')
  expect((await typed(first, 'kick', short(there), 'f'.repeat(32), '--yes')).code).toBe(2)

  const said = (member: RawMember) => member.heard('announcement').map(({ text, room: to }) => [to, text])
  const all = await typed(second, 'announce', 'Neustart um\t12 Uhr:\u001b[31m grüßt 🐝', '--yes', '--json')
  expect(announceReplySchema.parse(JSON.parse(all.stdout))).toMatchObject({ told: 3, nodes: { answered: 3 } })
  const text = 'Neustart um 12 Uhr:[31m grüßt 🐝'
  await within(3000, () => [a, b, c].every((each) => said(each).length === 1), 'announcement')
  for (const each of [a, b, c]) expect(said(each)).toEqual([[undefined, text]])
  expect((await typed(second, 'announce', 'To this room', '--room', short(there), '--yes')).stdout).toBe(
    'Told 1 connection.\n',
  )
  await within(3000, () => said(c).length === 2, 'announcement to a room')
  expect(said(c)[1]).toEqual([there, 'To this room'])
  expect(said(a)).toHaveLength(1)
  expect((await typed(second, 'announce', 'x'.repeat(501), '--yes')).code).toBe(2)
}, 40_000)

test('one embedded node keeps its bans in the state folder, over a kill', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'pychat-bans-'))
  folders.push(stateDir)
  const port = await freePort()
  const settings = {
    PYCHAT_LISTEN: `127.0.0.1:${port}`,
    PYCHAT_STATE_DIR: stateDir,
    PYCHAT_ADMIN_TOKEN: token,
    PYCHAT_TRUSTED_PROXIES: '127.0.0.0/8',
  }
  const start = async () => {
    const relay = await startRelay(settings)
    relays.push(relay)
    return relay
  }
  const before = await start()
  const client = await connect(before.url, true, from('203.0.113.7'))
  const reply = await typed(before, 'ban', 'address', '203.0.113.7', '--yes')
  expect(reply).toMatchObject({ code: 0, stdout: 'Banned address 203.0.113.7: it meets 1 connection.\n' })
  expect(await client.closed).toBe(closeTable.addressBanned.code)
  before.process.kill('SIGKILL')
  await before.exited
  const file = join(stateDir, `bans-${port}.json`)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(file, 'utf8')).toContain('203.0.113.7')
  const after = await start()
  expect(await handshake(after, '203.0.113.7')).toBe('403 4503')
  expect(await handshake(after, '203.0.113.8')).toBe('open')
  expect((await typed(after, 'unban', 'address', '203.0.113.7', '--yes')).code).toBe(0)
  expect(await handshake(after, '203.0.113.7')).toBe('open')
}, 30_000)
