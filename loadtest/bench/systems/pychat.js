// PyChat's own relay as a child process, on either transport, with and without its log.
import { randomBytes } from 'node:crypto'
import { binary, text } from '../driver/frames.js'
import { here, node } from './node.js'
import { deliveredBytes, sealedBytes } from './payload.js'

const relay = here('../../../apps/relay/bin/pychat-relay.js')

/** The bench is one client that speaks for everybody: what bounds one person is out of its way. */
const unbounded = {
  PYCHAT_FRAMES_PER_SECOND: '100000',
  PYCHAT_ROOM_FRAMES_PER_SECOND: '1000000',
  PYCHAT_ROOM_BYTES_PER_SECOND: '10737418240',
  PYCHAT_BYTES_PER_SECOND: '1000000000',
  PYCHAT_CONNECTIONS_MAX: '100000',
  PYCHAT_JOINS_PER_SECOND: '100000',
  PYCHAT_LOG_LEVEL: 'error',
}

export const roomId = (room) => Buffer.from(String(room).padStart(16, '0')).toString('hex')

/** @param identity { session: 16 bytes, secret: hex, tag: hex, profile: base64url }, the last three made when missing */
export function joinText(room, identity, after = undefined) {
  identity.secret ??= randomBytes(16).toString('hex')
  identity.tag ??= randomBytes(16).toString('hex')
  identity.profile ??= randomBytes(292).toString('base64url')
  return JSON.stringify({
    t: 'join',
    id: 1,
    room: roomId(room),
    session: identity.session.toString('hex'),
    secret: identity.secret,
    tag: identity.tag,
    profile: identity.profile,
    ...(after === undefined ? {} : { after }),
  })
}

export const helloText = '{"t":"hello","version":1,"software":"bench/1"}'

/** @param identity its `session` and `counter` name the frame  @param bytes 58 more than a length of section 5.1 */
export function sealedFrame(identity, bytes = sealedBytes) {
  const frame = randomBytes(bytes)
  frame[0] = 1
  frame[1] = 1
  identity.session.copy(frame, 2)
  frame.writeBigUInt64BE(BigInt(identity.counter), 18)
  return binary(frame)
}

const dialect = {
  path: () => '/',
  first: (room, identity) => Buffer.concat([text(helloText), text(joinText(room, identity))]),
  next(said) {
    if (said.includes('"refused"')) throw new Error(`the relay refused: ${said.slice(0, 300)}`)
    return said.includes('"t":"joined"') ? 'joined' : null
  },
  message: (identity) => sealedFrame(identity),
}

function system(transport, log) {
  return {
    ours: true,
    dialect,
    deliveredBytes,
    absent: () => null,
    node: ({ port, otherPort, folder, redisUrl }) => ({
      ...node(relay, []),
      env: {
        ...unbounded,
        PYCHAT_TRANSPORT: transport,
        PYCHAT_LISTEN: `127.0.0.1:${port}`,
        PYCHAT_OPS_LISTEN: `127.0.0.1:${otherPort}`,
        PYCHAT_STATE_DIR: folder,
        PYCHAT_LOG_MESSAGES_MAX: log ? '1000' : '0',
        ...(redisUrl === null ? {} : { PYCHAT_REDIS_URL: redisUrl }),
      },
    }),
  }
}

export const pychat = {
  'PyChat (uws)': system('uws', true),
  'PyChat (ws)': system('ws', true),
  'PyChat without log': system('uws', false),
}
