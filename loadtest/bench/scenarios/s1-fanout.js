// S1: one room of 100 members, one of them speaks. What does a delivered frame cost the server?
import { measureOneNode, oneNodeSystems } from './one-node.js'

/** Burst first: it gives the compilers most to go by. */
const regimes = {
  burst: { perTick: 8, everyMs: 20 },
  sparse: { perTick: 1, everyMs: 5 },
}

export const fanout = {
  id: 'S1',
  title: 'One room of 100, one member speaks',
  systems: oneNodeSystems,
  run(names, context) {
    const describe = (regime) => `${regime === 'sparse' ? 'one message' : 'eight messages'} per turn`
    return measureOneNode('S1', names, { rooms: 1, members: 100 }, regimes, describe, context)
  },
}
