// docs/protocol.md is what strangers write clients from: its tables and its JSON examples have to be the code's.
import { readFileSync } from 'node:fs'
import {
  adminErrorSchema,
  adminNodeHeader,
  adminRoutes,
  announceReplySchema,
  announceRequestSchema,
  banForMsMax,
  banForMsMin,
  banReasonCharactersMax,
  banReplySchema,
  banRequestSchema,
  bansReplySchema,
  clientControlSchema,
  closeHeader,
  closeStopFrom,
  closeTable,
  decodeClientControl,
  decodeHex,
  decodeNotice,
  decodeRelayControl,
  defconReplySchema,
  deliveryHeaderBytes,
  diagnosisReplySchema,
  drainReplySchema,
  drainRequestSchema,
  drainWithinMsMax,
  drainWithinMsMin,
  errorTable,
  frameHeaderBytes,
  inviteSchema,
  kickReplySchema,
  kickRequestSchema,
  limits,
  loadReplySchema,
  nodesReplySchema,
  paddingBucketsBytes,
  provenMember,
  readCharter,
  relayControlSchema,
  rulesTextSchema,
  serversReplySchema,
  shortCode,
  shutdownReplySchema,
  statsReplySchema,
  unbanReplySchema,
  unbanRequestSchema,
  usersReplySchema,
} from '@pychat/protocol'
import { expect, test } from 'vitest'
import { nodeVerifier } from './verifier.ts'

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')

/** The text of one section, up to the next heading of the same or a higher level. */
function section(heading: string): string {
  const start = page.indexOf(`\n${heading}\n`)
  expect(start, `section "${heading}"`).toBeGreaterThan(-1)
  const body = page.slice(start + heading.length + 2)
  const level = heading.indexOf(' ')
  const end = body.search(new RegExp(`^#{1,${level}} `, 'm'))
  return end < 0 ? body : body.slice(0, end)
}

/** The cells of every row of the first table in some text, the head left out. */
function rows(text: string): string[][] {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.startsWith('|'))
  const table: string[][] = []
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break
    table.push(
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
  }
  return table
}

/** The lines of all code blocks with this word after "json". */
function examples(kind: string): string[] {
  const blocks = page.matchAll(new RegExp(`^\`\`\`json ${kind}\n([^\`]*)^\`\`\``, 'gm'))
  return [...blocks].flatMap((block) => (block[1] ?? '').trim().split('\n'))
}

test('the page lists every close code with its name, rule and sentence', () => {
  const coded = Object.entries(closeTable).map(([name, row]) => [
    String(row.code),
    name,
    row.rule,
    row.sentence,
  ])
  expect(rows(section('## 9. Close codes'))).toEqual(coded)
  expect(section('## 9. Close codes')).toContain(`${closeStopFrom}-4999 mean stop`)
  expect(section('## 1. Transport')).toContain(`\`${closeHeader}\``)
})

test('the page lists every error with its retry rule and sentence', () => {
  const coded = Object.entries(errorTable).map(([code, row]) => [code, row.retry, row.sentence])
  expect(rows(section('## 10. Errors'))).toEqual(coded)
})

test('the page lists every limit with its value', () => {
  const written = rows(section('## 11. Limits')).map(([name, value]) => [name, Number(value)])
  expect(written).toEqual(Object.entries(limits))
  expect(section('## 11. Limits')).toContain(`bytes of plaintext: ${paddingBucketsBytes.join(', ')}.`)
})

test('the page places the sealed bytes of both frames where the code does', () => {
  for (const [heading, headerBytes] of [
    ['### 5.1 Sealed frame, type 1, client to relay', frameHeaderBytes],
    ['### 5.2 Delivery, type 129, relay to client', deliveryHeaderBytes],
  ] as const) {
    let next = 0
    for (const [offset, bytes] of rows(section(heading))) {
      if (!/^\d+$/.test(offset ?? '')) break
      expect(Number(offset)).toBe(next)
      next += Number(bytes)
      if (!/^\d+$/.test(bytes ?? '')) break
    }
    const firstOpen = rows(section(heading)).find(([, bytes]) => !/^\d+$/.test(bytes ?? ''))
    expect(Number(firstOpen?.[0])).toBe(headerBytes)
  }
})

