// Socket.IO 4, across nodes with its Redis adapter.
import { randomBytes } from 'node:crypto'
import { binary, text } from '../driver/frames.js'
import { here, node } from './node.js'
import { deliveredBytes } from './payload.js'

/** A delivery is a text and a binary frame; the driver counts the binary ones. */
const head = text('451-["m",{"_placeholder":true,"num":0}]')

const dialect = {
  path: (room) => `/socket.io/?EIO=4&transport=websocket&room=${room}`,
  next: (said) => (said.includes('40{') ? 'joined' : said.includes('0{') ? text('40') : null),
  message: () => Buffer.concat([head, binary(randomBytes(deliveredBytes))]),
}

export const socketIo = {
  'Socket.IO': {
    dialect,
    absent: () => null,
    node: ({ port, redisUrl }) =>
      node(here('../peers/socket-io.js'), [String(port), ...(redisUrl === null ? [] : [redisUrl])]),
  },
}
