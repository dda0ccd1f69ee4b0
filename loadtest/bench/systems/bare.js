// The limits: an engine with nothing around it but rooms, uWebSockets.js and ws; with Redis, the shortest way there is.
import { randomBytes } from 'node:crypto'
import { binary } from '../driver/frames.js'
import { here, node } from './node.js'
import { deliveredBytes } from './payload.js'

const dialect = {
  path: (room) => `/?room=${room}`,
  next: (said) => (said.includes('joined') ? 'joined' : null),
  message: () => binary(randomBytes(deliveredBytes)),
}

const system = (script) => ({
  dialect,
  absent: () => null,
  node: ({ port, redisUrl }) => node(here(script), [String(port), ...(redisUrl === null ? [] : [redisUrl])]),
})

export const bare = {
  'bare uWS': system('../peers/bare-uws.js'),
  'bare ws': system('../peers/bare-ws.js'),
}
