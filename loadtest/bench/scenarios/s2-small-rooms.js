// S2: thousands of rooms of four on one node, all of them alive. What does a delivered frame cost when hardly two in a
// row go to the same sockets?
import { measureOneNode, oneNodeSystems } from './one-node.js'

/** Burst first: it gives the compilers most to go by. */
const regimes = {
  burst: { perTick: 16, everyMs: 8 },
  sparse: { perTick: 1, everyMs: 2 },
}

export const smallRooms = {
  id: 'S2',
  title: 'Thousands of rooms of four on one node',
  systems: oneNodeSystems,
  run(names, context) {
    const rooms = context.connections / 4
    const describe = (_regime, { perTick, everyMs }) =>
      `${rooms} rooms of 4, ${(perTick * 1000) / everyMs} messages/s`
    return measureOneNode('S2', names, { rooms, members: 4 }, regimes, describe, context)
  },
}
