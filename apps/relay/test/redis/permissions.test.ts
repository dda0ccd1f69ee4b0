// The documented ACL: it grants what the table of rights says and no more, a node lives on it, and one that has less says
// what it lacks.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodesReplySchema } from '@pychat/protocol'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../../../loadtest/free-port.js'
import { aclFile, findMissingRights, missingRight, rights } from '../../src/redis/permissions.ts'
import { startRelay } from '../child.ts'
import { aclLines, localBinary, RedisProcess } from '../support/redis.servers.ts'
import { connect, frame, joinMessage } from '../wire-client.ts'
import { openConnections } from './opened.ts'

const root = new URL('../../../../', import.meta.url)
const text = readFileSync(new URL(aclFile, root), 'utf8')
const granted = [...text.matchAll(/ \+(\S+)/g)].map(([, command]) => command)

it('grants exactly the rights of the table, on our keys and channels alone', () => {
  expect([...granted].sort()).toEqual(rights.map(({ command }) => command).sort())
  expect(text.replaceAll(/ \+\S+/g, '').replace(/#0{64}/, '#HASH')).toBe(
    'user pychat on sanitize-payload #HASH resetkeys ~pychat:* resetchannels &pychat:* nocommands\n',
  )
})

it('has every command that the scripts call', () => {
  const folder = new URL('../../lua/', import.meta.url)
  for (const file of readdirSync(folder)) {
    const calls = readFileSync(new URL(file, folder), 'utf8').matchAll(/redis\.p?call\(\s*'(\w+)'/g)
    for (const [, command = ''] of calls) expect(granted, file).toContain(command.toLowerCase())
  }
})

it.each([
  ["NOPERM this user has no permissions to run the 'info' command", '\\+info;'],
  ["NOPERM User pychat has no permissions to run the 'cluster|slots' command", '\\+cluster\\|slots;'],
  ["ERR ACL failure in script: User pychat has no permissions to run the 'xtrim' command", '\\+xtrim;'],
  [
    'NOPERM this user has no permissions to access one of the keys used as arguments',
    'the keys ~pychat:\\*;',
  ],
  ['NOPERM No permissions to access a channel', 'the channels &pychat:\\*;'],
])('reads "%s"', (message, expected) => {
  expect(missingRight(new Error(message), 'pychat')).toMatch(
    new RegExp(`may not use ${expected} .*${aclFile}`),
  )
})

it('takes no other error for a missing right', () => {
  expect(missingRight(new Error('WRONGTYPE Operation against a key'), 'pychat')).toBeNull()
})

describe.skipIf(localBinary() === null)('a Redis with the documented ACL', () => {
  const password = 'only-for-this-test'
  let server: RedisProcess
  let admin: Redis
  let url: string

  beforeAll(async () => {
    server = new RedisProcess(localBinary() ?? '', await freePort(), ['--aclfile', 'users.acl'])
    writeFileSync(join(server.directory, 'users.acl'), aclLines(password))
    await server.start()
    admin = new Redis(server.url)
    url = server.url.replace('//', `//pychat:${password}@`)
  })
  afterAll(async () => {
    admin?.disconnect()
    await server?.remove()
  })

  it('carries a node: join, publish, resume, questions of an operator, drain', async () => {
    const token = 'a-token-for-this-node'
    const node = await startRelay({ PYCHAT_REDIS_URL: url, PYCHAT_ADMIN_TOKEN: token })
    try {
      const alice = await connect(node.url)
      const message = joinMessage(1)
      alice.send(message)
      const { epoch } = await alice.control('joined')
      for (let counter = 1; counter <= 3; counter += 1) {
        alice.socket.send(frame(message.session, counter))
      }
      await alice.until(() => alice.deliveries.length === 3, 'deliveries')
      alice.socket.terminate()
      const again = await connect(node.url)
      again.send({ ...message, counter: 3, after: { epoch, seq: 1 } })
      expect(await again.control('joined')).toMatchObject({ seq: 3, counter: 3 })
      expect(await again.control('log')).toMatchObject({ count: 2 })
      const ask = await fetch(`${node.opsUrl}/admin/v1/nodes`, {
        headers: { authorization: `Bearer ${token}` },
      })
      expect(nodesReplySchema.parse(await ask.json()).nodes).toEqual({ asked: 1, answered: 1 })
      node.process.kill('SIGTERM')
      await again.control('goaway')
      again.socket.close()
      expect(await node.exited).toBe(0)
      const [id] = await admin.smembers('pychat:nodes')
      expect(await admin.exists(`pychat:node:${id}`)).toBe(0)
    } finally {
      await node.dispose()
    }
  })

  it('lets nobody do anything else with that user', async () => {
    const redis = new Redis(url)
    try {
      expect(await redis.set('pychat:own', '1')).toBe('OK')
      const attempts: [string, ...string[]][] = [
        ['FLUSHALL'],
        ['CONFIG', 'GET', '*'],
        ['KEYS', '*'],
        ['SCAN', '0'],
        ['MONITOR'],
        ['ACL', 'LIST'],
        ['SCRIPT', 'FLUSH'],
        ['CLIENT', 'LIST'],
        ['SHUTDOWN'],
        ['GET', 'pychat:own'],
        ['SET', 'other:key', '1'],
        ['SET', 'pychat-two:key', '1'],
        ['SPUBLISH', 'other:x', 'hello'],
        ['PUBLISH', 'pychat:x', 'hello'],
        ['SSUBSCRIBE', 'other:x'],
        ['EVAL', "return redis.call('HGETALL', 'other:key')", '0'],
        ['EVAL', "return redis.call('FLUSHALL')", '0'],
      ]
      for (const attempt of attempts) {
        await expect(redis.call(...attempt), attempt.join(' ')).rejects.toThrow(
          /NOPERM|user executing the script can't|ACL failure/,
        )
      }
    } finally {
      redis.disconnect()
    }
  })

  it.each([
    [['-xtrim', '-wait'], '+wait, +xtrim'],
    [['-eval'], '+eval'],
    [['-info'], '+info'],
    [['resetkeys', '~other:*'], 'the keys ~pychat:*'],
    [['resetchannels', '&other:*'], 'the channels &pychat:*'],
  ])('is named to a relay that lacks %s', async (rules, lacking) => {
    await admin.call('ACL', 'SETUSER', 'pychat', ...rules)
    try {
      await expect(openConnections(url)).rejects.toMatchObject({
        code: 'refused',
        message: `The relay's Redis user may not use ${lacking}; grant what ${aclFile} lists.`,
      })
    } finally {
      await admin.call('ACL', 'LOAD')
    }
  })

  it('is complete', async () => {
    const redis = new Redis(url)
    expect(await findMissingRights(redis, 'cluster', 'pychat')).toBeNull()
    redis.disconnect()
  })
})
