import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { createMemoryRooms } from '../../src/rooms/rooms.memory.ts'
import { chartersContract } from './charter.contract.ts'
import {
  joined,
  Node,
  type NodeOptions,
  newRoom,
  nodeOptionsDefault,
  publish,
  request,
  roomsContract,
} from './contract.ts'

function openMemory() {
  let time = 1_700_000_000_000
  return {
    node: async (options: Partial<NodeOptions> = {}) => {
      const node = new Node((events) =>
        createMemoryRooms(
          { ...nodeOptionsDefault, ...options, now: () => time, random: randomBytes },
          events,
        ),
      )
      await node.rooms.start()
      return node
    },
    advance(ms: number) {
      time += ms
    },
    close: async () => {},
  }
}

roomsContract('memory', async () => openMemory())
chartersContract('memory', async () => openMemory())

it('forgets an empty room after ten minutes', async () => {
  const factory = openMemory()
  const node = await factory.node()
  const room = newRoom()
  const alice = await joined(node, request(room))
  await node.rooms.leave(alice.membership, 'left')
  expect(await node.rooms.stats([room])).toHaveLength(1)
  factory.advance(600_001)
  expect(await node.rooms.stats([room])).toEqual([])
  const again = await joined(node, request(room))
  expect(again.epoch).not.toBe(alice.epoch)
})

it('tells rooms that fall silent together by and by', async () => {
  const factory = openMemory()
  const node = await factory.node({ beaconMs: 1000 })
  const rooms = Array.from({ length: 600 }, newRoom)
  for (const room of rooms) await publish(node, await joined(node, request(room)), 1)
  factory.advance(1000)
  const told = () => rooms.filter((room) => node.controls(room).some((each) => each.t === 'position')).length
  const after = [1, 2, 3, 4].map(() => {
    node.rooms.tick()
    return told()
  })
  expect(after).toEqual([256, 512, 600, 600])
})
