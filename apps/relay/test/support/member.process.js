// A node with one member, in a process of its own that a test may kill. Takes its orders as JSON in argv.
import { randomBytes } from 'node:crypto'
import { openRedisStore } from '../../dist/redis/store.js'

const { request, ...options } = JSON.parse(process.argv[2])
const { rooms } = openRedisStore(
  { ...options, now: Date.now, random: randomBytes },
  { deliver() {}, replaced() {}, availability() {}, leaseLost() {} },
)
await rooms.start()
const result = await rooms.join(request)
process.send({ session: request.session, node: rooms.node, ok: result.ok })
