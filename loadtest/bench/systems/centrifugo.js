// Centrifugo 6, protobuf over WebSocket, everybody allowed in; across nodes by its Redis engine.
// The bench ships no Centrifugo: PEER_CENTRIFUGO is the path of a program of that name.
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binary } from '../driver/frames.js'
import { deliveredBytes } from './payload.js'

const program = process.env['PEER_CENTRIFUGO'] ?? ''

/** Protocol Buffers, the little that is needed: varints and fields that hold bytes. */
function varint(value) {
  const bytes = []
  let left = value
  for (; left > 127; left >>>= 7) bytes.push((left & 127) | 128)
  bytes.push(left)
  return Buffer.from(bytes)
}
const field = (number, bytes) => Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes])
const id = (number) => Buffer.concat([Buffer.from([8]), varint(number)])
/** Several commands may share one message, each behind its length. */
const delimited = (command) => Buffer.concat([varint(command.length), command])

const nothing = Buffer.alloc(0)
const channel = (room) => field(1, Buffer.from(`room${room}`))
const commands = { connect: 4, subscribe: 5, publish: 7 }
/** Field 4 of a reply, a push, comes first: pushes have no id. */
const pushTag = (4 << 3) | 2

/** @returns how many publications a message of the server brings */
function deliveriesIn(payload) {
  let pushes = 0
  for (let at = 0; at < payload.length; ) {
    let length = 0
    let shift = 0
    for (let more = true; more; at += 1, shift += 7) {
      length |= (payload[at] & 127) << shift
      more = payload[at] > 127
    }
    if (payload[at] === pushTag && length > deliveredBytes) pushes += 1
    at += length
  }
  return pushes
}

const dialect = {
  path: () => '/connection/websocket?cf_protocol=protobuf',
  first: (room) =>
    binary(
      Buffer.concat([
        delimited(Buffer.concat([id(1), field(commands.connect, nothing)])),
        delimited(Buffer.concat([id(2), field(commands.subscribe, channel(room))])),
      ]),
    ),
  next(said) {
    if (/\x08[\x01\x02]\x12/.test(said))
      throw new Error('Centrifugo refused to let a connection into its room')
    return said.includes('\x08\x022') ? 'joined' : null
  },
  message: (identity, room) =>
    binary(
      delimited(
        Buffer.concat([
          id(identity.counter + 2),
          field(commands.publish, Buffer.concat([channel(room), field(2, randomBytes(deliveredBytes))])),
        ]),
      ),
    ),
  deliveriesIn,
}

function system(channelOptions) {
  return {
    dialect,
    absent() {
      if (program === '') return 'PEER_CENTRIFUGO is not set to the path of a Centrifugo 6'
      return existsSync(program) ? null : 'there is no program where PEER_CENTRIFUGO points'
    },
    node({ port, folder, redisUrl }) {
      const file = join(folder, 'config.json')
      const config = {
        http_server: { address: '127.0.0.1', port: String(port) },
        // Peers with heartbeats of their own have none here: the bench answers only WebSocket's.
        client: { insecure: true, allowed_origins: ['*'], ping_interval: '7200s', pong_timeout: '10s' },
        channel: { without_namespace: channelOptions },
        engine: redisUrl === null ? { type: 'memory' } : { type: 'redis', redis: { address: [redisUrl] } },
        usage_stats: { disabled: true },
        log: { level: 'error' },
      }
      writeFileSync(file, JSON.stringify(config))
      return { command: program, args: ['-c', file] }
    },
  }
}

export const centrifugo = {
  Centrifugo: system({}),
  'Centrifugo with history': system({
    history_size: 1000,
    history_ttl: '600s',
    force_recovery: true,
  }),
}
