// pychat-admin drain against a scripted cluster, on a clock of the test's own: what is asked, shown and ended with.
import { type AdminNode, drainRequestSchema, type NodeId } from '@pychat/protocol'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Api, ApiError } from '../src/api.ts'
import { createCli } from '../src/cli.ts'
import { type DrainOptions, drain, parseWithin } from '../src/drain.ts'
import { type Ports, UsageError } from '../src/ports.ts'

const ids = ['1a2b3c4d5e6f7081', '1a2b000000000000', 'ffff000000000000'] as const
const target = ids[0]
const [nodeA, nodeB, nodeC] = ids as unknown as [NodeId, NodeId, NodeId]

const nodeRow = (node: NodeId, connections: number): AdminNode => ({
  node,
  state: 'ready',
  version: '0.1.0',
  transport: 'ws',
  listen: '0.0.0.0:8765',
  startedAt: '2026-01-01T00:00:00.000Z',
  connections,
  rooms: 1,
  members: connections,
  messagesIn: 0,
  messagesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
})

const away = (code: string): ApiError =>
  new ApiError('unreachable', 'No relay answers at http://127.0.0.1:9765.', {
    cause: Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error(code), { code }) }),
  })

type Reply = { list: AdminNode[]; nodes: { asked: number; answered: number } }
const whole = (...list: AdminNode[]): Reply => ({
  list,
  nodes: { asked: list.length, answered: list.length },
})

let at: number
let out: string
let err: string
let asked: unknown[]
let answered: number
let answeredBy: NodeId
let columns: number | null
let confirm: Ports['confirm']
let controller: AbortController
/** What the cluster says so many milliseconds after the drain began. */
let cluster: (ms: number) => Reply | ApiError
let began: number | null

beforeEach(() => {
  at = 5_000_000
  out = ''
  err = ''
  asked = []
  answered = 1
  answeredBy = nodeB
  columns = null
  confirm = null
  began = null
  controller = new AbortController()
  // 412 clients move over 20 s, then the node is gone.
  cluster = (ms) =>
    ms < 21_000
      ? whole(nodeRow(nodeA, Math.max(0, Math.ceil(412 - (412 * ms) / 20_000))), nodeRow(nodeC, 3))
      : whole(nodeRow(nodeC, 3))
})

const api: Api = {
  answeredBy: () => answeredBy,
  async ask(question, more) {
    if (question === 'drain') {
      const { node, withinMs } = drainRequestSchema.parse(more?.body)
      asked.push([node, withinMs])
      began = at
      return { schema: 1, draining: node, withinMs, nodes: { asked: 1, answered } } as never
    }
    const reply = cluster(began === null ? 0 : at - began)
    if (reply instanceof ApiError) throw reply
    return { schema: 1, ...reply } as never
  },
}

function run(node: string = target, options: Partial<DrainOptions> = {}): Promise<number> {
  const ports: Ports = {
    env: {},
    platform: 'linux',
    home: '/home/x',
    version: '0',
    read: () => '',
    write() {},
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    columns: () => columns,
    now: () => at,
    async pause(ms) {
      at += ms
    },
    openScreen: null,
    interrupt: () => controller.signal,
    confirm,
  }
  return drain(api, createCli(ports), node, { within: '30s', yes: true, ...options })
}

describe('times', () => {
  test.each([
    ['1s', 1000],
    ['45s', 45_000],
    ['2m', 120_000],
    ['10m', 600_000],
    ['1500ms', 1500],
  ])('%s is %d ms', (text, ms) => expect(parseWithin(text)).toBe(ms))

  test.each([
    '',
    '30',
    '0s',
    '500ms',
    '11m',
    '601s',
    '1.5m',
    '-5s',
    '5 s',
    '5S',
    '1h',
    '1m30s',
    '1e3ms',
    'NaN',
  ])('"%s" is refused with a sentence', (text) =>
    expect(() => parseWithin(text)).toThrow('--within wants a time from 1s to 10m'),
  )
})

