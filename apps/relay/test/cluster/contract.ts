// What every implementation of the cluster port must do.
import type { AdminNode, NodeId } from '@pychat/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster, ClusterHandlers } from '../../src/cluster/cluster.ts'
import { newRoom } from '../rooms/contract.ts'

export type ClusterMember = { node: NodeId; cluster: Cluster; stop(): Promise<void> }

export const room = newRoom()

export function handlersOf(node: NodeId, asked: string[] = []): ClusterHandlers {
  const answer: AdminNode = {
    node,
    state: 'ready',
    version: '0',
    transport: 'ws',
    listen: '0.0.0.0:8765',
    startedAt: '2026-01-01T00:00:00.000Z',
    connections: 0,
    rooms: 0,
    members: 0,
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
  }
  return {
    node: () => answer,
    rooms: () => [{ room, users: 2 }],
    load: () => ({
      node,
      state: 'ready',
      upMs: 1,
      connections: 0,
      rooms: 0,
      members: 0,
      messagesIn: 0,
      messagesOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      cpuMs: 0,
      memoryBytes: 0,
      loopLagMs: 0,
    }),
    diagnosis: async () => ({
      node,
      version: '0',
      state: 'ready',
      listen: '0.0.0.0:8765',
      reach: 'private',
      tls: false,
      trustedProxies: false,
      connections: 0,
      connectionsMax: 1,
      openFiles: null,
      openFilesMax: null,
      graceMs: 0,
      loopLagMs: 0,
      redis: null,
      probe: { failed: null, ownMs: 1, heard: [node] },
    }),
    shutdown: () => {
      asked.push(node)
      return 'stopping'
    },
    drain: ({ withinMs }) => {
      asked.push(`${node} within ${withinMs}`)
      return 'draining'
    },
    bans: () => 3,
    met: () => 1,
    kick: () => 1,
    announce: () => 1,
  }
}

export function clusterContract(name: string, open: () => Promise<ClusterMember>): void {
  describe(`cluster: ${name}`, () => {
    let member: ClusterMember
    const asked: string[] = []

    beforeEach(async () => {
      asked.length = 0
      member = await open()
      await member.cluster.start(handlersOf(member.node, asked))
    })

    afterEach(async () => {
      await member.cluster.stop()
      await member.stop()
    })

    it('asks itself as it asks others', async () => {
      const { node, cluster } = member
      expect(await cluster.ask('rooms', null)).toEqual({
        asked: 1,
        answers: [{ node, answer: [{ room, users: 2 }] }],
      })
      expect(await cluster.ask('node', null)).toMatchObject({
        asked: 1,
        answers: [{ node, answer: { node, state: 'ready' } }],
      })
      expect(asked).toEqual([])
      expect(await cluster.ask('shutdown', null, node)).toEqual({
        asked: 1,
        answers: [{ node, answer: 'stopping' }],
      })
      expect(asked).toEqual([node])
    })

    it('carries what is asked with a question', async () => {
      const { node, cluster } = member
      expect(await cluster.ask('drain', { withinMs: 30_000 }, node)).toEqual({
        asked: 1,
        answers: [{ node, answer: 'draining' }],
      })
      expect(asked).toEqual([`${node} within 30000`])
    })

    it('waits for an answer that takes its time', async () => {
      const { node, cluster } = member
      const { asked: count, answers } = await cluster.ask('diagnosis', { room, nodes: 1 })
      expect([count, answers.map((each) => each.answer.node)]).toEqual([1, [node]])
      expect(await cluster.census()).toMatchObject({ living: [node], lapsed: [] })
    })

    it('asks nobody when the one asked for does not live', async () => {
      expect(await member.cluster.ask('shutdown', null, 'ffffffffffffffff' as NodeId)).toEqual({
        asked: 0,
        answers: [],
      })
    })
  })
}
