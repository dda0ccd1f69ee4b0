// top: rates out of two looks, one look for scripts, and the live table in a real terminal, which is given back.
import { type IPty, spawn } from '@lydell/node-pty'
import type { NodeId, NodeLoad, RoomId } from '@pychat/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type RelayChild, startRelay } from '../../relay/test/child.ts'
import { connect, frame, joinMessage, type WireClient } from '../../relay/test/wire-client.ts'
import { fit, frameOf } from '../src/top/frame.ts'
import { type Look, type Sample, sampleOf } from '../src/top/sample.ts'
import { admin, adminBin } from './admin-process.ts'

// Each starts whole programs, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

describe('a sample', () => {
  const load = (node: string, upMs: number, work: number): NodeLoad => ({
    ...{ node: node.repeat(16) as NodeId, state: 'ready', upMs, connections: 3, rooms: 1, members: 3 },
    ...{ messagesIn: work, messagesOut: work * 3, bytesIn: work * 1024, bytesOut: work * 3072 },
    ...{ cpuMs: work * 5, memoryBytes: 80 * 1024 * 1024, loopLagMs: 4 },
  })
  const look = (at: number, loads: NodeLoad[], messages: number[]): Look => ({
    at,
    load: { schema: 1, list: loads, nodes: { asked: 2, answered: loads.length } },
    servers: {
      schema: 1,
      servers: messages.map((count, i) => ({
        ...{
          room: String(i).repeat(32) as RoomId,
          short: `aaaa-aaa${i}`,
          users: 2,
          nodes: 1,
          messages: count,
        },
        ...{ bytes: 0, createdAt: '2026-01-01T00:00:00.000Z', lastActiveAt: '2026-01-01T00:00:00.000Z' },
      })),
      nodes: { asked: 2, answered: 2 },
    },
  })

  test("has rates by each node's own clock, and none for what has just come", () => {
    const sample = sampleOf(
      look(0, [load('a', 1000, 0)], [10, 10]),
      look(2500, [load('a', 3000, 40), load('b', 50, 7)], [15, 60, 9]),
    )
    expect(sample.list[0]).toMatchObject({
      ...{ messagesInPerSecond: 20, messagesOutPerSecond: 60, bytesInPerSecond: 20_480, cpuPercent: 10 },
    })
    expect(sample.list[1]).toMatchObject({ messagesInPerSecond: null, cpuPercent: null, connections: 3 })
    expect(sample.busiest.map((room) => [room.short, room.messagesPerSecond])).toEqual([
      ['aaaa-aaa1', 20],
      ['aaaa-aaa0', 2],
      ['aaaa-aaa2', null],
    ])
    const lines = frameOf(sample, 2)
    expect(lines[0]).toBe('2 of 2 nodes; 6 connections, 3 rooms, 60 messages/s delivered')
    expect(lines.join('\n')).toMatch(
      /a{16} +ready +3 +1 +20 +60 +20\.0 KiB\/s +60\.0 KiB\/s +10% +80\.0 MiB +4 ms/,
    )
    expect(lines.join('\n')).not.toContain('aaaa-aaa2')
    for (const line of fit(lines, 20, 4)) expect(line.length).toBeLessThanOrEqual(20)
    expect(fit(lines, 20, 4)).toHaveLength(4)
  })

  test('has none after a restart under the same id, and says who is missing', () => {
    const sample = sampleOf(look(0, [load('a', 9000, 50)], [50]), look(2000, [load('a', 100, 1)], [2]))
    expect(sample.list[0]?.messagesInPerSecond).toBeNull()
    expect(sample.busiest[0]?.messagesPerSecond).toBeNull()
    expect(frameOf(sample, 9)[0]).toContain('1 of 2 nodes, 1 did not answer')
  })
})

describe('against a relay', () => {
  let relay: RelayChild
  let client: WireClient
  let talking: NodeJS.Timeout
  let env: Record<string, string>
  const terminals: IPty[] = []

  beforeAll(async () => {
    relay = await startRelay()
    env = { PYCHAT_ADMIN_URL: relay.opsUrl, PYCHAT_STATE_DIR: relay.stateDir }
    client = await connect(relay.url)
    const join = joinMessage(1)
    client.send(join)
    await client.control('joined')
    let counter = 0
    talking = setInterval(() => {
      counter += 1
      client.socket.send(frame(join.session, counter))
    }, 100)
  })
  afterAll(async () => {
    clearInterval(talking)
    for (const terminal of terminals) terminal.kill('SIGKILL')
    client.socket.terminate()
    await relay.dispose()
  })

  function start(more: Record<string, string> = {}) {
    const terminal = spawn(process.execPath, [adminBin, 'top'], {
      ...{ cols: 120, rows: 24, name: 'xterm' },
      env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', ...env, ...more },
    })
    terminals.push(terminal)
    let text = ''
    terminal.onData((data) => {
      text += data
    })
    const exited = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)))
    return { terminal, exited, text: () => text }
  }

  test('--once prints one look: a table, or JSON with rates', async () => {
    const [table, json] = await Promise.all([
      admin(['top', '--once'], env),
      admin(['top', '--once', '--json'], env),
    ])
    expect(table.code).toBe(0)
    expect(table.stdout).toContain('1 of 1 nodes; 1 connections, 1 rooms')
    expect(table.stdout).toMatch(/^NODE +STATE +CONNECTIONS +ROOMS +IN\/S/m)
    const sample = JSON.parse(json.stdout) as Sample
    expect(sample.list[0]?.messagesInPerSecond).toBeGreaterThan(2)
    expect(sample.busiest[0]?.messagesPerSecond).toBeGreaterThan(2)
    expect(sample.list[0]?.memoryBytes).toBeGreaterThan(10_000_000)
    expect((await admin(['top'], env)).stderr).toContain('add --once')
  })

  test.each([['q'], ['\u0003']])('is live in a terminal until %j, and gives the screen back', async (key) => {
    const { terminal, exited, text } = start()
    await expect.poll(text, { timeout: 30_000 }).toContain('messages/s delivered')
    terminal.write(key)
    expect(await exited).toBe(0)
    expect(text().startsWith('\u001b[?1049h\u001b[?25l')).toBe(true)
    expect(text().endsWith('\u001b[?25h\u001b[?1049l')).toBe(true)
  })

  test('gives the screen back at a signal, and takes none that it may not fill', async () => {
    const { terminal, exited, text } = start()
    await expect.poll(text, { timeout: 30_000 }).toContain('Looking...')
    terminal.kill('SIGTERM')
    expect(await exited).toBe(0)
    expect(text().endsWith('\u001b[?25h\u001b[?1049l')).toBe(true)
    const stranger = start({ PYCHAT_ADMIN_TOKEN: 'x'.repeat(20) })
    expect(await stranger.exited).toBe(4)
    expect(stranger.text()).not.toContain('\u001b[?1049h')
  })
})
