// The scenarios by their numbers, in the order in which they run.
import { fanout } from './s1-fanout.js'
import { smallRooms } from './s2-small-rooms.js'
import { crossNode } from './s3-cross-node.js'
import { idle } from './s4-idle.js'
import { churn } from './s5-churn.js'
import { death } from './s6-death.js'
import { slowReaders } from './s7-slow-readers.js'
import { latency } from './s8-latency.js'
import { drain } from './s9-drain.js'
import { outage } from './s10-outage.js'

/**
 * Each: { id, title, systems: names, run(names, context) } -> series: [{ name, unit, what, rounds: [{ [system]: figure
 * }], load, refused }], or the same one by one, where what is measured is worth keeping if the rest fails
 */
export const scenarios = [
  fanout,
  smallRooms,
  crossNode,
  idle,
  churn,
  death,
  slowReaders,
  latency,
  drain,
  outage,
]