describe('which node', () => {
  test('the first digits are enough when they fit one', async () => {
    expect(await run('1a2b3')).toBe(0)
    expect(asked).toEqual([[nodeA, 30_000]])
  })

  test.each([
    ['1a2', 'first 4 or more'],
    ['1A2B3C4D', 'first 4 or more'],
    [`${target}0`, 'first 4 or more'],
    ['all', 'first 4 or more'],
    ['dead', 'No node begins with dead'],
    ['1a2b', '2 nodes begin with 1a2b'],
  ])('%s is refused, and nobody is asked to drain', async (given, sentence) => {
    cluster = () => whole(nodeRow(nodeA, 1), nodeRow(nodeB, 1), nodeRow(nodeC, 1))
    const refused = run(given)
    await expect(refused).rejects.toThrow(UsageError)
    await expect(refused).rejects.toThrow(sentence)
    expect(asked).toEqual([])
  })

  test('one that may be among those that do not answer is exit code 6', async () => {
    cluster = () => ({ list: [nodeRow(nodeC, 1)], nodes: { asked: 2, answered: 1 } })
    expect(await run()).toBe(6)
    expect(err).toContain('1 of 2 did not answer')
    expect(asked).toEqual([])
  })
})

describe('the question', () => {
  test('says whom it concerns, and anything but yes drains nothing', async () => {
    const questions: string[] = []
    let answer = false
    confirm = async (question) => {
      questions.push(question)
      return answer
    }
    expect(await run(target, { yes: false })).toBe(0)
    expect(questions).toEqual([`Drain node ${target} (412 connections)? Type "yes": `])
    expect(err).toBe('Nothing was drained.\n')
    expect(asked).toEqual([])
    answer = true
    expect(await run(target, { yes: false })).toBe(0)
    expect(asked).toHaveLength(1)
  })

  test('is not asked in a dry run, which drains nothing', async () => {
    confirm = async () => {
      throw new Error('asked')
    }
    expect(await run(target, { yes: false, dryRun: true })).toBe(0)
    expect(err).toBe(`Would drain node ${target} (412 connections) within 30 s. Nothing was done.\n`)
    confirm = null
    expect(await run(target, { yes: true, dryRun: true, json: true })).toBe(0)
    expect(JSON.parse(out)).toEqual({
      schema: 1,
      event: 'dry-run',
      node: target,
      connections: 412,
      withinMs: 30_000,
    })
    expect(asked).toEqual([])
  })

  test('cannot be asked without a terminal', async () => {
    await expect(run(target, { yes: false })).rejects.toThrow('add --yes')
    expect(asked).toEqual([])
  })

  test('comes with a warning when no other node takes clients', async () => {
    cluster = (ms) => {
      const other = { ...nodeRow(nodeC, 3), state: 'draining' as const }
      return ms < 1000 ? whole(nodeRow(nodeA, 1), other) : whole(other)
    }
    expect(await run()).toBe(0)
    expect(err).toContain('No other node takes clients')
    expect(out).toBe('Drained: 1 client sent away in 1 s.\n')
  })
})

