// shutdown over three real nodes, one of them frozen: what is asked first, what a dry run says, and who answered.
import { nodesReplySchema, shutdownReplySchema } from '@pychat/protocol'
import { afterEach, expect, test, vi } from 'vitest'
import { type RelayChild, startRelay } from '../../relay/test/child.ts'
import { freshPrefix, getRedis } from '../../relay/test/support/redis.ts'
import { run } from '../src/commands.ts'
import type { Ports } from '../src/ports.ts'
import { admin } from './admin-process.ts'

// Each starts whole programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const relays: RelayChild[] = []

afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.dispose()))
})

const token = '0123456789abcdef0123456789abcdef'

/** Runs a command line in this process, as at a terminal where a person answers. */
async function atTerminal(args: string[], env: Record<string, string>, answer: boolean) {
  const said = { out: '', err: '', questions: [] as string[] }
  const ports: Ports = {
    env,
    platform: 'linux',
    home: '/nowhere',
    version: '0',
    read: () => '',
    write() {},
    out: (text) => {
      said.out += text
    },
    err: (text) => {
      said.err += text
    },
    columns: () => null,
    now: Date.now,
    pause: async () => {},
    openScreen: null,
    interrupt: () => new AbortController().signal,
    confirm: async (question) => {
      said.questions.push(question)
      return answer
    },
  }
  return { code: await run(args, ports), ...said }
}

test('shutdown asks first, says what it would do, and says which part of the cluster answered', async () => {
  const settings = {
    PYCHAT_REDIS_URL: getRedis(),
    PYCHAT_REDIS_PREFIX: freshPrefix(),
    PYCHAT_ADMIN_TOKEN: token,
    PYCHAT_DRAIN_MS: '0',
  }
  relays.push(...(await Promise.all([startRelay(settings), startRelay(settings), startRelay(settings)])))
  const [first, second, frozen] = relays as [RelayChild, RelayChild, RelayChild]
  const env = { PYCHAT_ADMIN_URL: first.opsUrl, PYCHAT_ADMIN_TOKEN: token }
  const ids = nodesReplySchema
    .parse(JSON.parse((await admin(['nodes', '--json'], env)).stdout))
    .list.map(({ node }) => node)

  const refused = await atTerminal(['shutdown'], env, false)
  expect(refused).toMatchObject({ code: 0, out: '', err: 'Nothing was stopped.\n' })
  expect(refused.questions).toEqual(['Stop the WHOLE cluster? Type "yes": '])

  const dry = await atTerminal(['shutdown', '--dry-run'], env, true)
  expect(dry).toMatchObject({ code: 0, questions: [] })
  expect(dry.out).toBe(ids.map((id) => `Would stop ${id}.\n`).join(''))
  const one = await admin(['shutdown', '--dry-run', '--node', ids[1] ?? '', '--json'], env)
  expect(JSON.parse(one.stdout)).toEqual({
    schema: 1,
    dryRun: 'shutdown',
    stopping: [ids[1]],
    nodes: { asked: 1, answered: 1 },
  })
  expect((await admin(['shutdown', '--dry-run', '--node', 'f'.repeat(16)], env)).code).toBe(2)
  expect((await admin(['nodes'], env)).code).toBe(0)

  frozen.process.kill('SIGSTOP')
  const done = await admin(['shutdown', '--yes', '--json'], env)
  expect(done.code).toBe(6)
  expect(done.stderr).toBe('Partial: 2 of 3 nodes answered.\n')
  const reply = shutdownReplySchema.parse(JSON.parse(done.stdout))
  expect(reply.stopping).toHaveLength(2)
  expect(await Promise.all([first.exited, second.exited])).toEqual([0, 0])
  expect(frozen.process.exitCode).toBeNull()
})
