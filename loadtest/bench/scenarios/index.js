// The scenarios by their numbers, in the order in which they run.
import { fanout } from './s1-fanout.js'
import { smallRooms } from './s2-small-rooms.js'
import { crossNode } from './s3-cross-node.js'
import { idle } from './s4-idle.js'

/**
 * Each: { id, title, systems: names, run(names, context) } -> series: [{ name, unit, what, rounds: [{ [system]: figure
 * }], load, refused }]
 */
export const scenarios = [fanout, smallRooms, crossNode, idle]