test('the page shows an example of every control message, and each example is valid', () => {
  const fromClient = examples('client').map((line) => decodeClientControl(line).t)
  expect(new Set(fromClient)).toEqual(
    new Set(clientControlSchema.options.map((option) => option.shape.t.value)),
  )
  const fromRelay = examples('relay').map((line) => decodeRelayControl(line).t)
  expect(new Set(fromRelay)).toEqual(
    new Set(relayControlSchema.options.map((option) => option.shape.t.value)),
  )
})

test('the page shows a valid reply of every admin request, and every path', () => {
  const replies = {
    servers: serversReplySchema,
    users: usersReplySchema,
    stats: statsReplySchema,
    nodes: nodesReplySchema,
    load: loadReplySchema,
    diagnosis: diagnosisReplySchema,
    shutdown: shutdownReplySchema,
    drain: drainReplySchema,
    bans: bansReplySchema,
    ban: banReplySchema,
    unban: unbanReplySchema,
    kick: kickReplySchema,
    announce: announceReplySchema,
    defcon: defconReplySchema,
    error: adminErrorSchema,
  }
  for (const [kind, schema] of Object.entries(replies)) {
    expect(examples(kind), kind).toHaveLength(1)
    for (const line of examples(kind)) schema.parse(JSON.parse(line))
  }
  for (const server of serversReplySchema.parse(JSON.parse(examples('servers')[0] ?? '')).servers) {
    expect(server.short).toBe(shortCode(decodeHex(server.room)))
  }
  const api = section('## 14. Admin API')
  const requestIn = (path: string) =>
    new RegExp(`\\| POST \\| /admin/v1/${path} \\|.*\`(\\{.*\\})\``).exec(api)?.[1] ?? ''
  const wish = (path: string): unknown =>
    JSON.parse(requestIn(path).replace(/<(room|session) id>/g, '0'.repeat(32)))
  expect(banRequestSchema.parse(wish('ban'))).toMatchObject({ kind: 'address', forMs: 3_600_000 })
  expect(unbanRequestSchema.parse(wish('unban'))).toBeTruthy()
  expect(kickRequestSchema.parse(wish('kick'))).toBeTruthy()
  expect(announceRequestSchema.parse(wish('announce'))).toBeTruthy()
  expect(api).toContain(`${banForMsMin}..${banForMsMax}`)
  expect(api).toContain(`at most ${banReasonCharactersMax} characters`)
  const body = /\| POST \| \/admin\/v1\/drain \|.*`(\{.*\})`/.exec(api)?.[1] ?? ''
  expect(drainRequestSchema.parse(JSON.parse(body.replace('<node id>', '0'.repeat(16))))).toBeTruthy()
  expect(api).toContain(`${drainWithinMsMin}..${drainWithinMsMax}`)
  expect(api).toContain(`\`${adminNodeHeader}\``)
  const written = rows(api).map(([method, path]) => ({ method, path }))
  expect(new Set(written.map((row) => JSON.stringify(row)))).toEqual(
    new Set(Object.values(adminRoutes).map((row) => JSON.stringify(row))),
  )
})

