// A name has one holder at a time, over all nodes, and is free again soon after its node dies.
import type { RelayControl } from '@pychat/protocol'
import { afterEach, expect, inject, it } from 'vitest'
import { endAll, startNode } from './processes.ts'
import { RawMember, randomId } from './raw-member.ts'

afterEach(endAll)

const clients = 500
const rounds = Number(process.env['PYCHAT_TEST_NAME_ROUNDS'] ?? 100)

const cluster = async (size: number) => {
  const settings = { PYCHAT_REDIS_URL: inject('redisUrl'), PYCHAT_REDIS_PREFIX: `names-${randomId(4)}` }
  return Promise.all(Array.from({ length: size }, () => startNode(settings)))
}

it(`gives one name to exactly one of ${clients} clients on 3 nodes, ${rounds} times`, async () => {
  const nodes = await cluster(3)
  const members: RawMember[] = []
  for (let i = 0; i < clients; i += 50) {
    const batch = Array.from({ length: 50 }, (_, j) => RawMember.connect(nodes[(i + j) % 3]?.url ?? ''))
    members.push(...(await Promise.all(batch)))
  }
  for (let round = 0; round < rounds; round += 1) {
    const room = randomId()
    const tag = randomId()
    const answers = await Promise.all(members.map((member) => member.join(room, tag)))
    const holders = answers.filter((answer) => answer.t === 'joined')
    const refused = answers.filter((answer) => answer.t === 'refused' && answer.code === 'name-taken')
    expect([holders.length, refused.length]).toEqual([1, clients - 1])
    const holder = members[answers.findIndex((answer) => answer.t === 'joined')]
    await holder?.leave(room)
    for (const member of members) member.heard.length = 0
  }
  for (const member of members) member.close()
}, 300_000)

it('frees the names of a killed node and reports its members gone within 25 s', async () => {
  const [first, second] = await cluster(2)
  if (!first || !second) throw new Error('no nodes')
  const room = randomId()
  const tag = randomId()
  const doomed = await RawMember.connect(first.url)
  const survivor = await RawMember.connect(second.url)
  const session = randomId()
  expect((await doomed.join(room, tag, session)).t).toBe('joined')
  expect((await survivor.join(room, randomId())).t).toBe('joined')
  const rival = await RawMember.connect(second.url)
  expect(await rival.join(room, tag)).toMatchObject({ t: 'refused', code: 'name-taken' })

  const killedAt = Date.now()
  first.process.kill('SIGKILL')
  const gone = (message: RelayControl) => message.t === 'departed' && message.session === session
  expect(await survivor.until(gone, 25_000)).toMatchObject({ why: 'lost' })
  expect((await rival.join(room, tag)).t).toBe('joined')
  expect(Date.now() - killedAt).toBeLessThan(25_000)
}, 60_000)