describe('what is shown', () => {
  test('elsewhere than on a terminal: a line when it changed, every two seconds at most', async () => {
    expect(await run()).toBe(0)
    expect(out).toBe('Drained: 412 clients moved in 21 s.\n')
    const lines = err.trimEnd().split('\n')
    expect(lines[0]).toBe('Draining 1a2b3c4d...: 412 of 412 connections left, 30 s to go')
    expect(lines[1]).toBe('Draining 1a2b3c4d...: 371 of 412 connections left, 28 s to go')
    expect(lines).toHaveLength(11)
    expect(lines.at(-1)).toContain(' 0 of 412 ')
  })

  test('nothing while nothing changes', async () => {
    cluster = (ms) => (ms < 20_000 ? whole(nodeRow(nodeA, 7), nodeRow(nodeC, 0)) : whole(nodeRow(nodeC, 0)))
    expect(await run()).toBe(0)
    expect(err.split('\n')).toHaveLength(2)
  })

  test('on a terminal: one line, redrawn in place and cleared at the end', async () => {
    columns = 80
    expect(await run()).toBe(0)
    expect(err).not.toContain('\n')
    const drawn = err.split('\r\u001b[K')
    expect(drawn[1]).toBe('Draining 1a2b3c4d...: 412 of 412 connections left, 30 s to go')
    expect(drawn.length).toBeGreaterThan(40)
    expect(drawn.at(-1)).toBe('')
    columns = 20
    err = ''
    began = null
    expect(await run()).toBe(0)
    for (const line of err.split('\r\u001b[K')) expect(line.length).toBeLessThan(20)
  })

  test('with --json: lines of JSON on stdout alone', async () => {
    columns = 80
    expect(await run(target, { json: true })).toBe(0)
    expect(err).toBe('')
    const events = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events[0]).toEqual({
      schema: 1,
      event: 'progress',
      node: target,
      connections: 412,
      of: 412,
      leftMs: 30_000,
    })
    expect(events.at(-1)).toEqual({ schema: 1, event: 'drained', node: target, clients: 412, ms: 21_000 })
  })
})

describe('the end', () => {
  test('of the node asked through is seen by its refusing connections, and said', async () => {
    answeredBy = nodeA
    const before = cluster
    cluster = (ms) => (ms < 21_000 ? before(ms) : away('ECONNREFUSED'))
    expect(await run()).toBe(0)
    expect(out).toBe(
      'Drained: 412 clients moved in 21 s. It was the node asked through, and it answers no more.\n',
    )
  })

  test('of another node is not believed because the one asked through went', async () => {
    cluster = (ms) =>
      ms < 21_000 && ms > 0 ? away('ECONNREFUSED') : whole(nodeRow(nodeC, 3), nodeRow(nodeA, 0))
    expect(await run()).toBe(6)
    cluster = (ms) => (ms > 0 ? away('ECONNREFUSED') : whole(nodeRow(nodeC, 3), nodeRow(nodeA, 0)))
    began = null
    err = ''
    expect(await run()).toBe(7)
    expect(err).toContain(`Node ${target} was told to drain`)
    expect(out).toBe('')
  })

  test('is not believed for mere silence', async () => {
    answeredBy = nodeA
    cluster = (ms) => (ms > 0 ? away('ETIMEDOUT') : whole(nodeRow(nodeA, 2), nodeRow(nodeC, 3)))
    expect(await run()).toBe(6)
    expect(err).toContain('not certain')
  })

  test('is not believed while other nodes are silent too', async () => {
    cluster = (ms) =>
      ms > 0
        ? { list: [nodeRow(nodeC, 3)], nodes: { asked: 2, answered: 1 } }
        : whole(nodeRow(nodeA, 2), nodeRow(nodeC, 3))
    expect(await run()).toBe(6)
    expect(err).toContain('1 of 2 nodes')
    expect(at - (began ?? 0)).toBe(35_000)
  })

  test('that does not come in time is exit code 6 with what to do', async () => {
    cluster = () => whole(nodeRow(nodeA, 3), nodeRow(nodeC, 3))
    expect(await run(target, { within: '5s' })).toBe(6)
    expect(err).toContain(`Node ${target} is still there after 10 s, with 3 connections`)
    err = ''
    began = null
    expect(await run(target, { within: '5s', json: true })).toBe(6)
    expect(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')).toEqual({
      schema: 1,
      event: 'unfinished',
      node: target,
      connections: 3,
      ms: 10_000,
    })
  })

  test('of a node that did not react is not waited for', async () => {
    answered = 0
    expect(await run()).toBe(6)
    expect(err).toContain('did not react')
    expect(at).toBe(began)
  })

  test('of watching by Ctrl-C is not the end of the drain, and that is said', async () => {
    columns = 80
    const before = cluster
    cluster = (ms) => {
      if (ms >= 3000) controller.abort()
      return before(ms)
    }
    expect(await run()).toBe(130)
    expect(err).toContain(`\r\u001b[KStopped watching. The drain of ${target} goes on`)
    expect(out).toBe('')
  })
})