test('the worked example is what the vectors of the second implementation say', () => {
  const vectors = JSON.parse(
    readFileSync(new URL('../../crypto/test/vectors/pychat-v1.json', import.meta.url), 'utf8'),
  )
  // Long values are folded over indented lines.
  const example = section('## 13. Worked example').replaceAll(/(?<=[0-9a-f]{96})\n {2}/g, '')
  const [room] = vectors.rooms
  const session = vectors.sessions[2]
  const frame = vectors.frames[2]
  const profile = vectors.profiles.find(
    (each: { room: number; session: number; name: string }) =>
      each.room === 0 && each.session === 2 && each.name === 'n'.repeat(64),
  )
  const values = [
    ['PIN', room.pin],
    ['roomId', room.id],
    ['roomKey', room.roomKey],
    ['nameTagKey', room.nameTagKey],
    ['sealKey', room.sealKey],
    ['session id', session.id],
    ['Ed25519 seed', session.seed],
    ['pk', session.publicKey],
    ['fingerprint', session.fingerprint],
    ['counter', String(frame.counter)],
    ['sentAt', String(frame.sentAt)],
  ]
  for (const [name, value] of values) {
    expect(example).toMatch(new RegExp(`^${name} {2,}${value}(?: |$)`, 'm'))
  }
  expect(example).toContain(`name tag ${profile.tag}\n`)
  expect(example).toContain(`\n  ${frame.frame}\n`)
  expect(example).toContain(`\n  ${profile.sealed}\n`)
})

test('the worked example of members is what the second implementation says', () => {
  const vectors = JSON.parse(
    readFileSync(new URL('../../crypto/test/vectors/pychat-v1-people.json', import.meta.url), 'utf8'),
  )
  const [alice, bob] = vectors.keys
  const [hers, his] = vectors.sessions
  const example = section('### 13.1 Members and a private room').replaceAll(/\n {10,}/g, ' ')
  const written = [...example.matchAll(/^(?=.* {2})(.{23})(.+)$/gm)].map(([, name, value]) => [
    name?.trim(),
    value,
  ])
  expect(written).toEqual([
    ['prk of a room', vectors.prk],
    ['roomId, and root', vectors.room.id],
    ['deriveKey', vectors.room.deriveKey],
    ['channel dev, roomId', vectors.channels.find((row: { name: string }) => row.name === 'dev').id],
    ['moved, secret', vectors.moved.secret],
    ['moved, roomId', vectors.moved.id],
    ["Alice's identity", alice.identity],
    ['entropy', alice.entropy],
    ['recovery words', alice.words],
    ['Ed25519 seed', alice.seed],
    ['pk', alice.publicKey],
    ['member id', alice.id],
    ['session id', hers.id],
    ['secret', hers.secret],
    ['X25519 private key', hers.boxSeed],
    ['X25519 public key', hers.boxPublicKey],
    ['proof at join', `${hers.proof.slice(0, 64)} ${hers.proof.slice(64)}`],
    ["Bob's pk", bob.publicKey],
    ['session id', his.id],
    ['X25519 private key', his.boxSeed],
    ['X25519 public key', his.boxPublicKey],
    ['words to compare', vectors.verifyWords[0].words],
    ['their room, roomId', vectors.pairs[0].id],
    ['sealKey', vectors.pairs[0].sealKey],
    ["Alice's call", vectors.calls[0].body],
  ])
})

test('the charters and proofs of the examples are true, as anybody can check who reads the page', () => {
  const pairs = [...examples('client').map(decodeClientControl), ...examples('relay').map(decodeRelayControl)]
  const charters = pairs.filter((message) => message.t === 'charter')
  expect(charters).toHaveLength(2)
  for (const { charter, rules, room } of charters) {
    expect(readCharter({ charter, rules }, nodeVerifier, room).ops).toHaveLength(1)
  }
  const proven = pairs.flatMap((message) => {
    if (message.t !== 'join' || message.key === undefined) return []
    const { room, session, secret, key } = message
    return [provenMember({ room, session, secret, key }, nodeVerifier)]
  })
  expect(proven).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)])
})

test('the page shows what members tell each other inside sealed bytes, each example valid', () => {
  for (const line of examples('rules')) rulesTextSchema.parse(JSON.parse(line))
  for (const line of examples('invite')) inviteSchema.parse(JSON.parse(line))
  const notices = examples('notice').map((line) => decodeNotice(new TextEncoder().encode(line))?.t)
  expect(notices).toEqual(['act', 'channel', 'after', 'offer'])
  expect(examples('rules')).toHaveLength(1)
  expect(examples('invite')).toHaveLength(2)
})
